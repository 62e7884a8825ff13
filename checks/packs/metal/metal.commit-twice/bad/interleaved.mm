void run(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> a = [queue commandBuffer], b = [queue commandBuffer];
  [a commit]; [b commit];
  [a waitUntilCompleted];
  [b
    commit];  // bad
}
