// Encoders that somebody else made, ended or renewed are not judged.
void run(Kernel* kernel, id<MTLComputeCommandEncoder> encoder) {
  [encoder endEncoding];
  encoder = kernel->next();
  [encoder setBuffer:data offset:0 atIndex:0];
  [kernel->encoder endEncoding];
  kernel->restart();
  [kernel->encoder setBuffer:data offset:0 atIndex:0];
}
