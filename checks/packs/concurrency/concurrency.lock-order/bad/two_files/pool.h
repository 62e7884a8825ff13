namespace work {
struct Pool {
  std::mutex a;
  std::mutex b;
  void one() {
    std::scoped_lock first(a);
    std::scoped_lock second(b);  // bad
  }
  void two();
};
}
