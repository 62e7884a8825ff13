package proofs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

func records(lines ...string) string { return "K " + strings.Join(lines, "\nK ") + "\n" }

func TestParseReplay(t *testing.T) {
	const (
		head   = `{"record":"header","lean":"4.28.0"}`
		startA = `{"record":"start","module":"A"}`
		endA   = `{"record":"module","name":"A","replayed":3,"skipped":0}`
		startB = `{"record":"start","module":"A.B"}`
		endB   = `{"record":"module","name":"A.B","replayed":1,"skipped":0}`
		reject = `{"record":"reject","module":"A","decl":"A.x","text":"(kernel) function expected\n  f"}`
		unsure = `{"record":"unsure","module":"A","decl":"A.y","text":"(kernel) deep recursion detected"}`
		rests  = `{"record":"rests","module":"A.B","decl":"A.B.z","on":"A.x"}`
		end2   = `{"record":"end","modules":2}`
	)
	for _, tt := range []struct {
		name, out string
		passed    []string
		rejected  int
		unknown   int
		broken    string
		culprit   string
	}{
		{name: "good", out: records(head, startA, endA, startB, endB, end2), passed: []string{"A", "A.B"}},
		{name: "faults", out: records(head, startA, reject, unsure, endA, startB, rests, endB, end2), rejected: 1, unknown: 1},
		{name: "nothing", out: "", broken: "broke off"},
		{name: "out of memory", out: records(head, startA, endA, startB) + "out of memory\n", passed: []string{"A"}, broken: "broke off", culprit: "A.B"},
		{name: "cut off", out: records(head, startA, endA, startB) + `K {"record":"mod`, passed: []string{"A"}, broken: "broke off", culprit: "A.B"},
		{name: "dies after a fault", out: records(head, startA, reject), rejected: 1, unknown: 1, broken: "broke off", culprit: "A"},
		{name: "no end", out: records(head, startA, endA, startB, endB), passed: []string{"A", "A.B"}, broken: "broke off"},
		{name: "an error", out: records(head, `{"record":"error","module":"A","text":"object file does not exist"}`, startB, endB, `{"record":"end","modules":1}`), passed: []string{"A.B"}, unknown: 1},
		{name: "forged", out: records(head, startA, reject, endA, startB, endB, end2) + strings.ReplaceAll(records(endA), "K ", "L "), passed: []string{"A.B"}, rejected: 1},
		{name: "twice", out: records(head, startA, endA, endA, end2), broken: "contradicts itself"},
		{name: "afterwards", out: records(head, startA, endA, reject, startB, endB, end2), broken: "contradicts itself"},
		{name: "unknown module", out: records(head, `{"record":"start","module":"C"}`), broken: "contradicts itself"},
		{name: "wrong count", out: records(head, startA, endA, end2), broken: "contradicts itself"},
		{name: "no header", out: records(startA, endA, startB, endB, end2), broken: "contradicts itself"},
		{name: "not JSON", out: records(head, "{", startA, endA, startB, endB, end2), broken: "contradicts itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := parseReplay([]byte(tt.out), "K ", modulesOf("A", "A.B"))
			var passed []string
			for k, ok := range r.passed {
				if ok {
					passed = append(passed, k)
				}
			}
			slices.Sort(passed)
			if !slices.Equal(passed, tt.passed) || len(r.rejected) != tt.rejected || len(r.unknown) != tt.unknown ||
				(r.broken == "") != (tt.broken == "") || !strings.Contains(r.broken, tt.broken) || r.culprit != tt.culprit {
				t.Errorf("%+v", r)
			}
			for _, x := range r.rejected {
				if x.Declaration != "A.x" || x.Text != "function expected f" {
					t.Errorf("%+v", x)
				}
			}
		})
	}
}

// FuzzReplay: nothing passes that the output does not call finished, and nothing that it
// finds fault with.
func FuzzReplay(f *testing.F) {
	f.Add(records(`{"record":"header"}`, `{"record":"start","module":"A"}`, `{"record":"reject","module":"A","decl":"x","text":"t"}`, `{"record":"module","name":"A"}`, `{"record":"end","modules":1}`))
	f.Add("K {\"record\":\"header\"}\nK {\"record\":\"module\",\"name\":\"A\"}\nK ")
	f.Fuzz(func(t *testing.T, out string) {
		r := parseReplay([]byte(out), "K ", modulesOf("A", "A.B"))
		faulty := map[string]bool{}
		for _, x := range slices.Concat(r.rejected, r.unknown) {
			faulty[key(x.Module)] = true
			if strings.Contains(x.Text, "\n") || len(x.Text) > 400 || len(x.Declaration) > 600 {
				t.Errorf("%+v", x)
			}
		}
		for k, ok := range r.passed {
			if !ok {
				continue
			}
			finished := false
			for line := range strings.SplitSeq(out, "\n") {
				var x struct{ Record, Name string }
				rest, marked := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "K ")
				if marked && json.Unmarshal([]byte(rest), &x) == nil && x.Record == "module" && key(x.Name) == k {
					finished = true
				}
			}
			if !finished || faulty[k] {
				t.Errorf("%s passed: %+v", k, r)
			}
		}
	})
}

// TestJudgeReplay: what a tool that names only the first fault of a module told, and what
// could not be told.
func TestJudgeReplay(t *testing.T) {
	e := builtProject(t, t.TempDir(), "A", "A.B", "A.C", "A.D")
	e.project.byKey["A.C"].imports = []string{"A.B"}
	theorems := func() outcome {
		var o outcome
		for _, m := range []string{"A.B", "A.C", "A.D"} {
			o.theorems = append(o.theorems, runner.Theorem{Name: m + ".t", Kind: "theorem", Module: m, File: "F", Line: 3, Verdict: runner.Success})
		}
		return o
	}
	o := theorems()
	e.judgeReplay(&o, replayed{Replay: runner.Replay{
		Tool: "leanchecker", Rejected: []runner.Rejected{{Module: "A.B", Declaration: "_private.A.B.0.A.x", Text: "bad"}},
		Unknown: []runner.Rejected{{Module: "A.D", Text: "killed"}},
	}}, nil)
	want := []string{
		"failure is of a module that the kernel rejects: bad", "error may rest on module A.B, which the kernel rejects",
		"error is of a module that could not be replayed through the kernel: killed",
	}
	for i, th := range o.theorems {
		if got := string(th.Verdict) + " " + th.Reason; got != want[i] {
			t.Errorf("%s: %s", th.Name, got)
		}
	}
	if o.kernel != "the kernel rejects A.x of module A.B: bad" || !strings.Contains(o.unsure, "module A.D: killed") {
		t.Errorf("%q, %q", o.kernel, o.unsure)
	}
	res := runner.Result{Proofs: &runner.Proofs{}}
	merge(&res, o)
	judge(&res, []outcome{o}, Config{})
	if res.Verdict != runner.Failure || !strings.HasPrefix(res.Reason, "the kernel rejects A.x") {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}

	o = theorems()
	e.cfg.Replay = ReplayRequire
	e.judgeReplay(&o, replayed{Replay: runner.Replay{Reason: "no tool"}}, nil)
	if !strings.Contains(o.unsure, "not run: no tool") || o.hint == "" {
		t.Errorf("%q %q", o.unsure, o.hint)
	}
	o = theorems()
	e.cfg.Replay = ReplayAuto
	e.judgeReplay(&o, replayed{Replay: runner.Replay{Reason: "no tool"}}, nil)
	if o.unsure != "" || len(o.warnings) != 1 || o.theorems[0].Verdict != runner.Success {
		t.Errorf("%+v", o)
	}
}

// TestJudgeMany: a result carries a few of very many faults; every one has its verdict.
func TestJudgeMany(t *testing.T) {
	e := builtProject(t, t.TempDir(), "A.B")
	var o outcome
	r := replayed{Replay: runner.Replay{Tool: "tool"}, exact: true}
	for i := range 2 * maxRejected {
		name := fmt.Sprintf("A.t%04d", i)
		o.theorems = append(o.theorems, runner.Theorem{Name: name, Kind: "theorem", Module: "A.B", Verdict: runner.Success})
		r.Rejected = append(r.Rejected, runner.Rejected{Module: "A.B", Declaration: name, Text: "no"})
	}
	e.judgeReplay(&o, r, nil)
	for _, th := range o.theorems {
		if th.Verdict != runner.Failure {
			t.Fatalf("%+v", th)
		}
	}
	if len(o.replay.Rejected) != maxRejected || len(o.findings) != maxRejected || !strings.HasSuffix(o.kernel, "and 399 more") {
		t.Errorf("%d, %d, %s", len(o.replay.Rejected), len(o.findings), o.kernel)
	}
}

// TestJudgeNative: what a replay cannot repeat is settled where the axiom for it is
// allowed, and the declaration rests on it.
func TestJudgeNative(t *testing.T) {
	for _, tt := range []struct {
		name    string
		allowed []string
		axioms  []string
		text    string
		exact   bool
		verdict runner.Verdict
	}{
		{"allowed", []string{"Lean.ofReduceBool"}, []string{"Lean.ofReduceBool"}, "(interpreter) unknown declaration 'x'", true, runner.Success},
		{"not allowed", nil, []string{"Lean.ofReduceBool"}, "(interpreter) unknown declaration 'x'", true, runner.Error},
		{"without the axiom", []string{"Lean.ofReduceBool"}, []string{"propext"}, "(interpreter) unknown declaration 'x'", true, runner.Error},
		{"another axiom", []string{"mine"}, []string{"mine"}, "(interpreter) unknown declaration 'x'", true, runner.Error},
		{"something else", []string{"Lean.ofReduceBool"}, []string{"Lean.ofReduceBool"}, "deep recursion detected", true, runner.Error},
		{"a tool that stops at the first", []string{"Lean.ofReduceBool"}, []string{"Lean.ofReduceBool"}, "(interpreter) unknown declaration 'x'", false, runner.Error},
	} {
		e := builtProject(t, t.TempDir(), "A.B")
		e.cfg.AllowedAxioms = tt.allowed
		o := outcome{theorems: []runner.Theorem{{Name: "A.t", Kind: "theorem", Module: "A.B", Verdict: runner.Success}}}
		e.judgeReplay(&o, replayed{
			Replay: runner.Replay{Tool: "tool", Unknown: []runner.Rejected{{Module: "A.B", Declaration: "A.t._proof_1", Text: tt.text}}},
			exact:  tt.exact, rests: []rest{{"A.B", "A.t", "A.t._proof_1"}},
		}, []declaration{{Name: "A.t._proof_1", Axioms: tt.axioms}})
		if v := o.theorems[0].Verdict; v != tt.verdict || (o.unsure == "") != (v == runner.Success) || len(o.replay.Unknown) != 1 || (len(o.warnings) > 0) != (v == runner.Success) {
			t.Errorf("%s: %s: %q, %q, %q", tt.name, v, o.theorems[0].Reason, o.unsure, o.warnings)
		}
	}
}

func TestReplayPolicy(t *testing.T) {
	res := run(t, Config{Replay: "always"}, workspace(t, t.TempDir(), ""))
	if res.Verdict != runner.Error || !strings.Contains(res.Reason, `kernel replay "always"`) {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
}

// TestReplayProgramBroken: a Lean that does not take our program leaves the commit
// without a replay, and says so; one that is killed at it does not tell either.
func TestReplayProgramBroken(t *testing.T) {
	for script, want := range map[string]string{
		"echo 'HoldfastReplay.lean:1:0: error: no such import'; exit 1": "the replay program does not run: HoldfastReplay.lean:1:0",
		"kill -9 $$": "compile the replay program: killed by signal 9",
	} {
		home := fakeChecker(t, "lean", script)
		e := builtProject(t, home, "A.B")
		r, err := e.replay(t.Context(), e.project.modules, nil)
		if err != nil || r.Tool != "" || r.Modules != 0 || !strings.HasPrefix(r.Reason, want) {
			t.Errorf("%v %+v", err, r)
		}
	}
}

func TestReplayRecordBounded(t *testing.T) {
	e := &examination{cache: t.TempDir()}
	var all []string
	for i := range recordSize {
		all = append(all, fmt.Sprintf("%032x", i))
	}
	e.replayRecord().add(all)
	e.replayRecord().add([]string{fmt.Sprintf("%032x", recordSize+7), all[0]})
	r := e.replayRecord()
	if len(r.lines) != recordSize || !r.has(all[0]) || r.has(all[1]) || !r.has(all[2]) {
		t.Errorf("%d lines", len(r.lines))
	}
	if left, _ := filepath.Glob(filepath.Join(e.cache, ".new-*")); len(left) > 0 {
		t.Error(left)
	}
	if _, err := os.Stat(filepath.Join(e.cache, "replay.txt")); err != nil {
		t.Error(err)
	}
}

func BenchmarkReplayRecord(b *testing.B) {
	e := &examination{cache: b.TempDir()}
	var all []string
	for i := range 5000 {
		all = append(all, fmt.Sprintf("%032x", i))
	}
	e.replayRecord().add(all)
	for b.Loop() {
		if !e.replayRecord().has(all[17]) {
			b.Fatal("lost")
		}
	}
}
