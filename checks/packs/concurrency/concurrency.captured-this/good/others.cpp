// Called at once, joined, or nothing of the object is held.
void Stream::each() {
  std::sort(a.begin(), a.end(), [this](int x, int y) { return less(x, y); });
  worker_ = std::thread([this] { run(); });
  dispatch_sync(queue_, [this] { flush(); });
  buffer->addCompletedHandler([](MTL::CommandBuffer* b) { count(b); });
  buffer->addCompletedHandler([*this](MTL::CommandBuffer* b) { copy(b); });
  dispatch_async(queue_, [=] { puts("this"); });
  // dispatch_async(queue_, [this] { flush(); });
}
Pool& Pool::instance() {
  static Pool pool;
  return pool;
}
void Pool::later() { dispatch_async(queue_, [this] { flush(); }); }
