void run(id<MTLCommandBuffer> one, id<MTLCommandBuffer> two) {
  id<MTLComputeCommandEncoder> a = [one computeCommandEncoder];
  id<MTLComputeCommandEncoder> b = [two computeCommandEncoder];
  [a endEncoding];
  [b endEncoding];
  for (id<MTLCommandBuffer> each in buffers) {
    id<MTLComputeCommandEncoder> e = [each computeCommandEncoder];
    [e endEncoding];
  }
}
