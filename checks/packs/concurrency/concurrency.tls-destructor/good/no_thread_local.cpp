static Pool g_pool;
struct Slot { ~Slot() { g_pool.release(this); } };
static Slot slot;
struct Node { ~Node() { next_.reset(); g_alive && g_pool.trim(); } };
thread_local Node tls_node;
thread_local Slot* tls_pointer;
