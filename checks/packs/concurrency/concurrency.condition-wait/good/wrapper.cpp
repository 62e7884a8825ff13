// Whoever calls these tests the condition around them.
void Condition::wait(std::unique_lock<std::mutex>& lock) { native_.wait(lock); }
void cond_wait(cond_t* c, mutex_t* m) { pthread_cond_wait(&c->native, &m->native); }
int take(struct queue* q) {
again:
  if (!q->n) {
    pthread_cond_wait(&q->ready, &q->mutex);
    goto again;
  }
  return 0;
}
void Condition::pause(Mutex* m) {
  std::unique_lock<std::mutex> lock(m->native, std::adopt_lock);
  native_.wait(lock);
  lock.release();
}
