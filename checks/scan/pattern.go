package scan

import (
	"errors"
	"fmt"
	"strings"
)

// Pattern is a sequence of tokens to look for. White space and comments between tokens
// do not count, neither in the pattern nor in the file. $NAME stands for any one token,
// and for the same one wherever it is repeated; $_ for any one token; $... for as few
// tokens as possible inside the brackets around it, brackets inside taken as a whole,
// up to a semicolon.
type Pattern struct {
	items []item
	names int
}

type item struct {
	text []byte // literal token
	hole int    // 0 literal, 1 any one token, 2 run of tokens, 3+n the token of name n
}

// ParsePattern reads the text of a pattern.
func ParsePattern(s string) (*Pattern, error) {
	f := Scan([]byte(s))
	if len(f.Problems) > 0 {
		return nil, errors.New(f.Problems[0].Text)
	}
	p := &Pattern{}
	names := map[string]int{}
	literal := false
	for i, t := range f.Tokens {
		text := f.Text(t)
		switch {
		case t.Kind == Space:
			continue
		case t.Kind == Comment:
			return nil, errors.New("a comment in a token pattern")
		case string(text) == "..." && i > 0 && string(f.Text(f.Tokens[i-1])) == "$":
			p.items[len(p.items)-1] = item{hole: 2}
			continue
		case t.Kind != Ident || text[0] != '$':
			p.items = append(p.items, item{text: text})
			literal = true
		case string(text) == "$_":
			p.items = append(p.items, item{hole: 1})
		case string(text) == "$":
			p.items = append(p.items, item{text: text})
			if i+1 >= len(f.Tokens) || string(f.Text(f.Tokens[i+1])) != "..." {
				return nil, errors.New("a $ without a name")
			}
		default:
			n, ok := names[string(text)]
			if !ok {
				n = len(names)
				names[string(text)] = n
			}
			p.items = append(p.items, item{hole: 3 + n})
		}
	}
	p.names = len(names)
	switch {
	case !literal:
		return nil, errors.New("a token pattern needs at least one token that is not a hole")
	case p.items[0].hole == 2 || p.items[len(p.items)-1].hole == 2:
		return nil, errors.New("$... at the start or end of a token pattern says nothing")
	case len(p.items) > 200:
		return nil, fmt.Errorf("a token pattern of %d tokens: at most 200", len(p.items))
	}
	runs := 0
	for _, it := range p.items {
		if it.hole == 2 {
			runs++
		}
	}
	if runs > 4 { // the time to find a match grows with each
		return nil, fmt.Errorf("%d runs ($...) in a token pattern: at most 4", runs)
	}
	return p, nil
}

// String is the pattern with one space between its tokens.
func (p *Pattern) String() string {
	parts := make([]string, len(p.items))
	for i, it := range p.items {
		switch it.hole {
		case 0:
			parts[i] = string(it.text)
		case 1:
			parts[i] = "$_"
		case 2:
			parts[i] = "$..."
		default:
			parts[i] = fmt.Sprintf("$%d", it.hole-3)
		}
	}
	return strings.Join(parts, " ")
}

// Code returns the indices of the tokens that patterns are matched on: those that are
// part of the program.
func (f *File) Code() []int32 {
	out := make([]int32, 0, len(f.Tokens)/2)
	for i, t := range f.Tokens {
		if t.significant() {
			out = append(out, int32(i))
		}
	}
	return out
}

// Find returns the byte ranges of all matches that do not overlap, in order. code is the
// result of f.Code. complete is false if a search was given up as too long, so that
// there may be more.
func (p *Pattern) Find(f *File, code []int32) (out [][2]int, complete bool) {
	complete = true
	m := match{p: p, f: f, code: code, bound: make([]int32, p.names)}
	least := len(p.items) - p.runs()
	for i := 0; i+least <= len(code); {
		for n := range m.bound {
			m.bound[n] = -1
		}
		end := -1
		if it := p.items[0]; it.hole != 0 || m.same(i, it.text) {
			m.steps = 0
			end = m.at(i, 0)
			complete = complete && m.steps < maxSteps
		}
		if end < 0 {
			i++
			continue
		}
		out = append(out, [2]int{int(f.Tokens[code[i]].Offset), f.Tokens[code[end-1]].End()})
		i = end
	}
	return out, complete
}

func (p *Pattern) runs() (n int) {
	for _, it := range p.items {
		if it.hole == 2 {
			n++
		}
	}
	return n
}

// match is one search.
type match struct {
	p     *Pattern
	f     *File
	code  []int32
	bound []int32
	steps int
}

// maxSteps bounds the work for one start.
const maxSteps = 20000

func (m *match) same(i int, text []byte) bool {
	t := m.f.Tokens[m.code[i]]
	return int(t.Len) == len(text) && string(m.f.Src[t.Offset:t.End()]) == string(text)
}

// at matches the items from k on at position i and returns the position behind, or -1.
func (m *match) at(i, k int) int {
	for ; k < len(m.p.items); k++ {
		it := m.p.items[k]
		if it.hole == 2 {
			return m.run(i, k+1)
		}
		if i >= len(m.code) {
			return -1
		}
		switch {
		case it.hole == 0:
			if !m.same(i, it.text) {
				return -1
			}
		case it.hole > 2:
			if b := m.bound[it.hole-3]; b < 0 {
				m.bound[it.hole-3] = int32(i)
			} else if !m.same(i, m.f.Text(m.f.Tokens[m.code[b]])) {
				return -1
			}
		}
		i++
	}
	return i
}

// run tries the items from k on behind 0, 1, 2, … tokens or bracket groups.
func (m *match) run(i, k int) int {
	saved := append([]int32(nil), m.bound...)
	for i < len(m.code) && m.steps < maxSteps {
		m.steps++
		if end := m.at(i, k); end >= 0 {
			return end
		}
		copy(m.bound, saved)
		t := m.f.Tokens[m.code[i]]
		if t.Kind == Punct {
			switch m.f.Src[t.Offset] {
			case ';', ')', ']', '}':
				return -1
			case '(', '[', '{':
				if i = m.group(i); i < 0 {
					return -1
				}
				continue
			}
		}
		i++
	}
	return -1
}

// group is the position behind the bracket group that begins at i, or -1.
func (m *match) group(i int) int {
	depth := 0
	for ; i < len(m.code) && m.steps < maxSteps; i++ {
		m.steps++
		t := m.f.Tokens[m.code[i]]
		if t.Kind != Punct {
			continue
		}
		switch m.f.Src[t.Offset] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
