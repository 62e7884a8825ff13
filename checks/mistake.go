package checks

import (
	"errors"
	"fmt"
	"strings"
)

// Mistake is one thing wrong with a rule set.
type Mistake struct {
	File   string // "" if the rule is not from a file
	Line   int    // 1-based; 0 if not known
	Col    int    // 1-based, in bytes; 0 if not known
	Rule   string // id, if there is one
	Key    string // field that is wrong
	Text   string
	Advice string
}

func (m *Mistake) Error() string {
	var b strings.Builder
	if m.File != "" {
		b.WriteString(m.File + ":")
		if m.Line > 0 {
			fmt.Fprintf(&b, "%d:", m.Line)
			if m.Col > 0 {
				fmt.Fprintf(&b, "%d:", m.Col)
			}
		}
		b.WriteByte(' ')
	}
	if m.Rule != "" {
		fmt.Fprintf(&b, "rule %s: ", m.Rule)
	}
	return b.String() + m.Text
}

// Hint is what to do about it, "" if that is plain.
func (m *Mistake) Hint() string { return m.Advice }

// suggest offers the nearest of the allowed words.
func suggest(word string, allowed []string) string {
	best, dist := "", 3
	for _, a := range allowed {
		if d := distance(strings.ToLower(word), a); d < dist {
			best, dist = a, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "known: " + strings.Join(allowed, ", ")
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diag, row[j] = row[j], min(row[j]+1, row[j-1]+1, diag+cost)
		}
	}
	return row[len(b)]
}

func joinMistakes(bad []*Mistake) error {
	errs := make([]error, len(bad))
	for i, m := range bad {
		errs[i] = m
	}
	return errors.Join(errs...)
}

// mistakes takes apart what Load returned.
func mistakes(err error) []*Mistake {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*Mistake
		for _, e := range j.Unwrap() {
			out = append(out, mistakes(e)...)
		}
		return out
	}
	var m *Mistake
	if errors.As(err, &m) {
		return []*Mistake{m}
	}
	return []*Mistake{{Text: err.Error()}}
}
