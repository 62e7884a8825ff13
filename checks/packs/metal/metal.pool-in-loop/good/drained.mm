void run(id<MTLCommandQueue> queue, int n) {
  for (int i = 0; i < n; ++i) {
    @autoreleasepool {
      id<MTLCommandBuffer> buffer = [queue commandBuffer];
      [buffer commit];
    }
  }
  while (n--) {
    NSAutoreleasePool* pool = [[NSAutoreleasePool alloc] init];
    [[queue commandBuffer] commit];
    [pool drain];
  }
}
void cpp(MTL::CommandQueue* queue, int n) {
  for (int i = 0; i < n; ++i) {
    auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
    queue->commandBuffer()->commit();
  }
}
