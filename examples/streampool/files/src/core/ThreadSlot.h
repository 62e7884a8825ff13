#pragma once

#include <atomic>
#include <cstddef>

#include "SlotTable.h"

namespace streampool {

/// True between the construction of the pool and the start of its destruction.
/// Constant-initialised and without destructor, so every thread may read it at any
/// moment of the process, even after the static objects are gone.
extern std::atomic<bool> g_poolAlive;

/// Announces the table of a pool that has been built. One pool at a time.
void poolBegins(SlotTable* table);

/// Withdraws it. When this returns no thread is giving a slot back any more, and
/// none will: the table may be destroyed.
void poolEnds();

/// The slot of one thread, kept in thread-local storage. Its destructor gives the
/// slot back, unless the pool has ended: thread-local destructors of detached
/// threads run after main has returned (lean/StreamPool/ThreadSlot.lean).
class ThreadSlot {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  ThreadSlot() = default;
  ~ThreadSlot();

  ThreadSlot(const ThreadSlot&) = delete;
  ThreadSlot& operator=(const ThreadSlot&) = delete;

  /// The slot of the calling thread, taken from the table on the first call.
  /// kNone while no pool lives or all slots are in use.
  static std::size_t ofThisThread();

 private:
  std::size_t slot_ = kNone;
  std::size_t epoch_ = 0;  // which pool slot_ belongs to
};

}  // namespace streampool
