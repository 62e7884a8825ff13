static Pool& g_pool = *new Pool;
static Pool* g_other = new Pool;
std::atomic<int> g_count{0};
struct Slot { ~Slot(); };
thread_local Slot tls_slot;
Slot::~Slot() {
  g_pool.release(this);
  g_other->release(this);
  g_count.fetch_sub(1);
}
