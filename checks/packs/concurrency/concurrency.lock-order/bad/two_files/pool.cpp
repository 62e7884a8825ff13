void work::Pool::two() {
  const std::lock_guard<std::mutex> first{this->b};
  if (more()) {
    const std::lock_guard<std::mutex> second{a};  // bad
  }
}
