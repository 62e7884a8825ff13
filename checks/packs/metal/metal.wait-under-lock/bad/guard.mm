void Pool::flush(id<MTLCommandBuffer> buffer) {
  std::lock_guard<std::mutex> guard(mutex_);
  [buffer commit];
  [buffer waitUntilCompleted];  // bad
}
void Stream::sync() {
  EncoderLock lock(record_);
  [buffer_ waitUntilCompleted];  // bad
}
