// Blocks on a queue have a pool of their own.
void run(id<MTLCommandQueue> queue, int n) {
  for (int i = 0; i < n; ++i) {
    dispatch_async(background, ^{
      [[queue commandBuffer] commit];
    });
    id<MTLCommandBuffer> current = stream->commandBuffer();
    encode(current);
  }
}
