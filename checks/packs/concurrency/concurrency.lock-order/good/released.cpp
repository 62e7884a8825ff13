std::mutex g_a;
std::mutex g_b;
void one() {
  std::unique_lock<std::mutex> a(g_a);
  a.unlock();
  std::lock_guard<std::mutex> b(g_b);  // g_a is free
}
void two() {
  std::lock_guard<std::mutex> b(g_b);
  std::lock_guard<std::mutex> a(g_a);
}
void three(bool x) {
  if (x) g_a.lock();
  run([] { std::lock_guard<std::mutex> b(g_b); });
  /* std::lock_guard<std::mutex> b(g_b); */
  if (x) g_a.unlock();
}
