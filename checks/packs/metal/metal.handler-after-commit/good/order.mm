void submit(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  // [buffer commit]; was here once
  NSLog(@"[buffer commit] comes later");
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) { [b commit]; }];
  [buffer commit];
}
