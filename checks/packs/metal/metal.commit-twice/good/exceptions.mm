void test(id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  [buffer commit];
  XCTAssertThrows([buffer commit]);
  id<MTLCommandBuffer> other = [queue commandBuffer];
  @try {
    [other commit];
    [other commit];
  } @catch (NSException* e) {
  }
}
#if ONE
void one(id<MTLCommandBuffer> b) { [b commit]; }
#else
void one(id<MTLCommandBuffer> b) { [b commit]; }
#endif
void either(id<MTLCommandBuffer> b) {
#ifdef ONE
  [b commit];
#else
  [b commit];
#endif
#ifndef ONE
  [b commit];
#endif
}
