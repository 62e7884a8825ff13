void drain(Context *ctx, id<MTLCommandQueue> queue, NSMutableArray *all) {
  while (more()) {
    id<MTLCommandBuffer> buffer = [queue commandBuffer]; // bad
    [all addObject:ctx->label];
    ctx->count = 1;
    [buffer commit];
  }
}
