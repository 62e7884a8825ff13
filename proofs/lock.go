package proofs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/runner"
)

// DefaultLock is the file of promises in the root of a checkout.
const DefaultLock = "proofs.lock"

// A lock is a file of promises: theorems that a repository vouches for, written to be
// reviewed.
//
//	holdfast-proofs 1 SCHEME
//	# a comment
//	STATEMENT MEANING AXIOMS NAME
//	<tab>the statement as it was printed, for the reader
//
// SCHEME, STATEMENT and MEANING are those of the inventory; MEANING is "-" where the
// scheme has none. AXIOMS is what the proof may rest on, sorted, with commas, or "-".
// Promises are sorted by name when written, in any order when read. Printed statements
// decide nothing.
type lock struct {
	file    string
	scheme  string
	list    []promise
	byName  map[string]int
	trailer []string // comments after the last promise
}

// promise is one theorem of a lock.
type promise struct {
	line      int // 1-based; 0 for a new one
	hash      string
	meaning   string // "" for none
	axioms    []string
	name      string
	statement string
	comments  []string // lines above it
}

const (
	lockMagic    = "holdfast-proofs"
	lockVersion  = "1"
	maxLock      = 64 << 20 // bytes
	maxLockLine  = 64 << 10 // bytes
	maxPromises  = 200_000
	maxLockFault = 20 // reported
)

func (l *lock) promises(name string) bool {
	_, ok := l.byName[name]
	return ok
}

// agrees reports whether the statement and the meaning of t are as promised.
func (l *lock) agrees(t *runner.Theorem) bool {
	i, ok := l.byName[t.Name]
	return ok && t.Hash != "" && l.list[i].hash == t.Hash && l.list[i].meaning == t.Meaning
}

// names lists what is promised, sorted.
func (l *lock) names() []string {
	out := make([]string, 0, len(l.list))
	for i := range l.list {
		out = append(out, l.list[i].name)
	}
	slices.Sort(out)
	return out
}

// parseLock reads a file of promises. Every bad line is a [SyntaxError] of the joined
// error, the first ones at least; the lock holds the good ones then, and must not be
// relied on.
func parseLock(file string, b []byte) (*lock, error) {
	l := &lock{file: file, byName: map[string]int{}}
	var errs []error
	fault := func(line, column int, format string, args ...any) {
		if len(errs) < maxLockFault {
			errs = append(errs, &SyntaxError{File: file, Line: line, Column: column, Msg: fmt.Sprintf(format, args...)})
		}
	}
	if len(b) > maxLock {
		fault(1, 1, "larger than %d MiB", maxLock>>20)
		return l, errors.Join(errs...)
	}
	var comments []string
	last := -1 // promise that statement lines belong to
	n := 0
	for raw := range bytes.Lines(b) {
		n++
		line := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
		switch {
		case len(line) > maxLockLine:
			fault(n, 1, "line of more than %d bytes", maxLockLine)
			last = -1
		case n == 1:
			f := strings.Split(line, " ")
			switch {
			case len(f) != 3 || f[0] != lockMagic:
				fault(1, 1, "not a list of promised theorems: the first line is not %q", lockMagic+" "+lockVersion+" SCHEME")
				return l, errors.Join(errs...)
			case f[1] != lockVersion:
				fault(1, len(lockMagic)+2, "format %q is not known here, want %s", cut(f[1], 20), lockVersion)
				return l, errors.Join(errs...)
			case !schemeText(f[2]):
				fault(1, len(lockMagic)+len(lockVersion)+3, "%q is no scheme of hashes", cut(f[2], 40))
				return l, errors.Join(errs...)
			}
			l.scheme = f[2]
		case strings.ContainsFunc(strings.ReplaceAll(line, "\t", ""), hidden) || !utf8.ValidString(line):
			fault(n, 1, "a character that cannot be seen, or is none")
			last = -1
		case line == "":
			last = -1
		case line[0] == '#':
			comments = append(comments, line)
			last = -1
		case line[0] == '\t':
			if last < 0 {
				fault(n, 1, "a printed statement that belongs to no theorem")
				continue
			}
			if p := &l.list[last]; len(p.statement)+len(line) <= maxLockLine {
				if p.statement != "" {
					p.statement += "\n"
				}
				p.statement += strings.TrimRight(line[1:], " \t")
			}
		case len(l.list) >= maxPromises:
			fault(n, 1, "more than %d promises", maxPromises)
			return l, errors.Join(errs...)
		default:
			p, column, why := parsePromise(line)
			if why != "" {
				fault(n, column, "%s", why)
				last = -1
				continue
			}
			if i, ok := l.byName[p.name]; ok {
				fault(n, strings.LastIndex(line, p.name)+1, "%s is promised twice, first in line %d", p.name, l.list[i].line)
				last = -1
				continue
			}
			p.line, p.comments, comments = n, comments, nil
			last = len(l.list)
			l.byName[p.name] = last
			l.list = append(l.list, p)
		}
	}
	if n == 0 {
		fault(1, 1, "empty; the first line is %q", lockMagic+" "+lockVersion+" SCHEME")
	}
	l.trailer = comments
	return l, errors.Join(errs...)
}

// parsePromise reads the line of one promise; why is what is wrong with it, at a 1-based
// column.
func parsePromise(line string) (p promise, column int, why string) {
	hash, rest, _ := strings.Cut(line, " ")
	if !hashText(hash) {
		return p, 1, fmt.Sprintf("%q is no hash of a statement; a line is STATEMENT MEANING AXIOMS NAME", cut(hash, 40))
	}
	column = len(hash) + 2
	meaning, rest, _ := strings.Cut(rest, " ")
	if meaning != "-" && !hashText(meaning) {
		return p, column, fmt.Sprintf("%q is neither a hash of a meaning nor -", cut(meaning, 40))
	}
	column += len(meaning) + 1
	i := outside(rest, ' ')
	if i < 0 {
		return p, column, "no name of a theorem"
	}
	axioms, name := rest[:i], rest[i+1:]
	p.hash, p.name = hash, name
	if meaning != "-" {
		p.meaning = meaning
	}
	if axioms != "-" {
		for axioms != "" {
			a := axioms
			if i := outside(axioms, ','); i >= 0 {
				a, axioms = axioms[:i], axioms[i+1:]
				if axioms == "" {
					return p, column, "an axiom without a name"
				}
			} else {
				axioms = ""
			}
			if !nameText(a) || a == "-" {
				return p, column, fmt.Sprintf("%q is no name of an axiom", cut(a, 80))
			}
			p.axioms = append(p.axioms, a)
		}
		if len(p.axioms) == 0 {
			return p, column, "no axioms; none is written -"
		}
		if !slices.IsSortedFunc(p.axioms, func(a, b string) int {
			return cmp.Or(strings.Compare(a, b), -1) // and none twice
		}) {
			return p, column, "the axioms are not sorted, or one is there twice"
		}
	}
	if !nameText(name) {
		return p, column + i + 1, fmt.Sprintf("%q is no name of a theorem", cut(name, 80))
	}
	return p, 0, ""
}

// outside is the index of the first c that is not between « and », or -1.
func outside(s string, c byte) int {
	quoted := false
	for i, r := range s {
		switch {
		case r == '«':
			quoted = true
		case r == '»':
			quoted = false
		case r == rune(c) && !quoted:
			return i
		}
	}
	return -1
}

// hashText reports whether s is a hash: 8 to 128 hex digits.
func hashText(s string) bool {
	return len(s) >= 8 && len(s) <= 128 && strings.Trim(s, "0123456789abcdef") == ""
}

// schemeText reports whether s can stand for a scheme of hashes.
func schemeText(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// nameText reports whether a name can be written and read again: spaces and commas only
// between « and », nothing that ends or hides a line.
func nameText(s string) bool {
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) {
		return false
	}
	quoted := false
	for _, r := range s {
		switch {
		case r == '«' && quoted, r == '»' && !quoted, (r == ' ' || r == ',') && !quoted:
			return false
		case r == '«' || r == '»':
			quoted = !quoted
		}
	}
	return !quoted
}

// hidden reports whether a rune ends a line or changes how others are seen: what a
// reviewer reads must be what is there.
func hidden(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff' ||
		r >= '\u200b' && r <= '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// visible replaces what is hidden.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && hidden(r) {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// format writes the lock. What parseLock reads from it is the same lock, sorted.
func (l *lock) format() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\n", lockMagic, lockVersion, l.scheme)
	list := slices.Clone(l.list)
	slices.SortFunc(list, func(x, y promise) int { return strings.Compare(x.name, y.name) })
	for _, p := range list {
		for _, c := range p.comments {
			b.WriteString(visible(c) + "\n")
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", p.hash, dash(p.meaning), dash(strings.Join(p.axioms, ",")), p.name)
		if p.statement == "" {
			continue
		}
		for line := range strings.SplitSeq(p.statement, "\n") {
			b.WriteString("\t" + strings.TrimRight(visible(line), " \t") + "\n")
		}
	}
	for _, c := range l.trailer {
		b.WriteString(visible(c) + "\n")
	}
	return b.Bytes()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
