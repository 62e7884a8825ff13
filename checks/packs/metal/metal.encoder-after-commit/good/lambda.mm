void run(id<MTLCommandBuffer> buffer) {
  auto finish = [&] { [buffer commit]; };
  id<MTLComputeCommandEncoder> encoder = [buffer computeCommandEncoder];
  [encoder endEncoding];
  finish();
}
