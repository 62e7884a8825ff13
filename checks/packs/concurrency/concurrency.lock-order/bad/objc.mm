static pthread_mutex_t g_table = PTHREAD_MUTEX_INITIALIZER;
@implementation Cache
- (void)put {
  @synchronized (self) {
    pthread_mutex_lock(&g_table);  // bad
    pthread_mutex_unlock(&g_table);
  }
}
- (void)clear {
  pthread_mutex_lock(&g_table);
  @synchronized (self) {  // bad
    [self removeAll];
  }
  pthread_mutex_unlock(&g_table);
}
@end
