void Queue::pop() {
  std::unique_lock lock{mutex_};
  if (items_.empty()) {
    // while (items_.empty())
    ready_.wait(lock);  // bad
  }
}
