package child

import (
	"os"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner/proc"
)

// mark tells a child what it is. A child has no children.
const mark = "HOLDFAST_BENCH_CHILD"

// passed are the variables that reach the process that measures.
var passed = []string{"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "CUDA_VISIBLE_DEVICES"}

// disturbing are the starts of names of variables that change what is measured:
// validation and capture layers, libraries put in between, settings of allocators and of
// the Go runtime.
var disturbing = []string{
	"MTL_", "METAL_", "DYLD_", "LD_PRELOAD", "LD_LIBRARY_PATH", "OBJC_", "Malloc", "NSZombie", "MALLOC_", "GODEBUG", "GOGC", "GOMEMLIMIT",
	"GOMAXPROCS", "CUDA_LAUNCH_BLOCKING", "CUDA_FORCE", "ASAN_", "TSAN_", "UBSAN_",
}

// Environment is that of the process that measures: what an allow-list has of base, and
// nothing else. removed are the names in environ, the agent's own environment, that would
// have changed the measurement, sorted.
func Environment(base, environ []string) (env, removed []string) {
	for _, name := range passed {
		if v := proc.Getenv(base, name); v != "" {
			env = append(env, name+"="+v)
		} else if v := proc.Getenv(environ, name); v != "" && strings.HasPrefix(name, "CUDA_") {
			env = append(env, name+"="+v)
		}
	}
	for _, e := range append(slices.Clone(base), environ...) {
		name, _, _ := strings.Cut(e, "=")
		if !slices.Contains(passed, name) && slices.ContainsFunc(disturbing, func(p string) bool { return strings.HasPrefix(name, p) }) {
			removed = append(removed, name)
		}
	}
	slices.Sort(removed)
	// A crash inside a driver should end by its signal: so the parent names it, and the
	// system writes its crash report.
	return append(env, "GOTRACEBACK=crash", mark+"=1"), slices.Compact(removed)
}

// Started reports whether this process was started by [Start], or by a process that was.
func Started() bool { return os.Getenv(mark) != "" }
