struct Stream {
  id<MTLCommandBuffer> buffer_;
  void flush(MTLRenderPassDescriptor* pass) {
    [this->buffer_ commit];
    auto encoder = [buffer_ renderCommandEncoderWithDescriptor:pass];  // bad
  }
};
