void run(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
  [encoder setBuffer:data offset:0 atIndex:0];
  [encoder dispatchThreads:grid threadsPerThreadgroup:group];
  // [encoder endEncoding];
  [buffer commit];  // bad
}
