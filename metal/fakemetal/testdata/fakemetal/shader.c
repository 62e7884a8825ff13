// The compiler for kernels: Metal source is C++ with a few words more, so the system's
// C++ compiler makes a shared library of it. What a kernel may use is what metal_stdlib
// below has; there are no vectors, no threadgroups, no atomics.
#include "fakemetal.h"
#include <ctype.h>
#include <dlfcn.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char metal_stdlib[] =
    "#pragma once\n"
    "#define kernel static inline\n"
    "#define device\n"
    "#define constant const\n"
    "typedef unsigned int uint;\ntypedef unsigned short ushort;\ntypedef unsigned char uchar;\n"
    "namespace metal {\n"
    "#define F(name) inline float name(float x) { return __builtin_##name##f(x); }\n"
    "F(sin) F(cos) F(tan) F(exp) F(log) F(sqrt) F(rint) F(round) F(floor) F(ceil) F(fabs) F(trunc)\n"
    "#undef F\n"
    "inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }\n"
    "inline float pow(float a, float b) { return __builtin_powf(a, b); }\n"
    "inline float fmod(float a, float b) { return __builtin_fmodf(a, b); }\n"
    "template <class T> inline T min(T a, T b) { return a < b ? a : b; }\n"
    "template <class T> inline T max(T a, T b) { return a > b ? a : b; }\n"
    "}\n";

// ---- finding kernels

static const char *space(const char *p) {
  while (isspace((unsigned char)*p)) p++;
  return p;
}
static bool word(char c) { return isalnum((unsigned char)c) || c == '_'; }

// entry_of writes a function that runs one kernel over all threads. params is the text
// between its parentheses.
static bool entry_of(FILE *out, const char *name, int length, char *params, char *why, size_t room) {
  char args[1024] = "", *save = NULL;
  for (char *p = strtok_r(params, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
    char arg[256], *mark = strstr(p, "[["), *end = mark;
    int index;
    if (!mark) {
      snprintf(why, room, "parameter '%s' has no attribute", p);
      return false;
    }
    while (end > p && !word(end[-1])) end--; // of the name
    while (end > p && word(end[-1])) end--;  // its start: before it is the type
    if (sscanf(mark, "[[ buffer ( %d )", &index) == 1) {
      if (index < 0 || index >= BUFFERS) {
        snprintf(why, room, "'buffer' attribute parameter is out of bounds: must be between 0 and 30");
        return false;
      }
      char type[128];
      snprintf(type, sizeof type, "%.*s", (int)(end - p), p);
      char *ref = strchr(type, '&');
      if (ref) *ref = 0;
      snprintf(arg, sizeof arg, ref ? "*(%s *)b[%d]" : "(%s)b[%d]", type, index);
    } else if (strstr(mark, "thread_position_in_grid")) {
      snprintf(arg, sizeof arg, "i");
    } else {
      snprintf(why, room, "attribute %s is not known here", mark);
      return false;
    }
    if (strlen(args) + strlen(arg) + 2 > sizeof args) return false;
    if (*args) strcat(args, ", ");
    strcat(args, arg);
  }
  fprintf(out, "extern \"C\" void entry_%.*s(void **b, unsigned n) { for (unsigned i = 0; i < n; i++) %.*s(%s); }\n", length, name, length, name, args);
  return true;
}

static bool entries(FILE *out, const char *source, char *why, size_t room) {
  fputs("\n#line 1 \"entries\"\n", out);
  for (const char *p = source; (p = strstr(p, "kernel")); ) {
    const char *start = p;
    p += 6;
    if ((start > source && word(start[-1])) || word(*p)) continue;
    p = space(p);
    if (strncmp(p, "void", 4)) continue;
    const char *name = space(p + 4), *end = name;
    while (word(*end)) end++;
    const char *open = space(end);
    if (*open != '(' || end == name) continue;
    int depth = 0;
    const char *close = open;
    do depth += (*close == '(') - (*close == ')'); while (depth && *close++);
    if (*close != ')') continue;
    char *params = strndup(open + 1, close - open - 1);
    bool ok = entry_of(out, name, end - name, params, why, room);
    free(params);
    if (!ok) return false;
    p = close;
  }
  return true;
}

// ---- compiling

static char dir[64];
static void remove_dir(void) {
  char cmd[128];
  snprintf(cmd, sizeof cmd, "%s/metal_stdlib", dir);
  unlink(cmd);
  rmdir(dir);
}

static void make_dir(void) {
  strcpy(dir, "/tmp/fakemetal-XXXXXX");
  if (!mkdtemp(dir)) violation("no folder for kernels");
  char path[128];
  snprintf(path, sizeof path, "%s/metal_stdlib", dir);
  FILE *f = fopen(path, "w");
  if (!f || fputs(metal_stdlib, f) < 0 || fclose(f)) violation("cannot write %s", path);
  atexit(remove_dir);
}

static char *slurp(const char *path) {
  FILE *f = fopen(path, "r");
  char *text = calloc(1, 16384);
  if (f) {
    size_t n = fread(text, 1, 16383, f);
    text[n] = 0;
    fclose(f);
  }
  return text;
}

static int compiler(const char *in, const char *out, const char *err) {
  char include[80];
  snprintf(include, sizeof include, "-I%s", dir);
  const char *cxx = getenv("CXX");
  if (!cxx || !*cxx) cxx = "c++";
  const char *argv[] = {cxx, "-x", "c++", "-std=gnu++17", "-nostdinc", "-nostdinc++", include, "-O2", "-shared", "-fPIC", "-w", "-o", out, in, "-lm", NULL};
  posix_spawn_file_actions_t fa;
  posix_spawn_file_actions_init(&fa);
  posix_spawn_file_actions_addopen(&fa, 2, err, 0x241 /* write, create, truncate */, 0600);
  pid_t pid;
  int rc = posix_spawnp(&pid, cxx, &fa, NULL, (char **)argv, environ), status = -1;
  posix_spawn_file_actions_destroy(&fa);
  if (rc) violation("cannot run %s: %s", cxx, strerror(rc));
  while (waitpid(pid, &status, 0) < 0) {}
  return status;
}

static pthread_mutex_t compile_lock = PTHREAD_MUTEX_INITIALIZER;
static struct { char *source; void *code; } compiled[256]; // the same text is compiled once
static int compiled_count;

static void *compile(const char *source, char **log) {
  if (!*dir) make_dir();
  char in[128], out[128], err[128], why[512] = "";
  snprintf(in, sizeof in, "%s/%d.cpp", dir, compiled_count);
  snprintf(out, sizeof out, "%s/%d.so", dir, compiled_count);
  snprintf(err, sizeof err, "%s/%d.err", dir, compiled_count);
  FILE *f = fopen(in, "w");
  if (!f) violation("cannot write %s", in);
  fprintf(f, "#line 1 \"program_source\"\n%s", source);
  bool ok = entries(f, source, why, sizeof why);
  fclose(f);
  void *code = NULL;
  if (!ok) {
    *log = NULL;
    if (asprintf(log, "program_source:1:1: error: %s", why) < 0) abort();
  } else if (compiler(in, out, err)) {
    *log = slurp(err);
  } else if (!(code = dlopen(out, RTLD_NOW | RTLD_LOCAL))) {
    violation("open a compiled kernel: %s", dlerror());
  }
  unlink(in), unlink(out), unlink(err);
  return code;
}

void *compile_shader(const char *source, char **log) {
  pthread_mutex_lock(&compile_lock);
  void *code = NULL;
  for (int i = 0; i < compiled_count && !code; i++)
    if (!strcmp(compiled[i].source, source)) code = compiled[i].code;
  if (!code && (code = compile(source, log)) && compiled_count < 256) {
    compiled[compiled_count].source = strdup(source);
    compiled[compiled_count++].code = code;
  }
  pthread_mutex_unlock(&compile_lock);
  return code;
}

entry find_kernel(void *library, const char *name) {
  char symbol[256];
  snprintf(symbol, sizeof symbol, "entry_%s", name);
  return (entry)dlsym(library, symbol);
}
