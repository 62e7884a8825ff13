// Package fakemetal is a stand-in for Objective-C, Foundation and Metal, for tests on
// Linux: one C library, compiled by the test with the system's C compiler.
//
// Kernels are compiled with the system's C++ compiler and really run. Objects are
// counted, and what breaks a rule of Objective-C or Metal aborts the process with a
// sentence on standard error, as Metal's validation does: use it from a child process.
// Latency, execution time and the number of engines are given, so that throughput can be
// compared with arithmetic; errors, hangs, crashes and missing results can be ordered.
//
// It shows nothing about drivers, clocks or costs of a real device.
package fakemetal

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ebitengine/purego"
)

//go:embed testdata/fakemetal
var sources embed.FS

// Library is the path of the compiled library, made on first use and kept in the user's
// cache under a hash of its source. On other systems than Linux, and without a C compiler,
// the test is skipped; where CI is set, the latter fails it.
func Library(tb testing.TB) string {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skip("the fake of Metal is written for Linux")
	}
	path, err := build()
	if err != nil {
		if _, missing := exec.LookPath(compiler()); missing != nil && os.Getenv("CI") == "" {
			tb.Skipf("no C compiler, so no fake of Metal: %v", err)
		}
		tb.Fatal(err)
	}
	return path
}

func compiler() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	return "cc"
}

var build = sync.OnceValues(func() (string, error) {
	return Compile("libfakemetal.so", sources, "testdata/fakemetal", "-shared", "-fPIC", "-fvisibility=hidden", "-lpthread", "-ldl", "-lm")
})

// Compile makes a file of the C sources in a folder, unless the cache has it. Flags that
// begin with -l come last. The environment's CC is the compiler.
func Compile(name string, sources fs.FS, dir string, flags ...string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	hash := sha256.New()
	fmt.Fprintln(hash, compiler(), flags)
	var files []string
	text := map[string][]byte{}
	err = fs.WalkDir(sources, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(sources, p)
		fmt.Fprintf(hash, "%s %d\n%s", p, len(b), b)
		text[filepath.Base(p)] = b
		if strings.HasSuffix(p, ".c") {
			files = append(files, filepath.Base(p))
		}
		return err
	})
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, "holdfast-fakemetal")
	path := filepath.Join(home, hex.EncodeToString(hash.Sum(nil)[:8])+"-"+name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(home, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	for base, b := range text {
		if err := os.WriteFile(filepath.Join(work, base), b, 0o644); err != nil {
			return "", err
		}
	}
	args := []string{"-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-o", "out"}
	var last []string
	for _, f := range flags {
		if strings.HasPrefix(f, "-l") {
			last = append(last, f)
		} else {
			args = append(args, f)
		}
	}
	cmd := exec.Command(compiler(), append(append(args, files...), last...)...)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile %s: %w\n%s", name, err, out)
	}
	// Tests of several packages run at once: the rename is atomic.
	if err := os.Rename(filepath.Join(work, "out"), path); err != nil {
		return "", err
	}
	return path, nil
}

// Fake controls the loaded library. There is one in a process.
type Fake struct {
	Library string

	set    func(string, int)
	get    func(string) int
	refuse func(string, int)
	forget func(string, int)
}

// Open loads the library.
func Open(tb testing.TB) *Fake {
	tb.Helper()
	f, err := Load(Library(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// Load loads the library at a path that another process had from [Library], and changes
// settings, "name=value" each, for good.
func Load(library string, settings ...string) (*Fake, error) {
	h, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, err
	}
	f := &Fake{Library: library}
	purego.RegisterLibFunc(&f.set, h, "fake_set")
	purego.RegisterLibFunc(&f.get, h, "fake_get")
	purego.RegisterLibFunc(&f.refuse, h, "fake_refuse")
	purego.RegisterLibFunc(&f.forget, h, "fake_forget")
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("setting %q: %w", s, err)
		}
		f.set(name, n)
	}
	return f, nil
}

// Set changes a setting until the end of the test; see enum setting in fakemetal.h for
// their names, in lower case. The environment variable FAKEMETAL="name=value …" sets up
// a child process.
func (f *Fake) Set(tb testing.TB, name string, value, after int) {
	f.set(name, value)
	tb.Cleanup(func() { f.set(name, after) })
}

// Model is when operations run: each starts Submit after its commit, when the one before
// it in its queue has ended and one of Engines is free; takes Execute; and is seen
// Complete after its end.
type Model struct {
	Submit, Execute, Complete time.Duration
	Engines                   int // 0 is 1
}

// Rate is how many operations a second threads that keep depth of them in flight can
// get at most, over so many queues.
func (m Model) Rate(threads, depth, queues int) float64 {
	latency := (m.Submit + m.Execute + m.Complete).Seconds()
	return min(float64(threads*depth)/latency, float64(min(queues, max(m.Engines, 1)))/m.Execute.Seconds())
}

// SetModel changes the model until the end of the test.
func (f *Fake) SetModel(tb testing.TB, m Model) {
	f.Set(tb, "submit_ns", int(m.Submit), 0)
	f.Set(tb, "execute_ns", int(m.Execute), 0)
	f.Set(tb, "complete_ns", int(m.Complete), 0)
	f.Set(tb, "engines", max(m.Engines, 1), 1)
}

// Count is a count (see enum count in fakemetal.h) or the number of live objects of a
// class.
func (f *Fake) Count(name string) int { return f.get(name) }

// Refuse makes the nth message of that selector from now return nil.
func (f *Fake) Refuse(tb testing.TB, selector string, nth int) {
	f.refuse(selector, nth)
	tb.Cleanup(func() { f.refuse("none", 0) })
}

// Forget makes a system whose classes have no such method, until the end of the test.
func (f *Fake) Forget(tb testing.TB, selector string) {
	f.forget(selector, 1)
	tb.Cleanup(func() { f.forget(selector, 0) })
}

// Settle waits until a count is want: queues end their work on threads of their own.
func (f *Fake) Settle(tb testing.TB, name string, want int) {
	tb.Helper()
	for begin := time.Now(); f.get(name) != want; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 5*time.Second {
			tb.Errorf("%s: %d, want %d", name, f.get(name), want)
			return
		}
	}
}

// Child runs the named test again in a child process, with extra environment, and
// returns what it printed, within a minute. The environment's FAKEMETAL_EXEC is put before the command
// where the test binary is of another architecture.
func Child(tb testing.TB, test string, env ...string) (output string, err error) {
	args := append(strings.Fields(os.Getenv("FAKEMETAL_EXEC")), os.Args[0], "-test.run=^"+test+"$", "-test.count=1")
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
