package report

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// section is one part of a Markdown report. Parts are cut at rows or left out as a
// whole, so that a cut never falls inside a table row, a list item or a folded block.
type section struct {
	keep int      // importance; the smallest goes first, mustKeep never
	what string   // what the rows are, in the plural: "theorems"
	head string   // complete lines
	rows []string // complete lines each
	tail string   // complete lines
}

// mustKeep marks sections that are small by construction.
const mustKeep = 100

func (s *section) size() int {
	n := len(s.head) + len(s.tail)
	for _, r := range s.rows {
		n += len(r)
	}
	return n
}

func join(sections []section) string {
	n := 0
	for i := range sections {
		n += sections[i].size()
	}
	var b strings.Builder
	b.Grow(n)
	for _, s := range sections {
		b.WriteString(s.head)
		for _, r := range s.rows {
			b.WriteString(r)
		}
		b.WriteString(s.tail)
	}
	return b.String()
}

// fit cuts sections until they have at most limit bytes together, which is never less
// than GitHub's count of characters. The last line then says what was left out.
func fit(sections []section, limit int, where string) string {
	total := 0
	for i := range sections {
		total += sections[i].size()
	}
	if total <= limit {
		return join(sections)
	}
	const note = 600 // room for the last line
	order := make([]int, len(sections))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sections[a].keep, sections[b].keep) })
	var left []string
	for _, i := range order {
		s := &sections[i]
		over := total + note - limit
		if over <= 0 {
			break
		}
		if s.keep >= mustKeep || s.size() == 0 {
			continue
		}
		before := s.size()
		cut, n := 0, len(s.rows)
		for n > 0 && cut < over {
			n--
			cut += len(s.rows[n])
		}
		switch {
		case n > 0:
			left = append(left, number(len(s.rows)-n)+" of "+number(len(s.rows))+" "+s.what)
			s.rows = s.rows[:n]
		default:
			left = append(left, s.what)
			*s = section{}
		}
		total -= before - s.size()
	}
	out := join(sections)
	out += clip("\n_Left out for length: "+strings.Join(left, ", "), 400) + ". " + where + "_\n"
	if len(out) <= limit {
		return out
	}
	// Only absurdly small limits come here.
	out = sections[0].head
	if len(out) > limit {
		out, _, _ = strings.Cut(out, "\n")
	}
	if len(out) > limit {
		out = out[:max(0, limit)]
		for !utf8.ValidString(out) {
			out = out[:len(out)-1]
		}
	}
	return out
}
