package proofs

import (
	"regexp"
	"strings"
)

// axiomList is one answer of `#print axioms`.
type axiomList struct {
	name   string
	axioms []string // in the order printed; empty means none
}

var (
	dependsForm = regexp.MustCompile(`^(?:info: )?(?:.+?\.lean:\d+:\d+: )?(?:info: )?'([^']+(?:'[^' ]*)*)' depends on axioms: \[(.*)$`)
	freeForm    = regexp.MustCompile(`^(?:info: )?(?:.+?\.lean:\d+:\d+: )?(?:info: )?'([^']+(?:'[^' ]*)*)' does not depend on any axioms$`)
)

// parsePrintAxioms reads the output of `#print axioms` commands. Lean breaks a long list
// over lines, so an entry runs to its closing bracket; an entry that never closes is
// reported in broken, by name, and reading goes on with the next.
func parsePrintAxioms(out string) (lists []axiomList, broken []string) {
	var open *axiomList
	var text strings.Builder
	finish := func(s string) bool {
		i := closing(s)
		if i < 0 {
			return false
		}
		open.axioms = append(open.axioms, splitAxioms(s[:i])...)
		lists = append(lists, *open)
		open = nil
		return true
	}
	for line := range strings.SplitSeq(out, "\n") {
		line = strings.TrimRight(line, "\r")
		m, free := dependsForm.FindStringSubmatch(line), freeForm.FindStringSubmatch(line)
		if open != nil && (m != nil || free != nil) {
			broken = append(broken, open.name)
			open = nil
		}
		switch {
		case free != nil:
			lists = append(lists, axiomList{name: free[1]})
		case m != nil:
			open = &axiomList{name: m[1]}
			text.Reset()
			text.WriteString(m[2])
			finish(text.String())
		case open != nil:
			text.WriteString(" " + strings.TrimSpace(line))
			if text.Len() > 1<<20 {
				broken = append(broken, open.name)
				open = nil
				continue
			}
			finish(text.String())
		}
	}
	if open != nil {
		broken = append(broken, open.name)
	}
	return lists, broken
}

// closing is the index of the bracket that ends the list, outside of quoted names, or -1.
func closing(s string) int {
	quoted := false
	for i, r := range s {
		switch r {
		case '«':
			quoted = true
		case '»':
			quoted = false
		case ']':
			if !quoted {
				return i
			}
		}
	}
	return -1
}

func splitAxioms(s string) []string {
	var out []string
	quoted, start := false, 0
	add := func(end int) {
		if a := strings.TrimSpace(s[start:end]); a != "" {
			out = append(out, a)
		}
	}
	for i, r := range s {
		switch {
		case r == '«':
			quoted = true
		case r == '»':
			quoted = false
		case r == ',' && !quoted:
			add(i)
			start = i + 1
		}
	}
	add(len(s))
	return out
}
