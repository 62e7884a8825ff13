package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// report adds a problem at a stretch of the text.
func (d *decoder) report(where span, hint, format string, args ...any) {
	where.start = max(0, min(where.start, len(d.text)))
	where.end = max(where.start, min(where.end, len(d.text)))
	line, column, source := locate(d.text, where.start)
	marked, _, _ := strings.Cut(d.text[where.start:where.end], "\n") // underline on the first line only
	shown := redact(source)
	if d.code[line] {
		shown = redactShapes(source)
	}
	p := &Problem{
		File: d.file, Line: line, Column: column, Width: max(1, utf8.RuneCountInString(strings.TrimRight(marked, "\r"))),
		Msg: redact(fmt.Sprintf(format, args...)), Source: printable(shown), Hint: hint,
	}
	if masked := utf8.RuneCountInString(p.Source); p.Column-1+p.Width > masked {
		p.Width = max(1, masked-p.Column+1)
	}
	d.problems = append(d.problems, p)
}

// printable replaces control characters: the text may be anything, and it goes to a
// terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// value reports a problem with the value at p, key one with its key.
func (d *decoder) value(p path, hint, format string, args ...any) {
	d.failed = append(d.failed, p)
	d.report(d.where(d.pos.values, p), hint, format, args...)
}

func (d *decoder) key(p path, hint, format string, args ...any) {
	d.report(d.where(d.pos.keys, p), hint, format, args...)
}

// clean reports whether no value at p or below it was refused so far.
func (d *decoder) clean(p path) bool { return !under(d.failed, p) }

// under reports whether one of the paths is p or below it.
func under(list []path, p path) bool {
	return slices.ContainsFunc(list, func(f path) bool { return f == p || strings.HasPrefix(string(f), string(p)+"\x00") })
}

// tokenLines finds the lines of the settings called tokens in tables of rules.
func (d *decoder) tokenLines() {
	d.code = map[int]bool{}
	for p, s := range d.pos.keys {
		if strings.Contains(string(p), "\x00krule\x00i") && strings.HasSuffix(string(p), "\x00ktokens") {
			line, _, _ := locate(d.text, s.start)
			d.code[line] = true
		}
	}
}

// where finds p or the nearest of its parents that has a position.
func (d *decoder) where(in map[path]span, p path) span {
	for {
		if s, ok := in[p]; ok {
			return s
		}
		if s, ok := d.pos.values[p]; ok {
			return s
		}
		if s, ok := d.pos.keys[p]; ok {
			return s
		}
		cut := strings.LastIndexByte(string(p), 0)
		if cut < 0 {
			return span{}
		}
		p = p[:cut]
	}
}
