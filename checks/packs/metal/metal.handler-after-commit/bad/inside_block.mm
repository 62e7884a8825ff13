void later(dispatch_queue_t q, id<MTLCommandQueue> queue) {
  dispatch_async(q, ^{
    @autoreleasepool {
      id<MTLCommandBuffer> buffer = [queue commandBuffer];
      [buffer commit];
      [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {}];  // bad
    }
  });
}
