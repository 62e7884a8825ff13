StreamPool g_streams;
ThreadSlot::~ThreadSlot() {
  g_streams.put(this);  // bad
  if (g_alive.load()) {
    g_streams.trim();
  }
}
