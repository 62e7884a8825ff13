package agent

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// A benchmark that misses a threshold is bisected by measuring each commit in turns with the
// good end, on which side of the step it is; the issue names the culprit, once, and is closed
// when it is fast again.
func TestSlowCommitIsFound(t *testing.T) {
	c := newCulpritTest(t)
	c.repo.Bench.Enabled, c.repo.Bench.Rounds = true, 8
	c.repo.Bench.Programs = append(c.repo.Bench.Programs, config.BenchProgram{Name: "other", Command: []string{"echo", "BenchmarkOther 1 5 ns/op"}, Limit: time.Minute, Format: "go"})
	limit, err := baseline.ParseThreshold("X <= baseline + 9%")
	if err != nil {
		t.Fatal(err)
	}
	c.repo.Thresholds.Require = []baseline.Threshold{limit}
	// 3 % of noise either way, the same in each run of this test.
	c.write(filepath.Join(c.agentTest.repo, "bench.sh"), `
n=$(cat "$1.n" 2>/dev/null || echo 0)
echo $((n + 1)) > "$1.n"
echo "BenchmarkX 1 $(($(cat state) * (100 + n * 5 % 7 - 3) / 100)) ns/op"
`)
	stop := c.serve()
	defer stop()
	for i := range 5 {
		c.examined(c.add(fmt.Sprint("good ", i), "state", "10000"), "") // without a settled baseline at first
	}
	good := c.shas[4]
	for i, cost := range []string{"10010", "9990", "12000", "12010", "11990"} {
		c.add(fmt.Sprint("change ", i), "state", cost)
	}
	origin := c.examined(c.shas[9], runner.Failure)
	b := c.bisected(1)
	if b.Result != found(3) || b.Commits[0].SHA != good || b.Commits[3].SHA != c.shas[7] || b.Origin != origin {
		t.Errorf("%+v after %s", b, c.probesOf(b))
	}
	if q := b.Question; q.About != "X <= baseline + 9%" || !regexp.MustCompile(`^X <= base \+ 9\.\d+%$`).MatchString(q.Threshold) || q.Source != "program" {
		t.Errorf("asked %+v", q)
	}
	for _, p := range b.Probes {
		rec, err := c.app.store.Run(t.Context(), p.Run)
		if err != nil {
			t.Fatal(err)
		}
		bench := rec.Run.Stage(runner.StageBench).Bench
		if len(bench.Turns) != 1 || bench.Base != good || len(bench.Samples) != 1 {
			t.Errorf("probe of %d: %d benchmarks, %d in turns with %.10s", p.At, len(bench.Samples), len(bench.Turns), bench.Base)
		}
		if p.Outcome == bisect.Bad && len(bench.Turns[0].HeadAgain) == 0 {
			t.Errorf("commit %d is bad by one measurement", p.At)
		}
	}
	// One red run opens no issue about a benchmark; the second does, and it says who it was.
	c.examined(c.add("still slow", "state", "12020"), runner.Failure)
	culprit := "First bad commit: `" + c.shas[7][:10] + "` “change 2” by Eve @.{0,8}octocat"
	c.issue("bench", "open.*"+culprit)
	if strings.Contains(c.fake.Dump(), "Eve @octocat") {
		t.Error("the author was mentioned")
	}
	c.examined(c.add("fast again", "state", "10000"), runner.Success)
	c.issue("bench", "closed.*"+culprit)
	if list, err := c.app.store.BisectionsOf(t.Context(), "pool", 9); err != nil || len(list) != 1 {
		t.Errorf("%d bisections, %v", len(list), err)
	}
}

// A kernel of the repository is searched for in the same way, and no program runs for it.
func TestSlowKernelIsFound(t *testing.T) {
	c := newCulpritTest(t)
	b := &c.repo.Bench
	b.Enabled, b.Backend, b.Kernel, b.Function, b.Threads, b.Depths = true, "metal", "k.metal", "spin", nil, []int{1, 4}
	b.Rounds, b.Processes, b.Window, b.Warmup, b.Conditions = 6, 2, 20*time.Millisecond, time.Second, "tell"
	limit, err := baseline.ParseThreshold("async-pipeline mode=single depth=4 >= baseline - 8%")
	if err != nil {
		t.Fatal(err)
	}
	c.repo.Thresholds.Require = []baseline.Threshold{limit}
	kernel := func(takes string) string {
		return "// takes " + takes + "\nkernel void spin(device float *data [[buffer(0)]]) {}\n"
	}
	stop := c.serve()
	defer stop()
	for i := range 4 {
		c.examined(c.add(fmt.Sprint("good ", i), "k.metal", kernel("1ms")), "")
	}
	c.add("words", "README.md", "words\n")
	c.add("slower", "k.metal", kernel("1250us"))
	c.add("more words", "README.md", "more words\n")
	c.examined(c.shas[6], runner.Failure)
	got := c.bisected(1)
	if got.Result.Kind != bisect.Found || !got.Result.Confirmed || got.Commits[got.Result.First].SHA != c.shas[5] || !strings.HasPrefix(got.Question.Threshold, "async-pipeline depth=4 mode=single threads=1 >= base - ") || got.Question.Source != "harness metal" {
		t.Errorf("%+v, asked %+v after %s", got.Result, got.Question, c.probesOf(got))
	}
	for _, p := range got.Probes {
		rec, err := c.app.store.Run(t.Context(), p.Run)
		if err != nil {
			t.Fatal(err)
		}
		bench := rec.Run.Stage(runner.StageBench).Bench
		if slices.ContainsFunc(bench.Samples, func(s runner.Sample) bool { return s.Source == "program" }) || (len(bench.Unaffected) == 1) != (p.Outcome == bisect.Good) {
			t.Errorf("probe of %d: %+v, %d samples", p.At, bench.Unaffected, len(bench.Samples))
		}
	}
}

// A machine that gets slower moves what is measured, too. The search measures that, and blames
// nobody.
func TestSlowMachineIsNobodysFault(t *testing.T) {
	c := newCulpritTest(t)
	c.repo.Bench.Enabled, c.repo.Bench.Rounds = true, 3
	c.write(filepath.Join(c.agentTest.repo, "bench.sh"), `
n=$(cat "$1.n" 2>/dev/null || echo 0)
echo $((n + 1)) > "$1.n"
echo "BenchmarkX 1 $(($(cat "$1.cost") * (100 + n * 5 % 7 - 3) / 100)) ns/op"
`)
	stop := c.serve()
	defer stop()
	var run int64
	for i := range 17 {
		c.write(c.pids+".cost", []string{"10000", "12000"}[i/9])
		run = c.examined(c.add(fmt.Sprint("change ", i), "state", fmt.Sprint(i)), runner.Success)
	}
	b := c.bisected(1)
	if b.Result.Kind != bisect.HeadGood {
		t.Errorf("%+v after %s", b.Result, c.probesOf(b))
	}
	in, err := c.app.finish(t.Context(), run)
	if err != nil || len(in.Shifts) != 1 || in.Shifts[0].Search != 1 || !strings.Contains(report.Text(in), "not reproduced") {
		t.Errorf("%+v, %v", in.Shifts, err)
	}
	// Nor is it asked again.
	c.examined(c.add("one more", "state", "more"), runner.Success)
	if list, err := c.app.store.BisectionsOf(t.Context(), "pool", 9); err != nil || len(list) != 1 {
		t.Errorf("%d searches, %v", len(list), err)
	}
}

// What moves without a threshold's being missed is found in the history, told in the report,
// searched for, and named on the tracking issue; what moves for the better or stays is not
// searched for.
func TestMovedIsSearched(t *testing.T) {
	c := newCulpritTest(t)
	c.repo.Bench.Enabled, c.repo.Bench.Rounds = true, 3
	c.app.cfg.Schedules[0].Stages = nil
	c.write(filepath.Join(c.agentTest.repo, "bench.sh"), `
n=$(cat "$1.n" 2>/dev/null || echo 0)
echo $((n + 1)) > "$1.n"
noise=$((100 + n * 5 % 7 - 3))
echo "BenchmarkX 1 $(($(cat state) * noise / 100)) ns/op $(($(cat state) * noise / 100)) rows/s $((5000 * noise / 100)) B/op"
`)
	stop := c.serve()
	defer stop()
	for i := range 9 {
		c.examined(c.add(fmt.Sprint("good ", i), "state", fmt.Sprint(10000+i)), runner.Success)
	}
	for i, cost := range []int{10050, 12000, 12100} {
		c.add(fmt.Sprint("change ", i), "state", fmt.Sprint(cost))
	}
	var run int64
	for i := range 8 {
		// Seven would be enough if the run before were of the new level: its place may be off.
		if list, err := c.app.store.BisectionsOf(t.Context(), "pool", 9); err != nil || i < 7 && len(list) != 0 {
			t.Fatalf("searched after %d runs: %+v, %v", i, list, err)
		}
		run = c.examined(c.add(fmt.Sprint("after ", i), "state", fmt.Sprint(12100+i)), runner.Success)
	}
	b := c.bisected(1)
	culprit := c.shas[10]
	if b.Result.Kind != bisect.Found || !b.Result.Confirmed || b.Commits[b.Result.First].SHA != culprit {
		t.Errorf("%+v after %s", b.Result, c.probesOf(b))
	}
	if q := b.Question; q.About != bisect.LevelShift || q.Metric != "X sec/op" || !strings.HasPrefix(q.Threshold, "X <= base + ") {
		t.Errorf("asked %+v", q)
	}
	in, err := c.app.finish(t.Context(), run)
	if err != nil || len(in.Shifts) != 2 || len(in.Bisections) != 1 {
		t.Fatalf("%+v, %+v, %v", in.Shifts, in.Bisections, err)
	}
	worse, better := in.Shifts[0], in.Shifts[1]
	if worse.Metric.Unit != "sec/op" || worse.Search != 1 || worse.First.Commit != c.shas[12] || worse.Last.Commit != c.shas[8] || worse.Runs != 8 || worse.Missed {
		t.Errorf("%+v", worse)
	}
	if better.Metric.Unit != "rows/s" || better.Search != 0 || better.Worse(better.Metric.Better) != -1 {
		t.Errorf("%+v", better)
	}
	if err := c.app.fire(t.Context(), "nightly", time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	c.await("maintenance report.*level shift of X sec/op.*First bad commit: `" + culprit[:10] + "` “change 1” by Eve.*\\*\\*Moved since\\*\\*")
	if searches, err := c.app.store.BisectionsOf(t.Context(), "pool", 9); err != nil || len(searches) != 1 {
		t.Errorf("%d searches, %v", len(searches), err)
	}
	list, err := c.app.store.Baselines(t.Context(), "pool")
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for _, b := range list {
		if err := c.app.showShifts(t.Context(), &shown, b); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		`in 18 runs, the newest last:\n  X \+2\d\.\d% \(.*\), worse, from run 10 on \(after ` + c.shas[8][:10] + ", up to " + c.shas[12][:10] + `; p < 0\.001\)`,
		`  X \+2\d\.\d% \(.*rows/s\), better, from run 10 on`, `no change of level in 18 runs`,
	} {
		if !regexp.MustCompile(want).MatchString(shown.String()) {
			t.Errorf("no %s in:%s", want, shown.String())
		}
	}
	// A report from before it moved knows nothing of it.
	if in, err := c.app.finish(t.Context(), 9); err != nil || len(in.Shifts)+len(in.Bisections) != 0 {
		t.Errorf("run 9: %+v, %+v, %v", in.Shifts, in.Bisections, err)
	}
}
