package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// replayed says what a second run of the kernel told, as a sentence without its stop. The
// tool's name and the reason are shown by show.
func replayed(r *runner.Replay, show func(string) string) string {
	if r.Tool == "" {
		if r.Reason == "" {
			return "kernel replay: not run"
		}
		return "kernel replay: not run (" + strings.TrimRight(show(r.Reason), ".") + ")"
	}
	text := fmt.Sprintf("kernel replay: %s by %s", plural(r.Modules, "module"), show(r.Tool))
	if r.Reused > 0 {
		text += fmt.Sprintf(", %s of them reused", number(r.Reused))
	}
	if n := len(r.Rejected); n > 0 {
		text += fmt.Sprintf(", %s rejected", number(n))
	}
	if n := len(r.Unknown); n > 0 {
		text += fmt.Sprintf(", %s could not be replayed", number(n))
	}
	if r.Reason != "" {
		text += " (" + strings.TrimRight(show(r.Reason), ".") + ")"
	}
	return text
}

// scratch says when the branch was last proved from nothing, as a sentence without its
// stop.
func scratch(f *runner.FromScratch, show func(string) string) string {
	if f == nil {
		return "no commit of this branch was ever proved from scratch"
	}
	text := "last commit proved from scratch: " + orUnknown(f.Commit.Short(), show)
	if t, err := time.Parse(time.RFC3339, f.Time); err == nil {
		text += ", " + t.UTC().Format(time.DateOnly)
	}
	if f.Run > 0 {
		text += fmt.Sprintf(", run %d", f.Run)
	}
	return text
}

// missing counts the fixes of the kernel that the toolchain does not have.
func missing(p *runner.Proofs, show func(string) string) string {
	by := p.Version
	if by == "" {
		by = p.Toolchain
	}
	return fmt.Sprintf("checked by Lean %s; %s not included", orUnknown(clip(visible(by), 80), show), choose(len(p.Advisories), "1 later kernel fix is", number(len(p.Advisories))+" later kernel fixes are"))
}

// hashes says what theorems are compared by.
func hashes(scheme string) string {
	switch kind, _, _ := strings.Cut(scheme, "/"); kind {
	case "":
		return ""
	case "term":
		return "Theorems are compared by their kernel terms (" + code(scheme) + ")."
	case "print":
		return "Theorems are compared by their printed statements (" + code(scheme) + "): what changes below the same words is not seen."
	}
	return "Theorems are compared by " + code(scheme) + "."
}

// alone is said of theorems without a base: that none is lost is not known then.
const alone = "compared with no other commit: whether a theorem was lost or changed is not told"

// trust says how far the stage's word goes.
func trust(in *Input, p *runner.Proofs) string {
	if p.Toolchain == "" {
		return ""
	}
	list := []string{upper(replayed(&p.Replay, prose)) + "."}
	if len(p.Advisories) > 0 {
		list = append(list, upper(missing(p, prose))+".")
	}
	if p.Ledger == nil && len(p.Theorems) > 0 {
		list = append(list, upper(alone)+".")
	}
	if h := hashes(p.Scheme); h != "" && p.Ledger != nil {
		list = append(list, h)
	}
	if l := p.Lock; l != nil && len(l.Drift) == 0 {
		list = append(list, fmt.Sprintf("%s in %s %s.", upper(choose(len(l.Promised), "the promise", "all "+plural(len(l.Promised), "promise"))), code(l.File), choose(len(l.Promised), "holds", "hold")))
	}
	if p.Fresh {
		list = append(list, "Built from nothing in this run.")
	}
	if in.Run.Number > 0 { // a working tree has no history
		list = append(list, upper(scratch(p.FromScratch, code))+".")
	}
	return strings.Join(list, " ") + "\n\n"
}

// rejections are what a second run of the kernel did not accept.
func rejections(r *runner.Replay) []section {
	var rows []string
	add := func(v runner.Verdict, what string, list []runner.Rejected) {
		for _, x := range list {
			row := "- " + icon(v) + " " + what + " module " + code(x.Module)
			if x.Declaration != "" {
				row += ", " + code(x.Declaration)
			}
			rows = append(rows, row+": "+prose(x.Text)+"\n")
		}
	}
	add(runner.Failure, "the kernel rejects", r.Rejected)
	add(runner.Error, "the kernel could not replay", r.Unknown)
	return open(88, "modules that were not replayed", "**Kernel replay:**\n\n", rows)
}

// foundation is what the proofs rest on: axioms, kernel fixes that are missing, packages.
func foundation(p *runner.Proofs) []section {
	var out []section
	if len(p.Axioms) > 0 {
		s := section{keep: 40, what: "axioms"}
		for i := range p.Axioms {
			a := &p.Axioms[i]
			note := prose(a.Note)
			if a.Note == "" {
				note = prose(a.Statement)
			}
			s.rows = append(s.rows, "| "+code(a.Name)+" | "+orUnknown(a.Kind, prose)+" | "+number(a.Theorems)+" | "+note+" |\n")
		}
		s.head, s.tail = details(plural(len(p.Axioms), "axiom")+" below the project", "| Axiom | Kind | Theorems | Note |\n|---|---|---:|---|\n")
		out = append(out, s)
	}
	if len(p.Advisories) > 0 {
		s := section{keep: 26, what: "kernel fixes"}
		for _, a := range p.Advisories {
			s.rows = append(s.rows, "- in "+orUnknown(a.Fixed, prose)+": "+prose(a.Text)+" ("+code(a.Source)+")\n")
		}
		s.head, s.tail = details(plural(len(p.Advisories), "later kernel fix", "later kernel fixes")+" that this Lean does not have", "")
		out = append(out, s)
	}
	if len(p.Packages) > 0 {
		s := section{keep: 15, what: "dependencies"}
		for _, d := range p.Packages {
			rev := "in a folder"
			if d.Revision != "" {
				rev = "at " + code(d.Revision)
			}
			s.rows = append(s.rows, "- "+code(d.Name)+" "+rev+"\n")
		}
		s.head, s.tail = details(plural(len(p.Packages), "dependency", "dependencies"), "")
		out = append(out, s)
	}
	return out
}

// astray lists modules that a reader may not expect to be built, and compiled files that
// nothing makes any more.
func astray(p *runner.Proofs) []section {
	var rows []string
	for i := range p.Modules {
		if m := &p.Modules[i]; m.Unreached {
			rows = append(rows, "- ➖ module "+code(m.Name)+" ("+code(m.File)+") is imported from no root: only Holdfast builds it\n")
		}
	}
	for _, s := range p.Stale {
		rows = append(rows, "- ➖ "+code(s)+" was compiled and has no source any more; it was removed\n")
	}
	return open(64, "stray modules", "**Stray modules:**\n\n", rows)
}

// builds shows build times that something was asked of, missed ones first.
func builds(j *baseline.Judgement) []section {
	if j == nil {
		return nil
	}
	var list []*baseline.Metric
	for i := range j.Metrics {
		if j.Metrics[i].Threshold != "" {
			list = append(list, &j.Metrics[i])
		}
	}
	slices.SortStableFunc(list, func(x, y *baseline.Metric) int { return cmp.Compare(rank(x.Verdict), rank(y.Verdict)) })
	var rows []string
	for _, m := range list {
		rows = append(rows, "- "+icon(valid(m.Verdict))+" "+prose(m.Text())+"\n")
	}
	return open(72, "build times", "**Build times:** "+strings.TrimRight(prose(j.Reason), ".")+".\n\n", rows)
}
