// The plain loop that the harness is compared with: the same kernel, launches, events and
// waits through the driver API, and nothing else in between.
//
//	loop LIBRARY PTX ELEMENTS ITERATIONS WINDOW_MS SPIN
//
// Standard input has one load a line: "shared threads depth" with shared 0 or 1. Standard
// output has one rate in operations a second for each.
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int R;
typedef void *P;

static R (*cuInit)(unsigned);
static R (*cuDeviceGet)(int *, int);
static R (*cuDevicePrimaryCtxSetFlags)(int, unsigned);
static R (*cuDevicePrimaryCtxRetain)(P *, int);
static R (*cuCtxSetCurrent)(P);
static R (*cuModuleLoadData)(P *, const char *);
static R (*cuModuleGetFunction)(P *, P, const char *);
static R (*cuStreamCreate)(P *, unsigned);
static R (*cuStreamDestroy)(P);
static R (*cuMemAlloc)(uint64_t *, size_t);
static R (*cuMemFree)(uint64_t);
static R (*cuMemsetD32)(uint64_t, unsigned, size_t);
static R (*cuLaunchKernel)(P, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, P, P *, P *);
static R (*cuEventCreate)(P *, unsigned);
static R (*cuEventDestroy)(P);
static R (*cuEventRecord)(P, P);
static R (*cuEventSynchronize)(P);

#define DO(call) do { R r_ = (call); if (r_) { fprintf(stderr, "%s: CUDA error %d\n", #call, r_); exit(1); } } while (0)

static P context, function;
static unsigned elements, iterations, spin;
static double window, opens, closes;
static pthread_barrier_t ready, start;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

typedef struct {
	P stream;
	int depth;
	double rate;
} Lane;

static void *lane(void *arg) {
	Lane *l = arg;
	DO(cuCtxSetCurrent(context));
	uint64_t data;
	DO(cuMemAlloc(&data, 4 * (size_t)elements));
	DO(cuMemsetD32(data, 0, elements));
	P *events = calloc(l->depth, sizeof *events);
	for (int i = 0; i < l->depth; i++) DO(cuEventCreate(&events[i], 2 | (spin ? 0 : 1)));
	P params[] = {&data, &elements, &iterations};
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&start);

	// Counted is what completes in the window, of all threads in the same one: simpler than
	// what the harness does, and off by at most depth operations a thread.
	uint64_t submitted = 0, completed = 0, counted = 0;
	for (double t = 0; t < closes;) {
		while (submitted - completed < (uint64_t)l->depth) {
			DO(cuLaunchKernel(function, (elements + 255) / 256, 1, 1, 256, 1, 1, 0, l->stream, params, NULL));
			DO(cuEventRecord(events[submitted++ % l->depth], l->stream));
		}
		DO(cuEventSynchronize(events[completed++ % l->depth]));
		t = now();
		counted += t >= opens && t < closes;
	}
	while (completed < submitted) DO(cuEventSynchronize(events[completed++ % l->depth]));
	l->rate = counted / (closes - opens);
	for (int i = 0; i < l->depth; i++) DO(cuEventDestroy(events[i]));
	free(events);
	DO(cuMemFree(data));
	return NULL;
}

static double measure(int shared, int threads, int depth) {
	Lane *lanes = calloc(threads, sizeof *lanes);
	pthread_t *ids = calloc(threads, sizeof *ids);
	pthread_barrier_init(&ready, NULL, threads + 1);
	pthread_barrier_init(&start, NULL, threads + 1);
	for (int i = 0; i < threads; i++) {
		lanes[i].depth = depth;
		if (i == 0 || !shared) DO(cuStreamCreate(&lanes[i].stream, 1));
		else lanes[i].stream = lanes[0].stream;
		pthread_create(&ids[i], NULL, lane, &lanes[i]);
	}
	pthread_barrier_wait(&ready);
	opens = now() + window / 10;
	closes = opens + window;
	pthread_barrier_wait(&start);
	double rate = 0;
	for (int i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		rate += lanes[i].rate;
	}
	for (int i = 0; i < threads; i++) if (i == 0 || !shared) DO(cuStreamDestroy(lanes[i].stream));
	free(lanes);
	free(ids);
	return rate;
}

int main(int n, char **v) {
	if (n != 7) return fprintf(stderr, "usage: loop LIBRARY PTX ELEMENTS ITERATIONS WINDOW_MS SPIN\n"), 2;
	P lib = dlopen(v[1], RTLD_NOW | RTLD_GLOBAL);
	if (!lib) return fprintf(stderr, "%s\n", dlerror()), 1;
	struct { P *f; const char *name; } table[] = {
		{(P *)&cuInit, "cuInit"}, {(P *)&cuDeviceGet, "cuDeviceGet"}, {(P *)&cuDevicePrimaryCtxSetFlags, "cuDevicePrimaryCtxSetFlags_v2"},
		{(P *)&cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain"}, {(P *)&cuCtxSetCurrent, "cuCtxSetCurrent"},
		{(P *)&cuModuleLoadData, "cuModuleLoadData"}, {(P *)&cuModuleGetFunction, "cuModuleGetFunction"},
		{(P *)&cuStreamCreate, "cuStreamCreate"}, {(P *)&cuStreamDestroy, "cuStreamDestroy_v2"}, {(P *)&cuMemAlloc, "cuMemAlloc_v2"},
		{(P *)&cuMemFree, "cuMemFree_v2"}, {(P *)&cuMemsetD32, "cuMemsetD32_v2"}, {(P *)&cuLaunchKernel, "cuLaunchKernel"},
		{(P *)&cuEventCreate, "cuEventCreate"}, {(P *)&cuEventDestroy, "cuEventDestroy_v2"}, {(P *)&cuEventRecord, "cuEventRecord"},
		{(P *)&cuEventSynchronize, "cuEventSynchronize"},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (!(*table[i].f = dlsym(lib, table[i].name))) return fprintf(stderr, "%s\n", dlerror()), 1;
	elements = atoi(v[3]), iterations = atoi(v[4]), window = atof(v[5]) / 1e3, spin = atoi(v[6]);
	FILE *f = fopen(v[2], "r");
	if (!f) return perror(v[2]), 1;
	static char ptx[1 << 16];
	if (!fread(ptx, 1, sizeof ptx - 1, f)) return fprintf(stderr, "%s is empty\n", v[2]), 1;
	fclose(f);
	int device;
	P module;
	DO(cuInit(0));
	DO(cuDeviceGet(&device, 0));
	DO(cuDevicePrimaryCtxSetFlags(device, spin ? 1 : 4));
	DO(cuDevicePrimaryCtxRetain(&context, device));
	DO(cuCtxSetCurrent(context));
	DO(cuModuleLoadData(&module, ptx));
	DO(cuModuleGetFunction(&function, module, "step"));
	double begin = now(), w = window;
	window = 0.05;
	while (now() - begin < 0.5) measure(0, 1, 8); // as the harness does: clocks rise under load
	window = w;
	int shared, threads, depth;
	while (scanf("%d %d %d", &shared, &threads, &depth) == 3) {
		printf("%.6f\n", measure(shared, threads, depth));
		fflush(stdout);
	}
	return 0;
}
