// What a program in C does for the operations of package mtl, on the same objects: the
// measure for what Go adds.
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

typedef void *id;
typedef const char *SEL;
typedef struct { uint64_t width, height, depth; } MTLSize;

extern char objc_msgSend[]; // a function of many types, so of none
extern SEL sel_registerName(const char *);
extern void *objc_autoreleasePoolPush(void);
extern void objc_autoreleasePoolPop(void *);
extern id objc_retain(id);
extern void objc_release(id);

#define EXPORT __attribute__((visibility("default")))
#define SEND(result, ...) ((result(*)(id, SEL, ##__VA_ARGS__))objc_msgSend)

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static SEL command_buffer, encoder, set_pipeline, set_buffer, dispatch, end, commit, wait, status;

EXPORT void loop_init(void) {
  command_buffer = sel_registerName("commandBuffer");
  encoder = sel_registerName("computeCommandEncoder");
  set_pipeline = sel_registerName("setComputePipelineState:");
  set_buffer = sel_registerName("setBuffer:offset:atIndex:");
  dispatch = sel_registerName("dispatchThreads:threadsPerThreadgroup:");
  end = sel_registerName("endEncoding");
  commit = sel_registerName("commit");
  wait = sel_registerName("waitUntilCompleted");
  status = sel_registerName("status");
}

// loop_send sends n messages without arguments; seconds.
EXPORT double loop_send(id o, int64_t n) {
  double begin = now();
  for (int64_t i = 0; i < n; i++) SEND(uint64_t)(o, status);
  return now() - begin;
}

static id encode(id queue, id pipeline, id buffer, uint64_t threads, uint64_t group) {
  id c = SEND(id)(queue, command_buffer);
  if (!c) abort();
  id e = SEND(id)(c, encoder);
  if (!e) abort();
  SEND(void, id)(e, set_pipeline, pipeline);
  SEND(void, id, uint64_t, uint64_t)(e, set_buffer, buffer, 0, 0);
  SEND(void, MTLSize, MTLSize)(e, dispatch, (MTLSize){threads, 1, 1}, (MTLSize){group, 1, 1});
  SEND(void)(e, end);
  return c;
}

// loop_encode makes n command buffers that are never committed; seconds.
EXPORT double loop_encode(id queue, id pipeline, id buffer, uint64_t threads, uint64_t group, int64_t n) {
  double begin = now();
  for (int64_t i = 0; i < n; i++) {
    void *pool = objc_autoreleasePoolPush();
    encode(queue, pipeline, buffer, threads, group);
    objc_autoreleasePoolPop(pool);
  }
  return now() - begin;
}

static void finish(id c) {
  SEND(void)(c, wait);
  if (SEND(uint64_t)(c, status) != 4) abort();
  objc_release(c);
}

// loop_operate does n whole operations, depth of them in flight; seconds.
EXPORT double loop_operate(id queue, id pipeline, id buffer, uint64_t threads, uint64_t group, int64_t depth, int64_t n) {
  id *ring = calloc(depth, sizeof *ring);
  double begin = now();
  for (int64_t i = 0; i < n; i++) {
    id *slot = &ring[i % depth];
    if (*slot) finish(*slot);
    void *pool = objc_autoreleasePoolPush();
    id c = objc_retain(encode(queue, pipeline, buffer, threads, group));
    SEND(void)(c, commit);
    objc_autoreleasePoolPop(pool);
    *slot = c;
  }
  for (int64_t i = 0; i < depth; i++)
    if (ring[i]) finish(ring[i]);
  double d = now() - begin;
  free(ring);
  return d;
}
