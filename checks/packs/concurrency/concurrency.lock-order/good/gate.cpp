std::mutex g_gate;
std::mutex g_a;
std::mutex g_b;
void one() {
  std::lock_guard<std::mutex> gate(g_gate);
  std::lock_guard<std::mutex> a(g_a);
  std::lock_guard<std::mutex> b(g_b);
}
void two() {
  std::lock_guard<std::mutex> gate(g_gate);
  std::lock_guard<std::mutex> b(g_b);
  std::lock_guard<std::mutex> a(g_a);
}
