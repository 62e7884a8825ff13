// What is kept for later would be there with a pool, too.
void prepare(Context *ctx, id<MTLCommandQueue> queue, NSMutableArray *all, std::vector<id<MTLCommandBuffer>> &list) {
  for (int i = 0; i < ctx->count; ++i) {
    id<MTLCommandBuffer> buffer = [queue commandBuffer];
    ctx->buffers[i] = buffer;
    [buffer enqueue];
  }
  while (more()) {
    id<MTLCommandBuffer> buffer = [queue commandBuffer];
    [all addObject:buffer];
  }
  while (more()) {
    id<MTLCommandBuffer> buffer = [queue commandBuffer];
    list.push_back(buffer);
  }
  for (int i = 0; i < ctx->count; ++i) {
    ctx->buffers[i] = [queue commandBuffer];
  }
}
