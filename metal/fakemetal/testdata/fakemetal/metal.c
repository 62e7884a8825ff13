// Devices, queues, command buffers, encoders, and the rules that Metal has for them.
#include "fakemetal.h"
#include <sys/mman.h>

static class *device_class, *library_class, *function_class, *pipeline_class, *buffer_class, *queue_class, *command_buffer_class, *encoder_class;

static object *fail(object **error, const char *domain, long code, const char *text) {
  if (error) *error = objc_autorelease(new_error(domain, code, text));
  return NULL;
}

// ---- devices

static device *devices[16];
static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;

static object *device_at(int i) {
  pthread_mutex_lock(&devices_lock);
  if (!devices[i]) {
    devices[i] = new_object(device_class);
    devices[i]->index = i;
  }
  pthread_mutex_unlock(&devices_lock);
  return objc_retain(&devices[i]->o);
}

__attribute__((visibility("default"))) object *MTLCreateSystemDefaultDevice(void) {
  return settings[NO_DEFAULT_DEVICE] || !settings[DEVICES] ? NULL : device_at(0);
}

__attribute__((visibility("default"))) object *MTLCopyAllDevices(void) {
  object *list[16];
  int n = settings[DEVICES];
  for (int i = 0; i < n; i++) list[i] = device_at(i);
  return new_array(list, n);
}

static object *device_name(device *d, SEL _) {
  char name[64];
  snprintf(name, sizeof name, d->index ? "Fake Metal device %d" : "Fake Metal device", d->index);
  return objc_autorelease(&new_string(name)->o);
}

static uint64_t device_registry(device *d, SEL _) { return UINT64_C(0xfedcba9876543210) + d->index; }
static bool device_unified(device *d, SEL _) { return true; }
static bool device_family(device *d, SEL _, long family) { return family <= settings[FAMILY]; }

// fake_sum is no method of Metal: it shows where the words of two structures arrive.
static uint64_t fake_sum(device *d, SEL _, MTLSize a, MTLSize b) {
  return a.width + 2 * a.height + 3 * a.depth + 4 * b.width + 5 * b.height + 6 * b.depth;
}

// ---- buffers. New memory is not zero: Metal does not promise it.

static object *device_buffer(device *d, SEL _, NSUInteger length, NSUInteger options) {
  if (!length) violation("newBufferWithLength: 0");
  if (options) violation("only shared storage is here");
  size_t mapped = (length + 4095) & ~4095ul;
  void *p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  memset(p, 0xa5, mapped);
  buffer *b = new_object(buffer_class);
  b->data = p, b->length = length, b->mapped = mapped;
  return &b->o;
}

static void buffer_destroy(object *o) {
  buffer *b = (buffer *)o;
  munmap(b->data, b->mapped);
  b->data = NULL;
}

static void *buffer_contents(buffer *b, SEL _) { return b->data; }
static NSUInteger buffer_length(buffer *b, SEL _) { return b->length; }

// ---- libraries, functions, pipelines

typedef struct { object o; void *code; } library;
typedef struct { object o; object *library; char *name; entry run; } function;

static object *device_library(device *d, SEL _, NSString *source, object *options, object **error) {
  if (!source) violation("newLibraryWithSource: nil");
  char *log;
  void *code = compile_shader(source->text, &log);
  if (!code) {
    object *o = fail(error, "MTLLibraryErrorDomain", 3, log);
    free(log);
    return o;
  }
  library *l = new_object(library_class);
  l->code = code;
  return &l->o;
}

static object *library_function(library *l, SEL _, NSString *name) {
  if (!name) violation("newFunctionWithName: nil");
  entry run = find_kernel(l->code, name->text);
  if (!run) return NULL;
  function *f = new_object(function_class);
  f->library = objc_retain(&l->o);
  f->name = strdup(name->text);
  f->run = run;
  return &f->o;
}

static void function_destroy(object *o) {
  objc_release(((function *)o)->library);
  free(((function *)o)->name);
}

static object *device_pipeline(device *d, SEL _, function *f, object **error) {
  if (!f) violation("newComputePipelineStateWithFunction: nil");
  pipeline *p = new_object(pipeline_class);
  p->function = objc_retain(&f->o);
  p->run = f->run;
  return &p->o;
}

static void pipeline_destroy(object *o) { objc_release(((pipeline *)o)->function); }
static NSUInteger pipeline_most(pipeline *p, SEL _) { return MAX_THREADGROUP; }
static NSUInteger pipeline_width(pipeline *p, SEL _) { return 32; }

// ---- queues

static object *device_queue(device *d, SEL _, NSUInteger limit) {
  if (!limit) violation("newCommandQueueWithMaxCommandBufferCount: 0");
  queue *q = new_object(queue_class);
  q->lane = new_lane(limit);
  return &q->o;
}

static void queue_destroy(object *o) { close_lane(((queue *)o)->lane); }

// ---- command buffers

// take waits for room in the queue: buffers count from here, committed or not.
static void take(lane *l) {
  pthread_mutex_lock(&l->lock);
  l->waiting++;
  while (l->uncompleted >= l->limit) pthread_cond_wait(&l->change, &l->lock);
  l->waiting--;
  l->uncompleted++;
  pthread_mutex_unlock(&l->lock);
}

static object *make_command_buffer(queue *q, bool retains) {
  take(q->lane);
  command_buffer *c = new_object(command_buffer_class);
  objc_retain(&q->o);
  c->queue = q;
  c->retains = retains;
  return objc_autorelease(&c->o);
}

static object *queue_command_buffer(queue *q, SEL _) { return make_command_buffer(q, true); }
static object *queue_unretained(queue *q, SEL _) { return make_command_buffer(q, false); }

dispatch *dispatch_at(command_buffer *c, int i) { return i ? &c->more[i - 1] : &c->first; }

static void hold(command_buffer *c, dispatch *d) {
  if (!c->retains) return;
  objc_retain(&d->pipeline->o);
  for (int k = 0; k < d->bound; k++)
    if (d->buffers[k]) objc_retain(&d->buffers[k]->o);
}

static void let_go(command_buffer *c, dispatch *d) {
  if (!c->retains) return;
  objc_release(&d->pipeline->o);
  for (int k = 0; k < d->bound; k++)
    if (d->buffers[k]) objc_release(&d->buffers[k]->o);
}

void finished(command_buffer *c) {
  for (int i = 0; i < c->dispatches; i++) let_go(c, dispatch_at(c, i));
  free(c->more);
  c->more = NULL;
  c->dispatches = 0;
}

static void command_buffer_destroy(object *o) {
  command_buffer *c = (command_buffer *)o;
  if (c->status < COMMITTED) {
    finished(c);
    lane *l = c->queue->lane;
    pthread_mutex_lock(&l->lock);
    l->uncompleted--;
    pthread_cond_broadcast(&l->change);
    pthread_mutex_unlock(&l->lock);
  }
  if (c->error) objc_release(c->error);
  objc_release(&c->queue->o);
}

static object *command_buffer_encoder(command_buffer *c, SEL _) {
  if (c->status >= COMMITTED) violation("an encoder for a command buffer that is committed");
  if (c->open) violation("a command encoder is already encoding to this command buffer");
  encoder *e = new_object(encoder_class);
  objc_retain(&c->o);
  e->buffer = c;
  c->open = e;
  return objc_autorelease(&e->o);
}

static void command_buffer_commit(command_buffer *c, SEL _) {
  if (c->status >= COMMITTED) violation("commit an already committed command buffer");
  if (c->open) violation("commit a command buffer with an open encoder");
  counts[COMMITS]++;
  if (due(CRASH_NTH)) violation("injected crash: failed assertion in the driver");
  c->fail = due(FAIL_NTH), c->hang = due(HANG_NTH), c->skip = due(SKIP_NTH);
  objc_retain(&c->o); // until it is completed
  submit(c->queue->lane, c);
}

static void command_buffer_wait(command_buffer *c, SEL _) {
  if (c->status < COMMITTED) violation("waitUntilCompleted on a command buffer that is not committed");
  lane *l = c->queue->lane;
  pthread_mutex_lock(&l->lock);
  l->waiting++;
  while (c->status < COMPLETED) pthread_cond_wait(&l->change, &l->lock);
  l->waiting--;
  pthread_mutex_unlock(&l->lock);
  if (c->visible > c->end) sleep_until(c->visible);
}

static NSUInteger command_buffer_status(command_buffer *c, SEL _) {
  NSUInteger s = c->status;
  return s >= COMPLETED && c->visible > c->end && now_ns() < c->visible ? SCHEDULED : s;
}

static object *command_buffer_error(command_buffer *c, SEL _) { return c->error; }
static double command_buffer_start(command_buffer *c, SEL _) { return c->status >= COMPLETED ? c->start * 1e-9 : 0; }
static double command_buffer_end(command_buffer *c, SEL _) { return c->status >= COMPLETED ? c->end * 1e-9 : 0; }

// ---- encoders

static void enter(encoder *e, const char *what) {
  if (e->ended) violation("%s after endEncoding", what);
  if (e->busy++) violation("two threads use one encoder");
}
static void leave(encoder *e) { e->busy--; }

static void encoder_pipeline(encoder *e, SEL s, pipeline *p) {
  enter(e, s);
  if (!p) violation("setComputePipelineState: nil");
  e->pipeline = p;
  leave(e);
}

static void encoder_buffer(encoder *e, SEL s, buffer *b, NSUInteger offset, NSUInteger index) {
  enter(e, s);
  if (index >= BUFFERS) violation("buffer index %lu is over 30", (unsigned long)index);
  if (b && offset >= b->length) violation("offset %lu of a buffer of %lu bytes", (unsigned long)offset, (unsigned long)b->length);
  e->buffers[index] = b, e->offsets[index] = offset;
  if ((int)index >= e->bound) e->bound = index + 1;
  leave(e);
}

static void encoder_dispatch(encoder *e, SEL s, MTLSize grid, MTLSize group) {
  enter(e, s);
  if (!e->pipeline) violation("dispatch without a pipeline state");
  if (!grid.width || !grid.height || !grid.depth || !group.width || !group.height || !group.depth) violation("dispatch of a size of 0");
  if (group.width > MAX_THREADGROUP || group.width * group.height * group.depth > MAX_THREADGROUP)
    violation("threadgroup of %lu threads is over %d", (unsigned long)(group.width * group.height * group.depth), MAX_THREADGROUP);
  if (grid.height != 1 || grid.depth != 1) violation("only grids of one dimension are here");
  command_buffer *c = e->buffer;
  if (c->dispatches) c->more = realloc(c->more, c->dispatches * sizeof *c->more);
  dispatch *d = dispatch_at(c, c->dispatches++);
  d->pipeline = e->pipeline, d->bound = e->bound, d->threads = grid.width;
  memcpy(d->buffers, e->buffers, e->bound * sizeof *e->buffers);
  memcpy(d->offsets, e->offsets, e->bound * sizeof *e->offsets);
  hold(c, d);
  leave(e);
}

static void encoder_end(encoder *e, SEL s) {
  enter(e, s);
  e->ended = true;
  e->buffer->open = NULL;
  leave(e);
}

static void encoder_destroy(object *o) {
  encoder *e = (encoder *)o;
  if (!e->ended) violation("an encoder was released without endEncoding");
  objc_release(&e->buffer->o);
}

void init_metal(void) {
  device_class = new_class("MTLDevice", sizeof(device), NULL);
  add_method(device_class, "name", device_name);
  add_method(device_class, "registryID", device_registry);
  add_method(device_class, "hasUnifiedMemory", device_unified);
  add_method(device_class, "supportsFamily:", device_family);
  add_method(device_class, "fakeSum:of:", fake_sum);
  add_method(device_class, "newBufferWithLength:options:", device_buffer);
  add_method(device_class, "newLibraryWithSource:options:error:", device_library);
  add_method(device_class, "newComputePipelineStateWithFunction:error:", device_pipeline);
  add_method(device_class, "newCommandQueueWithMaxCommandBufferCount:", device_queue);
  library_class = new_class("MTLLibrary", sizeof(library), NULL);
  add_method(library_class, "newFunctionWithName:", library_function);
  function_class = new_class("MTLFunction", sizeof(function), function_destroy);
  pipeline_class = new_class("MTLComputePipelineState", sizeof(pipeline), pipeline_destroy);
  add_method(pipeline_class, "maxTotalThreadsPerThreadgroup", pipeline_most);
  add_method(pipeline_class, "threadExecutionWidth", pipeline_width);
  buffer_class = new_class("MTLBuffer", sizeof(buffer), buffer_destroy);
  add_method(buffer_class, "contents", buffer_contents);
  add_method(buffer_class, "length", buffer_length);
  queue_class = new_class("MTLCommandQueue", sizeof(queue), queue_destroy);
  add_method(queue_class, "commandBuffer", queue_command_buffer);
  add_method(queue_class, "commandBufferWithUnretainedReferences", queue_unretained);
  command_buffer_class = new_class("MTLCommandBuffer", sizeof(command_buffer), command_buffer_destroy);
  add_method(command_buffer_class, "computeCommandEncoder", command_buffer_encoder);
  add_method(command_buffer_class, "commit", command_buffer_commit);
  add_method(command_buffer_class, "waitUntilCompleted", command_buffer_wait);
  add_method(command_buffer_class, "status", command_buffer_status);
  add_method(command_buffer_class, "error", command_buffer_error);
  add_method(command_buffer_class, "GPUStartTime", command_buffer_start);
  add_method(command_buffer_class, "GPUEndTime", command_buffer_end);
  encoder_class = new_class("MTLComputeCommandEncoder", sizeof(encoder), encoder_destroy);
  add_method(encoder_class, "setComputePipelineState:", encoder_pipeline);
  add_method(encoder_class, "setBuffer:offset:atIndex:", encoder_buffer);
  add_method(encoder_class, "dispatchThreads:threadsPerThreadgroup:", encoder_dispatch);
  add_method(encoder_class, "endEncoding", encoder_end);
}
