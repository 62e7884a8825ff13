struct ThreadSlot {
  ~ThreadSlot();
};
extern thread_local ThreadSlot unused;
inline ThreadSlot& slot() {
  thread_local ThreadSlot s;
  return s;
}
