void run(dispatch_queue_t queue) {
  int count = 0;
  dispatch_async(queue, [&] { count++; });  // bad
  dispatch_after(when, queue, [&count] { count++; });  // bad
}
