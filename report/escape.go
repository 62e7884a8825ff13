package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible makes text safe for one line of anything: line ends and tabs become spaces,
// and what a reader could not see, or what changes how the rest is seen (control and
// escape characters, bidirectional and zero-width ones, blank letters), is written out
// as [U+202E].
func visible(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			plain = false
			break
		}
	}
	if plain {
		return strings.TrimSpace(s)
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n', r == '\r', r == '\t', unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co), blank(r):
			fmt.Fprintf(&b, "[U+%04X]", r)
		default:
			b.WriteRune(r) // also U+FFFD for what is not UTF-8
		}
	}
	return strings.TrimSpace(b.String())
}

// blank letters are letters by their category and look like nothing.
func blank(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2800, 0x3164, 0xffa0:
		return true
	}
	return unicode.Is(unicode.Variation_Selector, r)
}

// clip shortens text to at most n code points, the last of them "…" if it was cut.
func clip(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	at := 0
	for range n - 1 {
		_, w := utf8.DecodeRuneInString(s[at:])
		at += w
	}
	return s[:at] + "…"
}

// Longest texts in a report, in code points. Bounded parts make a bounded whole.
const (
	maxName  = 160
	maxProse = 400
)

// prose is hostile text inside a Markdown line or table cell, shown as plain text:
// nothing in it is markup, a mention, a reference or a link.
func prose(s string) string { return escape(clip(visible(s), maxProse)) }

func escape(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	hex := 0 // digits left of a word that GitHub would take for a commit
	for i, r := range s {
		next := byte(0)
		if i+1 < len(s) {
			next = s[i+1]
		}
		switch {
		case hex > 0:
			if hex--; hex > 0 && hex%6 == 0 {
				b.WriteString("&#8203;")
			}
		case i == 0 || !wordByte(s[i-1]):
			hex = commitWord(s[i:])
		}
		switch r {
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '\\', '`', '*', '_', '[', ']', '|', '~', '$', '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '@', '#':
			// GitHub looks for mentions and references in the finished text, so an
			// entity or a backslash does not stop it; a zero-width space does.
			if r == '#' && i == 0 {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
			if next != ' ' { // also at the end: something may be put behind it
				b.WriteString("&#8203;")
			}
		case ':':
			b.WriteByte(':')
			if next == '/' || emoji(s[i+1:]) { // a bare URL becomes a link, :octocat: an image
				b.WriteString("&#8203;")
			}
		case '.':
			if i >= 3 && strings.EqualFold(s[i-3:i], "www") || i > 0 && digits(s[:i]) && (next == ' ' || next == 0) {
				b.WriteString("&#8203;&#46;") // neither a link nor a numbered list
			} else {
				b.WriteByte('.')
			}
		case ')':
			if i > 0 && digits(s[:i]) {
				b.WriteByte('\\')
			}
			b.WriteByte(')')
		case '-', '+', '=':
			switch {
			case i == 0: // a list, a rule or a heading
				b.WriteByte('\\')
				b.WriteRune(r)
			case r == '-' && i >= 2 && strings.EqualFold(s[i-2:i], "GH"): // GH-12 is a reference
				b.WriteString("-&#8203;")
			default:
				b.WriteRune(r)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// commitWord is the length of the word at the start of s if it may be the name of a
// commit: GitHub makes a link of one, from seven digits on. Plain numbers are left alone.
func commitWord(s string) int {
	n, letters := 0, 0
	for n < len(s) && wordByte(s[n]) {
		switch c := s[n] | 0x20; {
		case c >= 'a' && c <= 'f':
			letters++
		case s[n] < '0' || s[n] > '9':
			return 0
		}
		n++
	}
	if n < 7 || letters == 0 {
		return 0
	}
	return n
}

// emoji reports whether s, which stood behind a colon, begins with the name of an emoji and
// another colon.
func emoji(s string) bool {
	n := 0
	for n < len(s) && (wordByte(s[n]) || s[n] == '+' || s[n] == '-') {
		n++
	}
	return n > 0 && n < len(s) && s[n] == ':' && (!digits(s[:n]) || s[:n] == "100" || s[:n] == "1234")
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// code is hostile text as a code span, in a Markdown line or table cell.
func code(s string) string {
	s = clip(visible(s), maxName)
	if s == "" {
		return "(empty)"
	}
	if strings.Contains(s, "|") {
		return codeElement(s)
	}
	longest, run := 0, 0
	for i := 0; i < len(s); i++ {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if s[0] == '`' || s[len(s)-1] == '`' {
		s = " " + s + " " // one space on both sides is taken off again
	}
	return fence + s + fence
}

// codeElement writes a code span as HTML: inside a table a "|" ends the cell even within
// backticks, and a backslash before it is ambiguous.
func codeElement(s string) string {
	var b strings.Builder
	b.WriteString("<code>")
	for _, r := range s {
		if r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != ' ' && r != '/' && r != '-' {
			fmt.Fprintf(&b, "&#%d;", r)
			if r == '@' {
				b.WriteString("&#8203;")
			}
			continue
		}
		b.WriteRune(r)
	}
	b.WriteString("</code>")
	return b.String()
}
