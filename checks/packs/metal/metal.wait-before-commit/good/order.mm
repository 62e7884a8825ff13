void run(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  [buffer commit];
  [buffer waitUntilCompleted];
}
