// The same names are other mutexes in other classes and objects.
class A { std::mutex m_, n_; std::mutex o_; std::mutex p_; };
class B { std::mutex o_; std::mutex p_; };
void A::f() { std::lock_guard<std::mutex> x(o_); std::lock_guard<std::mutex> y(p_); }
void B::f() { std::lock_guard<std::mutex> x(p_); std::lock_guard<std::mutex> y(o_); }
void swap(A& a, A& b) {
  std::lock_guard<std::mutex> x(a.o_);
  std::lock_guard<std::mutex> y(b.o_);
}
void local() {
  std::mutex p_, o_;
  std::lock_guard<std::mutex> x(p_);
  std::lock_guard<std::mutex> y(o_);
}
