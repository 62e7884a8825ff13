void Queue::pop() {
  std::unique_lock<std::mutex> lock(mutex_);
  ready_.wait(lock);  // bad
  items_.pop_front();
}
