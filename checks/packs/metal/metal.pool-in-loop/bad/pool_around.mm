void run(id<MTLDevice> device, std::atomic<bool>& running) {
  @autoreleasepool {
    id<MTLCommandQueue> work = [device newCommandQueue];
    while (running) {
      if (idle()) continue;
      // @autoreleasepool {
      [[work commandBuffer] commit];  // bad
    }
  }
}
