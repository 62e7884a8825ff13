#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

namespace streampool {

/// What the threads that share one encoder agree on: its mutex, and whether the
/// encoder has been ended. Lives as long as somebody may still ask for the lock.
class EncoderRecord {
 public:
  EncoderRecord() = default;
  EncoderRecord(const EncoderRecord&) = delete;
  EncoderRecord& operator=(const EncoderRecord&) = delete;

 private:
  friend class EncoderLock;

  std::mutex mutex_;
  bool ended_ = false;  // guarded by mutex_
};

/// Exclusive use of one encoder, for as long as the object lives.
///
/// One mutex for each encoder is the strategy that lean/StreamPool/Maximal.lean
/// proves to be safe and to admit every schedule that any safe strategy admits.
/// A mutex for each stream, or for each kind of call, is not enough: see
/// PerStream.lean and PerOperation.lean for the schedules that race.
///
/// A thread must not wait for the GPU while it holds one (Wait.lean): completion
/// handlers take the same mutex. `heldByThisThread` lets the waits assert that.
class EncoderLock {
 public:
  /// Blocks until no other thread uses the encoder. `record` must not be null.
  explicit EncoderLock(std::shared_ptr<EncoderRecord> record);
  ~EncoderLock();

  EncoderLock(const EncoderLock&) = delete;
  EncoderLock& operator=(const EncoderLock&) = delete;

  /// True once the encoder has been ended: the caller lost a race and must ask
  /// its stream for the next one.
  bool ended() const { return record_->ended_; }

  /// To be called by whoever sends endEncoding.
  void markEnded() { record_->ended_ = true; }

  /// How many encoder locks the calling thread holds. 0 or 1 in correct code.
  static std::size_t heldByThisThread();

 private:
  // Declared before lock_: the mutex must outlive the guard that unlocks it.
  std::shared_ptr<EncoderRecord> record_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace streampool
