#import "StreamPool.h"

#include <cassert>
#include <utility>

#include "core/ThreadSlot.h"

namespace streampool {

std::unique_ptr<StreamPool> StreamPool::create(id<MTLDevice> device, std::size_t slots) {
  if (device == nil || slots == 0) {
    return nullptr;
  }
  std::vector<std::unique_ptr<Stream>> streams;
  streams.reserve(slots + 1);
  for (std::size_t slot = 0; slot <= slots; ++slot) {
    id<MTLCommandQueue> queue =
        [device newCommandQueueWithMaxCommandBufferCount:kBuffersPerQueue];
    if (queue == nil) {
      return nullptr;
    }
    queue.label = slot < slots ? [NSString stringWithFormat:@"streampool.%zu", slot]
                               : @"streampool.shared";
    streams.push_back(std::make_unique<Stream>(queue, slot));
  }
  return std::unique_ptr<StreamPool>(new StreamPool(device, std::move(streams)));
}

StreamPool::StreamPool(id<MTLDevice> device, std::vector<std::unique_ptr<Stream>> streams)
    : device_(device), streams_(std::move(streams)), slots_(streams_.size() - 1) {
  poolBegins(&slots_);
}

StreamPool::~StreamPool() {
  // First nobody may give slots back, then the work ends, then the members go.
  poolEnds();
  NSError* error = synchronizeAll();
  if (error != nil) {
    NSLog(@"streampool: work failed at the end of the pool: %@", error);
  }
}

Stream& StreamPool::streamForThisThread() {
  const std::size_t slot = ThreadSlot::ofThisThread();
  // kNone is larger than any slot: such a thread gets the shared stream.
  const std::size_t last = streams_.size() - 1;
  return *streams_[slot < last ? slot : last];
}

NSError* StreamPool::synchronizeAll() {
  // Commit everything first, so that the streams work side by side, then wait.
  std::vector<Ticket> tickets;
  tickets.reserve(streams_.size());
  for (const auto& stream : streams_) {
    tickets.push_back(stream->commit(nullptr));
  }
  NSError* first = nil;
  for (const Ticket& ticket : tickets) {
    NSError* error = ticket.wait();
    if (first == nil) {
      first = error;
    }
  }
  return first;
}

id<MTLDevice> findDevice() {
  id<MTLDevice> device = MTLCreateSystemDefaultDevice();
  if (device != nil) {
    return device;
  }
  return MTLCopyAllDevices().firstObject;
}

}  // namespace streampool
