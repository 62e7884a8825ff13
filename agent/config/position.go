package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// path names one place in the tree of a TOML file. It is opaque: made by key and index.
type path string

func (p path) key(name string) path { return p + "\x00k" + path(name) }
func (p path) index(i int) path     { return p + "\x00i" + path(strconv.Itoa(i)) }

// String is the path as a person writes it: bench.programs[1].name.
func (p path) String() string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(string(p), "\x00"), "\x00") {
		switch {
		case part == "":
		case part[0] == 'i':
			b.WriteString("[" + part[1:] + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(part[1:])
		}
	}
	return b.String()
}

// span is a stretch of the text in bytes.
type span struct{ start, end int }

// positions says where each key and each value of a TOML file stands. The TOML library
// gives positions for syntax errors only (its issue 462), hence this second reading. It
// relies on the text having been accepted already and never fails: on a text that it
// does not understand it stops, and what it missed has no position.
type positions struct {
	keys   map[path]span // the key, or the header of a table
	values map[path]span
}

// scanner walks a valid TOML text.
type scanner struct {
	text   string
	at     int
	out    positions
	arrays map[path]int // tables so far in each array of tables
}

func scan(text string) positions {
	s := &scanner{text: text, arrays: map[path]int{}, out: positions{keys: map[path]span{}, values: map[path]span{}}}
	table := path("")
	for {
		s.space(true)
		if s.at >= len(s.text) {
			return s.out
		}
		before := s.at
		if s.peek() == '[' {
			table = s.header()
		} else {
			s.pair(table)
		}
		if s.at == before { // not TOML after all
			return s.out
		}
	}
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

// space skips blanks, and line ends and comments too if lines is set.
func (s *scanner) space(lines bool) {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == ' ' || c == '\t':
			s.at++
		case lines && (c == '\n' || c == '\r'):
			s.at++
		case lines && c == '#':
			if n := strings.IndexByte(s.text[s.at:], '\n'); n >= 0 {
				s.at += n
			} else {
				s.at = len(s.text)
			}
		default:
			return
		}
	}
}

// header reads [a.b] or [[a.b]] and returns the path of the table it opens.
func (s *scanner) header() path {
	start := s.at
	double := strings.HasPrefix(s.text[s.at:], "[[")
	s.at++
	if double {
		s.at++
	}
	p := path("")
	names := s.dotted()
	for i, n := range names {
		p = p.key(n.name)
		if count := s.arrays[p]; count > 0 && !(double && i == len(names)-1) {
			p = p.index(count - 1)
		}
	}
	for s.peek() == ']' {
		s.at++
	}
	where := span{start, s.at}
	if double {
		s.mark(p, where)
		s.arrays[p]++
		p = p.index(s.arrays[p] - 1)
	}
	s.mark(p, where)
	return p
}

// mark gives a table its header as key and value, unless it has one already.
func (s *scanner) mark(p path, where span) {
	if _, ok := s.out.keys[p]; !ok {
		s.out.keys[p] = where
		s.out.values[p] = where
	}
}

type name struct {
	name  string
	where span
}

// dotted reads a.b."c d".
func (s *scanner) dotted() []name {
	var names []name
	for {
		s.space(false)
		start := s.at
		var text string
		switch c := s.peek(); c {
		case '"', '\'':
			text = s.text1(c)
		default:
			for s.at < len(s.text) && !strings.ContainsRune(" \t\r\n.=]}#,[{\"'", rune(s.text[s.at])) {
				s.at++
			}
			text = s.text[start:s.at]
		}
		if s.at == start {
			return names
		}
		names = append(names, name{text, span{start, s.at}})
		s.space(false)
		if s.peek() != '.' {
			return names
		}
		s.at++
	}
}

// text1 reads a string on one line and returns its text; escapes are undone as far as
// keys use them.
func (s *scanner) text1(quote byte) string {
	start := s.at
	s.at++
	for s.at < len(s.text) && s.text[s.at] != quote && s.text[s.at] != '\n' {
		if quote == '"' && s.text[s.at] == '\\' {
			s.at++
		}
		s.at++
	}
	s.at = min(s.at+1, len(s.text))
	raw := s.text[start:s.at]
	if quote == '"' {
		if text, err := strconv.Unquote(raw); err == nil {
			return text
		}
	}
	return strings.Trim(raw, string(quote))
}

// pair reads key = value into a table.
func (s *scanner) pair(table path) {
	names := s.dotted()
	p := table
	for i, n := range names {
		p = p.key(n.name)
		if _, ok := s.out.keys[p]; !ok || i == len(names)-1 {
			s.out.keys[p] = span{names[0].where.start, n.where.end}
		}
	}
	s.space(false)
	if s.peek() != '=' {
		return
	}
	s.at++
	s.space(false)
	s.value(p)
}

// value reads one value and records where it stands.
func (s *scanner) value(p path) {
	start := s.at
	switch s.peek() {
	case '"', '\'':
		s.str()
	case '[':
		s.at++
		for i, last := 0, -1; s.next(']') && s.at > last; i++ {
			last = s.at
			s.value(p.index(i))
		}
	case '{':
		s.at++
		for last := -1; s.next('}') && s.at > last; {
			last = s.at
			s.pair(p)
		}
	default:
		for s.at < len(s.text) && !strings.ContainsRune(",]}#\r\n", rune(s.text[s.at])) {
			s.at++
		}
		// Blanks stand inside dates only.
		s.at = start + len(strings.TrimRight(s.text[start:s.at], " \t"))
	}
	s.out.values[p] = span{start, s.at}
}

// next goes to the next element of an array or inline table. It is false at the end,
// which it passes, and when nothing moves any more.
func (s *scanner) next(end byte) bool {
	s.space(true)
	if s.peek() == ',' {
		s.at++
		s.space(true)
	}
	switch c := s.peek(); c {
	case end:
		s.at++
		return false
	case 0, ',', ']', '}', '=':
		return false
	}
	return true
}

// str passes a string of any of the four kinds.
func (s *scanner) str() {
	quote := s.text[s.at]
	triple := strings.Repeat(string(quote), 3)
	if !strings.HasPrefix(s.text[s.at:], triple) {
		s.text1(quote)
		return
	}
	s.at += 3
	for s.at < len(s.text) && !strings.HasPrefix(s.text[s.at:], triple) {
		if quote == '"' && s.text[s.at] == '\\' {
			s.at++
		}
		s.at++
	}
	s.at = min(s.at+3, len(s.text))
	for n := 0; n < 2 && s.peek() == quote; n++ { // up to two quotes may precede the closing three
		s.at++
	}
}

// locate turns a byte offset into a line and a column in characters, both 1-based, and
// gives the line without its end.
func locate(text string, offset int) (line, column int, source string) {
	offset = max(0, min(offset, len(text)))
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	end := len(text)
	if n := strings.IndexByte(text[start:], '\n'); n >= 0 {
		end = start + n
	}
	line = strings.Count(text[:start], "\n") + 1
	column = utf8.RuneCountInString(text[start:offset]) + 1
	return line, column, strings.TrimSuffix(text[start:end], "\r")
}
