void run(id<MTLCommandQueue> queue) {
  for (int i = 0; i < 3; ++i) {
    [[queue commandBuffer] commit];
  }
  do {
    [[queue commandBuffer] commit];
  } while (0);
  for (;;) {
    [[queue commandBuffer] commit];
    break;
  }
}
