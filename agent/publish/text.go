package publish

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxDescription is GitHub's limit for the description of a commit status, in
	// characters.
	maxDescription = 140
	// maxBody keeps clear of GitHub's limit of 65,536 characters for a body. It is counted
	// in UTF-16 units, the largest of the counts that "character" may mean there.
	maxBody = 65000
)

// Description makes any text fit for a commit status: one line without control, bidi and
// zero-width characters, at most 140 characters, cut with "…".
func Description(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1 // zero-width, bidi controls
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= maxDescription {
		return s
	}
	r := []rune(s)
	return strings.TrimRight(string(r[:maxDescription-1]), " ") + "…"
}

// markedBody puts the marker before a body and cuts what GitHub would not take.
func markedBody(key, body string) string {
	marker := Marker(key) + "\n"
	return marker + Cut(body, maxBody-length(marker))
}

// Cut shortens Markdown to at most limit UTF-16 units: at the end of a line, so never
// inside a table row; a code fence and folded details that are open there are closed, and
// a last line says how much is missing. A limit too small for that last line gives "".
func Cut(body string, limit int) string {
	total := length(body)
	if total <= limit {
		return body
	}
	const room = 150 // for the note
	var (
		kept strings.Builder
		used int
		now  opened
	)
	for line := range strings.Lines(body) {
		n := length(line)
		after := now.line(strings.TrimSpace(line))
		if used+n+length(after.closing())+room > limit {
			break
		}
		kept.WriteString(line)
		used += n
		now = after
	}
	out := kept.String()
	if out != "" && !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	out += now.closing()
	out += fmt.Sprintf("\n*Cut here: %d of %d characters are shown, GitHub takes no more. The whole report is kept by the agent.*\n", used, total)
	if length(out) > limit {
		return ""
	}
	return out
}

// opened is what a beginning of a Markdown text leaves open.
type opened struct {
	fence   string // what closes the code fence, "" outside one
	details int
}

// line returns what is open after one more line.
func (o opened) line(text string) opened {
	switch {
	case o.fence != "":
		if strings.HasPrefix(text, o.fence) && strings.Trim(text, o.fence[:1]) == "" {
			o.fence = ""
		}
	case strings.HasPrefix(text, "```") || strings.HasPrefix(text, "~~~"):
		o.fence = text[:len(text)-len(strings.TrimLeft(text, text[:1]))]
	default:
		o.details = max(0, o.details+strings.Count(text, "<details")-strings.Count(text, "</details"))
	}
	return o
}

// closing is the text that closes it.
func (o opened) closing() string {
	s := ""
	if o.fence != "" {
		s = o.fence + "\n"
	}
	if o.details > 0 {
		s += "\n" + strings.Repeat("</details>\n", o.details)
	}
	return s
}

// length counts UTF-16 units.
func length(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// same compares two bodies as GitHub keeps them: it may change the ends of lines.
func same(a, b string) bool { return norm(a) == norm(b) }

func norm(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
}
