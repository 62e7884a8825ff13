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

// add takes those of one measurement.
func (w *warnings) add(texts []string) {
	before := len(w.kinds)
	var again []int
	for _, text := range texts {
		kind := kindOf(text)
		if i := slices.Index(w.kinds[:before], kind); i < 0 {
			w.texts, w.kinds, w.more = append(w.texts, text), append(w.kinds, kind), append(w.more, 0)
		} else if !slices.Contains(again, i) {
			again = append(again, i)
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
