package metal

import (
	"fmt"
	"slices"
	"strings"
)

// warnings are what weakens a run. What several measurements of it say alike, a second look
// or a re-run, is told once, with how often it was.
type warnings struct {
	texts []string
	kinds []string
	more  []int // further measurements that said so
}

// add takes those of something that is measured for the first time: two sources that begin
// alike are no repetition.
func (w *warnings) add(texts []string) {
	for _, text := range texts {
		w.texts, w.kinds, w.more = append(w.texts, text), append(w.kinds, kindOf(text)), append(w.more, 0)
	}
}

// again takes those of something that was measured before.
func (w *warnings) again(texts []string) {
	before := len(w.kinds)
	var seen []int
	for _, text := range texts {
		kind := kindOf(text)
		if i := slices.Index(w.kinds[:before], kind); i < 0 {
			w.add([]string{text})
		} else if !slices.Contains(seen, i) {
			seen = append(seen, i)
			w.more[i]++
		}
	}
}

func (w *warnings) list() (out []string) {
	for i, text := range w.texts {
		switch n := w.more[i]; n {
		case 0:
		case 1:
			text += "; likewise when it was measured once more"
		default:
			text += fmt.Sprintf("; likewise in %d further measurements", n)
		}
		out = append(out, text)
	}
	return out
}

// kindOf is a warning without its details: up to the first colon, and without numbers.
func kindOf(text string) string {
	kind, _, _ := strings.Cut(text, ": ")
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' || r == '+' || r == '-' {
			return -1
		}
		return r
	}, kind)
}
