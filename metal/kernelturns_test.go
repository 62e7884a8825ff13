package metal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/metal/cpu"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/harness/harnesstest"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// sourced is a modelled device whose kernel says in its source how long an operation takes
// ("takes 2ms") and what is wrong with it: "broken", "crashes", "hangs", "not finite", or
// "crashes once in PATH".
type sourced struct {
	*cpu.Backend
	text string
}

func (*sourced) Device() harness.Device {
	return harness.Device{Backend: BackendMetal, Text: "a model whose kernels say what they do"}
}

func (s *sourced) Compile(k harness.Kernel) (harness.Program, error) {
	if k.Source == nil {
		return nil, errors.New("no source")
	}
	s.text = k.Source.Text
	if strings.Contains(s.text, "broken") {
		return nil, fmt.Errorf("%s:1: use of undeclared identifier", k.Source.File)
	}
	var takes time.Duration
	var err error
	if m := regexp.MustCompile(`takes (\w+)`).FindStringSubmatch(s.text); m != nil {
		if takes, err = time.ParseDuration(m[1]); err != nil {
			return nil, err
		}
	}
	if s.Backend, err = cpu.Open(cpu.Model{Submit: 2 * takes, Execute: takes}); err != nil {
		return nil, err
	}
	return s.Backend.Compile(harness.Kernel{Elements: k.Elements, Iterations: 1})
}

func (s *sourced) Close() error {
	if s.Backend == nil {
		return nil
	}
	return s.Backend.Close()
}

func (s *sourced) Enter() (harness.Thread, error) {
	th, err := s.Backend.Enter()
	return &sourcedThread{Thread: th, s: s}, err
}

type sourcedThread struct {
	harness.Thread
	s    *sourced
	data []float32
}

func (t *sourcedThread) Submit(q harness.Queue, p harness.Program, b harness.Buffer, n int) (harness.Ticket, error) {
	t.data = b.Data()
	crash := strings.Contains(t.s.text, "crashes\n")
	if m := regexp.MustCompile(`crashes once in (\S+)`).FindStringSubmatch(t.s.text); m != nil {
		if err := os.Mkdir(m[1], 0o755); err == nil {
			crash = true
		}
	}
	if crash {
		syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		select {}
	}
	return t.Thread.Submit(q, p, b, n)
}

func (t *sourcedThread) Wait(k harness.Ticket) error {
	if strings.Contains(t.s.text, "hangs") {
		time.Sleep(time.Hour)
	}
	return t.Thread.Wait(k)
}

func (t *sourcedThread) Leave() {
	if strings.Contains(t.s.text, "not finite") && len(t.data) > 0 {
		t.data[0] = float32(math.Inf(1))
	}
	t.Thread.Leave()
}

// kernelSays is a kernel that does what the words say.
func kernelSays(words string) map[string]string {
	return map[string]string{"k.metal": "// " + words + "\nkernel void spin(device float *data [[buffer(0)]]) {}\n"}
}

// kernelStage measures kernels that say what they do.
func kernelStage(c Config) *Stage {
	c.Backend, c.Kernel, c.Function, c.Elements, c.Conditions = BackendMetal, "k.metal", "spin", 16, ConditionsTell
	c.Threads, c.Depths, c.AsyncThreads = []int{}, []int{1, 4}, 1
	s := New(c)
	s.fault = faultSource
	s.state = func(context.Context, bool) machine.State { return calm }
	return s
}

// judged runs a stage on base and head, and judges what it gave as the agent does.
func judged(t *testing.T, s *Stage, base, head map[string]string, thresholds ...string) (runner.Result, map[string]baseline.Metric) {
	t.Helper()
	var all []baseline.Threshold
	for _, text := range thresholds {
		th, err := baseline.ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, th)
	}
	if s.config.Steps == nil {
		s.config.Steps = func(r []runner.Turns) []runner.Step { return baseline.Steps(r, all) }
	}
	res := runner.Execute(t.Context(), s, besides(t, base, head), time.Minute)
	if res.Bench == nil {
		t.Fatalf("%s: %s", res.Verdict, res.Reason)
	}
	j := baseline.JudgeBench(res.Bench, nil, all)
	j.Apply(&res)
	by := map[string]baseline.Metric{}
	for _, m := range j.Metrics {
		if m.Threshold != "" {
			by[m.Threshold] = m
		}
	}
	return res, by
}

// arithmetic is a stage that measures by arithmetic.
func arithmetic(c Config) *Stage {
	s := kernelStage(c)
	s.probe = harnesstest.Arithmetic(5)
	return s
}

// A kernel that is a fifth slower is found, and confirmed, on a machine that drifts more
// than that; which side gave what is there to compute it again.
func TestSlowerKernel(t *testing.T) {
	const deep, gain, absolute = "async-pipeline depth=4 >= base - 5%", "async-gain >= base - 10%", "async-pipeline depth=4 >= 100"
	s := arithmetic(Config{Rounds: 6, Processes: 2, Warmup: time.Second})
	res, by := judged(t, s, kernelSays("takes 1ms"), kernelSays("takes 1250us"), deep, gain, absolute)
	m := by[deep]
	if res.Verdict != runner.Failure || m.Verdict != runner.Failure ||
		!regexp.MustCompile(`^-(19|20|21)\.\d% \[.*\] in \d+ blocks in turns with the base, and -(19|20|21)\.\d% \[.*\] in an independent re-run$`).MatchString(m.Reason) {
		t.Fatalf("%s: %s; %s", res.Verdict, res.Reason, m.Reason)
	}
	// The gain is a ratio of each side's own figures, so it is as it was.
	if by[gain].Verdict != runner.Success || by[absolute].Verdict != runner.Success {
		t.Errorf("%+v", by)
	}
	for _, r := range res.Bench.Turns {
		n, again := len(r.Base), 0
		if r.Config["depth"] == "4" { // the others have no part in what is suspect
			again = n
		}
		if r.Source != "harness metal" || fmt.Sprint(r.Looks) != "[3 6 12]" || n < 6 || len(r.Head) != n || len(r.BaseAgain) != again || len(r.HeadAgain) != again {
			t.Errorf("%+v", r)
		}
	}
	for _, s := range res.Bench.Samples {
		i := slices.IndexFunc(res.Bench.Turns, func(r runner.Turns) bool { return r.Key() == s.Key() })
		if i < 0 || !slices.Equal(res.Bench.Turns[i].Head, s.Values) {
			t.Errorf("%s: samples and turns differ", s.Key())
		}
	}
	if a, b := res.Bench.Settings["kernel of the base"], res.Bench.Settings["kernel of the head"]; a == b || !strings.HasPrefix(a, "sha256 ") {
		t.Errorf("kernels %q and %q", a, b)
	}
	if len(res.Bench.Origins) != len(res.Bench.Samples) || res.Bench.Device == "" {
		t.Errorf("%d origins, device %q", len(res.Bench.Origins), res.Bench.Device)
	}
	// Stored and read again it is the same verdict.
	text, err := json.Marshal(res.Bench)
	var again runner.Bench
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	th, _ := baseline.ParseThreshold(deep)
	if j := baseline.JudgeBench(&again, nil, []baseline.Threshold{th}); err != nil || j.Verdict != runner.Failure {
		t.Errorf("%v: %s %s", err, j.Verdict, j.Reason)
	}
}

// Kernels that differ in words only are no change, whatever the machine does.
func TestEqualKernels(t *testing.T) {
	s := arithmetic(Config{Rounds: 6, Processes: 2})
	res, _ := judged(t, s, kernelSays("takes 1ms, says one"), kernelSays("takes 1ms, says another"),
		"ops/s >= base - 5%", "async-gain >= base - 5%", "async-pipeline depth=4 >= 100")
	if res.Verdict != runner.Success || len(res.Bench.Turns) != 3 || len(res.Bench.Untold) > 0 {
		t.Errorf("%s: %s, %d turns", res.Verdict, res.Reason, len(res.Bench.Turns))
	}
}

// An absolute threshold that the head of a pair misses is measured on, and once more, alone.
func TestKernelMissesAbsolute(t *testing.T) {
	const absolute = "async-pipeline depth=4 >= 900"
	th, _ := baseline.ParseThreshold(absolute)
	all := []baseline.Threshold{th}
	asked := 0
	s := arithmetic(Config{
		Rounds: 6, Processes: 2, Looks: 2,
		Next: func(b *runner.Bench) []runner.Step {
			if asked++; asked == 1 {
				return slices.Repeat([]runner.Step{runner.More}, len(b.Samples))
			}
			return baseline.Next(b, nil, nil, all)
		},
	})
	res, by := judged(t, s, kernelSays("takes 1250us, says one"), kernelSays("takes 1250us, says another"), absolute, "async-pipeline depth=4 >= base - 5%")
	m := by[absolute]
	if res.Verdict != runner.Failure || m.Verdict != runner.Failure || !strings.Contains(m.Reason, "in an independent re-run") || asked != 2 {
		t.Errorf("%s: %s; %s", res.Verdict, res.Reason, m.Reason)
	}
	if by["async-pipeline depth=4 >= base - 5%"].Verdict != runner.Success {
		t.Errorf("against the base: %+v", by)
	}
	for i, x := range res.Bench.Samples {
		n := len(res.Bench.Turns[i].Head)
		if len(x.Values) != n+6 || fmt.Sprint(x.Looks) != fmt.Sprint([]int{n, n + 6}) || len(res.Bench.Again[x.Key()]) < 6 || !slices.Equal(x.Values[:n], res.Bench.Turns[i].Head) {
			t.Errorf("%s: %d values, looks %v, %d again", x.Key(), len(x.Values), x.Looks, len(res.Bench.Again[x.Key()]))
		}
	}
}

// What is slower in processes that never became steady is not red, and says what to do.
func TestUnsettledKernel(t *testing.T) {
	for _, side := range [][2]string{{"takes 1ms, unsettled", "takes 1250us"}, {"takes 1ms", "takes 1250us, unsettled"}} {
		s := arithmetic(Config{Rounds: 6, Processes: 2, Warmup: time.Second})
		res, by := judged(t, s, kernelSays(side[0]), kernelSays(side[1]), "async-pipeline depth=4 >= base - 5%")
		m := by["async-pipeline depth=4 >= base - 5%"]
		if res.Verdict != runner.Error || !strings.Contains(m.Reason, "but the warm-up before 12 of 12 blocks did not settle") || !strings.Contains(m.Reason, "a longer warmup") {
			t.Errorf("%s: %s; %s", res.Verdict, res.Reason, m.Reason)
		}
	}
}

// What is wrong with one side is that side's.
func TestFaultyKernel(t *testing.T) {
	good := kernelSays("takes 1ms")
	for name, c := range map[string]struct {
		base, head map[string]string
		want       runner.Verdict
		reason     string // of the stage
		of         string // of the threshold
	}{
		"the base is broken":     {kernelSays("broken"), good, runner.Error, "could not be told", "could not tell: the base: compile kernel: k.metal:1: use of undeclared identifier"},
		"the base crashes":       {kernelSays("crashes"), good, runner.Error, "could not be told", "could not tell: the base: async-pipeline: the measuring process ended in"},
		"the base hangs":         {kernelSays("hangs"), good, runner.Error, "could not be told", "did not end within 1s"},
		"the base is not finite": {kernelSays("not finite"), good, runner.Error, "could not be told", "kernel spin of k.metal: element 0 is +Inf"},
		"the base is refused":    {map[string]string{"k.metal": "#include \"a.h\"\nvoid spin() {}"}, good, runner.Error, "could not be told", "only the compiler's own headers"},
		"the head is broken":     {good, kernelSays("broken"), runner.Failure, "so it was again in 4 of 4 fresh processes, and in none of 4 with the kernel of the base", "no sample"},
		"the head crashes":       {good, kernelSays("crashes"), runner.Failure, "killed by signal", "no sample"},
		"the head hangs":         {good, kernelSays("hangs"), runner.Failure, "did not end within 1s", "no sample"},
		"the head is not finite": {good, kernelSays("not finite"), runner.Failure, "element 0 is +Inf", "no sample"},
		"the head crashes once":  {good, kernelSays("crashes once in " + t.TempDir() + "/x"), runner.Error, "it was not so again in a fresh process", "no sample"},
		"both are broken":        {kernelSays("broken"), kernelSays("broken, too"), runner.Error, "use of undeclared identifier", "no sample"},
		"the head has no kernel": {good, nil, runner.Error, "this commit has no such file", "no sample"},
		"new file":               {nil, good, runner.Neutral, "async-pipeline depth=4 mode=single threads=1: new: the base has no k.metal", "new: the base has no k.metal"},
		"new function":           {map[string]string{"k.metal": "kernel void spinning() {}"}, good, runner.Neutral, "new: k.metal of the base has no kernel spin", "new"},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && !strings.Contains(name, "crashes") {
				t.Skip("-short: only kernels that crash are tried, of all that are wrong")
			}
			t.Parallel()
			const deep = "async-pipeline depth=4 >= base - 5%"
			cfg := Config{Rounds: 3, Processes: 1, Window: 5 * time.Millisecond}
			if strings.Contains(name, "hangs") {
				cfg.Hang = time.Second // a busy machine stands still for a while, too
			}
			res, by := judged(t, kernelStage(cfg), c.base, c.head, deep)
			if res.Verdict != c.want || !strings.Contains(res.Reason, c.reason) || !strings.Contains(by[deep].Reason, c.of) || strings.Contains(res.Reason, "\n") {
				t.Errorf("%s: %s\nthreshold: %s", res.Verdict, res.Reason, by[deep].Reason)
			}
			if told := len(res.Bench.Untold) > 0; told != strings.HasPrefix(name, "the base") && name != "both are broken" || len(res.Bench.Turns) > 0 {
				t.Errorf("untold %q, turns %v", res.Bench.Untold, res.Bench.Turns)
			}
			if measured := len(res.Bench.Samples) > 0; measured == strings.Contains(c.of, "no sample") {
				t.Errorf("%d samples", len(res.Bench.Samples))
			}
		})
	}
}

// The kernel and a program take turns with each other, look by look, and share one budget.
func TestKernelAndProgram(t *testing.T) {
	files := func(kernel string) map[string]string {
		f := kernelSays(kernel)
		f["side"] = kernel
		return f
	}
	p, journal := side(t, "A", `echo "BenchmarkA 1 5 ns/op"`)
	p.Rounds = 6
	looks := [][]string{}
	c := Config{Rounds: 6, Processes: 1, Window: 2 * time.Millisecond, Programs: []Program{p}}
	c.Steps = func(all []runner.Turns) []runner.Step {
		var seen []string
		out := make([]runner.Step, len(all))
		for i, r := range all {
			seen = append(seen, fmt.Sprint(r.Source, len(r.Base)/2))
			if len(looks) == 0 && r.Source != "A" {
				out[i] = runner.More
			}
		}
		looks = append(looks, slices.Compact(seen))
		return out
	}
	res, _ := judged(t, kernelStage(c), files("takes 100us, b"), files("takes 100us, h"))
	if fmt.Sprint(looks) != "[[harness metal3 A3] [harness metal6 A3]]" || res.Verdict != runner.Success {
		t.Errorf("%s %s: looks %v", res.Verdict, res.Reason, looks)
	}
	if n := len(journal()); n != len("takes 100us, b")*12 {
		t.Errorf("journal of %d bytes", n)
	}
}

// After a look only what is not decided is measured on, and after the last only what is
// suspect is measured again, also what it needs that was decided long before.
func TestKernelMeasuresWhatIsOpen(t *testing.T) {
	looks := 0
	s := arithmetic(Config{Rounds: 6, Processes: 1, Steps: func(all []runner.Turns) []runner.Step {
		looks++
		out := make([]runner.Step, len(all))
		for i, r := range all {
			deep := r.Config["depth"] == "4"
			switch {
			case looks == 1 && r.Name == "async-gain", looks == 2 && deep:
				out[i] = runner.More
			case looks == 2 && r.Config["depth"] == "1", looks == 3 && deep:
				out[i] = runner.Suspect
			}
		}
		return out
	}})
	res, _ := judged(t, s, kernelSays("takes 1ms, b"), kernelSays("takes 1ms, h"))
	got := map[string]string{}
	for _, r := range res.Bench.Turns {
		got[r.Name+r.Config["depth"]] = fmt.Sprint(len(r.Base)/2, len(r.Head)/2, len(r.BaseAgain)/2, len(r.HeadAgain)/2)
	}
	want := map[string]string{"async-pipeline1": "6 6 12 12", "async-pipeline4": "12 12 12 12", "async-gain": "6 6 12 12"} // of two depths
	if looks != 3 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d looks, blocks %v, want %v", looks, got, want)
	}
}

// A base that fails in the repetition takes the comparison away, and leaves the head's first
// figures.
func TestBaseFailsInRepetition(t *testing.T) {
	s := arithmetic(Config{Rounds: 6, Processes: 1, Looks: 1})
	inner, opened := s.probe, 0
	s.probe = func(k harness.Kernel, scenario string) harness.Probe {
		if strings.Contains(k.Source.Text, "takes 1ms") {
			if opened++; opened == 2 {
				k.Source = &harness.Source{File: "k.metal", Text: "broken"}
			}
		}
		return inner(k, scenario)
	}
	const deep = "async-pipeline depth=4 >= base - 5%"
	res, by := judged(t, s, kernelSays("takes 1ms"), kernelSays("takes 2ms"), deep)
	if res.Verdict != runner.Error || by[deep].Verdict != runner.Error || !strings.Contains(by[deep].Reason, "could not tell: the base: compile kernel") {
		t.Errorf("%s: %s; %s", res.Verdict, res.Reason, by[deep].Reason)
	}
	if len(res.Bench.Turns) > 0 || len(res.Bench.Samples) != 3 || len(res.Bench.Samples[0].Values) != 6 {
		t.Errorf("%d turns, samples %+v", len(res.Bench.Turns), res.Bench.Samples)
	}
}

// Where the time suffices for the head alone it is measured alone, and that is said.
func TestKernelWithoutTimeForTurns(t *testing.T) {
	s := arithmetic(Config{Rounds: 6, Processes: 2, Window: 2 * time.Second}) // half a minute a side, by the clock
	res := runner.Execute(t.Context(), s, besides(t, kernelSays("takes 1ms"), kernelSays("takes 2ms")), time.Minute)
	why := res.Bench.Untold["harness metal"]
	if res.Verdict != runner.Success || len(res.Bench.Turns) > 0 || len(res.Bench.Samples) != 3 || !strings.Contains(why, "it takes about 1m6s, and there are 1m0s left: raise limit") {
		t.Errorf("%s %s: %q", res.Verdict, res.Reason, why)
	}
}

// Without time for it there is no repetition, and no red.
func TestKernelBudget(t *testing.T) {
	asked := 0
	ws := besides(t, kernelSays("takes 100us, b"), kernelSays("takes 100us, h"))
	s := kernelStage(Config{
		Rounds: 6, Processes: 1, Window: 2 * time.Millisecond,
		Steps: func(r []runner.Turns) []runner.Step {
			asked++
			return slices.Repeat([]runner.Step{runner.Suspect}, len(r))
		},
	})
	m := &meeting{ws: ws, gate: s.gate(ws, s.config, nil)}
	p := &pair{contest: &programTurns{tried: 3, took: time.Hour}, blocks: 3, suspects: []string{"x"}}
	m.pairs = []*pair{p}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	m.again(ctx) // p's contest has no sides: measuring it would panic
	if p.blocks != 3 {
		t.Errorf("measured again: %+v", p)
	}
	res := runner.Execute(t.Context(), s, ws, time.Minute)
	if res.Verdict != runner.Success || asked != 1 || len(res.Bench.Turns[0].HeadAgain) != 6 {
		t.Errorf("%s %s: asked %d times, %+v", res.Verdict, res.Reason, asked, res.Bench.Turns)
	}
}
