void run(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  [buffer commit];
  id<MTLBlitCommandEncoder> blit = [buffer blitCommandEncoder];  // bad
  [blit endEncoding];
}
