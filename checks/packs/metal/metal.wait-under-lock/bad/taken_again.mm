void Pool::flush(MTL::CommandBuffer* buffer) {
  std::unique_lock lock{mutex_, std::defer_lock};
  prepare();
  lock.lock();
  buffer->commit();
  lock.unlock();
  log();
  lock.lock();
  buffer->waitUntilCompleted();  // bad
}
