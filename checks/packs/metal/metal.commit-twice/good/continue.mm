void run(id<MTLCommandQueue> queue, bool more) {
  id<MTLCommandBuffer> buffer = nil;
  do {
    buffer = [queue commandBuffer];
    if (!prepare(buffer)) continue;
    [buffer commit];
  } while (more);
  MPSCommandBuffer* mps = [MPSCommandBuffer commandBufferFromCommandQueue:queue];
  [mps commitAndContinue];
  [mps commitAndContinue];
  [mps commit];
}
