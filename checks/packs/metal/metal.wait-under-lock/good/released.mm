void Pool::flush(id<MTLCommandBuffer> buffer, bool locked) {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    [buffer commit];
  }
  [buffer waitUntilCompleted];
  std::unique_lock<std::mutex> lock(mutex_);
  lock.unlock();
  [buffer waitUntilCompleted];
  lock.lock();
  release(lock);
  [buffer waitUntilCompleted];
}
void Stream::sync(const PoolLock& caller) {
  Clock clock(start_);
  PoolLock* later(nullptr);
  dispatch_block_t block(^{ step(); });
  [buffer_ waitUntilCompleted];
}
