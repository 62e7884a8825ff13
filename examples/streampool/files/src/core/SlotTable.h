#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

namespace streampool {

/// Which slots of the pool are taken. Slots are numbered 0 … size()-1; the lowest
/// free one is handed out first, so that few threads keep few command queues warm.
/// All members may be called from any thread.
class SlotTable {
 public:
  explicit SlotTable(std::size_t size);

  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  /// A free slot, now taken, or nothing when all are in use. Never blocks on other
  /// threads giving slots back: the caller falls back to a shared stream.
  std::optional<std::size_t> acquire();

  /// Gives a slot back. False if it was not taken: the caller released it twice.
  bool release(std::size_t slot);

  std::size_t size() const { return taken_.size(); }
  std::size_t inUse() const;

 private:
  mutable std::mutex mutex_;
  std::vector<bool> taken_;  // guarded by mutex_; its size never changes
  std::size_t inUse_ = 0;    // guarded by mutex_
};

}  // namespace streampool
