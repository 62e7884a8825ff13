package checks

import (
	"bytes"
	"regexp/syntax"
	"slices"
	"strings"
)

// literals looks for many words in one pass over the bytes of a file. A hash of the last
// four bytes says whether one of the words may have them at its rarest place (the filter of
// Rabin and Karp for many patterns). Case does not count, which finds more than is there
// and never less.
type literals struct {
	index map[string]int // number of each word
	words [][]byte       // folded
	short []int          // numbers of the words that are looked for one by one
	bits  [1 << 16 / 64]uint64
	at    [1 << 16]int32 // 1 + index in anchors, by hash; 0 for none
	// anchors are lists: the words with the same hash one after the other.
	anchors []anchor
}

// anchor is a word with the place of its four bytes.
type anchor struct {
	word, end int32
	next      int32 // like the numbers of literals.at
}

// mix is the hash of four bytes when c is added as the last: what is older is shifted out.
// Letters count alike in both cases.
func mix(h uint16, c byte) uint16 { return h<<4 ^ uint16(c|0x20) }

const (
	// leastLiteral is the length of the shortest word that is looked for. A rule that needs
	// a shorter one is tried on every file.
	leastLiteral = 3
	// gram is the number of bytes that the filter looks at. Shorter words are looked for
	// one by one.
	gram = 4
)

// fold maps bytes to their small letters.
var fold = func() (t [256]byte) {
	for c := range t {
		t[c] = byte(c)
		if c >= 'A' && c <= 'Z' {
			t[c] += 'a' - 'A'
		}
	}
	return t
}()

// collectLiterals gathers the words that rules need.
func collectLiterals(rules []*compiled) *literals {
	l := &literals{index: map[string]int{}}
	for _, c := range rules {
		for _, need := range c.needed() {
			for _, w := range need {
				if _, ok := l.index[string(w)]; !ok {
					l.index[string(w)] = len(l.words)
					if len(w) >= gram {
						w = folded(w)
					}
					l.words = append(l.words, w)
				}
			}
		}
	}
	for _, c := range rules {
		c.number(l)
	}
	for n, w := range l.words {
		if len(w) < gram {
			l.short = append(l.short, n)
			continue
		}
		// The window with the rarest letters of English.
		best, end := -1, 0
		for i := gram; i <= len(w); i++ {
			sum := 0
			for _, c := range w[i-gram : i] {
				k := strings.IndexByte("_etaoinsrhldcumfpgwybvkxjqz", c)
				if k < 0 {
					k = 12
				}
				sum += k
			}
			if sum > best {
				best, end = sum, i
			}
		}
		var h uint16
		for _, c := range w[end-gram : end] {
			h = mix(h, c)
		}
		l.bits[h>>6] |= 1 << (h & 63)
		l.anchors = append(l.anchors, anchor{int32(n), int32(end), l.at[h]})
		l.at[h] = int32(len(l.anchors))
	}
	return l
}

// glance tells by the numbers of words whether a pattern may match in a file: one of any
// and all of all must be there. Empty lists say nothing.
type glance struct{ any, all []int32 }

func (g glance) may(src *source) bool {
	if len(g.any) > 0 && !slices.ContainsFunc(g.any, func(n int32) bool { return src.present[n] }) {
		return false
	}
	for _, n := range g.all {
		if !src.present[n] {
			return false
		}
	}
	return true
}

// number turns the words of the rule into numbers.
func (c *compiled) number(l *literals) {
	numbers := func(words [][]byte) []int32 {
		var out []int32
		for _, w := range words {
			out = append(out, int32(l.index[string(w)]))
		}
		return out
	}
	one := func(any, all [][]byte) glance { return glance{numbers(any), numbers(all)} }
	c.numbers, c.glances, c.glanceIn = l, nil, one(nil, c.in.needs)
	for _, m := range c.patterns {
		c.glances = append(c.glances, one(m.raw, m.words))
	}
	if c.structural() {
		for _, e := range c.subject() {
			c.glances = append(c.glances, one(e.needs, e.words))
		}
	}
}

// glimpse reports whether a pattern of the rule, or what it is about, may be in the file.
func (c *compiled) glimpse(src *source) bool {
	if src.words == nil || c.numbers != src.words {
		return true
	}
	return len(c.glances) == 0 || slices.ContainsFunc(c.glances, func(g glance) bool { return g.may(src) })
}

func folded(w []byte) []byte {
	out := make([]byte, len(w))
	for i, c := range w {
		out[i] = fold[c]
	}
	return out
}

// find notes in present, which is clear, which of the words are in a text.
func (l *literals) find(text []byte, present []bool) {
	for _, n := range l.short {
		present[n] = bytes.Contains(text, l.words[n])
	}
	var h uint16
	for i, c := range text {
		h = mix(h, c)
		if l.bits[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for k := l.at[h]; k > 0; k = l.anchors[k-1].next {
			a := &l.anchors[k-1]
			if from := i + 1 - int(a.end); !present[a.word] && from >= 0 && hasFolded(text[from:], l.words[a.word]) {
				present[a.word] = true
			}
		}
	}
}

func hasFolded(text, word []byte) bool {
	if len(text) < len(word) {
		return false
	}
	for i, c := range word {
		if fold[text[i]] != c {
			return false
		}
	}
	return true
}

// needed are the words that the rule depends on, each list with alternatives.
func (c *compiled) needed() [][][]byte {
	out := append([][][]byte{c.in.needs}, c.groups...)
	for _, m := range c.patterns {
		out = append(out, m.raw, m.words)
	}
	for _, es := range [][]event{c.forbid, c.require, c.when, c.inside, c.sequence, c.reset, c.unless, c.first, c.then, c.live.acquire, c.live.release} {
		for _, e := range es {
			out = append(out, e.needs, e.words)
		}
	}
	return out
}

// rawNeeds returns words of which one is in the bytes of every file with a match of the
// expression, in any case of letters. What a view leaves out is blank in it, so the words
// have no blanks.
func rawNeeds(re *syntax.Regexp) [][]byte { return oneOf(re, longestWord) }

// longestWord is the longest part of a literal that has to be in a file as it is.
func longestWord(re *syntax.Regexp) []byte {
	best := ""
	word := []rune{}
	flush := func() {
		if len(string(word)) > len(best) {
			best = string(word)
		}
		word = word[:0]
	}
	for _, r := range re.Rune {
		// U+FFFD also matches a byte that is not UTF-8; k and s have further forms
		// outside of ASCII.
		if r <= ' ' || r == 0xFFFD || re.Flags&syntax.FoldCase != 0 && (r > 0x7e || r|0x20 == 'k' || r|0x20 == 's') {
			flush()
			continue
		}
		word = append(word, r)
	}
	flush()
	if len(best) < gram {
		return nil
	}
	return []byte(best)
}

// mayContain reports whether one of the words is in the bytes of the file. nil means that
// nothing is known.
func (s *source) mayContain(words [][]byte) bool {
	if words == nil {
		return true
	}
	for _, w := range words {
		if s.words == nil {
			if bytes.Contains(bytes.ToLower(s.raw), bytes.ToLower(w)) {
				return true
			}
			continue
		}
		if n, ok := s.words.index[string(w)]; ok && s.present[n] || !ok && bytes.Contains(s.raw, w) {
			return true
		}
	}
	return false
}
