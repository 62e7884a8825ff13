package proofs

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

var baseCommit = runner.Commit{SHA: "0123456789abcdef0123456789abcdef01234567"}

// settled is what a stage makes of a result whose modules and theorems are judged.
func settled(t *testing.T, cfg Config, res *runner.Result, earlier *runner.Result, outcomes []outcome, files map[string]string) {
	t.Helper()
	ws := &runner.Workspace{Dir: tree(t, files), Earlier: earlier, EarlierCommit: baseCommit, EarlierRun: 7}
	if earlier == nil {
		ws.EarlierCommit = runner.Commit{}
	}
	s := New(cfg)
	st := s.settle(res, outcomes, ws)
	judge(res, outcomes, s.cfg)
	st.fold(res)
	t.Logf("%s: %s", res.Verdict, res.Reason)
}

func onSorry(th runner.Theorem) runner.Theorem {
	th.Axioms, th.Verdict, th.Reason = []string{"sorryAx"}, runner.Failure, "rests on sorry"
	return th
}

func faultOf(th runner.Theorem) runner.Finding {
	return runner.Finding{Verdict: th.Verdict, Rule: "sorry", File: th.File, Line: th.Line, Text: th.Name + " " + th.Reason}
}

func TestRatchet(t *testing.T) {
	a, b, good := onSorry(thm("a", "p")), onSorry(thm("b", "q")), thm("good", "r")
	b.Line = 8
	own := with(axiom("own", "s"), func(t *runner.Theorem) {
		t.Verdict, t.Reason = runner.Failure, "is an axiom of the project and not allowed"
	})
	definition := runner.Finding{Verdict: runner.Failure, Rule: "sorry", File: "M.lean", Line: 20, Text: "pick rests on sorry"}
	before := &runner.Result{Verdict: runner.Failure, Proofs: inv(a, good, own), Findings: []runner.Finding{faultOf(a), definition}}
	before.Findings = append(before.Findings, runner.Finding{Verdict: runner.Failure, Rule: "axiom", File: "M.lean", Line: 3, Text: "own is an axiom of the project and not allowed"})
	fresh := func(ts ...runner.Theorem) (*runner.Result, []outcome) {
		res := &runner.Result{Proofs: inv(ts...), Findings: []runner.Finding{definition}}
		for _, th := range ts {
			if th.Verdict == runner.Failure {
				res.Findings = append(res.Findings, faultOf(th))
				res.Findings[len(res.Findings)-1].Rule = choose(b2i(th.Kind == "axiom"), "axiom", "sorry")
			}
		}
		return res, []outcome{{broken: []string{"pick rests on sorry", "via rests on sorry through pick (M.lean:20)"}}}
	}

	t.Run("old debt stands", func(t *testing.T) {
		res, out := fresh(a, good, own)
		settled(t, Config{Ratchet: true}, res, before, out, nil)
		if res.Verdict != runner.Success || res.Reason != "1 theorem in 2 modules holds; no new sorry, 2 of old debt, axioms: none" {
			t.Errorf("%s: %s", res.Verdict, res.Reason)
		}
		for _, f := range res.Findings {
			if f.Verdict != runner.Neutral || !strings.HasSuffix(f.Text, " at 0123456789)") {
				t.Errorf("%+v", f)
			}
		}
		th := theorems(*res)["a"]
		if th.Verdict != runner.Neutral || th.Reason != "rests on sorry (old debt: it did at 0123456789)" {
			t.Errorf("%+v", th)
		}
		if l := res.Proofs.Ledger; l == nil || l.Same != 3 || l.Debt != 2 || l.Base != baseCommit || l.Run != 7 {
			t.Errorf("%+v", l)
		}
		if len(res.Warnings) != 2 || !strings.HasPrefix(res.Warnings[1], "via rests on sorry through pick (M.lean:20) (old debt: ") {
			t.Errorf("%q", res.Warnings)
		}
		// What was forgiven once is old the next time, too.
		again, out := fresh(a, good, own)
		settled(t, Config{Ratchet: true}, again, res, out, nil)
		if again.Verdict != runner.Success || theorems(*again)["a"].Reason != th.Reason {
			t.Errorf("%s: %s", again.Verdict, again.Reason)
		}
	})
	t.Run("new debt fails", func(t *testing.T) {
		res, out := fresh(a, b, good)
		settled(t, Config{Ratchet: true}, res, before, out, nil)
		if res.Verdict != runner.Failure || !strings.HasPrefix(res.Reason, "theorem b rests on sorry (M.lean:8)") || strings.Contains(res.Reason, "theorem a ") {
			t.Errorf("%s: %s", res.Verdict, res.Reason)
		}
		// Through which declaration it came to others is not known here: they stay.
		if !strings.Contains(res.Reason, "via rests on sorry") || strings.Contains(res.Reason, "; pick rests") {
			t.Errorf("%s", res.Reason)
		}
		for _, f := range res.Findings {
			if want := choose(b2i(strings.HasPrefix(f.Text, "b ")), "failure", "neutral"); string(f.Verdict) != want {
				t.Errorf("%+v", f)
			}
		}
	})
	t.Run("without the ratchet", func(t *testing.T) {
		res, out := fresh(a, good)
		settled(t, Config{}, res, before, out, nil)
		if res.Verdict != runner.Failure || res.Proofs.Ledger.Debt != 1 {
			t.Errorf("%s: %s", res.Verdict, res.Reason)
		}
	})
	t.Run("without a base", func(t *testing.T) {
		res, out := fresh(a, good)
		settled(t, Config{Ratchet: true}, res, nil, out, nil)
		if res.Verdict != runner.Failure || res.Proofs.Ledger != nil {
			t.Errorf("%s: %s", res.Verdict, res.Reason)
		}
	})
	t.Run("rejected by the kernel", func(t *testing.T) {
		res, _ := fresh(a)
		res.Proofs.Replay.Rejected = []runner.Rejected{{Module: "M", Declaration: "a", Text: "no"}}
		settled(t, Config{Ratchet: true}, res, before, nil, nil)
		if th := theorems(*res)["a"]; res.Verdict != runner.Failure || th.Verdict != runner.Failure {
			t.Errorf("%s: %s: %+v", res.Verdict, res.Reason, th)
		}
	})
}

func TestLedgerVerdict(t *testing.T) {
	before := &runner.Result{Verdict: runner.Success, Proofs: inv(thm("a", "p"), with(thm("b", "q"), func(t *runner.Theorem) { t.Module, t.File, t.Line = "N", "N.lean", 40 }), thm("c", "r"))}
	for _, tt := range []struct {
		name     string
		cfg      Config
		head     *runner.Proofs
		verdict  runner.Verdict
		reason   string
		findings []string // "File:Line Text"
	}{
		{name: "nothing", head: before.Proofs, verdict: runner.Success, reason: "3 theorems in 2 modules hold; no sorry, axioms: none"},
		{
			name: "changed and lost", head: inv(with(thm("a", "P"), func(t *runner.Theorem) { t.Line, t.Column = 15, 9 }), thm("c", "r")), verdict: runner.Failure,
			reason:   "theorem b is lost (it was in N.lean:40); theorem a changed its statement (M.lean:15); 2 theorems in 2 modules hold",
			findings: []string{"N.lean:2 b is lost: module N does not state it any more", "M.lean:15 a states something else"},
		},
		{
			name: "lost with its file", head: edit(inv(thm("b", "q")), func(p *runner.Proofs) { p.Modules[0].File = "Elsewhere.lean" }), verdict: runner.Failure, reason: "2 theorems are lost, first a (it was in M.lean:3)",
			findings: []string{":0 a is lost: module M does not state it any more", ":0 c is lost: module M does not state it any more"},
		},
		{name: "told", cfg: Config{Changes: ChangesWarn}, head: inv(thm("a", "P"), thm("c", "r")), verdict: runner.Success, reason: "2 theorems in 2 modules hold"},
		{
			name: "not built", head: edit(inv(with(thm("b", "q"), func(t *runner.Theorem) { t.Module = "N" })), brokenModule), verdict: runner.Failure,
			reason: "module M does not build: M.lean:1:1: oh; 1 theorem holds; 2 theorems could not be compared with 0123456789, first a could not be checked: module M was not built: M.lean:1:1: oh",
		},
		{
			name: "not reached", head: edit(inv(before.Proofs.Theorems...), func(p *runner.Proofs) { p.Modules[1].Unreached = true }), verdict: runner.Failure,
			reason: "module N is not imported any more (N.lean:1)", findings: []string{"N.lean:1 N is not imported any more from any root: only Holdfast builds it"},
		},
		{
			name: "rejected, but judged good", head: edit(inv(before.Proofs.Theorems...), func(p *runner.Proofs) {
				p.Replay.Rejected = []runner.Rejected{{Module: "N", Text: "no"}}
			}), verdict: runner.Failure, reason: "b was rejected by the kernel: no (N.lean:40)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := &runner.Result{Proofs: edit(tt.head, func(p *runner.Proofs) { p.Ledger = nil })}
			settled(t, tt.cfg, res, before, nil, map[string]string{"N.lean": "one\ntwo\n"})
			if res.Verdict != tt.verdict || !strings.HasPrefix(res.Reason, tt.reason) {
				t.Errorf("%s: %s\nwant %s: %s", res.Verdict, res.Reason, tt.verdict, tt.reason)
			}
			var got []string
			for _, f := range res.Findings {
				if f.Rule != "ledger" || f.Verdict != runner.Failure {
					t.Errorf("%+v", f)
				}
				got = append(got, f.File+":"+itoa(f.Line)+" "+f.Text)
			}
			if !slices.Equal(got, tt.findings) {
				t.Errorf("findings %q, want %q", got, tt.findings)
			}
			if tt.name == "told" && (len(res.Warnings) != 2 || res.Warnings[0] != "theorem b is lost (it was in N.lean:40), which fails nothing here") {
				t.Errorf("%q", res.Warnings)
			}
		})
	}
}

func TestNotCompared(t *testing.T) {
	good := func() *runner.Result { return &runner.Result{Proofs: inv(thm("a", "p"))} }
	s := New(Config{})
	for _, tt := range []struct {
		name    string
		ws      *runner.Workspace
		verdict runner.Verdict
		reason  string
	}{
		{"no base", &runner.Workspace{}, runner.Success, "1 theorem in 2 modules holds"},
		{"its own base", &runner.Workspace{Commit: baseCommit, Base: baseCommit}, runner.Success, "1 theorem in 2 modules holds"},
		{"nothing known of the base", &runner.Workspace{Base: baseCommit}, runner.Error, "not compared with 0123456789: nothing is known of its theorems; 1 theorem in"},
		{"the base could not be told", &runner.Workspace{Base: baseCommit, Earlier: &runner.Result{Verdict: runner.Error, Reason: "no Lean", Proofs: &runner.Proofs{}}}, runner.Error, "not compared with 0123456789: no Lean; 1 theorem"},
		{"the base has no proofs", &runner.Workspace{EarlierCommit: baseCommit, Earlier: &runner.Result{Verdict: runner.Neutral}}, runner.Error, "not compared with 0123456789: its proofs were not examined"},
		{"an old and partial base", &runner.Workspace{EarlierCommit: baseCommit, Earlier: &runner.Result{Verdict: runner.Failure, Proofs: edit(inv(), brokenModule)}}, runner.Success, "1 theorem in 2 modules holds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, ws := good(), tt.ws
			ws.Dir = t.TempDir()
			st := s.settle(res, nil, ws)
			judge(res, nil, s.cfg)
			st.fold(res)
			if res.Verdict != tt.verdict || !strings.HasPrefix(res.Reason, tt.reason) {
				t.Errorf("%s: %s", res.Verdict, res.Reason)
			}
		})
	}
}

func TestLockVerdict(t *testing.T) {
	a := thm("a", "p")
	line := a.Hash + " " + a.Meaning + " - a\n"
	for _, tt := range []struct {
		name, lock string
		cfg        Config
		head       *runner.Proofs
		verdict    runner.Verdict
		reason     string
		finding    string
	}{
		{name: "holds", lock: "holdfast-proofs 1 term/1\n" + line, verdict: runner.Success, reason: "1 theorem in"},
		{name: "drift", lock: "holdfast-proofs 1 term/1\n# why\n" + line, head: inv(thm("a", "q")), verdict: runner.Failure, reason: "drift from proofs.lock: a states something else than is promised (proofs.lock:3); 1 theorem", finding: "failure proofs.lock:3:1 a states something else than is promised"},
		{name: "gone", lock: "holdfast-proofs 1 term/1\n" + line, head: inv(thm("b", "q")), verdict: runner.Failure, reason: "drift from proofs.lock: a is promised and does not exist", finding: "failure proofs.lock:2:1 a is promised and does not exist"},
		{name: "broken", lock: "holdfast-proofs 1 term/1\n" + line + "oh\n", verdict: runner.Error, reason: "the list of promised theorems cannot be read: proofs.lock:3:1:", finding: "error proofs.lock:3:1 \"oh\" is no hash"},
		{name: "another scheme", lock: "holdfast-proofs 1 print/1\n" + line, verdict: runner.Error, reason: "the promises of proofs.lock cannot be compared"},
		{name: "configured and not there", cfg: Config{Lock: "docs/lock"}, verdict: runner.Error, reason: "the list of promised theorems cannot be read: there is no docs/lock"},
		{name: "not known", lock: "holdfast-proofs 1 term/1\n" + line, head: edit(inv(thm("b", "q")), func(p *runner.Proofs) { p.Complete = false }), verdict: runner.Error, reason: "proofs.lock: a is promised and was not found", finding: "error proofs.lock:2:1 a is promised and was not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			if tt.lock != "" {
				files[DefaultLock] = tt.lock
			}
			if tt.head == nil {
				tt.head = inv(a)
			}
			res := &runner.Result{Proofs: tt.head}
			settled(t, tt.cfg, res, nil, nil, files)
			if res.Verdict != tt.verdict || !strings.HasPrefix(res.Reason, tt.reason) {
				t.Errorf("%s: %s\nwant %s: %s", res.Verdict, res.Reason, tt.verdict, tt.reason)
			}
			if tt.verdict != runner.Success && tt.name != "not known" && res.Hint == "" {
				t.Error("no hint")
			}
			got := ""
			for _, f := range res.Findings {
				got = string(f.Verdict) + " " + f.File + ":" + itoa(f.Line) + ":" + itoa(f.Column) + " " + f.Text
				if f.Rule != "lock" {
					t.Errorf("%+v", f)
				}
			}
			if !strings.HasPrefix(got, tt.finding) || (got == "") != (tt.finding == "") {
				t.Errorf("finding %q, want %q", got, tt.finding)
			}
		})
	}
}

// TestStageLedger runs the stage as a whole, with scripts for a toolchain that can build
// but not list theorems: it must not take them for lost.
func TestStageLedger(t *testing.T) {
	dir := tree(t, map[string]string{
		"lakefile.toml": "name = \"m\"\n[[lean_lib]]\nname = \"M\"\n[[lean_lib]]\nname = \"N\"\n", "lean-toolchain": "v4.26.0",
		"M.lean": "", "N.lean": "", "proofs.lock": "holdfast-proofs 1 term/1\n" + h1 + " - - a\n",
	})
	earlier := &runner.Result{Verdict: runner.Success, Proofs: inv(thm("a", "p"), thm("b", "q"))}
	for _, tt := range []struct{ name, build, reason string }{
		{"no listing", "mkdir -p .lake/build/lib/lean && touch .lake/build/lib/lean/M.olean .lake/build/lib/lean/N.olean; echo 'Build completed successfully (2 jobs).'", "list the theorems: "},
		{"killed", "kill -9 $$", "lake build was killed by signal 9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := fake(t, t.TempDir(), stock426, lake426, tt.build)
			ws := workspace(t, dir, t.TempDir())
			ws.Earlier, ws.EarlierCommit = earlier, baseCommit
			res := run(t, Config{Toolchains: []string{home}, Ratchet: true}, ws)
			if res.Verdict != runner.Error || !strings.Contains(res.Reason, tt.reason) || !strings.Contains(res.Reason, "2 theorems could not be compared with 0123456789") {
				t.Errorf("%s: %s", res.Verdict, res.Reason)
			}
			if l := res.Proofs.Ledger; l == nil || len(l.Entries) != 2 || l.Count(runner.Unchecked) != 2 || l.Same != 0 {
				t.Errorf("%+v", l)
			}
			if l := res.Proofs.Lock; l == nil || len(l.Promised) != 1 || len(l.Drift) != 0 {
				t.Errorf("%+v", l)
			}
		})
	}
	ws := workspace(t, dir, t.TempDir())
	ws.Earlier = earlier
	res := run(t, Config{Dirs: []string{"nowhere"}}, ws)
	if res.Verdict != runner.Error || res.Proofs.Ledger != nil {
		t.Errorf("%s: %s: %+v", res.Verdict, res.Reason, res.Proofs.Ledger)
	}
	if res := run(t, Config{Changes: "ignore"}, ws); res.Verdict != runner.Error || !strings.Contains(res.Reason, `"ignore"`) {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
}
