void Pool::flush(id<MTLCommandBuffer> buffer, bool share) {
  if (share) mutex_.lock();
  [buffer waitUntilCompleted];
  if (share) mutex_.unlock();
  std::unique_lock<std::mutex> lock(other_, std::try_to_lock);
  [buffer waitUntilCompleted];
  auto self = weak_.lock();
  [buffer waitUntilCompleted];
}
