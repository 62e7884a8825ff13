// Strings, errors, arrays, the process.
#include "fakemetal.h"

static class *string_class, *error_class, *array_class, *process_class, *activity_class;

// ---- NSString

NSString *new_string(const char *text) {
  NSString *s = new_object(string_class);
  s->text = strdup(text);
  return s;
}

// valid reports whether bytes are UTF-8: lengths and continuation bytes.
static bool valid(const unsigned char *b, NSUInteger n) {
  for (NSUInteger i = 0; i < n;) {
    int more = b[i] < 0x80 ? 0 : b[i] >= 0xf0 && b[i] < 0xf5 ? 3 : b[i] >= 0xe0 ? 2 : b[i] >= 0xc2 ? 1 : -1;
    if (more < 0 || b[i] >= 0xf5) return false;
    for (i++; more > 0; more--, i++)
      if (i >= n || (b[i] & 0xc0) != 0x80) return false;
  }
  return true;
}

static object *string_init(NSString *s, SEL _, const void *bytes, NSUInteger length, NSUInteger encoding) {
  if (encoding != 4) violation("string encoding %lu, only UTF-8 is here", (unsigned long)encoding);
  if (!valid(bytes, length)) {
    objc_release(&s->o);
    return NULL;
  }
  s->text = strndup(bytes, length);
  return &s->o;
}

static const char *string_utf8(NSString *s, SEL _) { return s->text; }
static void string_destroy(object *o) { free(((NSString *)o)->text); }

// ---- NSError

typedef struct { object o; NSString *domain, *text; long code; } NSError;

object *new_error(const char *domain, long code, const char *text) {
  NSError *e = new_object(error_class);
  e->domain = new_string(domain);
  e->text = new_string(text);
  e->code = code;
  return &e->o;
}

static void error_destroy(object *o) {
  objc_release(&((NSError *)o)->domain->o);
  objc_release(&((NSError *)o)->text->o);
}

static NSString *error_domain(NSError *e, SEL _) { return e->domain; }
static long error_code(NSError *e, SEL _) { return e->code; }
static object *error_description(NSError *e, SEL _) { return objc_autorelease(&new_string(e->text->text)->o); }

// ---- NSArray

typedef struct { object o; object *list[16]; int n; } NSArray;

object *new_array(object **list, int n) {
  NSArray *a = new_object(array_class);
  memcpy(a->list, list, n * sizeof *list);
  a->n = n;
  return &a->o;
}

static void array_destroy(object *o) {
  for (int i = 0; i < ((NSArray *)o)->n; i++) objc_release(((NSArray *)o)->list[i]);
}

static NSUInteger array_count(NSArray *a, SEL _) { return a->n; }
static object *array_at(NSArray *a, SEL _, NSUInteger i) {
  if (i >= (NSUInteger)a->n) violation("-[NSArray objectAtIndex:]: %lu of %d", (unsigned long)i, a->n);
  return a->list[i];
}

// ---- NSProcessInfo

static object *process_info(class *c, SEL _) {
  static object *one;
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  if (!one) one = new_object(process_class);
  pthread_mutex_unlock(&lock);
  return one;
}

static long thermal_state(object *o, SEL _) { return settings[THERMAL]; }
static bool low_power(object *o, SEL _) { return settings[LOW_POWER]; }
static object *version_string(object *o, SEL _) { return objc_autorelease(&new_string("Version 0.0 (Build FAKE)")->o); }

typedef struct { object o; bool ended; } activity;

static object *begin_activity(object *o, SEL _, uint64_t options, NSString *reason) {
  if (!options || !reason) violation("an activity without options or reason");
  counts[ACTIVITIES]++;
  return objc_autorelease(new_object(activity_class));
}

static void end_activity(object *o, SEL _, activity *a) {
  if (!a || a->ended) violation("an activity is ended twice");
  a->ended = true;
  counts[ACTIVITIES]--;
}

static _Thread_local unsigned qos = 0x15;
__attribute__((visibility("default"))) unsigned qos_class_self(void) { return qos; }
__attribute__((visibility("default"))) int pthread_set_qos_class_self_np(unsigned class, int relative) {
  if (class != 0x21 && class != 0x19 && class != 0x15 && class != 0x11 && class != 0x09) return 22;
  if (relative > 0 || relative < -15) return 22;
  qos = class;
  return 0;
}

void init_foundation(void) {
  string_class = new_class("NSString", sizeof(NSString), string_destroy);
  add_method(string_class, "initWithBytes:length:encoding:", string_init);
  add_method(string_class, "UTF8String", string_utf8);
  error_class = new_class("NSError", sizeof(NSError), error_destroy);
  add_method(error_class, "domain", error_domain);
  add_method(error_class, "code", error_code);
  add_method(error_class, "localizedDescription", error_description);
  array_class = new_class("NSArray", sizeof(NSArray), array_destroy);
  add_method(array_class, "count", array_count);
  add_method(array_class, "objectAtIndex:", array_at);
  process_class = new_class("NSProcessInfo", sizeof(object), NULL);
  add_class_method(process_class, "processInfo", process_info);
  add_method(process_class, "thermalState", thermal_state);
  add_method(process_class, "isLowPowerModeEnabled", low_power);
  add_method(process_class, "operatingSystemVersionString", version_string);
  add_method(process_class, "beginActivityWithOptions:reason:", begin_activity);
  add_method(process_class, "endActivity:", end_activity);
  activity_class = new_class("NSActivity", sizeof(activity), NULL);
}
