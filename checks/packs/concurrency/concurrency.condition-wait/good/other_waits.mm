void run(std::future<int>& f, Latch& latch, id<MTLCommandBuffer> buffer) {
  f.wait();
  latch.wait(3);
  [group wait];
  task.wait(timeout);
  std::unique_lock<std::mutex> lock(m);
  ready.wait_for(lock, std::chrono::seconds(1));
  const char* s = "ready.wait(lock)";  // ready.wait(lock);
}
