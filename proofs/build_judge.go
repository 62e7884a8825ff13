package proofs

import (
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// judgeBuild sorts out a build that did not succeed: which modules may still be current.
func (e *examination) judgeBuild(b *built, exit proc.Exit) {
	failed := map[string]bool{}
	for _, m := range e.project.modules {
		if b.log.failure(m.key) {
			failed[m.key] = true
		}
	}
	if exit.Signal != 0 {
		b.unsure = "lake build was " + exit.String()
		return
	}
	if len(failed) == 0 {
		b.unsure = "lake build: " + exit.String()
		for _, d := range b.log.loose {
			if d.level == "error" && strings.TrimSpace(d.text) != "build failed" {
				b.unsure = "lake build: " + oneLine(d.text)
				if d.file != "" {
					b.unsure = fmt.Sprintf("lake build: %s:%d:%d: %s", d.file, d.line, d.column+1, oneLine(d.text))
				}
				break
			}
		}
		for _, u := range b.log.units {
			if u.failed { // a dependency, or a unit that is no module
				b.unsure = fmt.Sprintf("lake build: %s failed: %s", u.caption, u.reason())
				break
			}
		}
		return
	}
	blocked := e.project.blocked(failed)
	for _, m := range e.project.modules {
		if !failed[m.key] && blocked[m.key] == "" {
			b.current = append(b.current, m)
		}
	}
}

// judgeModule gives one module its verdict.
func (e *examination) judgeModule(b *built, m *module, current, failed bool, blockedBy string) runner.Module {
	out := runner.Module{Name: m.name, File: e.file(m), Unreached: m.unreached}
	u := b.log.units[m.key]
	if u != nil {
		out.Seconds, out.MaxRSS = u.seconds, u.maxRSS
	}
	switch {
	case current:
		out.Verdict = runner.Success
		out.Reused = u == nil || u.replayed
	case failed:
		out.Verdict, out.Reason = e.judgeFailed(m, u)
	case blockedBy != "":
		name := blockedBy
		if d := e.project.byKey[blockedBy]; d != nil {
			name = d.name
		}
		out.Verdict, out.Reason = runner.Error, "not built: imports "+name
	default:
		out.Verdict, out.Reason = runner.Error, "not built"
		if b.unsure != "" {
			out.Reason = b.unsure
		}
	}
	return out
}

// judgeFailed tells a bad module from one that could not be examined. Only an error of
// Lean's own at a place in the source, or an import without a file, makes it bad; a
// killed or crashed Lean does not.
func (e *examination) judgeFailed(m *module, u *unit) (runner.Verdict, string) {
	for _, i := range m.imports {
		if e.project.byKey[i] == nil && e.ours(i) {
			return runner.Failure, fmt.Sprintf("imports %s, which has no file", cut(i, 100))
		}
	}
	if u == nil {
		return runner.Error, "not built; the build tool does not say why"
	}
	errs := u.errors()
	for _, d := range errs {
		if strings.Contains(d.text, "bad import") { // a module below is broken, by its own report
			continue
		}
		if code := u.exitCode(); code == 0 || code == 1 || !crash(d) {
			v := runner.Failure
			reason := fmt.Sprintf("%s:%d:%d: %s", e.relative(d.file), d.line, d.column+1, oneLine(d.text))
			if !e.tool.near && !e.tool.exact {
				// Another version of Lean may refuse what the right one takes.
				v = runner.Error
				reason = fmt.Sprintf("does not build with Lean %s, which is not the version asked for: %s", e.tool.number, reason)
			}
			return v, reason
		}
	}
	for _, i := range m.imports {
		if d := e.project.byKey[i]; d != nil {
			for _, diag := range u.diagnostics {
				if strings.Contains(diag.text, "bad import") && strings.Contains(key(diag.text), "'"+i+"'") {
					return runner.Error, "not built: imports " + d.name
				}
			}
		}
	}
	return runner.Error, u.reason()
}

// crash reports whether a message with a place is about Lean, not about the source.
func crash(d diagnostic) bool {
	return strings.Contains(d.text, "PANIC") || strings.Contains(d.text, "out of memory")
}

// ours reports whether a module name lies below a root of the project.
func (e *examination) ours(key string) bool {
	for _, t := range e.project.lake.targets {
		for _, r := range t.roots {
			if !t.exe && within(key, r) {
				return true
			}
		}
	}
	return false
}

// reason is why a unit failed, when no place in a source file says it.
func (u *unit) reason() string {
	switch code := u.exitCode(); code {
	case 0:
	case 137:
		return "Lean was killed (exit code 137), usually for want of memory"
	case 134, 139:
		return fmt.Sprintf("Lean crashed (exit code %d)", code)
	default:
		if code > 1 {
			return fmt.Sprintf("Lean ended with exit code %d", code)
		}
	}
	for _, d := range u.diagnostics {
		if d.level == "error" {
			return oneLine(d.text)
		}
	}
	return "it failed without a message"
}
