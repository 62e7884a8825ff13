void run(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
  [encoder endEncoding];
  [buffer waitUntilCompleted];  // bad
  [buffer commit];
}
