void run(id<MTLCommandQueue> queue, int mode) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  switch (mode) {
    case 0:
      [buffer commit];
      break;
    default:
      [buffer enqueue];
      [buffer commit];
  }
  [buffer waitUntilCompleted];
  id<MTLCommandBuffer> again = [queue commandBuffer];
  if (mode) { [again commit]; }
  if (mode) { [again waitUntilCompleted]; }
}
