// When operations run: a thread for each queue, and engines that all queues share.
//
// An operation starts submit_ns after its commit, when its predecessor in the queue has
// ended and an engine is free, whichever is last. It takes execute_ns, or the processor
// time of its kernels if that is more, and is seen complete_ns after its end. Times come
// from this schedule, not from when a thread woke: waking late does not add up.
#include "fakemetal.h"
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

static int64_t ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t now_ns(void) { return ns(CLOCK_MONOTONIC); }

void sleep_until(int64_t t) {
  struct timespec ts = {t / 1000000000, t % 1000000000};
  if (t > now_ns())
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR) {}
}

static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

static pthread_mutex_t engines_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t engine_free_at[64];

// reserve takes the engine that is free first, from t or when it is free, for d.
static int64_t reserve(int64_t t, int64_t d, int *engine) {
  pthread_mutex_lock(&engines_lock);
  int best = 0;
  for (int i = 1; i < settings[ENGINES] && i < 64; i++)
    if (engine_free_at[i] < engine_free_at[best]) best = i;
  t = max(t, engine_free_at[best]);
  engine_free_at[best] = t + d;
  pthread_mutex_unlock(&engines_lock);
  *engine = best;
  return t;
}

static void run(command_buffer *c) {
  for (int i = 0; i < c->dispatches; i++) {
    dispatch *d = dispatch_at(c, i);
    void *at[BUFFERS] = {0};
    for (int k = 0; k < d->bound; k++)
      if (d->buffers[k]) {
        if (d->buffers[k]->o.isa == NULL || !d->buffers[k]->data) violation("a buffer was freed while its command buffer was in flight");
        at[k] = (char *)d->buffers[k]->data + d->offsets[k];
      }
    d->pipeline->run(at, d->threads);
  }
}

static void execute(lane *l, command_buffer *c) {
  int engine;
  int64_t least = settings[EXECUTE_NS];
  int64_t ready = max(c->committed_at + settings[SUBMIT_NS], l->free_at);
  if (settings[SUBMIT_NS]) sleep_until(ready);
  c->status = SCHEDULED;
  if (c->hang)
    while (!settings[RELEASE_HUNG]) sleep_until(now_ns() + 1000000);
  c->start = least ? reserve(ready, least, &engine) : max(ready, now_ns());
  if (least) sleep_until(c->start);
  int64_t cpu = ns(CLOCK_THREAD_CPUTIME_ID);
  if (!c->fail && !c->skip && !c->hang) run(c);
  cpu = ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
  c->end = c->start + max(least, cpu);
  if (least && cpu > least) {
    pthread_mutex_lock(&engines_lock);
    engine_free_at[engine] = max(engine_free_at[engine], c->end);
    pthread_mutex_unlock(&engines_lock);
  }
  l->free_at = c->end;
  c->visible = c->end + settings[COMPLETE_NS];
  if (least) sleep_until(c->end);
  if (c->hang) c->error = new_error("MTLCommandBufferErrorDomain", 2, "Caused GPU Hang Error (00000003:kIOGPUCommandBufferCallbackErrorHang)");
  else if (c->fail) c->error = new_error("MTLCommandBufferErrorDomain", settings[FAIL_CODE], "Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)");
}

static void *serve(void *arg) {
  lane *l = arg;
  prctl(PR_SET_TIMERSLACK, 1);
  pthread_mutex_lock(&l->lock);
  for (;;) {
    while (!l->head && !l->stop) pthread_cond_wait(&l->work, &l->lock);
    command_buffer *c = l->head;
    if (!c) break;
    if (!(l->head = c->next)) l->tail = NULL;
    pthread_mutex_unlock(&l->lock);
    execute(l, c);
    finished(c);
    pthread_mutex_lock(&l->lock);
    c->status = c->error ? FAILED : COMPLETED;
    l->uncompleted--;
    if (l->waiting) pthread_cond_broadcast(&l->change);
    pthread_mutex_unlock(&l->lock);
    objc_release(&c->o); // perhaps the last, and the queue's too
    pthread_mutex_lock(&l->lock);
  }
  pthread_mutex_unlock(&l->lock);
  free(l);
  return NULL;
}

lane *new_lane(long limit) {
  lane *l = calloc(1, sizeof *l);
  l->limit = limit;
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->work, NULL);
  pthread_cond_init(&l->change, NULL);
  pthread_t t;
  if (pthread_create(&t, NULL, serve, l)) violation("no thread for a queue");
  pthread_detach(t);
  return l;
}

// close_lane ends the thread, which frees the lane. Committed buffers keep their queue,
// so nothing is left in it.
void close_lane(lane *l) {
  pthread_mutex_lock(&l->lock);
  l->stop = true;
  pthread_cond_signal(&l->work);
  pthread_mutex_unlock(&l->lock);
}

void submit(lane *l, command_buffer *c) {
  c->committed_at = now_ns();
  pthread_mutex_lock(&l->lock);
  c->status = COMMITTED;
  if (l->tail) l->tail->next = c;
  else l->head = c;
  l->tail = c;
  pthread_cond_signal(&l->work);
  pthread_mutex_unlock(&l->lock);
}
