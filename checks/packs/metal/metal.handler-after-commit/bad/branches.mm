// Both branches commit: the handler is late on every path.
@implementation Renderer
- (void)finish:(id<MTLCommandBuffer>)buffer now:(BOOL)now {
  if (now) {
    [buffer commit];
    [buffer waitUntilCompleted];
  } else {
    [buffer commit];
  }
  NSLog(@"committed %@", buffer);
  [buffer
      addScheduledHandler:^(id<MTLCommandBuffer> b) {}];  // bad
}
@end
