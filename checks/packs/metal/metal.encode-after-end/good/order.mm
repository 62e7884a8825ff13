void run(id<MTLCommandBuffer> buffer) {
  id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
  [encoder dispatchThreads:grid threadsPerThreadgroup:group];
  [encoder endEncoding];
  encoder = [buffer computeCommandEncoder];
  [encoder dispatchThreads:grid threadsPerThreadgroup:group];
  [encoder endEncoding];
}
