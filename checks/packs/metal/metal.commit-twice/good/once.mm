void run(id<MTLCommandQueue> queue, bool now) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  if (now) {
    [buffer commit];
  } else {
    later(^{ [buffer commit]; });
  }
  // [buffer commit];
  NSString* s = @"[buffer commit]";
}
