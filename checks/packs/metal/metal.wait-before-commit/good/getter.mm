// What a stream calls its command buffer is the current one, not a new one.
void sync(MPSStream* stream) {
  id<MTLCommandBuffer> buffer = stream->commandBuffer();
  [buffer waitUntilCompleted];
  id<MTLCommandBuffer> other = [stream commandBuffer];
  [other waitUntilCompleted];
}
