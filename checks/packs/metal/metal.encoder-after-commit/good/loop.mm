void run(id<MTLCommandQueue> queue, int n) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  for (int i = 0; i < n; ++i) {
    id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
    [encoder endEncoding];
    if (i % 10 == 9) {
      [buffer commit];
      buffer = [queue commandBuffer];
    }
  }
}
