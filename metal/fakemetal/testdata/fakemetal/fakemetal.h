// A stand-in for Objective-C, Foundation and Metal on Linux: strict about rules, honest
// about results, with a given latency. runtime.c: classes, messages, ownership, pools.
// foundation.c: strings, errors, the process. metal.c: devices to encoders and Metal's
// rules. engine.c: when operations run. shader.c: the compiler. Nothing here shows how a
// real driver behaves.
//
// What breaks a rule prints "fakemetal: …" and aborts, as Metal's validation does.
#pragma once
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t NSUInteger;
typedef const char *SEL;
typedef struct { NSUInteger width, height, depth; } MTLSize;

// ---- runtime.c

typedef struct class class;
typedef struct object {
  class *isa;
  uint32_t magic;
  atomic_int references;
} object;

// new_class makes a class whose instances have a size and, perhaps, a destructor.
class *new_class(const char *name, size_t size, void (*destroy)(object *));
void add_method(class *c, const char *selector, void *function);
void add_class_method(class *c, const char *selector, void *function);
void *new_object(class *c); // one reference, zeroed
object *objc_retain(object *o);
void objc_release(object *o);
object *objc_autorelease(object *o);
class *objc_getClass(const char *name);
SEL sel_registerName(const char *name);
_Noreturn void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Settings of fake_set. _nth counts from the setting, 1 is the next; 0 is never.
enum setting {
  SUBMIT_NS,  // from commit to the earliest start
  EXECUTE_NS, // least time of an operation
  COMPLETE_NS, // from its end to its being seen
  ENGINES,    // operations that run at once, of different queues; default 1
  FAIL_NTH,   // this commit ends in an error, with FAIL_CODE
  FAIL_CODE,
  HANG_NTH,   // this commit never ends, until RELEASE_HUNG is set
  RELEASE_HUNG,
  CRASH_NTH,  // this commit aborts the process
  SKIP_NTH,   // this commit computes nothing and succeeds
  NO_DEFAULT_DEVICE,
  DEVICES,    // default 1
  FAMILY,     // the highest GPU family; default 1007, Apple7
  THERMAL,
  LOW_POWER,
  SETTINGS
};
extern atomic_long settings[SETTINGS];

// Counts of fake_get.
enum count { MESSAGES, NIL_MESSAGES, UNPOOLED, POOLS, LIVE, COMMITS, ACTIVITIES, COUNTS };
extern atomic_long counts[COUNTS];

// due reports whether a setting ending in _NTH is for this commit, and takes it back.
bool due(enum setting s);

// ---- foundation.c

typedef struct { object o; char *text; } NSString;
NSString *new_string(const char *text);
object *new_error(const char *domain, long code, const char *text);
object *new_array(object **list, int n); // owns what is in list
void init_foundation(void);

// ---- shader.c

typedef void (*entry)(void **buffers, uint32_t threads);
// compile_shader makes a loaded library of Metal source. On failure it returns NULL and
// sets *log, which the caller frees.
void *compile_shader(const char *source, char **log);
entry find_kernel(void *library, const char *name);

// ---- metal.c and engine.c

enum { BUFFERS = 31, MAX_THREADGROUP = 1024 };
enum status { NOT_ENQUEUED, ENQUEUED, COMMITTED, SCHEDULED, COMPLETED, FAILED };

typedef struct { object o; int index; } device;
typedef struct { object o; void *data; size_t length, mapped; } buffer;
typedef struct { object o; object *function; entry run; } pipeline;

// A lane is what is behind a queue: it outlives the object until its thread has ended.
typedef struct lane {
  pthread_mutex_t lock;
  pthread_cond_t work, change;
  struct command_buffer *head, *tail;
  long limit, uncompleted, waiting;
  bool stop;
  int64_t free_at; // when the operation before ends
} lane;
typedef struct { object o; lane *lane; } queue;

typedef struct { pipeline *pipeline; buffer *buffers[BUFFERS]; NSUInteger offsets[BUFFERS]; int bound; uint32_t threads; } dispatch;

typedef struct command_buffer {
  object o;
  queue *queue;
  struct command_buffer *next;
  atomic_int status;
  bool retains;
  struct encoder *open;
  dispatch first, *more; // more: all but the first
  int dispatches;
  object *error;
  bool fail, hang, skip;
  int64_t committed_at, start, end, visible;
} command_buffer;

typedef struct encoder {
  object o;
  command_buffer *buffer;
  bool ended;
  atomic_int busy;
  pipeline *pipeline;
  buffer *buffers[BUFFERS];
  NSUInteger offsets[BUFFERS];
  int bound;
} encoder;

int64_t now_ns(void);
void sleep_until(int64_t t);
lane *new_lane(long limit);
void close_lane(lane *l);
void submit(lane *l, command_buffer *c);
void finished(command_buffer *c); // metal.c: gives back what the buffer holds
dispatch *dispatch_at(command_buffer *c, int i);
void init_metal(void);
