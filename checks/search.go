package checks

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/checks/scan"
	"github.com/holdfast-ci/holdfast/runner"
)

// maxMatches bounds what one pattern may find in one file; a rule that wants more is not
// about structure.
const maxMatches = 100_000

// search counts the matches of all patterns between two offsets.
func (c *compiled) search(src *source, from, to int) (unit, error) {
	u := unit{counts: make([]int, len(c.patterns))}
	var offsets [][2]int
	for i, p := range c.patterns {
		found, err := p.find(src, c.view, from, to)
		if err != nil {
			return u, err
		}
		if len(found) >= maxMatches {
			return u, fmt.Errorf("%d or more matches of %s: too many to mean anything", maxMatches, short(p.text))
		}
		u.counts[i] = len(found)
		offsets = append(offsets, found...)
	}
	if len(offsets) == 0 {
		return u, nil
	}
	// Of several matches that begin together the longest stands for all.
	slices.SortFunc(offsets, func(a, b [2]int) int { return cmp.Or(a[0]-b[0], b[1]-a[1]) })
	offsets = slices.CompactFunc(offsets, func(a, b [2]int) bool { return a[0] == b[0] })
	if u.cut = max(0, len(offsets)-maxHits); u.cut > 0 {
		offsets = offsets[:maxHits]
	}
	for _, o := range offsets {
		line, col := src.lines().Position(o[0])
		e := runner.Evidence{File: src.name, Line: line, Column: col, Text: lineText(src.lines(), line)}
		e.EndLine, e.EndColumn = src.lines().Position(o[1])
		u.hits = append(u.hits, e)
	}
	return u, nil
}

// find returns the offsets at which matches begin and end.
func (m matcher) find(src *source, view scan.View, from, to int) ([][2]int, error) {
	if !src.mayContain(m.raw) && (!src.c || view == scan.Raw || !src.doubtful()) && src.shows(m, view) {
		return nil, nil
	}
	if m.tokens != nil {
		if src.lacksAny(m.words) && !src.doubtful() {
			return nil, nil
		}
		code, err := src.tokens()
		if err != nil {
			return nil, err
		}
		lo, _ := slices.BinarySearchFunc(code, from, func(i int32, o int) int { return int(src.file().Tokens[i].Offset) - o })
		hi, _ := slices.BinarySearchFunc(code, to, func(i int32, o int) int { return int(src.file().Tokens[i].Offset) - o })
		found, complete := m.tokens.Find(src.file(), code[lo:hi])
		if !complete {
			return nil, fmt.Errorf("the search for %s was given up as too long", short(m.text))
		}
		return found, nil
	}
	text, err := src.view(view)
	if err != nil {
		return nil, err
	}
	var out [][2]int
	text = text[from:to]
	if m.needs != nil && !slices.ContainsFunc(m.needs, func(lit []byte) bool { return bytes.Contains(text, lit) }) {
		return nil, nil
	}
	if m.bare != nil {
		for at := 0; len(out) < maxMatches; {
			f := m.bare.FindIndex(text[at:])
			if f == nil {
				break
			}
			start := at + f[0]
			if start > 0 && wordByte(text[start-1]) == wordByte(text[start]) || start == 0 && !wordByte(text[0]) {
				at = start + 1
				continue
			}
			out = append(out, [2]int{from + start, from + at + f[1]})
			at += f[1]
		}
		return out, nil
	}
	for _, f := range m.re.FindAllIndex(text, maxMatches) {
		out = append(out, [2]int{from + f[0], from + f[1]})
	}
	return out, nil
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// withoutBoundary returns the expression without a leading \b that stands before a
// literal, or nil for any other expression.
func withoutBoundary(re *syntax.Regexp) *regexp.Regexp {
	if re.Op != syntax.OpConcat || len(re.Sub) < 2 || re.Sub[0].Op != syntax.OpWordBoundary ||
		re.Sub[1].Op != syntax.OpLiteral || re.Sub[1].Flags&syntax.FoldCase != 0 || slices.Contains(re.Sub[1].Rune, utf8.RuneError) {
		return nil
	}
	rest := &syntax.Regexp{Op: syntax.OpConcat, Sub: re.Sub[1:]}
	bare, err := regexp.Compile(rest.String())
	if err != nil {
		return nil
	}
	return bare
}

// needed returns literals of which one must occur in every text that the expression
// matches, or nil if there are none. Looking for them first is a hundred times faster
// than matching.
func needed(re *syntax.Regexp) [][]byte { return oneOf(re, wholeLiteral) }

// wholeLiteral is the text of a literal, if no other bytes match it.
func wholeLiteral(re *syntax.Regexp) []byte {
	// U+FFFD also matches a byte that is not UTF-8.
	if re.Flags&syntax.FoldCase == 0 && !slices.Contains(re.Rune, utf8.RuneError) {
		return []byte(string(re.Rune))
	}
	return nil
}

// oneOf returns texts of which one must occur wherever the expression matches; word says
// what a literal needs, nil for nothing.
func oneOf(re *syntax.Regexp, word func(literal *syntax.Regexp) []byte) [][]byte {
	switch re.Op {
	case syntax.OpLiteral:
		if w := word(re); w != nil {
			return [][]byte{w}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return oneOf(re.Sub[0], word)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return oneOf(re.Sub[0], word)
		}
	case syntax.OpConcat:
		var best [][]byte
		for _, s := range re.Sub {
			if n := oneOf(s, word); shortest(n) > shortest(best) {
				best = n
			}
		}
		return best
	case syntax.OpAlternate:
		var all [][]byte
		for _, s := range re.Sub {
			n := oneOf(s, word)
			if n == nil || len(all)+len(n) > 8 {
				return nil
			}
			all = append(all, n...)
		}
		return all
	}
	return nil
}

func shortest(lits [][]byte) int {
	if len(lits) == 0 {
		return 0
	}
	n := len(lits[0])
	for _, l := range lits {
		n = min(n, len(l))
	}
	return n
}
