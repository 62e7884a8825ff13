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
