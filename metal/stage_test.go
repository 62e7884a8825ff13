package metal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestMain is also the process that measures, and a parent that is killed.
func TestMain(m *testing.M) {
	if code, ok := childWith(os.Args, openFaulty); ok {
		os.Exit(code)
	}
	if len(os.Args) == 3 && os.Args[1] == parentVerb {
		parent(os.Args[2])
	}
	goleak.VerifyTestMain(m)
}

// workspace is an empty checkout with the programs of a minimal system in PATH.
func workspace(t testing.TB) (*runner.Workspace, *[]string) {
	t.Helper()
	dir := t.TempDir()
	var mu sync.Mutex
	lines := &[]string{}
	ws := &runner.Workspace{
		Dir: filepath.Join(dir, "checkout"), Cache: filepath.Join(dir, "cache"), Scratch: filepath.Join(dir, "scratch"),
		Logs: filepath.Join(dir, "logs"), Env: []string{"PATH=/usr/bin:/bin", "HOME=" + dir},
		Commit: runner.Commit{SHA: strings.Repeat("ab", 20)},
		Progress: func(e runner.Event) {
			mu.Lock()
			defer mu.Unlock()
			*lines = append(*lines, e.Stage+": "+e.Text)
		},
	}
	for _, d := range []string{ws.Dir, ws.Cache, ws.Scratch} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return ws, lines
}

// quick is a device measurement of a fraction of a second.
func quick() Config {
	return Config{
		Backend: BackendCPU, Threads: []int{1, 2}, Depths: []int{1, 4}, Rounds: 3,
		Window: 5 * time.Millisecond, Latency: 100 * time.Microsecond, Processes: 2,
	}
}

func sh(name, script string) Program {
	return Program{Name: name, Command: []string{"sh", "-c", script}, Rounds: 2, Limit: 20 * time.Second}
}

func execute(t testing.TB, ctx context.Context, c Config) (runner.Result, *runner.Workspace, []string) {
	t.Helper()
	ws, lines := workspace(t)
	res := runner.Execute(ctx, New(c), ws, time.Minute)
	return res, ws, *lines
}

func TestStageMeasuresDevice(t *testing.T) {
	res, _, lines := execute(t, t.Context(), quick())
	if res.Verdict != runner.Success || !strings.HasPrefix(res.Reason, "measured 8 configurations in 3 rounds on CPU model backend") {
		t.Fatalf("%s: %s", res.Verdict, res.Reason)
	}
	b := res.Bench
	if b.Backend != "cpu" || !strings.Contains(b.Device, "not a GPU") {
		t.Errorf("backend %q, device %q", b.Backend, b.Device)
	}
	names := map[string]int{}
	for _, s := range b.Samples {
		names[s.Name]++
		if len(s.Values) != 3 {
			t.Errorf("%s has %d values", s.Key(), len(s.Values))
		}
		for _, v := range s.Values {
			// No figure is asserted: this machine may be busy.
			if math.IsNaN(v) || math.IsInf(v, 0) || !s.Derived && v <= 0 {
				t.Errorf("%s = %v", s.Key(), v)
			}
		}
	}
	if fmt.Sprint(names) != "map[async-gain:2 async-pipeline:4 multi-queue:4 same-work:2 scaling:2]" {
		t.Errorf("samples %v", names)
	}
	if len(b.Origins) != len(b.Samples) || b.Origins[0].Sample != b.Samples[0].Key() || len(b.Origins[0].Ops) != 3 || b.Origins[0].Processes[2] != 2 {
		t.Errorf("origins %+v", b.Origins)
	}
	if all := strings.Join(lines, "\n"); !strings.Contains(all, "round 1 of 3") || !strings.Contains(all, "round 3 of 3") {
		t.Errorf("progress:\n%s", all)
	}
	if res.Busy < res.Seconds/2 {
		t.Errorf("%v s of %v s were measuring", res.Busy, res.Seconds)
	}
	again, _, _ := execute(t, t.Context(), quick())
	if s := b.Settings["seed"]; s == "0" || s != again.Bench.Settings["seed"] {
		t.Errorf("seeds %q and %q of one commit", s, again.Bench.Settings["seed"])
	}
}

func TestStageNothingConfigured(t *testing.T) {
	for _, c := range []Config{{}, {Backend: BackendNone}} {
		res, _, _ := execute(t, t.Context(), c)
		if res.Verdict != runner.Neutral || res.Reason == "" {
			t.Errorf("%+v: %s: %s", c, res.Verdict, res.Reason)
		}
	}
}

// TestNoOwnDevice: the backend says what is missing, and no other is taken instead.
func TestNoOwnDevice(t *testing.T) {
	c := quick()
	c.Backend = BackendOwn
	res, _, _ := execute(t, t.Context(), c)
	if res.Verdict != runner.Error || !strings.Contains(res.Reason, "brings no device along") || len(res.Bench.Samples) > 0 {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
}

func TestPrograms(t *testing.T) {
	good := sh("go bench", `echo "BenchmarkX/n=4-8 10 $((500 + $(wc -c < rounds))) ns/op 3 B/op"; printf x >> rounds`)
	good.Build, good.Dir = []string{"touch", "rounds"}, "sub"
	google := sh("google", `echo "{\"benchmarks\":[{\"name\":\"BM_A\",\"real_time\":2,\"time_unit\":\"ms\"}]}"`)
	google.Format = "google"
	pattern := sh("pattern", `echo "$WHAT: 12.5 ops/s"`)
	pattern.Format, pattern.Pattern = FormatRegexp, `(?P<name>\w+): (?P<value>\S+) (?P<unit>\S+)`
	pattern.Env = []string{"WHAT=light"}

	ws, lines := workspace(t)
	if err := os.Mkdir(filepath.Join(ws.Dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := Config{Programs: []Program{good, google, pattern}}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Verdict != runner.Success {
		t.Fatalf("%s: %s", res.Verdict, res.Reason)
	}
	if want := "go bench gave 2 samples in 2 rounds; google gave 1 sample in 2 rounds; pattern gave 1 sample in 2 rounds"; res.Reason != want {
		t.Errorf("reason %q", res.Reason)
	}
	want := []runner.Sample{
		{Name: "X", Unit: "sec/op", Config: map[string]string{"n": "4", "gomaxprocs": "8"}, Better: runner.LowerIsBetter, Values: []float64{500e-9, 501e-9}, Source: "go bench"},
		{Name: "X", Unit: "B/op", Config: map[string]string{"n": "4", "gomaxprocs": "8"}, Better: runner.LowerIsBetter, Values: []float64{3, 3}, Source: "go bench"},
		{Name: "BM_A", Unit: "sec/op", Better: runner.LowerIsBetter, Values: []float64{2e-3, 2e-3}, Source: "google"},
		{Name: "light", Unit: "ops/s", Better: runner.HigherIsBetter, Values: []float64{12.5, 12.5}, Source: "pattern"},
	}
	if got := fmt.Sprintf("%+v", res.Bench.Samples); got != fmt.Sprintf("%+v", want) {
		t.Errorf("samples\n%s\nwant\n%+v", got, want)
	}
	if len(res.Logs) != 7 || res.Logs[0].Name != "bench-go_bench-build" || res.Logs[1].Bytes == 0 {
		t.Errorf("logs %+v", res.Logs)
	}
	if !slices.Contains(*lines, "bench: go bench: building") {
		t.Errorf("progress %q", *lines)
	}
}

func TestProgramsThatCannotBeMeasured(t *testing.T) {
	limited := sh("hang", "sleep 600")
	limited.Limit = 100 * time.Millisecond
	noBuild := sh("build", `echo "BenchmarkX 10 5 ns/op"`)
	noBuild.Build = []string{"sh", "-c", "echo no compiler >&2; exit 7"}
	fewer := sh("fewer", `if [ -e seen ]; then echo "BenchmarkA 1 5 ns/op"; else touch seen; printf "BenchmarkA 1 5 ns/op\nBenchmarkB 1 5 ns/op\n"; fi`)
	more := sh("more", `echo "BenchmarkA 1 5 ns/op"; if [ -e seen2 ]; then echo "BenchmarkB 1 5 ns/op"; fi; touch seen2`)
	missing := Program{Name: "missing", Command: []string{"./no-such-program"}}
	outside := sh("outside", "true")
	outside.Dir = "../.."
	flood := sh("flood", `head -c 17000000 /dev/zero; echo "BenchmarkX 10 5 ns/op"`)
	pattern := sh("pattern", "true")
	pattern.Format, pattern.Pattern = FormatRegexp, `(\d+)`

	for _, c := range []struct {
		p    Program
		want string
	}{
		{sh("exit", `echo "BenchmarkX 10 5 ns/op"; echo device lost >&2; exit 3`), `benchmark program exit: round 1: exit code 3, last line: "device lost"`},
		{sh("crash", `kill -SEGV $$`), "benchmark program crash: round 1: killed by signal 11 (segmentation fault), no output"},
		{limited, "benchmark program hang: round 1: stopped after its time limit"},
		{sh("silent", "true"), "benchmark program silent: round 1: no samples in the output"},
		{sh("garbage", "head -c 100000 /dev/zero; echo hello"), "benchmark program garbage: round 1: output:"},
		{sh("nan", `echo "BenchmarkX 10 NaN ns/op"`), "X: NaN sec/op is not a finite number"},
		{sh("negative", `echo "BenchmarkX 10 -3 ops/s"`), "-3 ops/s is negative"},
		{sh("half", `printf "BenchmarkX 10 3 ops/s\nBenchmarkY 10 what\n"`), "output: line 2: parsing measurement"},
		{noBuild, `benchmark program build: build: exit code 7, last line: "no compiler"`},
		{fewer, "round 2: B sec/op is missing, earlier rounds had it"},
		{more, "round 2: B sec/op was not in the rounds before"},
		{missing, "benchmark program missing: round 1: program"},
		{outside, `benchmark program "outside": dir "../.." is outside the checkout`},
		{flood, "more than 16 MiB on standard output"},
		{pattern, "has no group (?P<value>"},
		{Program{Name: "nothing"}, `benchmark program "nothing": it has no command`},
	} {
		t.Run(c.p.Name, func(t *testing.T) {
			res, _, _ := execute(t, t.Context(), Config{Programs: []Program{c.p}})
			if res.Verdict != runner.Error || !strings.Contains(res.Reason, c.want) {
				t.Errorf("%s: %s\nwant %s", res.Verdict, res.Reason, c.want)
			}
			if res.Bench != nil && len(res.Bench.Samples) > 0 {
				t.Errorf("samples of a failed program: %+v", res.Bench.Samples)
			}
		})
	}
}

func TestOneFailureHidesNoOther(t *testing.T) {
	res, _, _ := execute(t, t.Context(), Config{Programs: []Program{
		sh("first", "exit 1"), sh("good", `echo "BenchmarkX 10 5 ns/op"`), sh("last", "exit 2"),
	}})
	if res.Verdict != runner.Error || !strings.HasPrefix(res.Reason, "2 benchmarks could not be measured: ") ||
		!strings.Contains(res.Reason, "exit code 1") || !strings.Contains(res.Reason, "exit code 2") || strings.Contains(res.Reason, "\n") {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
	if len(res.Findings) != 2 || len(res.Bench.Samples) != 1 {
		t.Errorf("findings %+v, samples %+v", res.Findings, res.Bench.Samples)
	}
}

// TestCancelDevice: TestMain looks for goroutines left behind.
func TestCancelDevice(t *testing.T) {
	ws, _ := workspace(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ws.Progress = func(e runner.Event) {
		if strings.Contains(e.Text, "round 1 of") {
			cancel(runner.ErrSuperseded)
		}
	}
	c := Config{Backend: BackendCPU, Rounds: 1000, Latency: time.Millisecond, Window: 20 * time.Millisecond}
	res := runner.Execute(ctx, New(c), ws, time.Minute)
	if res.Verdict != runner.Error || res.Reason != runner.ErrSuperseded.Error() || len(res.Bench.Samples) > 0 || len(res.Logs) > 0 {
		t.Errorf("%s: %s, %d samples, logs %+v", res.Verdict, res.Reason, len(res.Bench.Samples), res.Logs)
	}
}

// TestCancelProgram: the hanging program and its child hold the pipe open, so its end
// says that both are gone.
func TestCancelProgram(t *testing.T) {
	ws, _ := workspace(t)
	pipe := filepath.Join(ws.Dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	gone := make(chan error, 1)
	go func() {
		f, err := os.Open(pipe) // returns once the program has opened it
		if err == nil {
			cancel(runner.ErrCancelled)
			_, err = io.Copy(io.Discard, f)
			f.Close()
		}
		gone <- err
	}()
	p := sh("hang", "exec 3>pipe; sleep 600 & sleep 600")
	res := runner.Execute(ctx, New(Config{Programs: []Program{p}}), ws, time.Minute)
	if res.Verdict != runner.Error || res.Reason != runner.ErrCancelled.Error() {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
	select {
	case err := <-gone:
		if err != nil {
			t.Error(err)
		}
	case <-t.Context().Done():
		t.Error("the program outlives the run")
	}
}

func TestConfigCheck(t *testing.T) {
	if err := Default().Check(); err != nil {
		t.Error(err)
	}
	if e := Default().Estimate(); e > 3*time.Minute || e < time.Minute {
		t.Errorf("the default takes %s", e)
	}
	if e := (Config{}).Estimate(); e != 0 {
		t.Errorf("nothing takes %s", e)
	}
	two := sh("a b", "true")
	for want, c := range map[string]Config{
		`no backend "vulkan"`:          {Backend: "vulkan"},
		"another one has this name":    {Programs: []Program{two, sh("a_b", "true")}},
		"rounds: 2 is outside":         {Backend: BackendCPU, Rounds: 2},
		"latency 1s is outside":        {Backend: BackendCPU, Latency: time.Second, Execution: 1},
		"depths: 1 is missing":         {Backend: BackendCPU, Depths: []int{2}},
		`environment "X" is not NAME=`: {Programs: []Program{{Name: "p", Command: []string{"true"}, Env: []string{"X"}}}},
		"needs a GPU":                  {Backend: BackendCPU, Kernel: "k.metal", Function: "f"},
		"outside the checkout":         {Backend: BackendMetal, Kernel: "../k.metal", Function: "f"},
		"no kernel file":               {Backend: BackendMetal, Function: "f"},
		`no format "xml"`:              {Programs: []Program{{Name: "p", Command: []string{"true"}, Format: "xml"}}},
	} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	var h interface{ Hint() string }
	if err := (Config{Backend: "cuda9"}).Check(); !errors.As(err, &h) || !strings.Contains(h.Hint(), "cpu") {
		t.Errorf("error %v has no hint", err)
	}
	both := Config{Backend: "vulkan", Programs: []Program{{}}}
	res, _, _ := execute(t, t.Context(), both)
	if res.Verdict != runner.Error || !strings.Contains(res.Reason, "vulkan") || !strings.Contains(res.Reason, "no name") {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
}
