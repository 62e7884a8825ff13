void submit(id<MTLCommandBuffer> buffer, bool quick) {
  if (quick) {
    [buffer commit];
    return;
  }
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {}];
  [buffer commit];
}
