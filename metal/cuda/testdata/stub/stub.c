// As much of the CUDA driver as package cuda uses, on the processor: every stream is a
// thread that executes its commands in order, so launches are asynchronous and events
// complete later, as on a device. The one kernel it knows is the harness's, written
// here in C; it stands for the PTX, of which only the entry's name is looked at.
//
// CUDASTUB_FAIL=name makes a function fail, CUDASTUB_DEVICES=0 takes the device away,
// CUDASTUB_WRONG=1 makes the kernel compute something else.
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int R;
enum { OK = 0, INVALID_VALUE = 1, NOT_INITIALIZED = 3, INVALID_PTX = 218, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500, LAUNCH_FAILED = 719 };

typedef struct Event {
	pthread_mutex_t mu;
	pthread_cond_t done;
	int pending;
} Event;

typedef struct Command {
	struct Command *next;
	int kind; // 1 launch, 2 event, 3 copy to the device, 4 end
	float *data;
	unsigned n, iterations;
	Event *event;
	void *host;
	size_t bytes;
} Command;

typedef struct Stream {
	uint64_t magic;
	pthread_t thread;
	pthread_mutex_t mu;
	pthread_cond_t more;
	Command *first, **last;
} Stream;

enum { MAGIC = 0x57ea3 };

static int initialized, devices = 1, live;
static _Thread_local void *current;
static int context, module, function;

static int fails(const char *name) {
	const char *f = getenv("CUDASTUB_FAIL");
	return f && !strcmp(f, name);
}
#define CHECK() do { if (!initialized) return NOT_INITIALIZED; if (!current) return INVALID_CONTEXT; if (fails(__func__)) return LAUNCH_FAILED; } while (0)

int cuStubLive(void) { return __atomic_load_n(&live, __ATOMIC_SEQ_CST); }
static void *make(size_t n) { __atomic_add_fetch(&live, 1, __ATOMIC_SEQ_CST); return calloc(1, n); }
static void drop(void *p) { __atomic_sub_fetch(&live, 1, __ATOMIC_SEQ_CST); free(p); }

static void step(float *data, unsigned n, unsigned iterations) {
	const float modulus = 8388593;
	int wrong = getenv("CUDASTUB_WRONG") != NULL;
	for (unsigned i = 0; i < n; i++) {
		float p = data[i], s = 1 + (i & 4095);
		for (unsigned k = 0; k < iterations; k++) {
			float a = p * (float)(2 * M_PI / 8388593) - (float)M_PI;
			float x = sinf(a), y = cosf(a);
			p += s * rintf(256 * (x * x + y * y)) + wrong;
			if (p >= modulus) p -= modulus;
		}
		data[i] = p;
	}
}

static void *work(void *arg) {
	Stream *s = arg;
	for (;;) {
		pthread_mutex_lock(&s->mu);
		while (!s->first) pthread_cond_wait(&s->more, &s->mu);
		Command *c = s->first;
		s->first = c->next;
		if (!s->first) s->last = &s->first;
		pthread_mutex_unlock(&s->mu);
		switch (c->kind) {
		case 1: step(c->data, c->n, c->iterations); break;
		case 2:
			pthread_mutex_lock(&c->event->mu);
			c->event->pending--;
			pthread_cond_broadcast(&c->event->done);
			pthread_mutex_unlock(&c->event->mu);
			break;
		case 3: memcpy(c->data, c->host, c->bytes); free(c->host); break;
		case 4: free(c); return NULL;
		}
		free(c);
	}
}

static R push(Stream *s, Command c) {
	if (!s || s->magic != MAGIC) return INVALID_HANDLE;
	Command *p = malloc(sizeof *p);
	*p = c;
	p->next = NULL;
	pthread_mutex_lock(&s->mu);
	*s->last = p;
	s->last = &p->next;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->mu);
	return OK;
}

R cuInit(unsigned flags) {
	if (fails(__func__) || flags) return LAUNCH_FAILED;
	const char *d = getenv("CUDASTUB_DEVICES");
	devices = d ? atoi(d) : 1;
	initialized = 1;
	return OK;
}
R cuDeviceGetCount(int *n) { *n = devices; return initialized ? OK : NOT_INITIALIZED; }
R cuDeviceGet(int *d, int i) { *d = 0; return i == 0 && devices ? OK : INVALID_VALUE; }
R cuDeviceGetName(char *name, int n, int d) { if (d || n < 16) return INVALID_VALUE; strcpy(name, "Stub"); return OK; }
R cuDriverGetVersion(int *v) { *v = 13010; return OK; }
R cuDevicePrimaryCtxSetFlags_v2(int d, unsigned flags) { return d || (flags != 1 && flags != 4) ? INVALID_VALUE : OK; }
R cuDevicePrimaryCtxRetain(void **c, int d) { if (d) return INVALID_VALUE; *c = &context; return OK; }
R cuDevicePrimaryCtxRelease_v2(int d) { return d ? INVALID_VALUE : OK; }
R cuCtxSetCurrent(void *c) { if (c != &context) return INVALID_CONTEXT; current = c; return OK; }
R cuModuleLoadData(void **m, const char *text) { CHECK(); if (!strstr(text, ".entry step(")) return INVALID_PTX; make(0); *m = &module; return OK; }
R cuModuleUnload(void *m) { CHECK(); if (m != &module) return INVALID_HANDLE; drop(NULL); return OK; }
R cuModuleGetFunction(void **f, void *m, const char *name) { CHECK(); if (m != &module || strcmp(name, "step")) return NOT_FOUND; *f = &function; return OK; }
R cuStreamCreate(Stream **out, unsigned flags) {
	CHECK();
	if (flags != 1) return INVALID_VALUE;
	Stream *s = make(sizeof *s);
	s->magic = MAGIC;
	pthread_mutex_init(&s->mu, NULL);
	pthread_cond_init(&s->more, NULL);
	s->last = &s->first;
	pthread_create(&s->thread, NULL, work, s);
	*out = s;
	return OK;
}
R cuStreamDestroy_v2(Stream *s) {
	CHECK();
	R r = push(s, (Command){.kind = 4});
	if (r) return r;
	pthread_join(s->thread, NULL);
	s->magic = 0;
	drop(s);
	return OK;
}
R cuMemAlloc_v2(uint64_t *p, size_t n) { CHECK(); *p = (uint64_t)(uintptr_t)make(n); return OK; }
R cuMemFree_v2(uint64_t p) { CHECK(); drop((void *)(uintptr_t)p); return OK; }
R cuMemsetD32_v2(uint64_t p, unsigned v, size_t n) { CHECK(); for (size_t i = 0; i < n; i++) ((unsigned *)(uintptr_t)p)[i] = v; return OK; }
R cuMemcpyHtoDAsync_v2(uint64_t d, const void *h, size_t n, Stream *s) {
	CHECK();
	void *staged = malloc(n); // as pageable memory is
	memcpy(staged, h, n);
	return push(s, (Command){.kind = 3, .data = (float *)(uintptr_t)d, .host = staged, .bytes = n});
}
R cuMemcpyDtoH_v2(void *h, uint64_t d, size_t n) { CHECK(); memcpy(h, (void *)(uintptr_t)d, n); return OK; }
R cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, Stream *s, void **p, void **extra) {
	CHECK();
	if (f != &function || gy != 1 || gz != 1 || bx != 256 || by != 1 || bz != 1 || shared || extra || !p) return INVALID_VALUE;
	unsigned n = *(unsigned *)p[1];
	if (gx != (n + bx - 1) / bx) return INVALID_VALUE;
	return push(s, (Command){.kind = 1, .data = *(float **)p[0], .n = n, .iterations = *(unsigned *)p[2]});
}
R cuEventCreate(Event **out, unsigned flags) {
	CHECK();
	if (!(flags & 2)) return INVALID_VALUE;
	Event *e = make(sizeof *e);
	pthread_mutex_init(&e->mu, NULL);
	pthread_cond_init(&e->done, NULL);
	*out = e;
	return OK;
}
R cuEventDestroy_v2(Event *e) { // the driver keeps it until it is recorded, and does not wait
	CHECK();
	pthread_mutex_lock(&e->mu);
	while (e->pending) pthread_cond_wait(&e->done, &e->mu);
	pthread_mutex_unlock(&e->mu);
	drop(e);
	return OK;
}
R cuEventRecord(Event *e, Stream *s) {
	CHECK();
	pthread_mutex_lock(&e->mu);
	e->pending++;
	pthread_mutex_unlock(&e->mu);
	return push(s, (Command){.kind = 2, .event = e});
}
R cuEventSynchronize(Event *e) {
	CHECK();
	pthread_mutex_lock(&e->mu);
	while (e->pending) pthread_cond_wait(&e->done, &e->mu);
	pthread_mutex_unlock(&e->mu);
	return OK;
}
R cuGetErrorString(R r, const char **s) { *s = r == LAUNCH_FAILED ? "unspecified launch failure" : r == INVALID_CONTEXT ? "invalid device context" : "stub error"; return OK; }
