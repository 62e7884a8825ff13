bool setUp() {
  static bool done = false;
  static std::mutex mutex;
  if (done == false) {  // bad
    mutex.lock();
    if (done == false) {
      prepare();
      done = true;
    }
    mutex.unlock();
  }
  return done;
}
