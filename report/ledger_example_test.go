package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// ledgerResult is a proofs stage with one of everything that a ledger can say.
func ledgerResult() runner.Result {
	res := proofsResult()
	res.Verdict, res.Reason = runner.Failure, "1 theorem changed its statement, first StreamPool.one_mutex_prevents_race"
	p := res.Proofs
	p.Version, p.Scheme, p.Complete, p.Dirs = "4.27.0", "term/1", true, []string{"lean"}
	p.Theorems[3].Axioms, p.Theorems[3].Verdict, p.Theorems[3].Reason = []string{"propext", "sorryAx"}, runner.Failure, "rests on sorry"
	p.Theorems[0].Axioms, p.Theorems[0].Verdict, p.Theorems[0].Reason = []string{"Pool.scheduler_is_fair"}, runner.Neutral, "rests on axiom Pool.scheduler_is_fair (old debt: it did at fedcba9876)"
	p.Modules[3].Unreached = true
	p.Stale = []string{"lean/.lake/build/lib/StreamPool/Old.olean"}
	p.Axioms = []runner.Axiom{
		{Name: "Pool.scheduler_is_fair", Kind: runner.AxiomOther, Module: "StreamPool", Statement: "∀ (s : Stream), Eventually s.runs", Theorems: 1},
		{Name: "propext", Kind: runner.AxiomStandard, Theorems: 4},
		{Name: "sorryAx", Kind: runner.AxiomSorry, Theorems: 40, Note: "is sorry"},
	}
	p.Roots = []runner.Root{
		{Axiom: "sorryAx", Kind: runner.AxiomSorry, Name: "StreamPool.fold_lemma", File: "StreamPool/Mutex.lean", Line: 9, Theorems: 40, Path: []string{"StreamPool.per_encoder_mutex_is_maximal", "StreamPool.helper", "StreamPool.fold_lemma"}},
		{Axiom: "Pool.scheduler_is_fair", Kind: runner.AxiomOther, Name: "Pool.scheduler_is_fair", File: "StreamPool.lean", Line: 4, Theorems: 1, Path: []string{"StreamPool.race_without_lock", "Pool.scheduler_is_fair"}},
		{Axiom: "StreamPool.big._native.native_decide.ax_1", Kind: runner.AxiomNative, Name: "StreamPool.big", File: "StreamPool/Race.lean", Line: 90, Theorems: 1, Path: []string{"StreamPool.big"}},
		{Axiom: "Odd", Kind: runner.AxiomOther, Name: "StreamPool.d", Theorems: 2, Path: []string{"a", "b", "c", "d", "e", "f", "g", "h"}},
		{Axiom: "Unused", Kind: runner.AxiomOther, Name: "Unused"},
	}
	p.Packages = []runner.Package{{Name: "batteries", Revision: "0123456789abcdef"}, {Name: "local"}}
	p.Replay = runner.Replay{
		Tool: "leanchecker", Modules: 4, Reused: 2, Seconds: 3.5,
		Rejected: []runner.Rejected{{Module: "StreamPool.Race", Declaration: "StreamPool.smuggled", Text: "(kernel) declaration type mismatch"}},
		Unknown:  []runner.Rejected{{Module: "StreamPool.Mutex", Text: "killed: out of memory"}},
	}
	p.Advisories = []runner.Advisory{
		{Fixed: "4.28.0", Source: "leanprover/lean4#14484", Text: "a recursor over nested inductive types was not checked"},
		{Fixed: "4.29.0", Source: "leanprover/lean4#14800", Text: "another one"},
	}
	p.FromScratch = &runner.FromScratch{Run: 12, Commit: runner.Commit{SHA: "abc1234567890abcdef1234567890abcdef12345"}, Time: "2026-11-20T02:31:07Z"}
	was := runner.Entry{
		Name: "StreamPool.one_mutex_prevents_race", Change: runner.Changed, Also: []string{runner.NewSorry}, Verdict: runner.Failure,
		File: "StreamPool/Race.lean", Line: 32, Reason: "states something else than at fedcba9876",
		Old: "∀ (p : Pool) (s t : Stream), p.oneMutex → ¬Race p s t", New: "∀ (p : Pool) (s t : Stream), p.oneMutex → s ≠ t →\n  ¬Race p s t",
	}
	p.Lock = &runner.Lock{File: "proofs.lock", Promised: []string{"StreamPool.one_mutex_prevents_race", "StreamPool.race_without_lock"}, Drift: []runner.Entry{was}}
	p.Ledger = &runner.Ledger{
		Base: runner.Commit{SHA: "fedcba9876543210fedcba9876543210fedcba98"}, Run: 41, Same: 408, Debt: 3,
		Entries: []runner.Entry{
			{Name: "StreamPool.bounded", Change: runner.Lost, Also: []string{runner.Unlocked}, Verdict: runner.Failure, File: "StreamPool/Race.lean", Line: 70, Reason: "is gone", Old: "∀ (p : Pool), p.size ≤ 8"},
			was,
			{Name: "StreamPool.safe", Change: runner.Redefined, Verdict: runner.Failure, File: "StreamPool/Race.lean", Line: 50, Reason: "has the same words, but the definition Race below it changed"},
			{Name: "StreamPool.hidden", Change: runner.Unchecked, Verdict: runner.Error, Reason: "could not be compared: its module was not listed at fedcba9876"},
			{Name: "StreamPool.renamed", Change: runner.Renamed, Verdict: runner.Neutral, Was: "StreamPool.old_name", File: "StreamPool/Race.lean", Line: 61},
			{Name: "StreamPool.brand_new", Change: runner.New, Verdict: runner.Neutral, File: "StreamPool/Race.lean", Line: 99, New: "1 = 1"},
		},
		Modules: []runner.Entry{{Name: "StreamPool.Race", Change: runner.Unreached, Verdict: runner.Failure, File: "StreamPool/Race.lean", Line: 1, Reason: "is not imported any more from any root: only Holdfast builds it"}},
		Notes:   []string{"toolchain 4.26.0 → 4.27.0"},
	}
	return res
}

// debtResult holds although not everything does.
func debtResult() runner.Result {
	res := proofsResult()
	p := res.Proofs
	p.Scheme, p.Complete, p.Fresh = "print/1", true, true
	p.Replay.Reason = "leanchecker is not installed."
	p.FromScratch = &runner.FromScratch{Run: 42, Commit: runner.Commit{SHA: "0123456789abcdef0123456789abcdef01234567"}, Time: "2026-11-02T03:05:31Z"}
	p.Lock = &runner.Lock{File: "proofs.lock", Promised: []string{"a", "b"}}
	for i := range 5 {
		p.Theorems = append(p.Theorems, runner.Theorem{Name: fmt.Sprintf("StreamPool.todo%d", i), Kind: "theorem", File: "StreamPool/Race.lean", Line: 200 + i, Axioms: []string{"sorryAx"}, Verdict: runner.Neutral, Reason: "rests on sorry (old debt: it did at fedcba9876)"})
	}
	p.Ledger = &runner.Ledger{Base: runner.Commit{SHA: "fedcba9876543210fedcba9876543210fedcba98"}, Same: 9, Debt: 5}
	res.Reason = "4 theorems in 4 modules hold; no new sorry, 5 of old debt, axioms: propext"
	return res
}

func buildsOf(t testing.TB, p *runner.Proofs, absent string, texts ...string) *baseline.Judgement {
	j := baseline.JudgeOnce(p.Samples(), nil, parse(t, texts...), func(baseline.Threshold) (runner.Verdict, string) { return runner.Neutral, absent })
	return &j
}

// hostileProofs puts a text wherever a ledger may have one.
func hostileProofs(p *runner.Proofs, evil string) {
	e := func(change string) runner.Entry {
		return runner.Entry{Name: evil, Change: change, Also: []string{evil, runner.Unlocked}, Verdict: runner.Failure, Was: evil, File: evil, Line: 3, Old: evil, New: "now " + evil, Reason: evil}
	}
	p.Version, p.Scheme, p.Dirs = evil, evil, []string{evil}
	p.Axioms = []runner.Axiom{{Name: evil, Kind: evil, Module: evil, Statement: evil}, {Name: evil, Kind: evil, Note: evil}}
	p.Roots = []runner.Root{
		{Axiom: evil, Kind: evil, Name: evil + "x", File: evil, Line: 1, Theorems: 2, Path: []string{evil, evil, evil, evil, evil, evil, evil}},
		{Axiom: evil, Kind: runner.AxiomSorry, Name: evil, Path: []string{evil}},
		{Kind: runner.AxiomNative, Name: evil},
	}
	p.Packages, p.Stale = []runner.Package{{Name: evil, Revision: evil}}, []string{evil}
	p.Modules[1].Unreached, p.Modules[1].Name, p.Modules[1].File = true, evil, evil
	p.Theorems[1].Verdict, p.Theorems[1].Reason = runner.Neutral, evil
	p.Replay = runner.Replay{Tool: evil, Reason: evil, Modules: 3, Rejected: []runner.Rejected{{Module: evil, Declaration: evil, Text: evil}}, Unknown: []runner.Rejected{{Module: evil, Text: evil}}}
	p.Advisories = []runner.Advisory{{Fixed: evil, Source: evil, Text: evil}}
	p.FromScratch = &runner.FromScratch{Run: 1, Commit: runner.Commit{SHA: evil}, Time: evil}
	p.Lock = &runner.Lock{File: evil, Promised: []string{evil}, Drift: []runner.Entry{e(evil)}}
	p.Ledger = &runner.Ledger{Base: runner.Commit{SHA: evil}, Same: 1, Entries: []runner.Entry{e(evil), e(runner.Changed), e(""), e(runner.New), {Name: evil, Old: evil}, {New: evil}}, Modules: []runner.Entry{e(evil)}, Notes: []string{evil}}
}

// Ten thousand changed theorems with long statements make a comment that fits, whole
// blocks only, and a report of bounded length.
func TestLargeLedger(t *testing.T) {
	res := ledgerResult()
	l := res.Proofs.Ledger
	var entries []runner.Entry
	for i := range 10_000 {
		e := l.Entries[1]
		e.Name = fmt.Sprintf("StreamPool.t%d", i)
		e.Old, e.New = strings.Repeat(e.Old+" ∧ ", 20), strings.Repeat(e.New+" ∧ ", 20)
		entries = append(entries, e)
	}
	l.Entries = append(entries, l.Entries...)
	in := Input{Run: run(res, checksResult())}
	if n := len(Markdown(in)); n > 2<<20 {
		t.Errorf("%d bytes", n)
	}
	for _, limit := range []int{CommentLimit, 20_000, 8_000} {
		c := Comment(in, limit)
		if len(c) > limit || len(c) < limit/2 {
			t.Errorf("%d bytes for a limit of %d", len(c), limit)
		}
		if err := inert(c); err != nil {
			t.Errorf("limit %d: %v", limit, err)
		}
		if !strings.Contains(c, "10,413 theorems: 408 same, 1 lost, 10,001 changed") {
			t.Errorf("limit %d: the counts are missing: %s", limit, clip(c, 2000))
		}
	}
	if n := len(Text(in)); n > 8_000 {
		t.Errorf("the text has %d bytes", n)
	}
}
