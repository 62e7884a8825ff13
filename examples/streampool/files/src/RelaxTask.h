#pragma once

#import <Metal/Metal.h>

#include <cstddef>
#include <memory>

#include "Stream.h"

namespace streampool {

/// The kernel `relax` of kernels/relax.metal, ready to run. Immutable after create, so
/// any number of threads may encode it, each on its own stream.
class RelaxTask {
 public:
  /// A point of the oscillator as the kernel stores it.
  struct Point {
    float x;
    float v;
  };

  /// Compiles the kernel. Null on failure, with the compiler's text in `error`.
  static std::unique_ptr<RelaxTask> create(id<MTLDevice> device, NSString* source,
                                           NSError** error);

  /// Records one pass over the first `count` points of `points`, which must be that
  /// long at least. False if the buffer is too short or there is no encoder.
  bool encode(Stream& stream, id<MTLBuffer> points, std::size_t count) const;

 private:
  explicit RelaxTask(id<MTLComputePipelineState> pipeline) : pipeline_(pipeline) {}

  const id<MTLComputePipelineState> pipeline_;
};

}  // namespace streampool
