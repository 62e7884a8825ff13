package proofs

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

const (
	sorryAxiom = "sorryAx"
	viaWord    = " through "
)

// judgeInventory gives every theorem and project axiom its verdict, and reports other
// declarations that rest on what a proof may not.
func (e *examination) judgeInventory(o *outcome, inv *inventory) {
	for i := range o.modules {
		m := &o.modules[i]
		if why := inv.failed[key(m.Name)]; why != "" && m.Verdict == runner.Success {
			m.Verdict, m.Reason = runner.Error, "its theorems could not be listed: "+firstLine(why)
		}
	}
	j := e.newJudge(inv)
	o.axioms = j.census(e)
	listed := func(i int32) bool { d := &inv.decls[i]; return d.theorem() && j.written(i) }
	o.roots = j.list(j.kinds, listed, e.fileOf)
	packages := packageText(o.packages)
	for i := range inv.decls {
		d := &inv.decls[i]
		// A generated declaration speaks through the one that uses it.
		if !j.written(int32(i)) {
			continue
		}
		v, reason, rule := j.judge(e, int32(i))
		file := e.fileOf(d)
		if d.theorem() || d.Kind == "axiom" {
			kind := "theorem"
			if d.Kind == "axiom" {
				kind = d.Kind
			}
			t := runner.Theorem{
				Name: d.User, Kind: kind, Module: d.Module, File: file, Line: d.Line, Column: d.Column, Private: d.User != d.Name,
				Statement: cut(d.PP, 4000), Hash: d.statement, Meaning: d.meaning, Axioms: append([]string{}, d.Axioms...),
				Opaque: d.Opaque, Head: d.Head, Verdict: v, Reason: reason,
			}
			if t.Meaning != "" {
				t.Foundation = foundation(t.Meaning, t.Axioms, packages, e.tool.version)
			}
			o.theorems = append(o.theorems, t)
		} else if v == runner.Failure {
			o.broken = append(o.broken, d.User+" "+reason)
		}
		// One finding for each fault, where it is; what rests on it is in the list of theorems.
		if v == runner.Success || !d.theorem() && d.Kind != "axiom" && v == runner.Error || strings.Contains(reason, viaWord) {
			continue
		}
		o.findings = append(o.findings, runner.Finding{Verdict: v, Rule: rule, File: file, Line: d.Line, Column: d.Column, Text: d.User + " " + reason})
	}
	for _, f := range o.sorries { // of an example, or of what an initialiser made
		if !slices.ContainsFunc(inv.decls, func(d declaration) bool {
			return d.Line == f.Line && slices.Contains(d.Axioms, sorryAxiom) && e.fileOf(&d) == f.File
		}) {
			o.findings = append(o.findings, f)
		}
	}
	if slices.ContainsFunc(o.theorems, func(t runner.Theorem) bool { return t.Opaque > 0 }) {
		o.warnings = append(o.warnings, "this toolchain keeps back proofs of its own library: axioms that are used inside of it are not seen")
	}
}

// theorem reports whether the declaration is listed as a theorem.
func (d *declaration) theorem() bool { return d.Kind == "theorem" || d.Kind == "withheld" }

// judgment is what the verdicts of one inventory are made from.
type judgment struct {
	*tracer
	allowed []string
	kinds   map[string]string // of every axiom that something rests on
	notes   map[string]string
}

func (e *examination) newJudge(inv *inventory) *judgment {
	j := &judgment{tracer: newTracer(inv), allowed: e.cfg.AllowedAxioms, kinds: map[string]string{}, notes: map[string]string{}}
	for a := range j.rests {
		j.kinds[a], j.notes[a] = inv.classify(a, j.allowed)
	}
	return j
}

// census lists every axiom that anything of the project rests on.
func (j *judgment) census(e *examination) []runner.Axiom {
	var out []runner.Axiom
	for a, kind := range j.kinds {
		n := 0
		for _, i := range j.rests[a] {
			if j.inv.decls[i].theorem() && j.written(i) {
				n++
			}
		}
		rec := j.inv.axioms[a]
		out = append(out, runner.Axiom{Name: a, Kind: kind, Module: rec.Module, Statement: cut(rec.PP, 400), Theorems: n, Note: j.notes[a]})
	}
	slices.SortFunc(out, func(a, b runner.Axiom) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// judge gives a verdict, its reason as the rest of a sentence that starts with the name,
// and the rule of the finding.
func (j *judgment) judge(e *examination, i int32) (v runner.Verdict, reason, rule string) {
	d := &j.inv.decls[i]
	if d.Kind == "axiom" {
		if slices.Contains(j.allowed, d.Name) {
			return runner.Success, "", ""
		}
		reason = "is an axiom of the project and not allowed"
		if note := j.notes[d.Name]; note != "" {
			reason += ": it " + note
		}
		return runner.Failure, reason, "axiom"
	}
	var bad []string
	for _, a := range d.Axioms {
		switch j.kinds[a] {
		case runner.AxiomNative, runner.AxiomOther:
			bad = append(bad, a)
		}
	}
	if len(bad) > 0 {
		what := make([]string, 0, len(bad))
		for _, a := range bad[:min(len(bad), 3)] {
			s := "axiom " + a
			if j.kinds[a] == runner.AxiomNative {
				s = "native evaluation (axiom " + a + ")"
			}
			what = append(what, s+j.through(e, i, a))
		}
		if len(bad) > 3 {
			what = append(what, fmt.Sprintf("%d more", len(bad)-3))
		}
		return runner.Failure, "rests on " + strings.Join(what, ", "), "axiom"
	}
	if slices.Contains(d.Axioms, sorryAxiom) {
		reason = "rests on sorry" + j.through(e, i, sorryAxiom)
		if e.cfg.Sorry == SorryWarn {
			return runner.Neutral, reason, "sorry"
		}
		return runner.Failure, reason, "sorry"
	}
	if len(d.Unknown) > 0 || d.Kind == "withheld" {
		return runner.Error, "could not be followed to its axioms: " + plural(max(1, len(d.Unknown)), "constant") + " without a body", "axiom"
	}
	return runner.Success, "", ""
}

// through says through which other declaration an axiom comes in.
func (j *judgment) through(e *examination, i int32, axiom string) string {
	c := j.via(i, axiom)
	if c == nil {
		return ""
	}
	return fmt.Sprintf(viaWord+"%s (%s:%d)", c.User, e.fileOf(c), c.Line)
}

func (e *examination) fileOf(d *declaration) string {
	if m := e.project.byKey[key(d.Module)]; m != nil {
		return e.file(m)
	}
	return path.Join(e.rel, d.Module)
}

// judge folds modules and theorems of all projects into the verdict of the stage and
// says it in one sentence.
func judge(res *runner.Result, outcomes []outcome, cfg Config) {
	p := res.Proofs
	var broken, skipped, unknown []runner.Module
	said := map[string]bool{}
	for _, o := range outcomes {
		said[o.unsure] = true
	}
	for _, m := range p.Modules {
		switch {
		case m.Verdict == runner.Failure:
			broken = append(broken, m)
		case m.Verdict == runner.Success:
		case strings.HasPrefix(m.Reason, "not built: imports "):
			skipped = append(skipped, m)
		case !said[m.Reason]: // else the project's own reason covers it
			unknown = append(unknown, m)
		}
	}
	var holds, theorems int
	var axioms []string
	groups := map[runner.Verdict][]runner.Theorem{}
	debt := 0
	for _, t := range p.Theorems {
		if t.Verdict == runner.Neutral && strings.Contains(t.Reason, debtMark) {
			debt++
		} else {
			groups[t.Verdict] = append(groups[t.Verdict], t)
		}
		if t.Kind != "theorem" {
			continue
		}
		theorems++
		if t.Verdict == runner.Success {
			holds++
			for _, a := range t.Axioms {
				if !slices.Contains(axioms, a) {
					axioms = append(axioms, a)
				}
			}
		}
	}
	slices.Sort(axioms)

	var bad, unsure []string
	for _, o := range outcomes {
		if o.kernel != "" {
			bad = append(bad, o.kernel)
		}
	}
	if n := len(broken); n == 1 {
		bad = append(bad, fmt.Sprintf("module %s does not build: %s", broken[0].Name, broken[0].Reason))
	} else if n > 1 {
		bad = append(bad, fmt.Sprintf("%d modules do not build, first %s: %s", n, broken[0].Name, broken[0].Reason))
	}
	if f := groups[runner.Failure]; len(f) == 1 {
		bad = append(bad, fmt.Sprintf("%s %s %s (%s:%d)", f[0].Kind, f[0].Name, f[0].Reason, f[0].File, f[0].Line))
	} else if len(f) > 1 {
		bad = append(bad, fmt.Sprintf("%d theorems or axioms fail, first %s: %s (%s:%d)", len(f), f[0].Name, f[0].Reason, f[0].File, f[0].Line))
	}
	if n := len(unknown); n > 0 {
		unsure = append(unsure, fmt.Sprintf("%s could not be built: %s: %s", plural(n, "module"), unknown[0].Name, unknown[0].Reason))
	}
	for _, o := range outcomes {
		if n := len(o.broken); n == 1 {
			bad = append(bad, o.broken[0])
		} else if n > 1 {
			bad = append(bad, fmt.Sprintf("%d definitions fail, first %s", n, o.broken[0]))
		}
		if o.unsure != "" {
			unsure = append(unsure, o.unsure)
		}
	}
	if n := len(skipped); n > 0 && (len(bad) > 0 || len(unsure) > 0) {
		unsure = append(unsure, fmt.Sprintf("%s not built because of an import", plural(n, "module")))
	} else if n > 0 {
		unsure = append(unsure, fmt.Sprintf("%s %s", skipped[0].Name, skipped[0].Reason))
	}
	if n := len(groups[runner.Error]); n > 0 {
		unsure = append(unsure, fmt.Sprintf("%s could not be judged, first %s: %s", plural(n, "theorem"), groups[runner.Error][0].Name, groups[runner.Error][0].Reason))
	}
	tolerated := len(groups[runner.Neutral])
	if tolerated > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("%s on sorry, which the policy tolerates, first %s", choose(tolerated, "1 theorem rests", fmt.Sprintf("%d theorems rest", tolerated)), groups[runner.Neutral][0].Name))
	}

	var hold string
	if holds > 0 {
		hold = fmt.Sprintf("%s %s", choose(holds, "1 theorem", fmt.Sprintf("%d theorems", holds)), choose(holds, "holds", "hold"))
	}
	switch {
	case len(bad) > 0:
		res.Verdict = runner.Failure
		res.Reason = strings.Join(append(bad, unsure...), "; ")
		if hold != "" {
			res.Reason += "; " + hold
		}
	case len(unsure) > 0:
		res.Verdict = runner.Error
		res.Reason = strings.Join(unsure, "; ")
		if hold != "" {
			res.Reason += "; " + hold
		}
	case theorems == 0:
		res.Verdict = runner.Error
		res.Reason = fmt.Sprintf("no theorem in %s", plural(len(p.Modules), "module"))
		res.Hint = "switch the proofs stage off for a repository without theorems"
	default:
		res.Verdict = runner.Success
		sorry := "no sorry"
		if tolerated > 0 {
			sorry = fmt.Sprintf("%d on sorry", tolerated)
		} else if debt > 0 {
			sorry = "no new sorry"
		}
		if debt > 0 {
			sorry += fmt.Sprintf(", %d of old debt", debt)
		}
		res.Reason = fmt.Sprintf("%s in %s %s; %s, axioms: %s", plural(holds, "theorem"), plural(len(p.Modules), "module"), choose(holds, "holds", "hold"), sorry, orNone(axioms))
	}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return some(list, 6)
}
