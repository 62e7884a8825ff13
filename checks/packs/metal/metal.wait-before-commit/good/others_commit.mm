void run(id<MTLCommandQueue> queue, Stream* stream) {
  id<MTLCommandBuffer> a = [queue commandBuffer];
  encodeAndCommit(a);
  [a waitUntilCompleted];
  id<MTLCommandBuffer> b = [queue commandBuffer];
  [graph encodeToCommandBuffer:b feeds:feeds];
  [b waitUntilCompleted];
  id<MTLCommandBuffer> c = [queue commandBuffer];
  void (^finish)(void) = ^{ [c commit]; };
  finish();
  [c waitUntilCompleted];
  id<MTLCommandBuffer> d = [queue commandBuffer];
  id<MTLCommandBuffer> e = d;
  [e commit];
  [d waitUntilCompleted];
}
