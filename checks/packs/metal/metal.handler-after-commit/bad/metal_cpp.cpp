void submit(MTL::CommandQueue* queue) {
  MTL::CommandBuffer* buffer = queue->commandBuffer();
  buffer->commit();
  buffer->addCompletedHandler([](MTL::CommandBuffer*) {});  // bad
}
