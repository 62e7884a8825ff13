package report

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxStatement bounds each side of a diff, in code points, and diffWidth its lines.
const (
	maxStatement = 2000
	diffWidth    = 100
)

// edit is a stretch of words that both sides have (' '), or one of them ('-', '+').
type edit struct {
	kind  byte
	words []string // each with the blank before it, if it had one
}

// words cuts one line of text into names and single marks. A blank belongs to the word
// after it.
func words(s string) []string {
	var out []string
	for len(s) > 0 {
		n := len(s) - len(strings.TrimLeft(s, " "))
		if n == len(s) {
			break
		}
		end := n
		for end < len(s) {
			r, w := utf8.DecodeRuneInString(s[end:])
			part := unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune("_.'!?✝₀₁₂₃₄₅₆₇₈₉", r)
			if part || end == n {
				end += w
			}
			if !part {
				break
			}
		}
		word := s[n:end]
		if n > 0 {
			word = " " + word
		}
		out, s = append(out, word), s[end:]
	}
	return out
}

// diffWords compares two texts word by word: the longest common subsequence stays, what
// stands between two changes and is shorter than three words goes with them. The texts
// are cleaned and bounded first, so this takes at most some milliseconds.
func diffWords(old, now string) []edit {
	a, b := words(clip(visible(old), maxStatement)), words(clip(visible(now), maxStatement))
	head := 0
	for head < min(len(a), len(b)) && sameWord(a[head], b[head]) {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && sameWord(a[len(a)-1-tail], b[len(b)-1-tail]) {
		tail++
	}
	var out []edit
	add := func(kind byte, w ...string) {
		if len(w) == 0 {
			return
		}
		if n := len(out); n > 0 && out[n-1].kind == kind {
			out[n-1].words = append(out[n-1].words, w...)
			return
		}
		out = append(out, edit{kind, slices.Clone(w)})
	}
	add(' ', b[:head]...)
	middle(a[head:len(a)-tail], b[head:len(b)-tail], add)
	add(' ', b[len(b)-tail:]...)
	return settle(out)
}

func sameWord(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }

// middle is the longest common subsequence by dynamic programming (Wagner and Fischer,
// The String-to-String Correction Problem, 1974), over numbers that stand for words.
func middle(a, b []string, add func(byte, ...string)) {
	ids := map[string]int{}
	number := func(list []string) []int {
		out := make([]int, len(list))
		for i, w := range list {
			w = strings.TrimSpace(w)
			if _, ok := ids[w]; !ok {
				ids[w] = len(ids)
			}
			out[i] = ids[w]
		}
		return out
	}
	x, y := number(a), number(b)
	// table[i][j] is its length for a[i:] and b[j:].
	table := make([][]uint16, len(x)+1)
	for i := range table {
		table[i] = make([]uint16, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		row, below := table[i], table[i+1]
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				row[j] = below[j+1] + 1
			} else {
				row[j] = max(below[j], row[j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(x) && j < len(y) {
		switch {
		case x[i] == y[j]:
			add(' ', b[j])
			i, j = i+1, j+1
		case table[i+1][j] >= table[i][j+1]:
			add('-', a[i])
			i++
		default:
			add('+', b[j])
			j++
		}
	}
	add('-', a[i:]...)
	add('+', b[j:]...)
}

// settle puts removals before additions and takes short common stretches between changes
// into them: a reader follows three changes, not thirty.
func settle(in []edit) []edit {
	const short = 3
	var out []edit
	for i := 0; i < len(in); {
		if in[i].kind == ' ' {
			out = append(out, in[i])
			i++
			continue
		}
		var gone, come []string
		for ; i < len(in); i++ {
			e := in[i]
			if e.kind == ' ' && (len(e.words) >= short || i == len(in)-1) {
				break
			}
			if e.kind != '+' {
				gone = append(gone, e.words...)
			}
			if e.kind != '-' {
				come = append(come, e.words...)
			}
		}
		if len(gone) > 0 {
			out = append(out, edit{'-', gone})
		}
		if len(come) > 0 {
			out = append(out, edit{'+', come})
		}
	}
	return out
}

// diffLines writes a comparison of two statements as lines that start with "- ", "+ " or
// two blanks, none longer than diffWidth unless a word is. One of the two may be empty.
func diffLines(old, now string) []string {
	var out []string
	for _, e := range diffWords(old, now) {
		line, width := "", 0
		flush := func() {
			if line != "" {
				out = append(out, string(e.kind)+" "+line)
			}
			line, width = "", 0
		}
		for _, w := range e.words {
			n := utf8.RuneCountInString(w)
			if width > 0 && width+n > diffWidth {
				flush()
			}
			if width == 0 {
				w = strings.TrimPrefix(w, " ")
			}
			line += w
			width += n
		}
		flush()
	}
	return out
}

// diffBlock is a comparison as a fenced block, for the top level of a report. Its fence is
// longer than any run of backticks inside, so that nothing in it can end it.
func diffBlock(old, now string) string {
	lines := diffLines(old, now)
	if len(lines) == 0 {
		return ""
	}
	longest, run := 2, 0
	for _, l := range lines {
		run = 0
		for i := range len(l) {
			if l[i] != '`' {
				run = 0
				continue
			}
			run++
			longest = max(longest, run)
		}
	}
	fence := strings.Repeat("`", longest+1)
	return fence + "diff\n" + strings.Join(lines, "\n") + "\n" + fence + "\n"
}
