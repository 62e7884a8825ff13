package report

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

var began = time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC)

// near gives n values around level, with a spread of a few percent.
func near(level float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		// Rounded, since processors that fuse multiply and add differ in the last bit.
		out[i] = math.Round(level*(1+0.004*float64((i*3)%n-n/2))*1e6) / 1e6
	}
	return out
}

func samples(slow float64) []runner.Sample {
	var out []runner.Sample
	add := func(name, unit string, level float64, kv ...string) {
		s := runner.Sample{Name: name, Unit: unit, Config: map[string]string{}, Better: runner.HigherIsBetter, Values: near(level, 8), Source: "harness cpu", Derived: name == "scaling" || name == "async-gain"}
		for i := 0; i < len(kv); i += 2 {
			s.Config[kv[i]] = kv[i+1]
		}
		out = append(out, s)
	}
	for _, q := range []string{"shared", "per-thread"} {
		for i, n := range []string{"1", "2", "4", "8"} {
			x := []float64{1, 1.21, 1.18, 1.02}[i]
			if q == "per-thread" {
				x = []float64{1, 1.94, 3.61, 5.92}[i]
			}
			add("multi-queue", "ops/s", 14210*x/slow, "queue", q, "threads", n)
			if i > 0 {
				add("scaling", "x", x, "queue", q, "threads", n)
			}
		}
	}
	for _, m := range []string{"single", "multi"} {
		for i, d := range []string{"1", "4", "32"} {
			x, threads := []float64{1, 2.4, 8.1}[i], "1"
			if m == "multi" {
				x, threads = []float64{1, 1.02, 1.05}[i], "8"
			}
			add("async-pipeline", "ops/s", 4763*x/slow, "mode", m, "depth", d, "threads", threads)
		}
	}
	add("async-gain", "ratio", 7.1, "mode", "single", "threads", "1")
	add("async-gain", "ratio", 0.052, "mode", "multi", "threads", "8")
	out[len(out)-1].Values = []float64{0.05, -0.03, 0.11, 0.02, -0.01, 0.08, 0.06, 0.01}
	return out
}

func parse(t testing.TB, texts ...string) []baseline.Threshold {
	t.Helper()
	var out []baseline.Threshold
	for _, s := range texts {
		th, err := baseline.ParseThreshold(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, th)
	}
	return out
}

var usual = []string{"async-gain mode=single >= 10%", "scaling queue=per-thread threads=8 >= 4x", "multi-queue queue=per-thread threads=8 >= baseline - 10%"}

func history(n int) []baseline.Past {
	var out []baseline.Past
	for i := range n {
		out = append(out, baseline.NewPast(int64(36+i), fmt.Sprintf("c%d", i), samples(1+0.004*float64(i%3))))
	}
	return out
}

func proofsResult() runner.Result {
	p := &runner.Proofs{
		Toolchain: "Lean (version 4.27.0, x86_64-unknown-linux-gnu, commit 1f2e3d4c5b6a, Release)", Requested: "leanprover/lean4:v4.27.0",
		Authority: true, Inventory: "declarations with ranges of the built environments", Jobs: 14,
	}
	for _, m := range []string{"StreamPool", "StreamPool.Encoder", "StreamPool.Mutex", "StreamPool.Race"} {
		p.Modules = append(p.Modules, runner.Module{Name: m, File: strings.ReplaceAll(m, ".", "/") + ".lean", Verdict: runner.Success, Seconds: 1.5})
	}
	p.Modules[0].Seconds, p.Modules[0].Reused = 0, true
	for i, n := range []string{"race_without_lock", "one_mutex_prevents_race", "per_stream_mutex_races", "per_encoder_mutex_is_maximal"} {
		p.Theorems = append(p.Theorems, runner.Theorem{
			Name: "StreamPool." + n, Kind: "theorem", Module: "StreamPool.Race", File: "StreamPool/Race.lean", Line: 12 + 20*i,
			Axioms: []string{"propext"}, Verdict: runner.Success,
		})
	}
	return runner.Result{
		Stage: runner.StageProofs, Verdict: runner.Success, Started: began, Seconds: 12.34, Busy: 12.3, Proofs: p,
		Logs: []runner.Log{{Name: "build", Path: "/state/logs/42/proofs/build.log", Bytes: 18210}},
	}
}

func checksResult() runner.Result {
	c := &runner.Checks{Pass: 3, Warn: 1}
	for i, id := range []string{"encoder-has-mutex", "no-second-commit", "pool-is-bounded"} {
		c.Rules = append(c.Rules, runner.Rule{ID: id, Title: "structure " + id, Outcome: runner.Pass, Reason: fmt.Sprintf("0 matches in %d files", 11+i), Files: 11 + i, Source: "holdfast.rules.toml:12"})
	}
	c.Rules = append(c.Rules, runner.Rule{
		ID: "no-usleep", Title: "No sleeping in the pool", Outcome: runner.Warn, Reason: "1 match in 11 files", Files: 11, Source: "holdfast.rules.toml:40",
		Evidence: []runner.Evidence{{File: "src/pool.mm", Line: 88, Column: 9, Text: "usleep(50);"}},
		Ack:      &runner.Ack{Reason: "back-off while the driver warms up", Owner: "mara", Until: "2026-12-31"},
	})
	return runner.Result{Stage: runner.StageChecks, Verdict: runner.Success, Started: began.Add(13 * time.Second), Seconds: 0.08, Checks: c}
}

func benchResult(slow float64) runner.Result {
	return runner.Result{
		Stage: runner.StageBench, Verdict: runner.Success, Started: began.Add(14 * time.Second), Seconds: 71.6, Busy: 71.5,
		Bench: &runner.Bench{
			Backend: "cpu", Device: "AMD EPYC 7B13, modelled submit latency",
			Settings: map[string]string{"rounds": "8", "window": "200ms", "threads": "1, 2, 4, 8", "depths": "1, 4, 32", "kernel": "fma 64k"},
			Observed: map[string]string{"async-best-depth mode=single": "32", "async-best-depth mode=multi": "32"},
			Samples:  samples(slow),
		},
		Logs: []runner.Log{{Name: "harness", Path: "/state/logs/42/bench/harness.log", Bytes: 4096, Dropped: 10}},
	}
}

func run(stages ...runner.Result) runner.Run {
	r := runner.Run{
		Number: 42, Repo: "streampool", Branch: "main", Trigger: "push", State: runner.StateDone,
		Commit:  runner.Commit{SHA: "0123456789abcdef0123456789abcdef01234567", Subject: "Pool: reuse encoders", Author: "Mara Lind", Time: began},
		Base:    runner.Commit{SHA: "fedcba9876543210fedcba9876543210fedcba98"},
		Started: began, Finished: began.Add(86 * time.Second), Agent: "holdfast 0.1.0", Worker: "mini-1",
		Machine: runner.Machine{
			Host: "mini-1", OS: "macOS 15.6.1", Build: "24G90", Arch: "arm64", Model: "Mac16,5", Chip: "Apple M4 Max", Cores: 16, PCores: 12, ECores: 4,
			Memory: 128 << 30, GPU: "Apple M4 Max", GPUCores: 40, GPUAPI: "Metal 3", Class: "mac16,5-40gpu-macos15",
		},
		Stages: stages,
	}
	var vs []runner.Verdict
	for _, s := range stages {
		vs = append(vs, s.Verdict)
	}
	r.Verdict = runner.Worst(vs...)
	return r
}

// measured adds how the samples came about.
func measured(b *runner.Bench) {
	for _, pair := range []string{"queue", "process"} {
		b.Samples = append(b.Samples, runner.Sample{
			Name: "same-work", Unit: "%", Config: map[string]string{"pair": pair}, Derived: true, Source: "harness cpu",
			Values: []float64{0.4, -0.2, 0.1, 0.3, -0.5, 0.2, 0.6, -0.1},
		})
	}
	b.Observed["noise floor"], b.Settings["processes"] = "0.15 %", "4"
	b.Observed["harness, an operation"], b.Observed["cost of a message"] = "94 ns", "61 ns"
	for i, s := range b.Samples {
		o := runner.Origin{Sample: s.Key()}
		if s.Derived {
			o.Formula = "of each round: one rate ÷ another"
			b.Origins = append(b.Origins, o)
			continue
		}
		drift := 0.001 * float64(i%3)
		o.Drift, o.Overhead = &drift, 0.0004
		for k, v := range s.Values {
			o.Rounds = append(o.Rounds, k+1)
			o.Positions = append(o.Positions, 1+(k*5+i)%14)
			o.Processes = append(o.Processes, 1+k/2)
			o.Ops = append(o.Ops, uint64(v/5))
			o.Seconds = append(o.Seconds, 0.2)
		}
		if s.Name == "multi-queue" {
			o.Device = &runner.DeviceTimes{Ops: 3000, Execution: 50e-6, Low: 49e-6, High: 52e-6, Busy: 0.71, Parallel: 1}
			o.Notes = []string{"the values fall into two groups, and a median describes neither: (4 values about 13900 ops/s and 4 about 14500)"}
		}
		b.Origins = append(b.Origins, o)
	}
}

// cases are the runs that the golden files show.
func cases(t testing.TB) map[string]Input {
	out := map[string]Input{}
	judged := func(slow float64, runs int, texts ...string) (runner.Result, *baseline.Judgement) {
		res := benchResult(slow)
		j := baseline.Judge(res.Bench.Samples, history(runs), parse(t, texts...))
		j.Apply(&res)
		return res, &j
	}
	bench, j := judged(1, 5, usual...)
	prev := run(proofsResult(), checksResult(), benchResult(1))
	prev.Number, prev.Commit.SHA = 41, "fedcba9876543210fedcba9876543210fedcba98"
	out["success"] = Input{Run: run(proofsResult(), checksResult(), bench), Judgement: j, Previous: &prev, Truth: &Truth{Compared: 1296, CompareAlarms: 3, Judged: 12, Real: 4, Noise: 1}}

	p := proofsResult()
	p.Verdict, p.Reason = runner.Failure, "1 theorem rests on sorry"
	p.Proofs.Theorems[1].Axioms, p.Proofs.Theorems[1].Verdict, p.Proofs.Theorems[1].Reason = []string{"propext", "sorryAx"}, runner.Failure, "rests on sorry"
	p.Findings = []runner.Finding{{Verdict: runner.Failure, Rule: "sorry", File: "StreamPool/Race.lean", Line: 32, Column: 8, Text: "declaration uses 'sorry'"}}
	out["proofs-failure"] = Input{Run: run(p, checksResult()), Previous: &prev}

	l := ledgerResult()
	out["ledger"] = Input{Run: run(l, checksResult()), Previous: &prev, Builds: buildsOf(t, l.Proofs, "not measured: the module was not built in this run", "lean-build module=StreamPool.Race <= 1s", "lean-build module=StreamPool <= 60s")}
	out["old-debt"] = Input{Run: run(debtResult()), Previous: &prev}

	c := checksResult()
	c.Verdict, c.Reason = runner.Failure, "1 of 4 rules fails: no-second-commit"
	c.Checks.Pass, c.Checks.Fail = 2, 1
	c.Checks.Rules[1].Outcome, c.Checks.Rules[1].Reason = runner.Fail, "2 matches in 11 files, at most 1 allowed"
	for _, l := range []int{120, 188} {
		c.Checks.Rules[1].Evidence = append(c.Checks.Rules[1].Evidence, runner.Evidence{File: "src/pool.mm", Line: l, Column: 5, Text: "[buffer commit];"})
		c.Findings = append(c.Findings, runner.Finding{Verdict: runner.Failure, Rule: "no-second-commit", File: "src/pool.mm", Line: l, Column: 5, Text: "[buffer commit];"})
	}
	out["checks-failure"] = Input{Run: run(proofsResult(), c), Previous: &prev}

	out["ratchet"] = Input{Run: run(ratchetResult()), Previous: &prev}

	bench, j = judged(2.4, 5, usual...)
	out["bench-failure"] = Input{Run: run(proofsResult(), checksResult(), bench), Judgement: j, Previous: &prev, Shifts: shiftExamples("soak")}

	bench, j = judged(1, 0, append(usual, "async-gain mode=multi >= 10%", "latency <= 2")...)
	out["no-baseline-and-unmatched"] = Input{Run: run(bench), Judgement: j, Truth: &Truth{}}

	res := benchResult(1)
	measured(res.Bench)
	out["measured"] = Input{Run: run(res)}

	noLean := runner.Result{
		Stage: runner.StageProofs, Verdict: runner.Error, Started: began, Seconds: 0.02,
		Reason: "Lean 4.27.0 is not installed (asked for by lean-toolchain)", Hint: "install it with: elan toolchain install leanprover/lean4:v4.27.0",
		Proofs: &runner.Proofs{Requested: "leanprover/lean4:v4.27.0"},
	}
	linux := run(noLean, checksResult())
	linux.Machine = runner.Machine{OS: "Debian GNU/Linux 12", Build: "6.1.0-18-amd64", Arch: "amd64", Chip: "AMD EPYC 7B13", Cores: 8, Memory: 32 << 30, GPUAPI: "no GPU API", Class: "linux-amd64-epyc", Warnings: []string{"model: no such file"}}
	linux.PullRequest, linux.Branch, linux.Trigger = 17, "", "pull request"
	out["no-lean"] = Input{Run: linux}

	stopped := proofsResult()
	stopped.Verdict, stopped.Reason = runner.Error, "cancelled"
	stopped.Proofs = nil
	cancelled := run(stopped)
	cancelled.State, cancelled.Reason = runner.StateCancelled, "cancelled"
	out["cancelled"] = Input{Run: cancelled}

	nothing := run()
	nothing.Verdict, nothing.Reason, nothing.Machine = "", "fetch streampool: repository not found", runner.Machine{}
	out["nothing-ran"] = Input{Run: nothing}
	out["zero"] = Input{}

	out["bisected"] = Input{Run: run(c), Previous: &prev, Bisections: bisectionExamples("x")}
	out["hostile"] = Input{Run: hostileRun(evil), Judgement: hostileJudgement(t, evil), Builds: hostileJudgement(t, evil), Previous: &prev, Bisections: bisectionExamples(evil), Shifts: shiftExamples(evil)}
	return out
}

const evil = "@octocat fixes #12 GH-7 owner/repo#3 <img src=x onerror=alert(1)> ![x](http://e.vil/p.png) [a](javascript:b) | `tick` ``` \x1b[31mred \u202egnp.exe\u202c \u200b<!-- --> </details> *b* _i_ ~~s~~ $x$ www.e.vil a@b.co https://github.com/o/r/issues/9 \\| \\"

// hostileRun has the text wherever a text can come from outside.
func hostileRun(evil string) runner.Run {
	r := run(proofsResult(), checksResult(), benchResult(1))
	r.Repo, r.Branch, r.Trigger, r.Agent, r.Worker, r.Reason = evil, evil, evil, evil, evil, evil
	r.Commit.Subject, r.Commit.Author, r.Commit.SHA = evil, evil, evil
	m := &r.Machine
	m.OS, m.Build, m.Model, m.Chip, m.GPU, m.GPUAPI, m.Class = evil, evil, evil, evil, evil, evil, evil
	m.Warnings, r.Warnings = []string{evil, "# heading", "1. list", "- item", "\n\n## broken out"}, []string{evil}
	for i := range r.Stages {
		s := &r.Stages[i]
		s.Verdict, s.Reason, s.Hint, s.Warnings = runner.Failure, evil, evil, []string{evil}
		s.Findings = []runner.Finding{{Verdict: runner.Failure, Rule: evil, File: evil, Line: 3, Text: evil}, {Verdict: runner.Neutral, Text: evil}}
		s.Logs = []runner.Log{{Name: evil, Path: "/state/logs/42/" + evil, Bytes: 1}}
	}
	p := r.Stages[0].Proofs
	p.Toolchain, p.Requested, p.Inventory, p.Authority, p.Orphans = evil, evil, evil, false, []string{evil}
	p.Modules[0] = runner.Module{Name: evil, File: evil, Verdict: runner.Error, Reason: evil}
	p.Theorems[0] = runner.Theorem{Name: evil, Kind: evil, Module: evil, File: evil, Line: 1, Axioms: []string{evil}, Verdict: runner.Failure, Reason: evil}
	hostileProofs(p, evil)
	c := r.Stages[1].Checks
	c.Rules[0] = runner.Rule{ID: evil, Title: evil, Outcome: evil, Reason: evil, Source: evil, Doc: evil, Violations: []string{evil}, Evidence: []runner.Evidence{{File: evil, Line: 1, Text: evil, Column: 3, EndLine: 1, EndColumn: 9, Fingerprint: evil, New: true}}, Ack: &runner.Ack{Reason: evil, Owner: evil, Until: evil}}
	c.Rules[1].Title, c.Rules[1].Reason, c.Rules[1].ID = evil, evil, evil
	c.Rules[2].Outcome, c.Rules[2].Evidence = runner.Warn, []runner.Evidence{{File: "a/" + evil, Line: 4, Column: 2, EndLine: 4, EndColumn: 7, Text: evil, Fingerprint: evil}}
	c.Scheme, c.RulesOf.SHA, c.Base.SHA = evil, evil, evil
	b := r.Stages[2].Bench
	b.Backend, b.Device = evil, evil
	b.Settings[evil], b.Observed[evil] = evil, evil
	b.Samples[0].Config["queue"] = evil
	b.Samples[len(b.Samples)-1].Config["mode"] = evil
	b.Samples[8].Config["mode"] = evil
	measured(b)
	b.Observed["noise floor"] = evil
	b.Origins[0].Notes, b.Origins[1].Formula = []string{evil}, evil
	b.Samples[2].Unit, b.Origins[2].Sample = evil, runner.Sample{Name: b.Samples[2].Name, Unit: evil, Config: b.Samples[2].Config}.Key()
	b.Samples = append(b.Samples, runner.Sample{Name: evil, Unit: evil, Config: map[string]string{evil: evil}, Values: near(3, 8)})
	r.Verdict = runner.Failure
	return r
}

func hostileJudgement(t testing.TB, evil string) *baseline.Judgement {
	r := hostileRun(evil)
	th := parse(t, "ops/s > 1", "ratio > 1")
	th = append(th, baseline.Threshold{Metric: evil, Config: map[string]string{evil: evil}, Op: baseline.AtLeast, Value: 5}, baseline.Threshold{Metric: evil + "2", Op: baseline.AtLeast, Value: 5})
	j := baseline.Judge(r.Stages[2].Bench.Samples, nil, th)
	return &j
}

// shiftExamples go both ways, and where nobody knows; every foreign text of them is text.
func shiftExamples(text string) (out []Shift) {
	at := func(n int) baseline.Reading {
		return baseline.Reading{Run: int64(30 + n), Commit: fmt.Sprintf("%010x%030d", n+0xabc123, 0), Median: 1}
	}
	for i, better := range []string{runner.LowerIsBetter, runner.HigherIsBetter, "", runner.LowerIsBetter, runner.LowerIsBetter} {
		s := Shift{
			Metric: runner.Sample{Name: text, Unit: "sec/op", Config: map[string]string{"size": text}, Better: better},
			Shift:  baseline.Shift{Index: 9, Last: at(i), First: at(i + 1), Before: 1e-7, After: 1.2e-7, Effect: 0.2, P: 1e-9, Runs: 12 + i},
			Missed: i == 0, Search: int64(i % 2 * 7),
		}
		switch i {
		case 2:
			s.Metric.Unit, s.Before, s.After, s.Effect, s.P = text, -3, 0, math.NaN(), 0.0123
		case 3:
			s.Last.Commit = s.First.Commit
		case 0:
			s.Ask = "holdfast bisect --threshold '" + text + " <= base + 9.54%' 0000abc123 0000abc124"
		case 4:
			s.After, s.Effect = 8e-8, -0.2
		}
		out = append(out, s)
	}
	return out
}

// bisectionExamples has one of each kind; every foreign text of them is text.
func bisectionExamples(text string) (out []Bisection) {
	commit := func(n int) runner.Commit {
		return runner.Commit{SHA: fmt.Sprintf("%010x%030d", n+0xabc123, 0), Subject: text, Author: text}
	}
	for i, kind := range []string{"", "found", "several", "budget", "base bad", "head good", "untold", "unstable"} {
		b := Bisection{
			Number: int64(i + 1), Asked: "bench: X <= baseline + 25% " + text, Good: commit(0), Bad: commit(20), Commits: 20, Kind: kind, Confirmed: i%2 == 1,
			Suspects: []runner.Commit{commit(7)},
			Probes:   []BisectionProbe{{Commit: commit(20), Run: 3, Outcome: "bad", Reason: text}, {Commit: commit(0), Run: 4, Outcome: "good"}},
		}
		if kind == "several" || kind == "budget" {
			for at := 8; at < 8+10*i-20; at++ {
				b.Suspects = append(b.Suspects, commit(at))
				b.Probes = append(b.Probes, BisectionProbe{Commit: commit(at), Run: int64(at), Outcome: "skip", Reason: text})
			}
		}
		if kind == "budget" {
			b.Most, b.Left, b.Limit, b.Took = 24, 3, 4*time.Hour, 72*time.Second
			b.Further = "holdfast bisect --threshold 'X <= baseline + 25% " + text + "' 0000abc129 0000abc137"
		}
		if kind == "unstable" {
			b.Probes = append(b.Probes, BisectionProbe{Commit: commit(7), Run: 5, Outcome: "bad"}, BisectionProbe{Commit: commit(7), Run: 6, Outcome: "good"})
		}
		out = append(out, b)
	}
	return out
}
