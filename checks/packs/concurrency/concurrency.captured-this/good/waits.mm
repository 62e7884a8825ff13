void Stream::run(id<MTLCommandBuffer> buffer) {
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) { this->finished(b); }];
  [buffer commit];
  [buffer waitUntilCompleted];
}
class Worker {
 public:
  ~Worker() { stop(); }
  void start() { dispatch_async(queue_, [this] { run(); }); }
};
int count(dispatch_queue_t queue) {
  int n = 0;
  dispatch_group_async(group, queue, [&] { n++; });
  dispatch_group_wait(group, DISPATCH_TIME_FOREVER);
  return n;
}
