namespace work {
std::unordered_map<int, int> counts;
class Tracker {
 public:
  ~Tracker() {
    // if (alive.load()) return;
    log("if (alive)");
    counts.erase(id_);  // bad
  }
};
int touch() {
  static thread_local Tracker tracker;
  return tracker.id();
}
}
