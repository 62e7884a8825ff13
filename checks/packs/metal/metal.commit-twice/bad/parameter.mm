static void finish(id<MTLCommandBuffer> buffer, bool wait) {
  [buffer commit];
  if (wait) {
    [buffer waitUntilCompleted];
    [buffer commit];  // bad
    return;
  }
}
