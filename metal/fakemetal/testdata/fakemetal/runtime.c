// Selectors, classes, objc_msgSend, reference counts, autorelease pools, controls.
#include "fakemetal.h"
#include <stdarg.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define HIDDEN __attribute__((visibility("hidden")))

enum { OBJECT = 0x4c495645, CORPSE = 0x44454144, CLASS = 0x434c4153 };

typedef void (*method)(void);

struct class {
  object o; // isa is the metaclass
  const char *name;
  size_t size;
  void (*destroy)(object *);
  atomic_long live;
  // The dead stay for a while, so that who sends them a message is told.
  pthread_mutex_t lock;
  object *dead[1024];
  int next_dead;
};

atomic_long settings[SETTINGS] = {[ENGINES] = 1, [FAIL_CODE] = 2, [DEVICES] = 1, [FAMILY] = 1007};
atomic_long counts[COUNTS];

_Noreturn void violation(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("fakemetal: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  abort();
}

bool due(enum setting s) {
  long n = atomic_load(&settings[s]);
  return n > 0 && atomic_fetch_sub(&settings[s], 1) == 1;
}

// ---- selectors: a name has one address

static struct { SEL list[512]; int n; } selectors;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

EXPORT SEL sel_registerName(const char *name) {
  pthread_mutex_lock(&table_lock);
  int i = 0;
  while (i < selectors.n && strcmp(selectors.list[i], name)) i++;
  if (i == selectors.n) {
    if (i == 512) violation("too many selectors");
    selectors.list[selectors.n++] = strdup(name);
  }
  pthread_mutex_unlock(&table_lock);
  return selectors.list[i];
}

// ---- classes and methods; all are made before the library is used

static class *classes[64];
static int class_count;
static struct { class *c; SEL s; method m; bool forgotten; } methods[1024];

static unsigned slot(class *c, SEL s) {
  unsigned h = (unsigned)((((uintptr_t)c >> 4) * 31 + ((uintptr_t)s >> 4) * 2654435761u) % 1024);
  while (methods[h].c && (methods[h].c != c || methods[h].s != s)) h = (h + 1) % 1024;
  return h;
}

void add_method(class *c, const char *selector, void *function) {
  SEL s = sel_registerName(selector);
  unsigned h = slot(c, s);
  methods[h].c = c, methods[h].s = s, methods[h].m = (method)function;
}

void add_class_method(class *c, const char *selector, void *function) { add_method(c->o.isa, selector, function); }

EXPORT class *objc_getClass(const char *name) {
  for (int i = 0; i < class_count; i++)
    if (!strcmp(classes[i]->name, name)) return classes[i];
  return NULL;
}

static bool responds(class *c, SEL s) {
  unsigned h = slot(c, s);
  return methods[h].c && !methods[h].forgotten;
}

static object *retain(object *o, SEL _) { return objc_retain(o); }
static void release(object *o, SEL _) { objc_release(o); }
static object *autorelease(object *o, SEL _) { return objc_autorelease(o); }
static bool responds_to(object *o, SEL _, SEL s) { return responds(o->isa, s); }
static bool instances_respond_to(class *c, SEL _, SEL s) { return responds(c, s); }
static object *alloc(class *c, SEL _) { return new_object(c); }
static object *init(object *o, SEL _) { return o; }

class *new_class(const char *name, size_t size, void (*destroy)(object *)) {
  class *c = calloc(1, sizeof *c), *meta = calloc(1, sizeof *meta);
  c->o = (object){meta, CLASS, 1}, meta->o = (object){NULL, CLASS, 1};
  c->name = meta->name = name;
  c->size = size;
  c->destroy = destroy;
  pthread_mutex_init(&c->lock, NULL);
  classes[class_count++] = c;
  add_method(c, "retain", retain);
  add_method(c, "release", release);
  add_method(c, "autorelease", autorelease);
  add_method(c, "respondsToSelector:", responds_to);
  add_method(c, "init", init);
  add_class_method(c, "respondsToSelector:", responds_to);
  add_class_method(c, "instancesRespondToSelector:", instances_respond_to);
  add_class_method(c, "alloc", alloc);
  return c;
}

// ---- objects

void *new_object(class *c) {
  pthread_mutex_lock(&c->lock);
  object *o = c->dead[c->next_dead]; // the longest dead
  c->dead[c->next_dead] = NULL;
  pthread_mutex_unlock(&c->lock);
  if (o) memset(o, 0, c->size);
  else o = calloc(1, c->size);
  o->isa = c;
  o->magic = OBJECT;
  o->references = 1;
  c->live++;
  counts[LIVE]++;
  return o;
}

EXPORT object *objc_retain(object *o) {
  if (!o || o->magic == CLASS) return o;
  if (o->magic != OBJECT) violation("retain of a deallocated %s %p", o->magic == CORPSE ? o->isa->name : "?", (void *)o);
  o->references++;
  return o;
}

EXPORT void objc_release(object *o) {
  if (!o || o->magic == CLASS) return;
  if (o->magic != OBJECT) violation("over-release of %s %p", o->magic == CORPSE ? o->isa->name : "?", (void *)o);
  if (--o->references > 0) return;
  class *c = o->isa;
  if (c->destroy) c->destroy(o);
  o->magic = CORPSE;
  c->live--;
  counts[LIVE]--;
  pthread_mutex_lock(&c->lock);
  object *old = c->dead[c->next_dead];
  c->dead[c->next_dead] = o;
  c->next_dead = (c->next_dead + 1) % 1024;
  pthread_mutex_unlock(&c->lock);
  free(old);
}

// ---- autorelease pools, a stack of each thread

static _Thread_local struct { object **list; long n, room, marks[64]; int depth; } pools;
static _Thread_local long thread_id;

EXPORT void *objc_autoreleasePoolPush(void) {
  if (!thread_id) thread_id = gettid();
  if (pools.depth == 64) violation("64 autorelease pools on one thread");
  pools.marks[pools.depth++] = pools.n;
  counts[POOLS]++;
  return (void *)(uintptr_t)(thread_id << 8 | pools.depth);
}

EXPORT void objc_autoreleasePoolPop(void *token) {
  if (!thread_id) thread_id = gettid();
  long thread = (long)(uintptr_t)token >> 8;
  int depth = (uintptr_t)token & 0xff;
  if (thread != thread_id) violation("autorelease pool popped on another thread than the one that pushed it");
  if (depth != pools.depth) violation("autorelease pool popped twice or out of order");
  pools.depth--;
  counts[POOLS]--;
  while (pools.n > pools.marks[pools.depth]) objc_release(pools.list[--pools.n]);
}

EXPORT object *objc_autorelease(object *o) {
  if (!o) return NULL;
  if (!pools.depth) { // the real one leaks it as well
    counts[UNPOOLED]++;
    return o;
  }
  if (pools.n == pools.room) {
    pools.room = pools.room ? pools.room * 2 : 64;
    pools.list = realloc(pools.list, pools.room * sizeof *pools.list);
  }
  return pools.list[pools.n++] = o;
}

// ---- messages

static _Atomic(SEL) refused;
static atomic_long refused_nth;

HIDDEN void answer_nil(void);

HIDDEN __attribute__((used)) method find_method(object *o, SEL s) {
  atomic_fetch_add_explicit(&counts[MESSAGES], 1, memory_order_relaxed);
  if (!o) {
    counts[NIL_MESSAGES]++;
    return answer_nil;
  }
  if (o->magic == CORPSE) violation("message '%s' sent to deallocated %s %p", s, o->isa->name, (void *)o);
  if (o->magic != OBJECT && o->magic != CLASS) violation("message '%s' sent to %p, which is no object", s, (void *)o);
  if (atomic_load_explicit(&refused, memory_order_relaxed) == s && atomic_fetch_sub(&refused_nth, 1) == 1) return answer_nil;
  unsigned h = slot(o->isa, s);
  if (methods[h].c && !methods[h].forgotten) return methods[h].m;
  violation("%c[%s %s]: unrecognized selector", o->magic == CLASS ? '+' : '-', o->isa->name, s);
}

// objc_msgSend keeps every argument register and the caller's stack as they are, finds
// the method and jumps to it. So methods are plain C functions, and whatever the caller
// got wrong about the calling convention shows in them.
#if defined(__x86_64__)
__asm__(
    ".text\n.globl objc_msgSend\n.type objc_msgSend,@function\nobjc_msgSend:\n"
    "pushq %rbp\nmovq %rsp,%rbp\nsubq $192,%rsp\n"
    "movq %rdi,0(%rsp)\nmovq %rsi,8(%rsp)\nmovq %rdx,16(%rsp)\nmovq %rcx,24(%rsp)\n"
    "movq %r8,32(%rsp)\nmovq %r9,40(%rsp)\nmovq %rax,48(%rsp)\n"
    "movups %xmm0,64(%rsp)\nmovups %xmm1,80(%rsp)\nmovups %xmm2,96(%rsp)\nmovups %xmm3,112(%rsp)\n"
    "movups %xmm4,128(%rsp)\nmovups %xmm5,144(%rsp)\nmovups %xmm6,160(%rsp)\nmovups %xmm7,176(%rsp)\n"
    "call find_method\nmovq %rax,%r11\n"
    "movq 0(%rsp),%rdi\nmovq 8(%rsp),%rsi\nmovq 16(%rsp),%rdx\nmovq 24(%rsp),%rcx\n"
    "movq 32(%rsp),%r8\nmovq 40(%rsp),%r9\nmovq 48(%rsp),%rax\n"
    "movups 64(%rsp),%xmm0\nmovups 80(%rsp),%xmm1\nmovups 96(%rsp),%xmm2\nmovups 112(%rsp),%xmm3\n"
    "movups 128(%rsp),%xmm4\nmovups 144(%rsp),%xmm5\nmovups 160(%rsp),%xmm6\nmovups 176(%rsp),%xmm7\n"
    "movq %rbp,%rsp\npopq %rbp\njmp *%r11\n"
    ".size objc_msgSend,.-objc_msgSend\n"
    ".hidden answer_nil\n.globl answer_nil\n.type answer_nil,@function\nanswer_nil:\n"
    "xorl %eax,%eax\nxorl %edx,%edx\npxor %xmm0,%xmm0\npxor %xmm1,%xmm1\nret\n"
    ".size answer_nil,.-answer_nil\n");
#elif defined(__aarch64__)
__asm__(
    ".text\n.globl objc_msgSend\n.type objc_msgSend,%function\nobjc_msgSend:\n"
    "stp x29,x30,[sp,#-16]!\nmov x29,sp\nsub sp,sp,#208\n"
    "stp x0,x1,[sp]\nstp x2,x3,[sp,#16]\nstp x4,x5,[sp,#32]\nstp x6,x7,[sp,#48]\nstr x8,[sp,#64]\n"
    "stp q0,q1,[sp,#80]\nstp q2,q3,[sp,#112]\nstp q4,q5,[sp,#144]\nstp q6,q7,[sp,#176]\n"
    "bl find_method\nmov x16,x0\n"
    "ldp x0,x1,[sp]\nldp x2,x3,[sp,#16]\nldp x4,x5,[sp,#32]\nldp x6,x7,[sp,#48]\nldr x8,[sp,#64]\n"
    "ldp q0,q1,[sp,#80]\nldp q2,q3,[sp,#112]\nldp q4,q5,[sp,#144]\nldp q6,q7,[sp,#176]\n"
    "mov sp,x29\nldp x29,x30,[sp],#16\nbr x16\n"
    ".size objc_msgSend,.-objc_msgSend\n"
    ".hidden answer_nil\n.globl answer_nil\n.type answer_nil,%function\nanswer_nil:\n"
    "mov x0,#0\nmov x1,#0\nmovi d0,#0\nmovi d1,#0\nret\n"
    ".size answer_nil,.-answer_nil\n");
#else
#error "objc_msgSend is written for x86-64 and arm64"
#endif

// ---- controls

static const char *setting_names[SETTINGS] = {
    "submit_ns", "execute_ns", "complete_ns", "engines",  "fail_nth",          "fail_code", "hang_nth", "release_hung",
    "crash_nth", "skip_nth",   "no_default_device", "devices", "family", "thermal",   "low_power",
};
static const char *count_names[COUNTS] = {"messages", "nil_messages", "unpooled", "pools", "live", "commits", "activities"};

EXPORT void fake_set(const char *name, long value) {
  for (int i = 0; i < SETTINGS; i++)
    if (!strcmp(setting_names[i], name)) {
      settings[i] = value;
      return;
    }
  violation("no setting %s", name);
}

// fake_get is a count, or the number of live objects of a class.
EXPORT long fake_get(const char *name) {
  for (int i = 0; i < COUNTS; i++)
    if (!strcmp(count_names[i], name)) return counts[i];
  class *c = objc_getClass(name);
  if (!c) violation("no count or class %s", name);
  return c->live;
}

// fake_refuse makes the nth message of that selector from now return nil.
EXPORT void fake_refuse(const char *selector, long nth) {
  refused_nth = nth;
  refused = sel_registerName(selector);
}

// fake_forget makes a system whose classes lack (or have again) a method.
EXPORT void fake_forget(const char *selector, int forgotten) {
  SEL s = sel_registerName(selector);
  for (int i = 0; i < 1024; i++)
    if (methods[i].c && methods[i].s == s) methods[i].forgotten = forgotten;
}

__attribute__((constructor)) static void initialise(void) {
  init_foundation();
  init_metal();
  // FAKEMETAL="execute_ns=1000000 hang_nth=5" sets a child process up.
  char *env = getenv("FAKEMETAL"), *save = NULL;
  env = env ? strdup(env) : NULL;
  for (char *w = env ? strtok_r(env, " ", &save) : NULL; w; w = strtok_r(NULL, " ", &save)) {
    char *value = strchr(w, '=');
    if (!value) violation("FAKEMETAL: %s is not name=value", w);
    *value++ = 0;
    fake_set(w, strtol(value, NULL, 10));
  }
  free(env);
}
