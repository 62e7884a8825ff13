#include "SlotTable.h"

namespace streampool {

SlotTable::SlotTable(std::size_t size) : taken_(size, false) {}

std::optional<std::size_t> SlotTable::acquire() {
  std::lock_guard<std::mutex> guard(mutex_);
  for (std::size_t slot = 0; slot < taken_.size(); ++slot) {
    if (!taken_[slot]) {
      taken_[slot] = true;
      ++inUse_;
      return slot;
    }
  }
  return std::nullopt;
}

bool SlotTable::release(std::size_t slot) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (slot >= taken_.size() || !taken_[slot]) {
    return false;
  }
  taken_[slot] = false;
  --inUse_;
  return true;
}

std::size_t SlotTable::inUse() const {
  std::lock_guard<std::mutex> guard(mutex_);
  return inUse_;
}

}  // namespace streampool
