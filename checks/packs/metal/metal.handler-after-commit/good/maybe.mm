// Only some paths commit, and a macro or another branch of an #if may have changed it.
#define COMMIT_NOW(b) [b commit]
void maybe(id<MTLCommandBuffer> buffer, id<MTLCommandQueue> queue, bool now) {
  if (now) [buffer commit];
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {}];
  now && ([buffer commit], true);
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {}];
#if EAGER
  [buffer commit];
#else
  buffer = nil;
#endif
  [buffer addCompletedHandler:^(id<MTLCommandBuffer> b) {}];
}
