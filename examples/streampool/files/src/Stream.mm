#import "Stream.h"

#include <cassert>
#include <utility>

#if !__has_feature(objc_arc)
#error "compile with -fobjc-arc: command buffers are owned by Recording and Ticket"
#endif

namespace streampool {

NSError* Ticket::wait() const {
  assert(EncoderLock::heldByThisThread() == 0 && "a completion handler may need that lock");
  if (buffer_ == nil) {
    return nil;
  }
  [buffer_ waitUntilCompleted];
  return buffer_.error;
}

double Ticket::gpuSeconds() const {
  if (buffer_ == nil) {
    return 0;
  }
  // Both are 0 until the buffer has completed.
  return buffer_.GPUEndTime - buffer_.GPUStartTime;
}

Stream::Stream(id<MTLCommandQueue> queue, std::size_t slot)
    : queue_(queue), slot_(slot), inFlight_(std::make_shared<std::atomic<std::size_t>>(0)) {}

Stream::~Stream() {
  // A command buffer that is dropped with an open encoder makes Metal abort.
  const std::shared_ptr<Recording> recording = takeCurrent();
  if (recording == nullptr) {
    return;
  }
  EncoderLock lock(recording->record);
  if (recording->encoder != nil && !lock.ended()) {
    [recording->encoder endEncoding];
    lock.markEnded();
  }
}

std::shared_ptr<Recording> Stream::current() {
  {
    std::lock_guard<std::mutex> guard(currentMutex_);
    if (current_ != nullptr) {
      return current_;
    }
  }
  // Outside the mutex: this call blocks while the queue has its maximum of buffers
  // in flight, and the thread that could commit one needs currentMutex_.
  auto fresh = std::make_shared<Recording>();
  fresh->buffer = [queue_ commandBuffer];
  if (fresh->buffer == nil) {
    return nullptr;
  }
  std::lock_guard<std::mutex> guard(currentMutex_);
  if (current_ == nullptr) {
    current_ = std::move(fresh);
  }
  // Else another thread was faster. Our buffer has no encoder yet and may be dropped.
  return current_;
}

std::shared_ptr<Recording> Stream::takeCurrent() {
  std::lock_guard<std::mutex> guard(currentMutex_);
  return std::exchange(current_, nullptr);
}

bool Stream::encode(id<MTLComputePipelineState> pipeline, const Body& body) {
  for (;;) {
    const std::shared_ptr<Recording> recording = current();
    if (recording == nullptr) {
      return false;
    }
    EncoderLock lock(recording->record);
    if (lock.ended()) {
      continue;  // committed by another thread between current() and the lock
    }
    if (recording->encoder == nil) {
      recording->encoder = [recording->buffer computeCommandEncoder];
      if (recording->encoder == nil) {
        return false;
      }
      [[maybe_unused]] const bool opened = recording->order.note(SubmitOrder::Call::openEncoder);
      assert(opened);
    }
    [recording->encoder setComputePipelineState:pipeline];
    body(recording->encoder);
    return true;
  }
}

Ticket Stream::commit(const Completion& completion) {
  const std::shared_ptr<Recording> recording = takeCurrent();
  if (recording == nullptr) {
    if (completion) {
      completion(nil);
    }
    return Ticket();
  }

  EncoderLock lock(recording->record);
  [[maybe_unused]] bool inOrder = true;
  if (recording->encoder != nil) {
    inOrder = recording->order.note(SubmitOrder::Call::endEncoding);
    assert(inOrder);
    [recording->encoder endEncoding];
    recording->encoder = nil;
  }
  // Also without an encoder: nobody may open one on a committed buffer.
  lock.markEnded();

  // Before the commit: Metal rejects handlers that come later.
  inOrder = recording->order.note(SubmitOrder::Call::addHandler);
  assert(inOrder);
  const auto inFlight = inFlight_;
  const Completion done = completion;
  inFlight->fetch_add(1, std::memory_order_acq_rel);
  [recording->buffer addCompletedHandler:^(id<MTLCommandBuffer> finished) {
    inFlight->fetch_sub(1, std::memory_order_acq_rel);
    if (done) {
      done(finished.error);
    }
  }];

  inOrder = recording->order.note(SubmitOrder::Call::commit);
  assert(inOrder);
  // TODO: with macOS 15, attach the pool's MTLResidencySet to the queue instead of
  // paying for wired memory again after a second of idling.
  [recording->buffer commit];
  return Ticket(recording->buffer);
}

NSError* Stream::synchronize() {
  const Ticket ticket = commit(nullptr);  // its EncoderLock ends with the call
  return ticket.wait();
}

}  // namespace streampool
