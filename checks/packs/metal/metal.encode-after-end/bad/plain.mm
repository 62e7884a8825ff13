void run(id<MTLCommandBuffer> buffer) {
  id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
  [encoder endEncoding];
  [encoder dispatchThreads:grid threadsPerThreadgroup:group];  // bad
}
