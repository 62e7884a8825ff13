package proofs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// judgeReplay carries what the replay told into the verdicts of theorems: what the kernel
// refuses, and what rests on it, fails; what could not be replayed is not known to hold.
// decls are the declarations of the project, if they are known.
//
// The result of compiled code cannot be had again, as a replay has none (up to Lean 4.28,
// from where on such a result is an axiom of its own). Where the configuration allows the
// axiom that stands for it, and a declaration is known to rest on it, that the kernel did
// not see the result is settled: it is told and changes no verdict. Compiled code without
// that axiom is another matter.
func (e *examination) judgeReplay(o *outcome, r replayed, decls []declaration) {
	o.replay = r.Replay
	o.replay.Rejected = r.Rejected[:min(len(r.Rejected), maxRejected)]
	o.replay.Unknown = r.Unknown[:min(len(r.Unknown), maxRejected)]
	if r.Tool == "" {
		if e.cfg.Replay != ReplayOff {
			o.warnings = append(o.warnings, "kernel replay: not run: "+r.Reason)
		}
		if e.cfg.Replay == ReplayRequire {
			o.unsure = join(o.unsure, "kernel replay, which the configuration requires: not run: "+r.Reason)
			if o.hint == "" {
				o.hint = "use Lean 4.28 or later, which comes with leanchecker, or do not require the replay"
			}
		}
		return
	}
	refused := map[string]bool{} // names of declarations
	badModule, dimModule := map[string]runner.Rejected{}, map[string]runner.Rejected{}
	for _, x := range r.Rejected {
		if x.Declaration != "" {
			refused[x.Declaration] = true
		}
		if x.Declaration == "" || !r.exact {
			badModule[key(x.Module)] = x
		}
	}
	settled := map[string]bool{}
	if r.exact {
		settled = e.settled(r.Unknown, decls)
	}
	r.Unknown = slices.DeleteFunc(slices.Clone(r.Unknown), func(x runner.Rejected) bool { return settled[x.Declaration] })
	if n := len(settled); n > 0 {
		o.warnings = append(o.warnings, fmt.Sprintf("%s not replayed through the kernel: native evaluation, which the configuration allows", choose(n, "1 declaration was", fmt.Sprintf("%d declarations were", n))))
	}
	for _, x := range r.Unknown {
		if x.Declaration == "" || !r.exact {
			dimModule[key(x.Module)] = x
		}
	}
	restsOn := map[[2]string]string{}
	for _, x := range r.rests {
		restsOn[[2]string{key(x.module), userName(x.name)}] = x.on
	}
	named := map[[2]string]runner.Rejected{}
	for _, list := range [][]runner.Rejected{r.Unknown, r.Rejected} {
		for _, x := range list {
			named[[2]string{key(x.Module), userName(x.Declaration)}] = x
		}
	}
	above := e.above(badModule)
	for i := range o.theorems {
		t := &o.theorems[i]
		k := key(t.Module)
		v, reason := runner.Success, ""
		if x, ok := named[[2]string{k, t.Name}]; ok && t.Name != "" {
			if v, reason = runner.Error, "could not be replayed through the kernel: "+x.Text; refused[x.Declaration] {
				v, reason = runner.Failure, "is no theorem, the kernel rejects it: "+x.Text
			}
		} else if on := restsOn[[2]string{k, t.Name}]; on != "" && !settled[on] {
			if v, reason = runner.Error, "rests on "+userName(on)+", which could not be replayed through the kernel"; refused[on] {
				v, reason = runner.Failure, "rests on "+userName(on)+", which the kernel rejects"
			}
		} else if x, ok := badModule[k]; ok {
			v, reason = runner.Failure, "is of a module that the kernel rejects: "+x.Text
		} else if x, ok := dimModule[k]; ok {
			v, reason = runner.Error, "is of a module that could not be replayed through the kernel: "+x.Text
		} else if below := above[k]; below != "" {
			v, reason = runner.Error, "may rest on module "+below+", which the kernel rejects"
		}
		if v == runner.Failure || v == runner.Error && t.Verdict != runner.Failure {
			t.Verdict, t.Reason = v, reason
		}
	}
	e.tellReplay(o, r)
}

// settled are the declarations of the list that could not be replayed for native
// evaluation alone, and rest on an axiom for it that is allowed.
func (e *examination) settled(list []runner.Rejected, decls []declaration) map[string]bool {
	asked := map[string]bool{}
	for _, x := range list {
		if x.Declaration != "" && strings.HasPrefix(x.Text, "(interpreter) ") {
			asked[x.Declaration] = true
		}
	}
	out := map[string]bool{}
	for i := range decls {
		if d := &decls[i]; asked[d.Name] && slices.ContainsFunc(d.Axioms, func(a string) bool { return native(a) && slices.Contains(e.cfg.AllowedAxioms, a) }) {
			out[d.Name] = true
		}
	}
	return out
}

// tellReplay adds findings, and the sentences for the reason of the stage.
func (e *examination) tellReplay(o *outcome, r replayed) {
	place := func(x runner.Rejected) (file string, line int) {
		if m := e.project.byKey[key(x.Module)]; m != nil {
			file = e.file(m)
		}
		for _, t := range o.theorems {
			if x.Declaration != "" && key(t.Module) == key(x.Module) && t.Name == userName(x.Declaration) {
				return t.File, t.Line
			}
		}
		return file, 0
	}
	say := func(x runner.Rejected) string {
		what := "module " + x.Module
		if x.Declaration != "" {
			what = userName(x.Declaration)
		}
		if file, line := place(x); line > 0 {
			what += fmt.Sprintf(" (%s:%d)", file, line)
		} else if x.Declaration != "" {
			what += " of module " + x.Module
		}
		return what + ": " + x.Text
	}
	for _, x := range r.Rejected[:min(len(r.Rejected), maxRejected)] {
		file, line := place(x)
		o.findings = append(o.findings, runner.Finding{Verdict: runner.Failure, Rule: "kernel", File: file, Line: line, Text: "the kernel rejects " + say(x)})
	}
	if n := len(r.Rejected); n > 0 {
		o.kernel = "the kernel rejects " + say(r.Rejected[0])
		if n > 1 {
			o.kernel += fmt.Sprintf(", and %d more", n-1)
		}
	}
	if n := len(r.Unknown); n > 0 {
		o.unsure = join(o.unsure, fmt.Sprintf("%s could not be replayed through the kernel: %s", choose(n, "1 module or declaration", fmt.Sprintf("%d modules or declarations", n)), say(r.Unknown[0])))
	}
}

// above tells for every module over one of these, by key, the name of one below it.
func (e *examination) above(bad map[string]runner.Rejected) map[string]string {
	out := map[string]string{}
	if len(bad) == 0 {
		return out
	}
	for _, m := range e.bottomUp(e.project.modules) {
		for _, i := range m.imports {
			if x, ok := bad[i]; ok {
				out[m.key] = x.Module
			} else if below := out[i]; below != "" {
				out[m.key] = below
			}
		}
	}
	return out
}

// mergeReplay adds the replay of one project to that of the others.
func mergeReplay(into *runner.Replay, r runner.Replay) {
	into.Tool = join(into.Tool, r.Tool)
	into.Reason = join(into.Reason, r.Reason)
	into.Modules += r.Modules
	into.Reused += r.Reused
	into.Seconds += r.Seconds
	into.Rejected = append(into.Rejected, r.Rejected...)
	into.Unknown = append(into.Unknown, r.Unknown...)
	into.Rejected, into.Unknown = sorted(into.Rejected), sorted(into.Unknown)
}
