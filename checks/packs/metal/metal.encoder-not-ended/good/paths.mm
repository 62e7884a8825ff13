void run(id<MTLCommandBuffer> buffer, bool heavy) {
  id<MTLComputeCommandEncoder> encoder = nil;
  if (heavy) {
    encoder = [buffer computeCommandEncoder];
    if (!prepare()) {
      [encoder endEncoding];
      [buffer commit];
      return;
    }
  }
  if (heavy) [encoder endEncoding];
  [buffer commit];
}
