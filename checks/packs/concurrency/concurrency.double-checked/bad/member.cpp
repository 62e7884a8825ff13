class Holder {
  Pool* pool_ = nullptr;
  std::mutex mutex_;
  Pool* get();
};
Pool* Holder::get() {
  if (!pool_) {  // bad
    std::lock_guard<std::mutex> lock(mutex_);
    if (!pool_) {
      pool_ = new Pool;
    }
  }
  return pool_;
}
