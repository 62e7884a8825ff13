package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Problem is one thing wrong in a configuration file.
type Problem struct {
	File   string
	Line   int    // 1-based
	Column int    // 1-based, in characters
	Msg    string // what is wrong, with the offending text
	Source string // the line, secrets masked
	Width  int    // characters to underline, at least 1
	Hint   string // what to do about it; may be empty
}

// Error is the problem on several lines: position and message, the source line, a line
// of carets under the offending text, the hint.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s", p.File, p.Line, p.Column, p.Msg)
	gutter := fmt.Sprintf("%5d | ", p.Line)
	fmt.Fprintf(&b, "\n%s%s\n", gutter, strings.ReplaceAll(p.Source, "\t", " "))
	b.WriteString(strings.Repeat(" ", len(gutter)-2) + "| " + strings.Repeat(" ", max(0, min(p.Column-1, utf8.RuneCountInString(p.Source)))))
	b.WriteString(strings.Repeat("^", max(1, p.Width)))
	if p.Hint != "" {
		b.WriteString("\n      hint: " + p.Hint)
	}
	return b.String()
}

// Errors is everything wrong in one file, in the order of the lines. It is never empty.
type Errors struct {
	List []*Problem
}

// Error lists all problems.
func (e *Errors) Error() string {
	lines := make([]string, len(e.List))
	for i, p := range e.List {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single problems to errors.As.
func (e *Errors) Unwrap() []error {
	list := make([]error, len(e.List))
	for i, p := range e.List {
		list[i] = p
	}
	return list
}

// Shapes of secrets that people paste, so that no message repeats one.
var (
	tokenShape = regexp.MustCompile(`(?:gh[opsur]_|github_pat_|glpat-|xox[abprs]-|sk-|AKIA|eyJ)[A-Za-z0-9_.\-]{8,}`)
	userShape  = regexp.MustCompile(`(://[^/\s:@"']*:)[^/\s"']*@`)
	queryShape = regexp.MustCompile(`(?i)((?:password|passwd|secret|token|api_?key)=)[^&\s"']+`)
	// A whole value whose key says that it is secret, whatever it looks like.
	assignShape = regexp.MustCompile(`(?i)([a-z_\-]*(?:token|tokn|secret|password|passwd|credential|api_?key|private_?key)[a-z_\-]*["']?\s*=\s*)("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s#"']+)`)
	reference   = regexp.MustCompile(`^["']?(?:env|file|keychain):`)
)

const mask = "[redacted]"

// redact masks what looks like a secret.
func redact(s string) string {
	s = assignShape.ReplaceAllStringFunc(s, func(m string) string {
		g := assignShape.FindStringSubmatch(m)
		if reference.MatchString(g[2]) || len(g[2]) <= 2 {
			return m
		}
		if g[2][0] == '"' || g[2][0] == '\'' {
			return g[1] + g[2][:1] + mask + g[2][:1]
		}
		return g[1] + mask
	})
	return redactShapes(s)
}

// redactShapes masks what looks like a secret by itself, whatever it is assigned to.
func redactShapes(s string) string {
	s = tokenShape.ReplaceAllString(s, mask)
	s = userShape.ReplaceAllString(s, "${1}"+mask+"@")
	return queryShape.ReplaceAllString(s, "${1}"+mask)
}

// quote shows a value in a message: short, on one line, without secrets.
func quote(s string) string {
	s = redact(s)
	if utf8.RuneCountInString(s) > 80 {
		s = string([]rune(s)[:77]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// nearest returns the candidate most like word, or "" if none is near.
func nearest(word string, candidates []string) string {
	best, dist := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), c); d < dist && d < len(c) {
			best, dist = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes (Wagner and Fischer 1974, two rows).
func distance(a, b string) int {
	if len(a) > 64 {
		a = a[:64]
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
