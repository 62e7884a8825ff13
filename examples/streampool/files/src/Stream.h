#pragma once

#import <Metal/Metal.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>

#include "core/EncoderLock.h"
#include "core/SubmitOrder.h"

namespace streampool {

/// A command buffer that is being recorded, its encoder, and the record of the lock
/// that guards both. Owned by the stream until it is committed.
struct Recording {
  std::shared_ptr<EncoderRecord> record = std::make_shared<EncoderRecord>();
  id<MTLCommandBuffer> buffer = nil;           // guarded by an EncoderLock on record
  id<MTLComputeCommandEncoder> encoder = nil;  // guarded likewise; nil until first used
  SubmitOrder order;                           // guarded likewise
};

/// Committed work. Copies refer to the same work.
class Ticket {
 public:
  /// Nothing was committed: done at once, without error.
  Ticket() = default;
  explicit Ticket(id<MTLCommandBuffer> buffer) : buffer_(buffer) {}

  /// Blocks until the GPU has finished. The calling thread must hold no EncoderLock.
  /// Returns the error of the command buffer, or nil.
  NSError* wait() const;

  /// Seconds that the GPU worked on it; 0 before it has finished.
  double gpuSeconds() const;

 private:
  id<MTLCommandBuffer> buffer_ = nil;
};

/// One command queue and what is being recorded for it. All members may be called
/// from any thread: pools recycle streams, and the fallback stream is shared.
class Stream {
 public:
  /// Called once for each committed buffer, on a thread of the driver. `error` is nil
  /// when the GPU finished the work.
  using Completion = std::function<void(NSError* error)>;

  /// What to record. Called under the encoder's lock, so it must not wait, and must
  /// not use this or another stream.
  using Body = std::function<void(id<MTLComputeCommandEncoder> encoder)>;

  Stream(id<MTLCommandQueue> queue, std::size_t slot);
  ~Stream();

  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Records one piece of work. Blocks while the queue has its maximum of uncommitted
  /// buffers. False if Metal has no encoder or no command buffer to give.
  bool encode(id<MTLComputePipelineState> pipeline, const Body& body);

  /// Commits everything recorded so far. Does not wait for the GPU.
  Ticket commit(const Completion& completion);

  /// Commits and waits. Returns the error of the command buffer, or nil.
  NSError* synchronize();

  std::size_t slot() const { return slot_; }

  /// Committed buffers whose handler has not run yet.
  std::size_t inFlight() const { return inFlight_->load(std::memory_order_acquire); }

 private:
  std::shared_ptr<Recording> current();
  std::shared_ptr<Recording> takeCurrent();

  const id<MTLCommandQueue> queue_;
  const std::size_t slot_;

  // Shared with the completion handlers, which may run after the stream is gone.
  const std::shared_ptr<std::atomic<std::size_t>> inFlight_;

  std::mutex currentMutex_;             // held for a pointer's exchange, never for a call
  std::shared_ptr<Recording> current_;  // guarded by currentMutex_
};

}  // namespace streampool
