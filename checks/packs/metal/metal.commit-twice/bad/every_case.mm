void run(MTL::CommandQueue* queue, int mode) {
  MTL::CommandBuffer* buffer = queue->commandBuffer();
  switch (mode) {
    case 0: buffer->commit(); break;
    case 1: prepare(); buffer->commit(); break;
    default: buffer->commit();
  }
  try {
    log();
  } catch (...) {
    return;
  }
  buffer->commit();  // bad
}
