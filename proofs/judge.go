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
	byName := map[string]*declaration{}
	for i := range inv.decls {
		if d := &inv.decls[i]; byName[d.Name] == nil {
			byName[d.Name] = d
		}
	}
	for i := range o.modules {
		m := &o.modules[i]
		if why := inv.failed[key(m.Name)]; why != "" && m.Verdict == runner.Success {
			m.Verdict, m.Reason = runner.Error, "its theorems could not be listed: "+firstLine(why)
		}
	}
	for i := range inv.decls {
		d := &inv.decls[i]
		listed := d.Kind == "theorem" || d.Kind == "axiom" || d.Kind == "withheld"
		if d.Unsafe && d.Kind != "axiom" {
			continue // no proof may use it; the kernel sees to that
		}
		// A generated declaration speaks through the one that uses it, unless it is a
		// definition nobody wrote a name for (an instance).
		if d.Internal || d.Line == 0 {
			continue
		}
		v, reason, rule := e.judgeDeclaration(d, inv, byName)
		file := e.fileOf(d)
		if listed {
			kind := d.Kind
			if kind == "withheld" {
				kind = "theorem"
			}
			o.theorems = append(o.theorems, runner.Theorem{
				Name: d.User, Kind: kind, Module: d.Module, File: file, Line: d.Line, Statement: cut(d.PP, 4000),
				Axioms: append([]string{}, d.Axioms...), Opaque: d.Opaque, Verdict: v, Reason: reason,
			})
		} else if v == runner.Failure {
			o.broken = append(o.broken, d.User+" "+reason)
		}
		// One finding for each fault, where it is; what rests on it is in the list of theorems.
		if v == runner.Success || !listed && v == runner.Error || strings.Contains(reason, viaWord) {
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
		o.warnings = append(o.warnings, "this tool chain keeps back proofs of its own library: axioms that are used inside of it are not seen")
	}
}

// judgeDeclaration gives a verdict, its reason as the rest of a sentence that starts with
// the name, and the rule of the finding.
func (e *examination) judgeDeclaration(d *declaration, inv *inventory, byName map[string]*declaration) (v runner.Verdict, reason, rule string) {
	if d.Kind == "axiom" {
		if slices.Contains(e.cfg.AllowedAxioms, d.Name) {
			return runner.Success, "", ""
		}
		return runner.Failure, "is an axiom of the project and not allowed", "axiom"
	}
	var bad []string
	for _, a := range d.Axioms {
		if a != sorryAxiom && !slices.Contains(e.cfg.AllowedAxioms, a) {
			bad = append(bad, a)
		}
	}
	if len(bad) > 0 {
		what := make([]string, 0, len(bad))
		for _, a := range bad[:min(len(bad), 3)] {
			s := "axiom " + a
			if native(a) {
				s = "native evaluation (axiom " + a + ")"
			}
			what = append(what, s+e.via(d, a, inv, byName))
		}
		if len(bad) > 3 {
			what = append(what, fmt.Sprintf("%d more", len(bad)-3))
		}
		return runner.Failure, "rests on " + strings.Join(what, ", "), "axiom"
	}
	if slices.Contains(d.Axioms, sorryAxiom) {
		reason = "rests on sorry" + e.via(d, sorryAxiom, inv, byName)
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

// via says through which other declaration an axiom comes in.
func (e *examination) via(d *declaration, axiom string, inv *inventory, byName map[string]*declaration) string {
	c := inv.cause(d, axiom, byName)
	if c == d || c.User == axiom {
		return ""
	}
	// A generated helper of d is d itself to a reader.
	if strings.HasPrefix(c.User, d.User+".") && (c.Internal || c.Line == 0) {
		return ""
	}
	name := c.User
	if c.Internal || c.Line == 0 {
		for byName[name] == nil || byName[name].Line == 0 {
			i := strings.LastIndexByte(name, '.')
			if i < 0 {
				return viaWord + c.User
			}
			name = name[:i]
		}
		if name == d.User {
			return ""
		}
		c = byName[name]
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
	for _, t := range p.Theorems {
		groups[t.Verdict] = append(groups[t.Verdict], t)
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
