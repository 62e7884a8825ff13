void submit(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  [buffer commit];
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) { done(b); }];  // bad
}
