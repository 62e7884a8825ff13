#import "RelaxTask.h"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace streampool {

namespace {

// Part of the kernel's interface: the order of its parameters.
enum Index : NSUInteger { kPoints = 0, kCount = 1 };

}  // namespace

std::unique_ptr<RelaxTask> RelaxTask::create(id<MTLDevice> device, NSString* source,
                                             NSError** error) {
  id<MTLLibrary> library = [device newLibraryWithSource:source options:nil error:error];
  if (library == nil) {
    return nullptr;
  }
  id<MTLFunction> function = [library newFunctionWithName:@"relax"];
  if (function == nil) {
    if (error != nullptr) {
      *error = [NSError errorWithDomain:@"streampool"
                                   code:1
                               userInfo:@{NSLocalizedDescriptionKey : @"no kernel named relax"}];
    }
    return nullptr;
  }
  id<MTLComputePipelineState> pipeline =
      [device newComputePipelineStateWithFunction:function error:error];
  if (pipeline == nil) {
    return nullptr;
  }
  return std::unique_ptr<RelaxTask>(new RelaxTask(pipeline));
}

bool RelaxTask::encode(Stream& stream, id<MTLBuffer> points, std::size_t count) const {
  if (count == 0) {
    return true;
  }
  if (count > std::numeric_limits<std::uint32_t>::max() ||
      points.length / sizeof(Point) < count) {
    return false;
  }
  const auto total = static_cast<std::uint32_t>(count);
  const NSUInteger width =
      std::min<NSUInteger>(256, pipeline_.maxTotalThreadsPerThreadgroup);
  const NSUInteger groups = (count + width - 1) / width;
  return stream.encode(pipeline_, [=](id<MTLComputeCommandEncoder> encoder) {
    [encoder setBuffer:points offset:0 atIndex:kPoints];
    [encoder setBytes:&total length:sizeof(total) atIndex:kCount];
    // Whole threadgroups: grids of any size need a newer GPU family. The kernel
    // compares its index with the count.
    [encoder dispatchThreadgroups:MTLSizeMake(groups, 1, 1)
            threadsPerThreadgroup:MTLSizeMake(width, 1, 1)];
  });
}

}  // namespace streampool
