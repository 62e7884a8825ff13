void flush(id<MTLCommandBuffer> __strong* slot, Stream& stream, id<MTLCommandQueue> queue) {
  id<MTLCommandBuffer> buffer = [queue commandBuffer];
  [buffer commit];
  renew(&buffer);
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {}];
  [stream.buffer commit];
  [stream.buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {}];  // may be a property
}
struct Holder {
  id<MTLCommandBuffer> buffer_;
  void run() {
    [buffer_ commit];
    next();  // may put another one there
    [buffer_ addCompletedHandler:^(id<MTLCommandBuffer> b) {}];
  }
};
