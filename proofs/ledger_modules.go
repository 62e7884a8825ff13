package proofs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// maxStatement bounds a printed statement, in bytes.
const maxStatement = 4000

func moduleStates(p *runner.Proofs) map[string]moduleState {
	out := make(map[string]moduleState, len(p.Modules))
	for i := range p.Modules {
		m := &p.Modules[i]
		s := out[key(m.Name)]
		good := m.Verdict == runner.Success
		if !good && s.reason == "" {
			s.reason = m.Reason
		}
		s.good = good && (s.good || !s.known)
		s.known = true
		out[key(m.Name)] = s
	}
	return out
}

// modules enters modules that are gone, or that no root reaches any more.
func (c *comparison) modules() {
	type id struct{ name, file string }
	now := make(map[id]*runner.Module, len(c.head.Modules))
	for i := range c.head.Modules {
		m := &c.head.Modules[i]
		now[id{key(m.Name), m.File}] = m
		if _, ok := now[id{key(m.Name), ""}]; !ok {
			now[id{key(m.Name), ""}] = m
		}
	}
	for i := range c.base.Modules {
		b := &c.base.Modules[i]
		h := now[id{key(b.Name), b.File}]
		if h == nil {
			h = now[id{key(b.Name), ""}]
		}
		switch {
		case h == nil && c.head.Complete:
			c.ledger.Modules = append(c.ledger.Modules, runner.Entry{
				Name: b.Name, Change: runner.Lost, Verdict: runner.Neutral, File: b.File, Reason: "is gone; its theorems speak for it",
			})
		// An inventory without a scheme is of a time when nobody asked what reaches a module.
		case h != nil && h.Unreached && !b.Unreached && c.base.Scheme != "":
			e := runner.Entry{
				Name: h.Name, Change: runner.Unreached, Verdict: runner.Failure, File: h.File, Line: 1,
				Reason: "is not imported any more from any root: only Holdfast builds it",
			}
			if c.policy.warn || c.policy.lock != nil && c.baseLock != nil {
				e.Verdict = runner.Neutral
			}
			c.ledger.Modules = append(c.ledger.Modules, e)
		}
	}
}

// notes says what else moved and bears on the comparison.
func (c *comparison) notes() {
	b, h := c.base, c.head
	note := func(format string, args ...any) {
		c.ledger.Notes = append(c.ledger.Notes, fmt.Sprintf(format, args...))
	}
	if !c.sameTools {
		from, to := b.Version, h.Version
		if from == "" || to == "" || from == to {
			from, to = b.Toolchain, h.Toolchain
		}
		note("toolchain %s → %s", from, to)
	}
	switch {
	case c.sameHashes && rankScheme(h.Scheme) < 2:
		note("statements were compared as they are printed (%s): a definition that changed below one is not seen", h.Scheme)
	case !c.sameHashes && b.Scheme != h.Scheme:
		note("hashes of statements do not compare: %s at the base, %s now", orNone(words(b.Scheme)), orNone(words(h.Scheme)))
	}
	was := make(map[string]string, len(b.Packages))
	for _, p := range b.Packages {
		was[p.Name] = p.Revision
	}
	now := make(map[string]bool, len(h.Packages))
	// An old inventory has no list, which is not an empty one.
	if len(b.Packages) == 0 && b.Scheme == "" {
		return
	}
	for _, p := range h.Packages {
		now[p.Name] = true
		switch rev, ok := was[p.Name]; {
		case !ok:
			note("dependency %s came%s", p.Name, at(p.Revision))
		case rev != p.Revision:
			note("dependency %s %s → %s", p.Name, orNone(words(short(rev))), orNone(words(short(p.Revision))))
		}
	}
	for _, p := range b.Packages {
		if !now[p.Name] {
			note("dependency %s went", p.Name)
		}
	}
}

func words(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func at(revision string) string {
	if revision == "" {
		return ""
	}
	return " at " + short(revision)
}

func short(revision string) string { return cut(revision, 10) }

// rankScheme orders ways of hashing by what they tell: kernel terms, printed text, nothing.
func rankScheme(s string) int {
	switch {
	case s == "":
		return 0
	case strings.HasPrefix(s, "term/") && !strings.Contains(s, "print/"):
		return 2
	}
	return 1
}

// toolchainID is a Lean's version line without the platform: the same Lean elaborates the
// same terms on every machine.
func toolchainID(line string) string {
	parts := strings.Split(line, ", ")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool {
		return strings.Count(p, "-") >= 2 && !strings.ContainsAny(p, " ();")
	}), ", ")
}

// samePrint compares printed statements, which may be wrapped differently.
func samePrint(a, b string) bool {
	return a == b || slices.Equal(strings.Fields(a), strings.Fields(b))
}

// shortened reports whether the end of a printed statement is not there.
func shortened(s string) bool { return len(s) >= maxStatement && strings.HasSuffix(s, "…") }

// rejections finds what a replay said of a theorem.
type rejections map[rejection]string

// rejection is a declaration of a module; without a name, the module as a whole.
type rejection struct{ module, name string }

func newRejections(list []runner.Rejected) rejections {
	r := make(rejections, 2*len(list))
	for _, x := range list {
		at := rejection{key(x.Module), key(userName(x.Declaration))}
		r[at] = x.Text
		if at.name = helperOf(at.name); at.name != "" && r[at] == "" {
			r[at] = x.Text
		}
	}
	return r
}

// of reports what a replay said of t, of a helper that Lean made for it, or of its module
// as a whole.
func (r rejections) of(t *runner.Theorem) (text string, ok bool) {
	if len(r) == 0 {
		return "", false
	}
	m := key(t.Module)
	if text, ok = r[rejection{m, ""}]; !ok {
		text, ok = r[rejection{m, key(t.Name)}]
	}
	return oneLine(text), ok
}

// helperOf is the declaration for which Lean made a helper, "foo" for "foo._proof_1" and
// "foo.match_1", or "".
func helperOf(name string) string {
	for i := range len(name) {
		if name[i] == '.' && i > 0 {
			if rest := name[i+1:]; strings.HasPrefix(rest, "_") || strings.HasPrefix(rest, "match_") || strings.HasPrefix(rest, "proof_") {
				return name[:i]
			}
		}
	}
	return ""
}

// userName is the name that a person wrote for a private declaration,
// "_private.Mod.Name.0.foo" for foo.
func userName(name string) string {
	rest, ok := strings.CutPrefix(name, "_private.")
	if !ok {
		return name
	}
	if _, user, ok := strings.Cut(rest, ".0."); ok {
		return user
	}
	return name
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
