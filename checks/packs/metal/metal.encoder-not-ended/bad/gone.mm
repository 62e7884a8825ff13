// The variable goes while the encoder is open: nobody can end it any more.
void run(id<MTLCommandBuffer> buffer) {
  {
    id<MTLBlitCommandEncoder> blit = [buffer blitCommandEncoder];
    [blit fillBuffer:data range:NSMakeRange(0, 4) value:0];
  }
  [buffer commit];  // bad
}
