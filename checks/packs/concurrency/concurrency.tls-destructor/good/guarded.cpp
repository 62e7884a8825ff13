static Pool g_pool;
static std::atomic<bool> g_alive{true};
struct Slot { ~Slot(); };
thread_local Slot tls_slot;
Slot::~Slot() {
  if (g_alive.load()) {
    g_pool.release(this);
  }
}
struct Other { ~Other(); };
thread_local Other tls_other;
Other::~Other() {
  if (!g_alive) return;
  g_pool.release(this);
}
