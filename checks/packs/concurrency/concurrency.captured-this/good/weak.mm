void Stream::submit(id<MTLCommandBuffer> buffer) {
  std::weak_ptr<Stream> weak = shared_from_this();
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {
    if (auto stream = weak.lock()) stream->finished(b);
  }];
}
void Stream::later() {
  dispatch_async(queue_, [self = shared_from_this(), this] { flush(); });
}
@implementation Loader
- (void)start {
  __weak Loader *weakSelf = self;
  self.done = ^{ [weakSelf close]; };
  dispatch_async(queue, ^{ [self close]; });
}
@end
