class Pool {
  std::mutex a_, c_;
  std::mutex b_;
  std::mutex d_;
};
void Pool::one() {
  std::lock_guard<std::mutex> x(b_);
  std::lock_guard<std::mutex> y(d_);
}
void Pool::two() {
  {
    std::lock_guard<std::mutex> y(d_);
  }
  std::lock_guard<std::mutex> x(b_);
  std::lock_guard<std::mutex> y(d_);
}
void Pool::three() {
  std::scoped_lock both(d_, b_);
}
void Pool::four() {
  std::unique_lock<std::mutex> y(d_, std::defer_lock), x(b_, std::defer_lock);
  std::unique_lock<std::mutex> p(d_);
  std::unique_lock<std::mutex> q(b_, std::try_to_lock);
}
