void run(MTL::CommandBuffer* buffer) {
  auto* blit = buffer->blitCommandEncoder();
  blit->endEncoding();
  blit->copyFromBuffer(a, 0, b, 0, 16);  // bad
}
