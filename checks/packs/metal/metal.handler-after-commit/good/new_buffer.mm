void twice(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  [buffer commit];
  buffer = [queue commandBuffer];
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {}];
  [buffer commit];
  for (int i = 0; i < 3; ++i) {
    id<MTLCommandBuffer> buffer = [queue commandBuffer];
    [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {}];
    [buffer commit];
  }
}
