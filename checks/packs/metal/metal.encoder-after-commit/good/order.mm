void run(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  id<MTLBlitCommandEncoder> blit = [buffer blitCommandEncoder];
  [blit endEncoding];
  [buffer commit];
  buffer = [queue commandBuffer];
  blit = [buffer blitCommandEncoder];
}
