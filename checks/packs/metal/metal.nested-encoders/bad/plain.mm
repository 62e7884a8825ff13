void run(id<MTLCommandBuffer> buffer) {
  id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
  id<MTLBlitCommandEncoder> blit = [buffer blitCommandEncoder];  // bad
  [blit endEncoding];
  [encoder endEncoding];
}
