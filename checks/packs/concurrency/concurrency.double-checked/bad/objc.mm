static Cache *g_shared = nil;
Cache *shared(void) {
  if (g_shared == nil) {  // bad
    @synchronized ([Cache class]) {
      if (g_shared == nil) {
        g_shared = [[Cache alloc] init];
      }
    }
  }
  return g_shared;
}
