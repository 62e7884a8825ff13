void Queue::pop() {
  std::unique_lock<std::mutex> lock(mutex_);
  ready_.wait(lock, [this] { return !items_.empty(); });
  while (items_.empty()) ready_.wait(lock);
  do {
    ready_.wait(lock);
  } while (items_.empty());
  for (;;) {
    if (!items_.empty()) break;
    ready_.wait(lock);
  }
}
