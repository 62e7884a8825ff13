void run(id<MTLCommandBuffer> buffer) {
  id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
  [encoder dispatchThreads:a threadsPerThreadgroup:b];
  encoder = [buffer computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];  // bad
  [encoder endEncoding];
}
