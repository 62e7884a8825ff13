// Twenty lines below a live lock.
@implementation Runner
- (void)run:(id<MTLCommandBuffer>)buffer quick:(BOOL)quick {
  [_lock lock];
  for (int i = 0; i < 8; ++i) {
    step(i);
  }
  if (quick) {
    [_lock unlock];
    return;
  }


  /* [_lock unlock]; */
  NSLog(@"[_lock unlock]");




  [buffer waitUntilScheduled];  // bad
  [_lock unlock];
}
- (void)sync:(id<MTLCommandBuffer>)buffer {
  @synchronized (self) {
    [buffer waitUntilCompleted];  // bad
  }
}
@end
