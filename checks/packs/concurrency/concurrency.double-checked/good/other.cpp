class Holder {
  Pool* pool_;
  Pool* other_;
  thread_local static Pool* mine_;
};
Pool* Holder::get() {
  if (!pool_) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!other_) other_ = new Pool;
  }
  if (!mine_) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!mine_) mine_ = new Pool;
  }
  if (!elsewhere_) {  // its declaration is not here
    std::lock_guard<std::mutex> lock(mutex_);
    if (!elsewhere_) elsewhere_ = new Pool;
  }
  // if (!pool_) { lock; if (!pool_) pool_ = new Pool; }
  return pool_;
}
