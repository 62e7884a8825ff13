#include "ThreadSlot.h"

#include <cassert>
#include <mutex>

namespace streampool {

std::atomic<bool> g_poolAlive{false};

namespace {

// The table of the living pool and its number. Both are guarded by lifeMutex().
SlotTable* g_table = nullptr;
std::size_t g_epoch = 0;

// Never destroyed: thread-local destructors may need it after the static ones ran.
std::mutex& lifeMutex() {
  static std::mutex* mutex = new std::mutex;
  return *mutex;
}

// Looks again under the mutex: the pool may be ending at this very moment, or may
// have been replaced by another one, whose slot of that number is not ours.
void releaseIfAlive(std::size_t slot, std::size_t epoch) {
  std::lock_guard<std::mutex> guard(lifeMutex());
  if (g_table != nullptr && g_epoch == epoch) {
    [[maybe_unused]] const bool released = g_table->release(slot);
    assert(released && "a thread gives its slot back once");
  }
}

}  // namespace

void poolBegins(SlotTable* table) {
  std::lock_guard<std::mutex> guard(lifeMutex());
  assert(g_table == nullptr && "one pool at a time");
  g_table = table;
  ++g_epoch;
  g_poolAlive.store(true, std::memory_order_release);
}

void poolEnds() {
  g_poolAlive.store(false, std::memory_order_release);
  std::lock_guard<std::mutex> guard(lifeMutex());
  g_table = nullptr;
}

ThreadSlot::~ThreadSlot() {
  if (slot_ == kNone) {
    return;
  }
  if (!g_poolAlive.load(std::memory_order_acquire)) {
    return;
  }
  releaseIfAlive(slot_, epoch_);
}

std::size_t ThreadSlot::ofThisThread() {
  thread_local ThreadSlot self;
  std::lock_guard<std::mutex> guard(lifeMutex());
  if (g_table == nullptr) {
    return kNone;
  }
  if (self.slot_ == kNone || self.epoch_ != g_epoch) {
    self.slot_ = g_table->acquire().value_or(kNone);
    self.epoch_ = g_epoch;
  }
  return self.slot_;
}

}  // namespace streampool
