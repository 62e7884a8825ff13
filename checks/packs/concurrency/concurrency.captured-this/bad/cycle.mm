@implementation Loader
- (void)start {
  self.done = ^{  // bad
    [self close];
  };
}
@end
