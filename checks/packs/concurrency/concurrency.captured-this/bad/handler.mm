void Stream::submit(id<MTLCommandBuffer> buffer) {
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {  // bad
    this->finished(b);
  }];
  [buffer commit];
}
