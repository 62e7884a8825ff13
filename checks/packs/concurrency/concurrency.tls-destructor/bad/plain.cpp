static Pool g_pool;
struct Slot {
  ~Slot();
  int index;
};
thread_local Slot tls_slot;
Slot::~Slot() {
  g_pool.release(index);  // bad
}
