void run(id<MTLCommandBuffer> buffer) {
  id<MTLComputeCommandEncoder> a = [buffer computeCommandEncoder];
  encodeAndEnd(a);
  id<MTLComputeCommandEncoder> b = [buffer computeCommandEncoder];
  ScopedEncoder guard(b);
  id<MTLComputeCommandEncoder> c = [buffer computeCommandEncoder];
  dispatch_sync(queue, ^{ [c endEncoding]; });
  [buffer commit];
}
