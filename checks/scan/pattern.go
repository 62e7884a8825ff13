package scan

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Pattern is a sequence of tokens to look for. White space and comments between tokens
// do not count, neither in the pattern nor in the file. $NAME stands for any one token,
// and for the same one wherever it is repeated; $_ for any one token; $... for as few
// tokens as possible inside the brackets around it, brackets inside taken as a whole,
// up to a semicolon. $/expression/ stands for one token that the regular expression
// matches as a whole.
type Pattern struct {
	items    []item
	names    []string
	operands bool // names stand for operands
}

type item struct {
	text []byte // literal token
	hole int    // 0 literal, 1 any one token, 2 run of tokens, 3+n the token or operand of name n
	re   *regexp.Regexp
}

// ParsePattern reads the text of a pattern.
func ParsePattern(s string) (*Pattern, error) { return parsePattern(s, false) }

// ParseOperands reads a pattern in which $NAME stands for an operand: a name, literal or
// bracketed expression with the members, indices and calls behind it.
func ParseOperands(s string) (*Pattern, error) { return parsePattern(s, true) }

// expressions takes $/…/ out of a pattern and puts names in that no source can have.
func expressions(s string) (string, []*regexp.Regexp, error) {
	var out strings.Builder
	var res []*regexp.Regexp
	for {
		i := strings.Index(s, "$/")
		if i < 0 {
			out.WriteString(s)
			return out.String(), res, nil
		}
		end := strings.IndexByte(s[i+2:], '/')
		if end < 0 {
			return "", nil, errors.New("a $/ without its second /")
		}
		text := s[i+2 : i+2+end]
		if _, err := regexp.Compile(text); err != nil {
			return "", nil, fmt.Errorf("the expression of $/…/: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		re, err := regexp.Compile("^(?:" + text + ")$")
		if err != nil {
			return "", nil, fmt.Errorf("the expression of $/…/: %w", err)
		}
		fmt.Fprintf(&out, "%s $\xff%d ", s[:i], len(res))
		res = append(res, re)
		s = s[i+3+end:]
	}
}

func parsePattern(s string, operands bool) (*Pattern, error) {
	if !utf8.ValidString(s) {
		return nil, errors.New("it is not UTF-8")
	}
	s, res, err := expressions(s)
	if err != nil {
		return nil, err
	}
	f := Scan([]byte(s))
	if len(f.Problems) > 0 {
		return nil, errors.New(f.Problems[0].Text)
	}
	p := &Pattern{operands: operands}
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
		case len(text) > 1 && text[1] == 0xFF:
			n, _ := strconv.Atoi(string(text[2:]))
			p.items = append(p.items, item{hole: 1, re: res[n]})
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
				p.names = append(p.names, string(text))
			}
			p.items = append(p.items, item{hole: 3 + n})
		}
	}
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
			if it.re != nil {
				parts[i] = "$/" + strings.TrimSuffix(strings.TrimPrefix(it.re.String(), "^(?:"), ")$") + "/"
			}
		case 2:
			parts[i] = "$..."
		default:
			parts[i] = fmt.Sprintf("$%d", it.hole-3)
		}
	}
	return strings.Join(parts, " ")
}

// Code returns the indices of the tokens that patterns are matched on: those that are
// part of the program. Their memory is that of the File.
func (f *File) Code() []int32 {
	out, n := ints(&f.memory.code, len(f.Tokens)), 0
	for i := range f.Tokens {
		if f.Tokens[i].significant() {
			out[n] = int32(i)
			n++
		}
	}
	return out[:n]
}

// Find returns the byte ranges of all matches that do not overlap, in order. code is the
// result of f.Code. complete is false if a search was given up as too long, so that
// there may be more.
func (p *Pattern) Find(f *File, code []int32) (out [][2]int, complete bool) {
	complete = true
	found, complete := p.Matches(f, code)
	for _, m := range found {
		out = append(out, [2]int{int(f.Tokens[code[m.First]].Offset), f.Tokens[code[m.Last]].End()})
	}
	return out, complete
}

// Match is one match of a pattern.
type Match struct {
	First, Last int // indices in the list of tokens that was searched
	// Bound are the tokens that the names of the pattern stand for, in the order of
	// [Pattern.Names].
	Bound [][]string
}

// Names are the names of the pattern with their $, in the order in which they occur.
func (p *Pattern) Names() []string { return p.names }

// Literals are the tokens of the pattern that are words: all of them are in every match.
func (p *Pattern) Literals() []string {
	var out []string
	for _, it := range p.items {
		if it.hole == 0 && class[it.text[0]] == cIdent {
			out = append(out, string(it.text))
		}
	}
	return out
}

// Matches is Find with what the names stand for.
func (p *Pattern) Matches(f *File, code []int32) (out []Match, complete bool) {
	complete = true
	m := match{p: p, f: f, code: code, bound: make([][2]int32, len(p.names))}
	least := len(p.items) - p.runs()
	next, total := p.starts(f, code), 0
	for i := next(0); i >= 0 && i+least <= len(code); i = next(i) {
		for n := range m.bound {
			m.bound[n] = [2]int32{-1, -1}
		}
		m.steps = 0
		end := m.at(i, 0)
		if total += m.steps; m.steps >= maxSteps || total >= maxTotal { // the rest would not make it certain
			return out, false
		}
		if end < 0 {
			i++
			continue
		}
		found := Match{First: i, Last: end - 1}
		for _, b := range m.bound {
			var text []string
			for k := b[0]; k < b[1]; k++ {
				text = append(text, string(f.Text(f.Tokens[code[k]])))
			}
			found.Bound = append(found.Bound, text)
		}
		out = append(out, found)
		i = end
	}
	return out, complete
}

// starts returns a function that gives the first place at or behind its argument where a
// match may begin, or -1. It looks for the longest token that has a fixed distance from
// the begin of the pattern in the bytes of the file, which is much faster than to compare
// all tokens.
func (p *Pattern) starts(f *File, code []int32) func(i int) int {
	anchor, best := -1, 0
	for k, it := range p.items {
		if it.hole == 2 || it.hole > 2 && p.operands {
			break
		}
		if it.hole == 0 && len(it.text) > best {
			anchor, best = k, len(it.text)
		}
	}
	if anchor < 0 {
		return func(i int) int {
			if i < len(code) {
				return i
			}
			return -1
		}
	}
	text := p.items[anchor].text
	if best < 3 {
		return func(i int) int {
			for i += anchor; i < len(code); i++ {
				if t := f.Tokens[code[i]]; int(t.Len) == len(text) && f.Src[t.Offset] == text[0] && string(f.Src[t.Offset:t.End()]) == string(text) {
					return i - anchor
				}
			}
			return -1
		}
	}
	return func(i int) int {
		for i += anchor; i < len(code); i++ {
			offset := int(f.Tokens[code[i]].Offset)
			limit := f.Tokens[code[len(code)-1]].End()
			at := bytes.Index(f.Src[offset:limit], text)
			if at < 0 {
				return -1
			}
			offset += at
			k, ok := slices.BinarySearchFunc(code[i:], offset, func(c int32, o int) int { return int(f.Tokens[c].Offset) - o })
			i += k
			if ok && int(f.Tokens[code[i]].Len) == len(text) {
				return i - anchor
			}
			if ok || i >= len(code) {
				continue
			}
			i-- // inside of a comment, a string or a longer word: go on behind it
		}
		return -1
	}
}

func (p *Pattern) runs() (n int) {
	for _, it := range p.items {
		if it.hole == 2 {
			n++
		}
	}
	return n
}

// maxSteps bounds the work for one start, maxTotal that for one file.
const (
	maxSteps = 20_000
	maxTotal = 20_000_000
)
