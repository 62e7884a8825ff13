class Holder {
  std::atomic<Pool*> pool_{nullptr};
  std::atomic_bool done_{false};
};
Pool* Holder::get() {
  if (!pool_) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!pool_) pool_ = new Pool;
  }
  auto* p = pool_.load();
  if (!p) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!p) p = new Pool;
  }
  if (!done_) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!done_) done_ = true;
  }
  return p;
}
