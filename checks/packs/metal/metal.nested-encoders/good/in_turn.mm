void run(id<MTLCommandBuffer> buffer) {
  id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
  [encoder endEncoding];
  id<MTLBlitCommandEncoder> blit = [buffer blitCommandEncoder];
  [blit endEncoding];
  encoder = [buffer computeCommandEncoder];
  [encoder endEncoding];
}
