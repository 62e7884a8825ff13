int run(id<MTLCommandQueue> queue, bool debug) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  if (debug) {
    buffer.label = @"debug";
    [buffer waitUntilCompleted];  // bad
    return 1;
  }
  [buffer commit];
  [buffer waitUntilCompleted];
  return 0;
}
