package cuda_test

import (
	"embed"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ebitengine/purego"

	"github.com/holdfast-ci/holdfast/metal/cuda"
	"github.com/holdfast-ci/holdfast/metal/fakemetal"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/harness/harnesstest"
)

//go:embed testdata/stub
var stubSource embed.FS

// stub compiles the stand-in for the driver.
func stub(tb testing.TB) string {
	tb.Helper()
	path, err := fakemetal.Compile("libcudastub.so", stubSource, "testdata/stub", "-shared", "-fPIC", "-lpthread", "-lm")
	if err != nil {
		if _, missing := exec.LookPath("cc"); missing != nil && os.Getenv("CI") == "" {
			tb.Skipf("no C compiler, so no stand-in for CUDA: %v", err)
		}
		tb.Fatal(err)
	}
	return path
}

func open(tb testing.TB) *cuda.Backend {
	tb.Helper()
	b, err := cuda.Open(cuda.Options{Library: stub(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// live is how many streams, events, modules and buffers there are.
func live(t *testing.T) int {
	h, err := purego.Dlopen(stub(t), purego.RTLD_NOW)
	if err != nil {
		t.Fatal(err)
	}
	var count func() int32
	purego.RegisterLibFunc(&count, h, "cuStubLive")
	return int(count())
}

// TestConformance runs on the stand-in, and where HOLDFAST_CUDA names a driver's library,
// on that: what the stand-in cannot show is whether the PTX does what the C does.
func TestConformance(t *testing.T) {
	if library := os.Getenv("HOLDFAST_CUDA"); library != "" {
		harnesstest.Backend(t, func(t *testing.T) harness.Backend {
			b, err := cuda.Open(cuda.Options{Library: library})
			if err != nil {
				t.Fatal(err)
			}
			return b
		})
		return
	}
	harnesstest.Backend(t, func(t *testing.T) harness.Backend { return open(t) })
}

// TestHarness runs the whole harness, and looks for what it leaves behind.
func TestHarness(t *testing.T) {
	b := open(t)
	before := live(t)
	rep, err := harness.Run(t.Context(), b, harness.Config{
		Threads: []int{1, 2}, Depths: []int{1, 4}, AsyncThreads: 2, Rounds: 3,
		Window: 5 * time.Millisecond, Hang: 10 * time.Second, Kernel: harness.Kernel{Elements: 300, Iterations: 2}, Seed: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Loads != 8 || rep.Device.Backend != "cuda" || !strings.Contains(rep.Device.Text, "Stub through CUDA driver API 13.1") {
		t.Errorf("%d loads on %+v", rep.Loads, rep.Device)
	}
	if n := live(t); n != before {
		t.Errorf("%d objects are left", n-before)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoCUDA(t *testing.T) {
	_, err := cuda.Open(cuda.Options{Library: "/nonexistent/libcuda.so.1"})
	if err == nil || !strings.HasPrefix(err.Error(), "no CUDA driver on this machine: ") {
		t.Errorf("error %v", err)
	}
	t.Setenv("CUDASTUB_DEVICES", "0")
	if _, err := cuda.Open(cuda.Options{Library: stub(t)}); err == nil || err.Error() != "no CUDA device on this machine" {
		t.Errorf("error %v", err)
	}
}

// TestErrors: what the driver refuses is told with its words, wherever it shows. The
// stand-in reads the C environment, so every case is a process of its own.
func TestErrors(t *testing.T) {
	if fail := os.Getenv("CUDASTUB_FAIL"); fail != "" || os.Getenv("CUDASTUB_WRONG") != "" {
		b, err := cuda.Open(cuda.Options{Library: stub(t)})
		if err == nil {
			_, err = harness.Run(t.Context(), b, harness.Config{
				Threads: []int{2}, Rounds: 3, Window: 2 * time.Millisecond, Hang: 10 * time.Second, Kernel: harness.Kernel{Elements: 10, Iterations: 1},
			})
		}
		var m *harness.MismatchError
		if fail == "" && !errors.As(err, &m) || fail != "" && (err == nil || !strings.Contains(err.Error(), ": CUDA error 719: unspecified launch failure")) {
			t.Errorf("error %v", err)
		}
		return
	}
	path := stub(t) // compiled before the processes want it
	for _, env := range []string{
		"CUDASTUB_FAIL=cuInit", "CUDASTUB_FAIL=cuModuleLoadData", "CUDASTUB_FAIL=cuModuleGetFunction", "CUDASTUB_FAIL=cuStreamCreate",
		"CUDASTUB_FAIL=cuMemAlloc_v2", "CUDASTUB_FAIL=cuMemcpyHtoDAsync_v2", "CUDASTUB_FAIL=cuLaunchKernel", "CUDASTUB_FAIL=cuEventCreate",
		"CUDASTUB_FAIL=cuEventRecord", "CUDASTUB_FAIL=cuEventSynchronize", "CUDASTUB_WRONG=1",
	} {
		t.Run(env, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestErrors$", "-test.timeout=60s")
			cmd.Env = append(os.Environ(), env)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v with %s\n%s", err, path, out)
			}
		})
	}
}

// BenchmarkSubmit is what an operation costs in calls: launch, record, wait.
func BenchmarkSubmit(b *testing.B) {
	d := open(b)
	defer d.Close()
	k := harness.Kernel{Elements: 1, Iterations: 1}
	p, err1 := d.Compile(k)
	q, err2 := d.NewQueue(1)
	m, err3 := d.NewBuffer(1)
	th, err4 := d.Enter()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		b.Fatal(err)
	}
	defer th.Leave()
	b.ReportAllocs()
	for b.Loop() {
		ticket, err := th.Submit(q, p, m, 1)
		if err == nil {
			err = th.Wait(ticket)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
