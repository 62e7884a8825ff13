package proofs

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/runner"
)

// drawProofs draws a complete inventory of few names, modules and statements, so that
// names meet and statements repeat.
func drawProofs(t *rapid.T, label string) *runner.Proofs {
	name := rapid.SampledFrom([]string{"a", "A.a", "A.b", "B.a", "B.«c.d»", "c"})
	mod := rapid.SampledFrom([]string{"M", "N", "O"})
	text := rapid.SampledFrom([]string{"p", "q", "r"})
	axioms := rapid.SampledFrom([][]string{{}, {}, {"propext"}, {"sorryAx"}, {"own"}, {"x._native.y"}, {"own", "sorryAx"}})
	p := inv()
	for i := range rapid.IntRange(0, 12).Draw(t, label) {
		th := thm(name.Draw(t, "name"), text.Draw(t, "statement"), axioms.Draw(t, "axioms")...)
		th.Module = mod.Draw(t, "module")
		th.File, th.Line = th.Module+".lean", i+1
		th.Private = rapid.Bool().Draw(t, "private")
		if rapid.IntRange(0, 4).Draw(t, "meaning") == 0 {
			th.Meaning = hash("else")
		}
		if rapid.IntRange(0, 6).Draw(t, "kind") == 0 {
			th.Kind = "axiom"
		}
		p.Theorems = append(p.Theorems, th)
	}
	return p
}

func drawPolicy(t *rapid.T) policy {
	return policy{warn: rapid.Bool().Draw(t, "warn"), sorryWarn: rapid.Bool().Draw(t, "sorryWarn"), allowed: defaultAxioms}
}

func has(e runner.Entry, change string) bool {
	return e.Change == change || slices.Contains(e.Also, change)
}

func count(l runner.Ledger, change string) int { return l.Count(change) }

// Of every theorem of either side exactly one thing is told.
func TestEveryTheoremOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, head := drawProofs(t, "base"), drawProofs(t, "head")
		c := compare(base, head, drawPolicy(t))
		l := c.ledger
		lost, fresh := count(l, runner.Lost), count(l, runner.New)
		pairs := l.Same
		for _, e := range l.Entries {
			if has(e, runner.Lost) && has(e, runner.New) {
				t.Errorf("lost and new: %+v", e)
			}
			if !has(e, runner.Lost) && !has(e, runner.New) {
				pairs++
			}
		}
		if pairs+lost != len(base.Theorems) || pairs+fresh != len(head.Theorems) {
			t.Errorf("%d pairs, %d lost of %d, %d new of %d", pairs, lost, len(base.Theorems), fresh, len(head.Theorems))
		}
		seen := map[int32]bool{}
		for h, b := range c.old {
			if b < 0 {
				continue
			}
			if seen[b] {
				t.Errorf("theorem %d of the base was matched twice", b)
			}
			seen[b] = true
			x, y := base.Theorems[b], head.Theorems[h]
			if (x.Name != y.Name || x.Private != y.Private) && (x.Hash != y.Hash || x.Meaning != y.Meaning) {
				t.Errorf("%+v and %+v were matched", x, y)
			}
		}
	})
}

func TestNothingHappened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProofs(t, "theorems")
		l := compare(p, p, drawPolicy(t)).ledger
		if len(l.Entries)+len(l.Modules)+len(l.Notes) > 0 || l.Same != len(p.Theorems) {
			t.Errorf("%+v", l)
		}
	})
}

func TestOrderIsIrrelevant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, head := drawProofs(t, "base"), drawProofs(t, "head")
		p := drawPolicy(t)
		want := compare(base, head, p).ledger
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for _, ts := range [][]runner.Theorem{base.Theorems, head.Theorems} {
			r.Shuffle(len(ts), func(i, j int) { ts[i], ts[j] = ts[j], ts[i] })
		}
		if got := compare(base, head, p).ledger; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	})
}

// What one direction loses the other gains.
func TestSwap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, head := drawProofs(t, "base"), drawProofs(t, "head")
		p := drawPolicy(t)
		there, back := compare(base, head, p).ledger, compare(head, base, p).ledger
		names := func(l runner.Ledger, change string) (out []string) {
			for _, e := range l.Entries {
				if has(e, change) {
					out = append(out, fmt.Sprint(e.Name, e.File, e.Line))
				}
			}
			slices.Sort(out)
			return out
		}
		for _, pair := range [][2]string{{runner.Lost, runner.New}, {runner.New, runner.Lost}} {
			if a, b := names(there, pair[0]), names(back, pair[1]); !slices.Equal(a, b) {
				t.Errorf("%s %q, swapped %s %q", pair[0], a, pair[1], b)
			}
		}
		for _, change := range []string{runner.Renamed, runner.Changed, runner.Redefined} {
			if a, b := count(there, change), count(back, change); a != b {
				t.Errorf("%d %s, swapped %d", a, change, b)
			}
		}
	})
}

// A stricter policy never makes anything better, and a ledger never makes a result better.
func TestVerdictsAreMonotonic(t *testing.T) {
	worse := func(a, b runner.Verdict) bool { return runner.Worst(a, b) == a }
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		base, head := drawProofs(t, "base"), drawProofs(t, "head")
		if rapid.IntRange(0, 3).Draw(t, "incomplete") == 0 {
			brokenModule(head)
		}
		worst := func(p policy) runner.Verdict {
			v := runner.Neutral
			for _, e := range compare(base, head, p).ledger.Entries {
				if e.Verdict != runner.Failure && e.Verdict != runner.Error && e.Verdict != runner.Neutral || e.Reason == "" || !slices.Contains(gravity, e.Change) {
					t.Errorf("%+v", e)
				}
				v = runner.Worst(v, e.Verdict)
			}
			return v
		}
		strict := worst(policy{allowed: defaultAxioms})
		for _, p := range []policy{{warn: true}, {sorryWarn: true}, {warn: true, sorryWarn: true}} {
			p.allowed = defaultAxioms
			if v := worst(p); !worse(strict, v) {
				t.Errorf("%s, strictly %s", v, strict)
			}
		}
		for _, v := range []runner.Verdict{runner.Success, runner.Error, runner.Failure} {
			res := runner.Result{Verdict: v, Reason: "so", Proofs: head}
			st := New(Config{Ratchet: true}).settle(&res, []outcome{{modules: head.Modules, inventory: head.Inventory}}, &runner.Workspace{Dir: dir, Earlier: &runner.Result{Proofs: base}})
			st.fold(&res)
			if !worse(res.Verdict, v) || res.Reason == "" {
				t.Errorf("%s became %s", v, res.Verdict)
			}
			if strict == runner.Failure && res.Verdict != runner.Failure {
				t.Errorf("a bad ledger ended as %s: %s", res.Verdict, res.Reason)
			}
		}
	})
}

// manyTheorems makes n theorems in n/100 modules.
func manyTheorems(n int) *runner.Proofs {
	p := inv()
	p.Modules = nil
	axioms := []string{"Classical.choice", "Quot.sound", "propext"}
	for i := range n {
		if i%100 == 0 {
			p.Modules = append(p.Modules, runner.Module{Name: fmt.Sprintf("Pool.Part%d", i/100), File: fmt.Sprintf("Pool/Part%d.lean", i/100), Verdict: runner.Success})
		}
		m := p.Modules[len(p.Modules)-1]
		p.Theorems = append(p.Theorems, runner.Theorem{
			Name: fmt.Sprintf("Pool.Part%d.some_longer_name_of_theorem_%d", i/100, i), Kind: "theorem", Module: m.Name, File: m.File, Line: 3 * (i % 100), Private: i%20 == 0,
			Statement: fmt.Sprintf("∀ (p q : Pool) (h : p.size < %d), p.merge q = q.merge p", i), Hash: fmt.Sprintf("%064x", i), Meaning: fmt.Sprintf("%064x", i), Axioms: axioms, Verdict: runner.Success,
		})
	}
	return p
}

// BenchmarkLedger compares inventories of n theorems, of which 5 of a hundred changed in
// one way or another.
func BenchmarkLedger(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		base, head := manyTheorems(n), manyTheorems(n)
		for i := range head.Theorems {
			t := &head.Theorems[i]
			switch i % 100 {
			case 7: // lost and new
				t.Name += "'"
				t.Hash = "f" + t.Hash[1:]
			case 17: // renamed
				t.Name += "_again"
			case 27:
				t.Hash, t.Statement = "e"+t.Hash[1:], t.Statement+" ∨ True"
			case 37:
				t.Meaning = "d" + t.Meaning[1:]
			case 47:
				t.Axioms = append(slices.Clone(t.Axioms), "sorryAx")
			case 60: // a private one of the same name in two modules
				base.Theorems[i].Name, t.Name = "Pool.aux", "Pool.aux"
			}
		}
		b.Run(fmt.Sprintf("theorems=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c := compare(base, head, policy{allowed: defaultAxioms})
				if len(c.ledger.Entries) < n/25 {
					b.Fatal(len(c.ledger.Entries))
				}
			}
		})
	}
}
