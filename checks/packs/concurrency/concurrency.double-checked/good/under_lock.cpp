class Holder {
  Pool* pool_;
  std::mutex a_;
  std::mutex b_;
};
Pool* Holder::get() {
  std::lock_guard<std::mutex> outer(a_);
  if (!pool_) {
    std::lock_guard<std::mutex> lock(b_);
    if (!pool_) pool_ = new Pool;
  }
  return pool_;
}
