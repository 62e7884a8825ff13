void run(id<MTLCommandBuffer> one, id<MTLCommandBuffer> two) {
  id<MTLComputeCommandEncoder> encoder = [one computeCommandEncoder];
  [two commit];
  [encoder endEncoding];
  [one commit];
}
