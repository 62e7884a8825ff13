package scan

import (
	"fmt"
	"slices"
)

// Structure is what the brackets of a file say.
type Structure struct {
	// Functions in order of their place. Lambdas, blocks and functions inside of
	// functions are part of the body around them.
	Functions []Function
	// Scopes are all pairs of braces in order of their begin.
	Scopes []Scope
	// Problems make the structure incomplete: brackets that do not match, or that match
	// in one branch of an #if and not in another. No extent can be trusted then.
	Problems []Problem

	// partner holds, for the index of each opening bracket in File.Tokens, the index of
	// its closing one, and the other way round; -1 for all other tokens.
	partner []int32
	f       *File
	sig     []int32 // indices of the tokens that are program and not preprocessor
	pos     []int32 // the other way round
	groups  []ppGroup
	calls   []int32 // places of the names that are called, once somebody asked
	// torn marks opening brackets whose partner stands in another branch of an #if.
	torn map[int32]bool
}

// Partner returns the index of the bracket that matches the one at index i of
// File.Tokens, or -1.
func (s *Structure) Partner(i int) int { return int(s.partner[i]) }

// bracket is an open bracket.
type bracket struct {
	token  int32
	kind   byte
	branch int32
	only   string // it is open only under this condition; "" for always
}

// Structure matches the brackets of all code that may compile and finds the functions.
// A branch of an #if must leave as many brackets open as its other branches do; the
// first branch then stands for all. Or else one branch opens brackets, and one of a later
// #if with the same condition closes them: that condition is then taken to hold.
func (f *File) Structure() *Structure {
	m := matcher{f: f, s: &Structure{f: f, partner: ints(&f.memory.partner, len(f.Tokens)), torn: map[int32]bool{}}}
	for i := range m.s.partner {
		m.s.partner[i] = -1
	}
	m.s.Problems = append(m.s.Problems, f.Problems...)
	from := 0
	f.conditionals(func(d directive) {
		if f.Tokens[d.token].Dead {
			return
		}
		m.brackets(from, d.token)
		from = d.end
		m.conditional(d)
	})
	m.brackets(from, len(f.Tokens))
	if len(m.groups) > 0 {
		m.problem(m.groups[len(m.groups)-1].token, "an #if without #endif")
	}
	for _, b := range m.stack {
		m.problem(int(b.token), fmt.Sprintf("%q is not closed", b.kind))
		break // the first says it; the others follow from it
	}
	x := &finder{f: f, s: m.s}
	m.s.Functions = x.all()
	m.s.sig, m.s.pos = x.sig, x.pos
	m.s.Scopes = x.sweep()
	return m.s
}

type matcher struct {
	f      *File
	s      *Structure
	stack  []bracket
	branch int32 // the branch that is being read
	next   int32 // number of the last branch that was begun
	groups []group
	lost   bool
}

// group is an #if with its branches.
type group struct {
	token    int
	outer    int32 // branch around the group
	saved    []bracket
	result   []bracket // brackets open behind the first branch that counts
	done     bool      // result is set
	other    bool      // an #else was seen
	branches int       // that ended
	decide   bool      // one branch is the one to read: the others must balance by themselves
	cond     truth     // of the branch that is being read
	when     string    // condition of the branch that is being read, "" if it is not known
	first    string    // of the first branch
	chosen   string    // of the branch that result is from
}

const (
	// maxProblems bounds what a hopeless file reports.
	maxProblems = 20
	// maxDepth is twice what clang accepts by default (-fbracket-depth).
	maxDepth = 512
)

func (m *matcher) problem(token int, text string) {
	if len(m.s.Problems) >= maxProblems {
		return
	}
	t := m.f.Tokens[token]
	m.s.Problems = append(m.s.Problems, Problem{Line: int(t.Line), Column: int(t.Column), Text: text})
}

// giveUp ends the matching: nesting costs memory for each #if.
func (m *matcher) giveUp(token int) {
	m.problem(token, fmt.Sprintf("brackets or #if nested deeper than %d", maxDepth))
	m.lost, m.stack, m.groups = true, nil, nil
}

func (m *matcher) brackets(from, to int) {
	if m.lost {
		return
	}
	for i := from; i < to; i++ {
		t := m.f.Tokens[i]
		if t.Kind != Punct || t.Dead || t.Directive {
			continue
		}
		c := m.f.Src[t.Offset]
		switch c {
		case '{', '(', '[':
			if len(m.stack) == maxDepth {
				m.giveUp(i)
				return
			}
			m.stack = append(m.stack, bracket{token: int32(i), kind: c, branch: m.branch})
		case '}', ')', ']':
			m.close(i, c)
		}
	}
}

func (m *matcher) close(i int, c byte) {
	opens := c - 2
	if c == ')' {
		opens = '('
	}
	if len(m.stack) == 0 {
		m.problem(i, fmt.Sprintf("%q closes nothing", c))
		return
	}
	top := m.stack[len(m.stack)-1]
	if top.kind != opens {
		m.problem(i, fmt.Sprintf("%q where the %q of line %d is open", c, top.kind, m.f.Tokens[top.token].Line))
		if c != '}' {
			return
		}
		// A lost parenthesis must not cost the rest of the file.
		for len(m.stack) > 0 && m.stack[len(m.stack)-1].kind != opens {
			m.stack = m.stack[:len(m.stack)-1]
		}
		if len(m.stack) == 0 {
			return
		}
		top = m.stack[len(m.stack)-1]
	}
	m.stack = m.stack[:len(m.stack)-1]
	if top.only != "" && !slices.ContainsFunc(m.groups, func(g group) bool { return g.when == top.only }) {
		m.problem(i, fmt.Sprintf("%q closes the %q of line %d, which is there only under an #if", c, top.kind, m.f.Tokens[top.token].Line))
	}
	if m.s.partner[top.token] >= 0 { // closed by an earlier branch already
		m.s.torn[top.token] = true
		return
	}
	m.s.partner[top.token], m.s.partner[i] = int32(i), top.token
	if top.branch != m.branch {
		m.s.torn[top.token] = true
	}
}

func (m *matcher) conditional(d directive) {
	if m.lost {
		return
	}
	switch d.name {
	case "if", "ifdef", "ifndef":
		if len(m.groups) == maxDepth {
			m.giveUp(d.token)
			return
		}
		m.groups = append(m.groups, group{
			token: d.token, outer: m.branch, saved: append([]bracket(nil), m.stack...), cond: d.cond, when: d.text, first: d.text,
		})
		m.begin()
		return
	}
	if len(m.groups) == 0 {
		m.problem(d.token, "#"+d.name+" without #if")
		return
	}
	g := &m.groups[len(m.groups)-1]
	m.endBranch(g, d)
	if d.name != "endif" {
		if g.other {
			m.problem(d.token, "#"+d.name+" behind #else")
		}
		g.other = g.other || d.name == "else"
		if g.when = ""; d.name == "else" && g.branches == 1 {
			g.when = negation(g.first)
		}
		switch {
		case d.name == "else" && !g.done && (g.cond == never || g.cond == plainC):
			g.cond = not(g.cond)
		default:
			g.cond = d.cond
		}
		m.stack = append(m.stack[:0], g.saved...)
		m.begin()
		return
	}
	if !g.other && !g.decide {
		// Nothing may be compiled at all.
		g.cond, g.when = unknown, ""
		m.stack = append(m.stack[:0], g.saved...)
		m.endBranch(g, d)
	}
	m.branch = g.outer
	if g.done {
		m.stack = append(m.stack[:0], g.result...)
	} else {
		m.stack = append(m.stack[:0], g.saved...)
	}
	m.groups = m.groups[:len(m.groups)-1]
}

func (m *matcher) begin() {
	m.next++
	m.branch = m.next
}

// endBranch compares the brackets left open by a branch with those of the branches
// before it.
func (m *matcher) endBranch(g *group, d directive) {
	g.branches++
	switch {
	case g.cond == never || g.cond == plainC:
	case g.cond == always || g.cond == cplusplus:
		if !g.done || !g.decide {
			g.result, g.done, g.decide = append([]bracket(nil), m.stack...), true, true
		}
	case g.decide:
		if !sameShape(m.stack, g.saved) {
			m.disagree(g, d)
		}
	case !g.done:
		g.result, g.done, g.chosen = append([]bracket(nil), m.stack...), true, g.when
	case sameShape(m.stack, g.result):
	case sameShape(m.stack, g.saved) && correlated(g.result, g.saved, g.chosen):
	case sameShape(g.result, g.saved) && correlated(m.stack, g.saved, g.when):
		g.result, g.chosen = append(g.result[:0], m.stack...), g.when
	default:
		m.disagree(g, d)
	}
}

// correlated reports whether the brackets behind a branch differ from those before it only
// by some that the branch opened, which are marked with its condition, or by some that were
// opened under the same condition.
func correlated(after, before []bracket, when string) bool {
	n := min(len(after), len(before))
	for i := range n {
		if after[i].token != before[i].token {
			return false
		}
	}
	for _, b := range before[n:] {
		if b.only != when {
			return false
		}
	}
	for i := n; i < len(after); i++ {
		if after[i].only != "" && after[i].only != when {
			return false
		}
		after[i].only = when
	}
	return when != ""
}

func (m *matcher) disagree(g *group, d directive) {
	m.problem(d.token, fmt.Sprintf("the branches of the #if of line %d leave different brackets open", m.f.Tokens[g.token].Line))
}

func sameShape(a, b []bracket) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].kind != b[i].kind {
			return false
		}
	}
	return true
}
