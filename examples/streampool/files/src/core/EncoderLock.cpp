#include "EncoderLock.h"

#include <cassert>
#include <utility>

namespace streampool {

namespace {

// A plain counter without destructor: it may be read while the thread ends.
thread_local std::size_t t_held = 0;

}  // namespace

EncoderLock::EncoderLock(std::shared_ptr<EncoderRecord> record)
    : record_(std::move(record)), lock_(record_->mutex_) {
  // Nested encoder locks could be taken in two orders by two threads.
  assert(t_held == 0 && "a thread holds at most one encoder lock");
  ++t_held;
}

EncoderLock::~EncoderLock() { --t_held; }

std::size_t EncoderLock::heldByThisThread() { return t_held; }

}  // namespace streampool
