void Pool::flush(id<MTLCommandBuffer> buffer) {
  std::lock_guard<std::mutex> guard(mutex_);
  // [buffer waitUntilCompleted];
  jobs_.push_back(^{ [buffer waitUntilCompleted]; });
  const char* text = "waitUntilCompleted";
  ready_.wait(lock_);
#if SLOW
  [buffer commit];
#endif
}
void other(id<MTLCommandBuffer> buffer) { [buffer waitUntilCompleted]; }
