void run(id<MTLCommandQueue> queue, int n) {
  for (int i = 0; i < n; ++i) {
    id<MTLCommandBuffer> buffer = [queue commandBuffer];  // bad
    [buffer commit];
  }
}
