package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// Change is one difference to the previous run. What is our own text with no hostile
// part; Names are hostile.
type Change struct {
	What  string   `json:"what"`
	Names []string `json:"names,omitempty"`
}

// moved is the smallest change of a median that is worth a line although nobody set a
// threshold on it.
const moved = 0.10

// Changes lists what differs from the previous run of the same branch: verdicts,
// theorems, modules, rules, the toolchain, and benchmarks whose median moved by 10 %
// or more with intervals that do not overlap (seen, not judged; the largest first). Empty without a
// previous run, and if nothing differs.
func Changes(in Input) []Change {
	if in.Previous == nil {
		return nil
	}
	prev, cur := in.Previous, &in.Run
	var out []Change
	add := func(what string, names ...string) { out = append(out, Change{What: what, Names: names}) }
	if a, b := valid(prev.Verdict), in.verdict(); a != b {
		add(fmt.Sprintf("verdict: %s → %s", a, b))
	}
	for _, name := range runner.Stages {
		a, b := prev.Stage(name), cur.Stage(name)
		switch {
		case a == nil && b == nil:
		case a == nil:
			add(fmt.Sprintf("%s ran, and did not before", name))
		case b == nil:
			add(fmt.Sprintf("%s did not run, and did before", name))
		case valid(a.Verdict) != valid(b.Verdict):
			add(fmt.Sprintf("%s: %s → %s", name, valid(a.Verdict), valid(b.Verdict)))
		}
	}
	lists := func(kind string, d diff) {
		if len(d.added) > 0 {
			add("new "+kind, d.added...)
		}
		if len(d.gone) > 0 {
			add(kind+" that are gone", d.gone...)
		}
		for _, g := range d.turned {
			add(kind+" "+g.what, g.names...)
		}
	}
	a, b := prev.Stage(runner.StageProofs), cur.Stage(runner.StageProofs)
	if a != nil && b != nil && a.Proofs != nil && b.Proofs != nil {
		if a.Proofs.Toolchain != b.Proofs.Toolchain {
			add("Lean toolchain", a.Proofs.Toolchain, b.Proofs.Toolchain)
		}
		if l := b.Proofs.Ledger; l == nil {
			lists("theorems", compare(a.Proofs.Theorems, b.Proofs.Theorems, func(t runner.Theorem) (string, string) { return t.Name, string(valid(t.Verdict)) }))
		} else if l.Base.SHA == prev.Commit.SHA {
			// The ledger knows more than names. One against another commit is shown as what
			// it is, not as a change since the previous run.
			for _, c := range changes {
				if names := changedTo(l, c); len(names) > 0 {
					add("theorems "+c, names...)
				}
			}
		}
		lists("modules", compare(a.Proofs.Modules, b.Proofs.Modules, func(m runner.Module) (string, string) { return m.Name, string(valid(m.Verdict)) }))
	}
	a, b = prev.Stage(runner.StageChecks), cur.Stage(runner.StageChecks)
	if a != nil && b != nil && a.Checks != nil && b.Checks != nil {
		lists("rules", compare(a.Checks.Rules, b.Checks.Rules, func(r runner.Rule) (string, string) { return r.ID, known(r.Outcome) }))
	}
	a, b = prev.Stage(runner.StageBench), cur.Stage(runner.StageBench)
	if a != nil && b != nil && a.Bench != nil && b.Bench != nil {
		if prev.Machine.Class != cur.Machine.Class {
			add("another class of machine, so benchmarks were not compared", prev.Machine.Class, cur.Machine.Class)
		} else if names := movedSamples(a.Bench.Samples, b.Bench.Samples); len(names) > 0 {
			add("benchmarks seen to differ (not judged)", names...)
		}
	}
	return out
}

// changedTo names the entries of a ledger to which that happened, as the gravest.
func changedTo(l *runner.Ledger, change string) []string {
	var out []string
	for i := range l.Entries {
		if l.Entries[i].Change == change {
			out = append(out, l.Entries[i].Name)
		}
	}
	return out
}

func known(o string) string {
	switch o {
	case runner.Pass, runner.Warn, runner.Fail, runner.Skip:
		return o
	}
	return runner.RuleError
}

type diff struct {
	added, gone []string
	turned      []turn // grouped by "success → failure", in order of appearance
}

type turn struct {
	what  string
	names []string
}

func compare[T any](before, after []T, key func(T) (name, state string)) diff {
	var d diff
	old := make(map[string]string, len(before))
	for _, x := range before {
		n, s := key(x)
		old[n] = s
	}
	seen := make(map[string]bool, len(after))
	for _, x := range after {
		n, s := key(x)
		if seen[n] {
			continue
		}
		seen[n] = true
		was, ok := old[n]
		switch {
		case !ok:
			d.added = append(d.added, n)
		case was != s:
			what := was + " → " + s
			i := slices.IndexFunc(d.turned, func(t turn) bool { return t.what == what })
			if i < 0 {
				i = len(d.turned)
				d.turned = append(d.turned, turn{what: what})
			}
			d.turned[i].names = append(d.turned[i].names, n)
		}
	}
	for _, x := range before {
		if n, _ := key(x); !seen[n] {
			seen[n] = true
			d.gone = append(d.gone, n)
		}
	}
	return d
}

func movedSamples(before, after []runner.Sample) []string {
	old := make(map[string]baseline.Summary, len(before))
	for _, s := range before {
		old[s.Key()] = baseline.Summarize(s.Values)
	}
	type move struct {
		text string
		size float64
	}
	var moves []move
	for _, s := range after {
		k := s.Key()
		a, ok := old[k]
		b := baseline.Summarize(s.Values)
		if !ok || math.IsNaN(a.Lo) || math.IsNaN(b.Lo) || a.Lo <= b.Hi && b.Lo <= a.Hi {
			continue
		}
		if d := math.Abs(b.Median - a.Median); d < moved*math.Abs(a.Median) {
			continue
		}
		label := baseline.Metric{Name: s.Name, Config: s.Config}.Label()
		text := fmt.Sprintf("%s: %s → %s", label, baseline.Format(a.Median, s.Unit), baseline.Format(b.Median, s.Unit))
		moves = append(moves, move{text, math.Abs(b.Median-a.Median) / max(math.Abs(a.Median), math.SmallestNonzeroFloat64)})
	}
	slices.SortStableFunc(moves, func(a, b move) int { return cmp.Compare(b.size, a.size) })
	var out []string
	for _, m := range moves {
		out = append(out, m.text)
	}
	return out
}

// since names the previous run.
func since(prev *runner.Run) string {
	if prev.Number <= 0 {
		return "the last run"
	}
	return fmt.Sprintf("run %d", prev.Number)
}

const maxNames = 5

// changed is the section on what changed.
func changed(in *Input) section {
	if in.Previous == nil && len(in.Run.Stages) == 0 {
		return section{}
	}
	if in.Previous == nil {
		return section{keep: 88, what: "changes", head: "**Changed:** no earlier run to compare with.\n\n"}
	}
	about := since(in.Previous)
	if sha := in.Previous.Commit.Short(); sha != "" {
		about += " (" + code(sha) + ")"
	}
	list := Changes(*in)
	if len(list) == 0 {
		return section{keep: 88, what: "changes", head: fmt.Sprintf("**Changed since %s:** nothing in verdicts, theorems and rules.\n\n", about)}
	}
	s := section{keep: 88, what: "changes", head: fmt.Sprintf("**Changed since %s:**\n\n", about), tail: "\n"}
	for _, c := range list {
		var names []string
		for _, n := range c.Names[:min(len(c.Names), maxNames)] {
			names = append(names, code(n))
		}
		if n := len(c.Names) - maxNames; n > 0 {
			names = append(names, fmt.Sprintf("and %s more", number(n)))
		}
		line := "- " + c.What
		if len(names) > 0 {
			line += ": " + strings.Join(names, ", ")
		}
		s.rows = append(s.rows, line+"\n")
	}
	return s
}
