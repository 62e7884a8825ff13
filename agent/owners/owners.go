// Package owners reads a CODEOWNERS file: who looks after which files of a repository.
//
// In: the bytes of the file, as GitHub documents it. Out: for a path, the owners that the
// last matching line names, without their "@", so that a report can never call them by
// accident. Lines that are not understood are left out, as GitHub does. Finding the file
// ([Places]) and saying who it was are left to others.
package owners

import (
	"regexp"
	"slices"
	"strings"
)

// Places are where a CODEOWNERS file may be; the first that exists counts.
var Places = []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"}

// MaxSize is the largest file that GitHub reads, in bytes.
const MaxSize = 3 << 20

// File is a parsed CODEOWNERS file. The zero value owns nothing.
type File struct {
	lines []line
}

type line struct {
	re     *regexp.Regexp
	owners []string
}

// owner is a user, a team or a mail address.
var owner = regexp.MustCompile(`\A(?:@[A-Za-z0-9][A-Za-z0-9-]{0,99}(?:/[A-Za-z0-9._-]{1,100})?|[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255})\z`)

// Parse reads a file. One that is larger than MaxSize owns nothing.
func Parse(text []byte) File {
	var f File
	if len(text) > MaxSize {
		return f
	}
	for l := range strings.Lines(string(text)) {
		words := fields(l)
		if len(words) == 0 {
			continue
		}
		re := pattern(words[0])
		if re == nil {
			continue
		}
		var who []string
		bad := false
		for _, w := range words[1:] {
			if strings.HasPrefix(w, "#") {
				break
			}
			if !owner.MatchString(w) {
				bad = true
				break
			}
			who = append(who, strings.TrimPrefix(w, "@"))
		}
		if !bad {
			f.lines = append(f.lines, line{re, who})
		}
	}
	return f
}

// fields splits a line; a backslash before a blank keeps it in a word. A comment is no
// line.
func fields(l string) []string {
	l = strings.TrimSpace(l)
	if l == "" || l[0] == '#' {
		return nil
	}
	var words []string
	var w strings.Builder
	for i := 0; i < len(l); i++ {
		switch {
		case l[i] == '\\' && i+1 < len(l) && l[i+1] == ' ':
			w.WriteByte(' ')
			i++
		case l[i] == ' ' || l[i] == '\t':
			if w.Len() > 0 {
				words = append(words, w.String())
				w.Reset()
			}
		default:
			w.WriteByte(l[i])
		}
	}
	if w.Len() > 0 {
		words = append(words, w.String())
	}
	return words
}

// pattern turns a pattern into an expression over slash-separated paths; nil if CODEOWNERS
// does not have its kind (negation, character ranges).
func pattern(p string) *regexp.Regexp {
	if p == "" || p[0] == '!' || strings.ContainsAny(p, "[]") || len(p) > 1000 {
		return nil
	}
	anchored := strings.Contains(strings.TrimSuffix(p, "/"), "/")
	folder := strings.HasSuffix(p, "/")
	p = strings.Trim(p, "/")
	if p == "" {
		return nil
	}
	var b strings.Builder
	b.WriteString(`\A`)
	if !anchored {
		b.WriteString(`(?:.*/)?`)
	}
	parts := strings.Split(p, "/")
	for i, part := range parts {
		last := i == len(parts)-1
		if part == "**" {
			if last {
				b.WriteString(`.*`)
			} else {
				b.WriteString(`(?:.*/)?`)
			}
			continue
		}
		for _, r := range part {
			switch r {
			case '*':
				b.WriteString(`[^/]*`)
			case '?':
				b.WriteString(`[^/]`)
			default:
				b.WriteString(regexp.QuoteMeta(string(r)))
			}
		}
		if !last {
			b.WriteByte('/')
		}
	}
	switch {
	case folder:
		b.WriteString(`/.*`)
	case len(parts) > 1 && parts[len(parts)-1] == "*": // docs/* does not reach into folders
	default:
		b.WriteString(`(?:/.*)?`)
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil
	}
	return re
}

// Of returns the owners of a path, relative to the repository and with slashes: those of
// the last line that matches. None if that line names nobody, or no line matches.
func (f File) Of(path string) []string {
	for _, l := range slices.Backward(f.lines) {
		if l.re.MatchString(path) {
			return slices.Clone(l.owners)
		}
	}
	return nil
}
