void run(MTL::CommandQueue* queue, bool copy) {
  auto* buffer = queue->commandBuffer();
  auto* encoder = buffer->computeCommandEncoder();
  if (copy) {
    auto* blit = buffer->blitCommandEncoder();  // bad
    blit->endEncoding();
  }
  encoder->endEncoding();
}
