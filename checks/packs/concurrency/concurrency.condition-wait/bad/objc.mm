@interface Box : NSObject {
  NSCondition *_ready;
}
@end
@implementation Box
- (id)take {
  [_ready lock];
  [_ready wait];  // bad
  [_ready unlock];
  return _item;
}
@end
void take(struct queue *q) {
  pthread_mutex_lock(&q->mutex);
  pthread_cond_wait(&q->ready, &q->mutex);  // bad
  pthread_mutex_unlock(&q->mutex);
}
