#pragma once

#import <Metal/Metal.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "Stream.h"
#include "core/SlotTable.h"

namespace streampool {

/// A fixed number of streams on one device. Each thread gets a stream of its own until
/// they run out; further threads share one more. One pool may live at a time.
class StreamPool {
 public:
  /// Streams of their own are worth their command queue up to about twice the number
  /// of cores; beyond that the driver serialises them anyway.
  static constexpr std::size_t kDefaultSlots = 32;

  /// Command buffers of one queue that may be uncommitted or in flight. Metal's default
  /// of 64 blocks the shared stream as soon as 16 threads keep 4 each.
  static constexpr std::size_t kBuffersPerQueue = 256;

  /// Null if there is no device or a queue cannot be made.
  static std::unique_ptr<StreamPool> create(id<MTLDevice> device,
                                            std::size_t slots = kDefaultSlots);

  /// Waits for everything that was committed. Threads may still exist; their slots are
  /// then simply forgotten (core/ThreadSlot.h).
  ~StreamPool();

  StreamPool(const StreamPool&) = delete;
  StreamPool& operator=(const StreamPool&) = delete;

  /// The stream of the calling thread. Valid as long as the pool.
  Stream& streamForThisThread();

  /// Commits and waits on every stream. Returns the first error, or nil.
  NSError* synchronizeAll();

  std::size_t slotsInUse() const { return slots_.inUse(); }
  id<MTLDevice> device() const { return device_; }

 private:
  StreamPool(id<MTLDevice> device, std::vector<std::unique_ptr<Stream>> streams);

  const id<MTLDevice> device_;
  // One for each slot, and last the shared one. Never changes: no lock is needed.
  const std::vector<std::unique_ptr<Stream>> streams_;
  SlotTable slots_;
};

/// The device to use. A process without a graphics session (ssh, launchd) gets no
/// default device on recent systems, but the list of all devices still has the GPU.
id<MTLDevice> findDevice();

}  // namespace streampool
