void run(id<MTLCommandBuffer> buffer, bool quick) {
  id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
  if (quick) {
    [encoder endEncoding];
    goto done;
  }
  [encoder setBuffer:data offset:0 atIndex:0];
  [encoder endEncoding];
done:
  [buffer commit];
}
