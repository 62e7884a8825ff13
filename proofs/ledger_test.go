package proofs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// hash is a made-up hash for tests.
func hash(s string) string { return fmt.Sprintf("%016x", []byte(s + "--------")[:8]) }

// thm is a theorem of module M that holds; its statement is its hash.
func thm(name, statement string, axioms ...string) runner.Theorem {
	return runner.Theorem{
		Name: name, Kind: "theorem", Module: "M", File: "M.lean", Line: 3, Statement: statement,
		Hash: hash(statement), Meaning: hash("m" + statement), Axioms: append([]string{}, axioms...), Verdict: runner.Success,
	}
}

func with(t runner.Theorem, f func(*runner.Theorem)) runner.Theorem { f(&t); return t }

// inv is a complete inventory of modules M and N.
func inv(ts ...runner.Theorem) *runner.Proofs {
	return &runner.Proofs{
		Toolchain: stock426, Version: "4.26.0", Inventory: "kernel terms", Scheme: "term/1", Complete: true,
		Modules:  []runner.Module{{Name: "M", File: "M.lean", Verdict: runner.Success}, {Name: "N", File: "N.lean", Verdict: runner.Success}},
		Theorems: ts,
	}
}

func edit(p *runner.Proofs, f func(*runner.Proofs)) *runner.Proofs { f(p); return p }

func brokenModule(p *runner.Proofs) { // M does not build
	p.Complete = false
	p.Modules[0].Verdict, p.Modules[0].Reason = runner.Failure, "M.lean:1:1: oh"
}

func killedModule(p *runner.Proofs) {
	p.Complete = false
	p.Modules[0].Verdict, p.Modules[0].Reason = runner.Error, "Lean was killed"
}

func inN(t runner.Theorem) runner.Theorem { t.Module, t.File = "N", "N.lean"; return t }

func lockOf(t *testing.T, scheme string, ts ...runner.Theorem) *lock {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "holdfast-proofs 1 %s\n", scheme)
	for _, th := range ts {
		fmt.Fprintf(&b, "%s %s %s %s\n", th.Hash, dash(th.Meaning), dash(strings.Join(th.Axioms, ",")), th.Name)
	}
	l, err := parseLock("proofs.lock", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCompare(t *testing.T) {
	private := func(th runner.Theorem, module string) runner.Theorem {
		th.Private, th.Module, th.File = true, module, module+".lean"
		return th
	}
	other := func(p *runner.Proofs) {
		p.Toolchain, p.Version = strings.ReplaceAll(stock426, "4.26.0", "4.28.0"), "4.28.0"
	}
	promised := func(names ...string) func(*runner.Proofs) {
		return func(p *runner.Proofs) { p.Lock = &runner.Lock{File: "proofs.lock", Promised: names} }
	}
	unjudged := with(thm("a", "p"), func(t *runner.Theorem) {
		t.Verdict, t.Reason = runner.Error, "could not be followed to its axioms"
	})
	for _, tt := range []struct {
		name       string
		base, head *runner.Proofs
		policy     policy
		want       []string // "change,also verdict name: part of the reason"
		same, debt int
	}{
		{name: "same", base: inv(thm("a", "p"), thm("b", "q")), head: inv(thm("b", "q"), thm("a", "p")), same: 2},
		{name: "lost", base: inv(thm("a", "p"), thm("b", "q")), head: inv(thm("b", "q")), same: 1, want: []string{"lost failure a: module M does not state it any more"}},
		{name: "lost, as the policy tolerates", base: inv(thm("a", "p")), head: inv(), policy: policy{warn: true}, want: []string{"lost neutral a: is lost"}},
		{name: "lost with its module", base: inv(thm("a", "p")), head: edit(inv(), func(p *runner.Proofs) { p.Modules = p.Modules[1:] }), want: []string{"lost failure a: module M is gone"}},
		{name: "its module has become an orphan", base: inv(thm("a", "p")), head: edit(inv(), func(p *runner.Proofs) { p.Modules, p.Orphans = p.Modules[1:], []string{"M.lean"} }), want: []string{"lost failure a: M.lean belongs to no library"}},
		{name: "its module does not build", base: inv(thm("a", "p")), head: edit(inv(), brokenModule), want: []string{"unchecked error a: module M was not built: M.lean:1:1: oh"}},
		{name: "its module was listed, another does not build", base: inv(inN(thm("a", "p"))), head: edit(inv(), brokenModule), want: []string{"lost failure a: module N does not state it any more, unless it moved to one that was not built"}},
		{name: "its module is gone, another does not build", base: inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Module = "O" })), head: edit(inv(), brokenModule), want: []string{"lost failure a: module O is gone, unless it moved to one that was not built"}},
		{name: "it may be in a module that was not built, which is no fault", base: inv(inN(thm("a", "p"))), head: edit(inv(), killedModule), want: []string{"unchecked error a: is not in module N any more, and the inventory of the others is not complete"}},
		{name: "gone, and another was not built, which is no fault", base: inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Module = "O" })), head: edit(inv(), killedModule), want: []string{"unchecked error a: does not know module O"}},
		{name: "it may be in a project that is not known", base: inv(inN(thm("a", "p"))), head: edit(inv(), brokenModule), policy: policy{partial: true}, want: []string{"unchecked error a: is not in module N any more"}},
		{name: "nothing was listed", base: inv(inN(thm("a", "p"))), head: edit(edit(inv(), brokenModule), func(p *runner.Proofs) { p.Inventory = "" }), want: []string{"unchecked error a: is not in module N any more"}},
		{name: "rejected, and so not good, but listed", base: inv(thm("a", "p")), head: edit(inv(), func(p *runner.Proofs) { p.Modules[0].Verdict = runner.Failure }), want: []string{"lost failure a: module M does not state it"}},
		{name: "new", base: inv(), head: inv(thm("a", "p")), want: []string{"new neutral a: is new"}},
		{name: "new on sorry", base: inv(), head: inv(thm("a", "p", "sorryAx")), want: []string{"new-sorry,new failure a: rests on sorry; is new"}},
		{name: "new on sorry, as the policy tolerates", base: inv(), head: inv(thm("a", "p", "sorryAx")), policy: policy{sorryWarn: true}, want: []string{"new-sorry,new neutral a: rests on sorry"}},
		{name: "its module did not build at the base", base: edit(inv(), brokenModule), head: inv(thm("a", "p", "sorryAx")), want: []string{"unchecked neutral a: its module did not build at the base"}},
		{name: "new beside a module that did not build at the base", base: edit(inv(), brokenModule), head: inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Module = "N" })), want: []string{"new neutral a: is new"}},
		{name: "nothing was listed at the base", base: edit(inv(), func(p *runner.Proofs) { p.Complete, p.Inventory = false, "" }), head: inv(thm("a", "p")), want: []string{"unchecked neutral a: the theorems of the base were not listed"}},
		{name: "renamed", base: inv(thm("A.old", "p")), head: inv(thm("A.fresh", "p")), want: []string{"renamed neutral A.fresh: was called A.old"}},
		{name: "renamed onto sorry", base: inv(thm("A.old", "p")), head: inv(thm("A.fresh", "p", "sorryAx")), want: []string{"new-sorry,renamed failure A.fresh: rests on sorry now; was called A.old"}},
		{
			name: "several of one statement renamed: the last part of the name counts", base: inv(thm("A.x", "p"), thm("A.y", "p")), head: inv(thm("B.y", "p"), thm("B.x", "p")),
			want: []string{"renamed neutral B.x: was called A.x", "renamed neutral B.y: was called A.y"},
		},
		{
			name: "one of two renamed", base: inv(thm("x", "p"), with(thm("y", "p"), func(t *runner.Theorem) { t.Line = 9 })), head: inv(thm("z", "p")),
			want: []string{"lost failure y", "renamed neutral z: was called x"},
		},
		{name: "another statement is no renaming", base: inv(thm("x", "p")), head: inv(thm("y", "q")), want: []string{"lost failure x", "new neutral y"}},
		{
			name: "another meaning is no renaming", base: inv(thm("x", "p")), head: inv(with(thm("y", "p"), func(t *runner.Theorem) { t.Meaning = hash("else") })),
			want: []string{"lost failure x", "new neutral y"},
		},
		{
			name: "without meanings nothing counts as renamed", base: edit(inv(with(thm("x", "p"), func(t *runner.Theorem) { t.Meaning = "" })), func(p *runner.Proofs) { p.Scheme = "print/1" }),
			head: edit(inv(with(thm("y", "p"), func(t *runner.Theorem) { t.Meaning = "" })), func(p *runner.Proofs) { p.Scheme = "print/1" }),
			want: []string{"lost failure x", "new neutral y"},
		},
		{name: "changed", base: inv(thm("a", "p")), head: inv(thm("a", "q")), want: []string{"changed failure a: states something else"}},
		{name: "changed, told only", base: inv(thm("a", "p")), head: inv(thm("a", "q")), policy: policy{warn: true}, want: []string{"changed neutral a: states something else"}},
		{name: "changed behind a notation", base: inv(thm("a", "p")), head: inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Hash = hash("q") })), want: []string{"changed failure a: states something else, though it is printed the same"}},
		{name: "redefined", base: inv(thm("a", "p")), head: inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Meaning = hash("q") })), want: []string{"redefined failure a: a definition below them changed"}},
		{name: "another toolchain, printed the same", base: inv(thm("a", "p")), head: edit(inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Hash = hash("q") })), other), want: []string{"changed neutral a: the toolchain changed too"}},
		{name: "another toolchain, printed differently", base: inv(thm("a", "p")), head: edit(inv(thm("a", "q")), other), want: []string{"changed failure a: states something else"}},
		{name: "another toolchain, nothing printed", base: inv(with(thm("a", "p"), noPrint)), head: edit(inv(with(thm("a", "q"), noPrint)), other), want: []string{"changed failure a: states something else"}},
		{name: "another toolchain, print cut off", base: inv(with(thm("a", "p"), longPrint)), head: edit(inv(with(thm("a", "q"), longPrint)), other), want: []string{"changed failure a: states something else"}},
		{name: "another toolchain, meaning", base: inv(thm("a", "p")), head: edit(inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Meaning = hash("q") })), other), want: []string{"redefined neutral a: the toolchain changed too"}},
		{
			name: "another platform is no other toolchain", base: inv(thm("a", "p")),
			head: edit(inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Hash = hash("q") })), func(p *runner.Proofs) {
				p.Toolchain = strings.ReplaceAll(stock426, "x86_64-unknown-linux-gnu", "arm64-apple-darwin24.6.0")
			}),
			want: []string{"changed failure a: states something else, though"},
		},
		{name: "the head has no hash", base: inv(thm("a", "p")), head: inv(with(thm("a", "p"), noHash)), want: []string{"unchecked error a: its statement has no hash, though it is printed the same"}},
		{name: "the base has no hash", base: inv(with(thm("a", "p"), noHash)), head: inv(thm("a", "p")), want: []string{"unchecked neutral a: its statement had no hash at the base, though it is printed the same"}},
		{name: "the base has no hash and looks different", base: inv(with(thm("a", "p"), noHash)), head: inv(thm("a", "q")), want: []string{"unchecked error a: and it is printed differently"}},
		{name: "an old base without hashes", base: edit(inv(with(thm("a", "p"), noHash)), noScheme), head: inv(thm("a", "p")), want: []string{"unchecked neutral a: the inventory of the base has no hashes"}},
		{name: "the head fell back", base: inv(thm("a", "p")), head: edit(inv(thm("a", "p")), func(p *runner.Proofs) { p.Scheme = "print/1" }), want: []string{"unchecked error a: hashes were made as term/1 at the base and as print/1 now"}},
		{name: "the head fell back with another toolchain", base: inv(thm("a", "p")), head: edit(edit(inv(thm("a", "p")), func(p *runner.Proofs) { p.Scheme = "print/1" }), other), want: []string{"unchecked neutral a: hashes were made as"}},
		{name: "no meaning any more", base: inv(thm("a", "p")), head: inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Meaning = "" })), want: []string{"unchecked error a: only one of the inventories could tell the definitions"}},
		{name: "no hashes anywhere", base: edit(inv(thm("a", "p")), noScheme), head: edit(inv(thm("a", "p")), noScheme), want: []string{"unchecked error a: the inventory of the base has no hashes"}},
		{name: "new sorry", base: inv(thm("a", "p")), head: inv(thm("a", "p", "sorryAx")), want: []string{"new-sorry failure a: rests on sorry now"}},
		{name: "new axiom", base: inv(thm("a", "p", "propext")), head: inv(thm("a", "p", "choice", "propext")), policy: policy{allowed: defaultAxioms}, want: []string{"new-axiom failure a: rests on axiom choice now"}},
		{name: "an allowed axiom more", base: inv(thm("a", "p")), head: inv(thm("a", "p", "propext")), policy: policy{allowed: defaultAxioms}, same: 1},
		{name: "an axiom that the head's inventory allows", base: inv(thm("a", "p")), head: edit(inv(thm("a", "p", "ok")), func(p *runner.Proofs) { p.Axioms = []runner.Axiom{{Name: "ok", Kind: runner.AxiomAllowed}} }), same: 1},
		{name: "new native", base: inv(thm("a", "p")), head: inv(thm("a", "p", "a._native.native_decide.ax_1_1")), want: []string{"new-native failure a: rests on native evaluation now"}},
		{name: "a forged native axiom", base: inv(thm("a", "p")), head: edit(inv(thm("a", "p", "x._native.y")), func(p *runner.Proofs) { p.Axioms = []runner.Axiom{{Name: "x._native.y", Kind: runner.AxiomOther}} }), want: []string{"new-axiom failure a: rests on axiom x._native.y now"}},
		{name: "native axioms move with edits", base: inv(thm("a", "p", "b._native.ax_1_1")), head: inv(thm("a", "p", "c._native.ax_1_2")), same: 1, debt: 1},
		{name: "one native axiom more", base: inv(thm("a", "p", "b._native.ax_1_1")), head: inv(thm("a", "p", "b._native.ax_1_1", "b._native.ax_1_2")), want: []string{"new-native failure a: (axiom b._native.ax_1_2)"}},
		{name: "native axioms of another era", base: inv(thm("a", "p", "Lean.ofReduceBool")), head: edit(inv(thm("a", "p", "b._native.ax_1_1", "b._native.ax_1_2")), other), same: 1, debt: 1},
		{name: "old debt", base: inv(thm("a", "p", "sorryAx")), head: inv(thm("a", "p", "sorryAx")), same: 1, debt: 1},
		{name: "changed with old debt", base: inv(thm("a", "p", "sorryAx")), head: inv(thm("a", "q", "sorryAx")), want: []string{"changed failure a: states"}},
		{name: "the gravest first", base: inv(thm("a", "p")), head: inv(thm("a", "q", "a._native.x", "own", "sorryAx")), want: []string{"changed,new-sorry,new-axiom,new-native failure a: states something else; rests on sorry now"}},
		{name: "proved", base: inv(thm("a", "p", "sorryAx")), head: inv(thm("a", "p")), want: []string{"proved neutral a: rested on sorry and does not any more"}},
		{name: "proved by weakening", base: inv(thm("a", "p", "sorryAx")), head: inv(thm("a", "True")), want: []string{"changed,proved failure a: states something else"}},
		{name: "not judged now", base: inv(thm("a", "p")), head: inv(unjudged), want: []string{"unchecked error a: could not be judged: could not be followed"}},
		{name: "not judged at the base", base: inv(unjudged), head: inv(thm("a", "p", "sorryAx")), want: []string{"unchecked neutral a: was not judged at the base"}},
		{name: "not judged at the base, good now", base: inv(unjudged), head: inv(thm("a", "p")), same: 1},
		{name: "an axiom more", base: inv(), head: inv(axiom("own", "False")), want: []string{"new-axiom,new failure own: is an axiom"}},
		{name: "an axiom less", base: inv(axiom("own", "False")), head: inv(), want: []string{"lost neutral own: it was an axiom"}},
		{name: "an axiom says more", base: inv(axiom("own", "p")), head: inv(axiom("own", "False")), want: []string{"changed failure own: states something else"}},
		{name: "an old axiom", base: inv(axiom("own", "p")), head: inv(axiom("own", "p")), same: 1, debt: 1},
		{name: "a theorem has become an axiom", base: inv(thm("a", "p")), head: inv(axiom("a", "p")), want: []string{"new-axiom failure a: was a theorem and is an axiom now"}},
		{name: "an axiom was proved", base: inv(axiom("a", "p")), head: inv(thm("a", "p")), want: []string{"proved neutral a: was an axiom and is proved now"}},
		{
			name: "rejected by the kernel", base: inv(thm("a", "p"), thm("b", "q"), thm("c", "r")),
			head: edit(inv(thm("a", "p"), thm("b", "q"), thm("c", "r")), func(p *runner.Proofs) {
				p.Replay.Rejected = []runner.Rejected{{Module: "M", Declaration: "a", Text: "type mismatch"}, {Module: "M", Declaration: "b._proof_1", Text: "no"}, {Module: "N", Declaration: "c", Text: "elsewhere"}}
			}),
			same: 1, want: []string{"kernel-rejected failure a: was rejected by the kernel: type mismatch", "kernel-rejected failure b: no"},
		},
		{
			name: "a module rejected by the kernel, a private theorem too", base: inv(private(thm("a", "p"), "N"), thm("b", "q")),
			head: edit(inv(private(thm("a", "p"), "N"), thm("b", "q", "sorryAx")), func(p *runner.Proofs) {
				p.Replay.Rejected = []runner.Rejected{{Module: "N", Declaration: "_private.N.0.a", Text: "no"}, {Module: "M", Text: "all of it"}}
			}),
			want: []string{"kernel-rejected,new-sorry failure b: all of it; rests on sorry now", "kernel-rejected failure a: no"},
		},
		{
			name: "private theorems of one name", base: inv(private(thm("a", "p"), "M"), private(thm("a", "q"), "N")), head: inv(private(thm("a", "q"), "N"), private(thm("a", "r"), "M")),
			same: 1, want: []string{"changed failure a: states"},
		},
		{name: "a private theorem moved", base: inv(private(thm("a", "p"), "M")), head: inv(private(thm("a", "p"), "N")), same: 1},
		{name: "of two private theorems one moved", base: inv(private(thm("a", "p"), "M"), private(thm("a", "q"), "N")), head: inv(private(thm("a", "p"), "O"), private(thm("a", "q"), "N")), same: 2},
		{name: "made private", base: inv(thm("a", "p")), head: inv(private(thm("a", "p"), "M")), want: []string{"renamed neutral a: is private now"}},
		{name: "made private and changed", base: inv(thm("a", "p")), head: inv(private(thm("a", "q"), "M")), want: []string{"lost failure a", "new neutral a"}},
		{name: "moved", base: inv(thm("a", "p")), head: inv(with(thm("a", "p"), func(t *runner.Theorem) { t.Module, t.File = "N", "N.lean" })), same: 1},
		{
			name: "only promises fail", base: edit(inv(thm("a", "p"), thm("b", "q"), thm("c", "r")), promised("a")), head: inv(thm("b", "else"), thm("c", "r", "sorryAx")), policy: policy{lock: lockOf(t, "term/1", thm("a", "p"))},
			want: []string{"lost failure a: is lost", "new-sorry failure c", "changed neutral b: (not promised in proofs.lock)"},
		},
		{
			name: "accepted", base: edit(inv(thm("a", "p")), promised("a")), head: inv(thm("a", "q")), policy: policy{lock: lockOf(t, "term/1", thm("a", "q"))},
			want: []string{"changed neutral a: (accepted in proofs.lock)"},
		},
		{
			name: "accepted under another scheme is not", base: edit(inv(thm("a", "p")), promised("a")), head: inv(thm("a", "q")), policy: policy{lock: lockOf(t, "term/2", thm("a", "q"))},
			want: []string{"changed failure a: states something else"},
		},
		{
			name: "promised as something else", base: edit(inv(thm("a", "p")), promised("a")), head: inv(thm("a", "q")), policy: policy{lock: lockOf(t, "term/1", thm("a", "p"))},
			want: []string{"changed failure a: states something else"},
		},
		{
			name: "a list that comes with the change covers only what it has", base: inv(thm("a", "p"), thm("b", "q")), head: inv(thm("a", "P"), thm("b", "Q")), policy: policy{lock: lockOf(t, "term/1", thm("b", "Q"))},
			want: []string{"changed failure a: states", "changed neutral b: (accepted in proofs.lock)"},
		},
		{
			name: "an empty list at the base frees nothing", base: edit(inv(thm("a", "p")), promised()), head: inv(thm("a", "q")), policy: policy{lock: lockOf(t, "term/1")},
			want: []string{"changed failure a: states something else"},
		},
		{
			name: "unlocked", base: edit(inv(thm("a", "p"), thm("b", "q")), promised("a", "b", "nowhere")), head: inv(thm("a", "p")), policy: policy{lock: lockOf(t, "term/1")},
			want: []string{"lost,unlocked neutral b: (not promised in proofs.lock); was promised", "unlocked neutral a: was promised at the base and is not any more", "unlocked neutral nowhere: where it did not exist"},
		},
		{
			name: "the list is gone", base: edit(inv(thm("a", "p")), promised("a")), head: inv(thm("a", "q")),
			want: []string{"changed,unlocked failure a: states something else; was promised"},
		},
		{name: "the list cannot be read", base: edit(inv(thm("a", "p")), promised("a")), head: inv(thm("a", "q")), policy: policy{broken: true}, want: []string{"changed failure a: states"}},
		{
			name: "renamed in the list too", base: edit(inv(thm("a", "p")), promised("a")), head: inv(thm("b", "p")), policy: policy{lock: lockOf(t, "term/1", thm("b", "p"))},
			want: []string{"renamed neutral b: was called a"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := compare(tt.base, tt.head, tt.policy).ledger
			if l.Same != tt.same || l.Debt != tt.debt || len(l.Entries) != len(tt.want) {
				t.Errorf("same %d, debt %d, %d entries; want %d, %d, %d", l.Same, l.Debt, len(l.Entries), tt.same, tt.debt, len(tt.want))
			}
			for i, e := range l.Entries {
				got := fmt.Sprintf("%s %s %s: %s", strings.Join(append([]string{e.Change}, e.Also...), ","), e.Verdict, e.Name, e.Reason)
				want := "nothing"
				if i < len(tt.want) {
					want = tt.want[i]
				}
				head, part, _ := strings.Cut(want, ": ")
				if !strings.HasPrefix(got, head+": ") || !strings.Contains(e.Reason, part) {
					t.Errorf("entry %d: %s\nwant %s", i, got, want)
				}
			}
		})
	}
}

func noHash(t *runner.Theorem)    { t.Hash, t.Meaning = "", "" }
func noPrint(t *runner.Theorem)   { t.Statement = "" }
func noScheme(p *runner.Proofs)   { p.Scheme = "" }
func longPrint(t *runner.Theorem) { t.Statement = cut(strings.Repeat("x", 5000), maxStatement) }

func axiom(name, statement string) runner.Theorem {
	return with(thm(name, statement, name), func(t *runner.Theorem) { t.Kind = "axiom" })
}

func TestLedgerPlaces(t *testing.T) {
	long := strings.Repeat("é", 3000)
	base := inv(thm("gone", "p"), with(thm("moved", long), func(t *runner.Theorem) { t.Line = 1 }), thm("wrapped", "p ∧ q"))
	head := inv(with(thm("moved", "short"), func(t *runner.Theorem) { t.File, t.Line = "N.lean", 7 }), with(thm("wrapped", "p ∧\n  q"), func(t *runner.Theorem) {
		t.Hash, t.Meaning = hash("p ∧ q"), hash("else")
	}))
	l := compare(base, head, policy{}).ledger
	if len(l.Entries) != 3 {
		t.Fatalf("%+v", l.Entries)
	}
	gone, moved, wrapped := l.Entries[0], l.Entries[1], l.Entries[2]
	if gone.File != "M.lean" || gone.Line != 3 || gone.Old != "p" || gone.New != "" {
		t.Errorf("%+v", gone)
	}
	if moved.File != "N.lean" || moved.Line != 7 || len(moved.Old) > maxStatement+3 || !strings.HasSuffix(moved.Old, "é…") || moved.New != "short" {
		t.Errorf("%+v", moved)
	}
	if wrapped.Change != runner.Redefined || wrapped.Old != "" || wrapped.New != "" {
		t.Errorf("%+v", wrapped)
	}
}

func TestLedgerModules(t *testing.T) {
	base, head := inv(), inv()
	base.Modules = append(base.Modules, runner.Module{Name: "Far", File: "Far.lean", Unreached: true, Verdict: runner.Success})
	base.Packages = []runner.Package{{Name: "batteries", Revision: "0123456789abcdef"}, {Name: "old"}}
	head.Modules = []runner.Module{{Name: "«M»", File: "M.lean", Verdict: runner.Success, Unreached: true}, {Name: "Far", File: "Far.lean", Unreached: true, Verdict: runner.Success}, {Name: "New", Unreached: true, Verdict: runner.Success}}
	head.Packages = []runner.Package{{Name: "batteries", Revision: "fedcba9876543210"}, {Name: "young", Revision: "1"}}
	head.Toolchain, head.Version = strings.ReplaceAll(stock426, "4.26.0", "4.28.0"), "4.28.0"
	l := compare(base, head, policy{}).ledger
	if len(l.Modules) != 2 || l.Modules[0].Name != "«M»" || l.Modules[0].Change != runner.Unreached || l.Modules[0].Verdict != runner.Failure ||
		l.Modules[1].Name != "N" || l.Modules[1].Change != runner.Lost || l.Modules[1].Verdict != runner.Neutral {
		t.Errorf("%+v", l.Modules)
	}
	want := []string{"toolchain 4.26.0 → 4.28.0", "dependency batteries 0123456789… → fedcba9876…", "dependency young came at 1", "dependency old went"}
	if !slices.Equal(l.Notes, want) {
		t.Errorf("%q", l.Notes)
	}
	if l := compare(base, head, policy{warn: true}).ledger; l.Modules[0].Verdict != runner.Neutral {
		t.Errorf("%+v", l.Modules)
	}
	base.Scheme = "" // an inventory from before reachability was recorded
	if l := compare(base, head, policy{}).ledger; len(l.Modules) != 1 {
		t.Errorf("%+v", l.Modules)
	}
}
