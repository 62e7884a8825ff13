class Pool {
  std::mutex slots_;
  mutable std::shared_mutex stats_;
  void grow();
  void report();
};
void Pool::grow() {
  std::lock_guard<std::mutex> a(slots_);
  std::unique_lock<std::shared_mutex> b(stats_);  // bad
}
void Pool::report() {
  stats_.lock();
  slots_.lock();  // bad
  slots_.unlock();
  stats_.unlock();
}
