// Package slash reads commands for the agent out of comments: "/holdfast rerun".
//
// In: the body of a comment, which is anybody's text. Out: the command, or why it is none.
// Who may give it and what it does is left to others.
//
// A command is a line of its own that begins with /holdfast at its very start and is a
// paragraph, or stands at the beginning of one: quotes, code, lists, HTML and text that
// merely mentions a command are not commands. When in doubt it is none.
package slash

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Verbs.
const (
	Run     = "run"     // examine the head, unless that was done
	Rerun   = "rerun"   // examine it again
	Bench   = "bench"   // measure again; one program, or all
	Accept  = "accept"  // a metric has a new level
	Explain = "explain" // show the whole report
	Cancel  = "cancel"  // stop what runs
	OK      = "ok"      // a commit of a fork may run
)

// usage says what each verb wants, in the order of the help.
var usage = []struct{ verb, args string }{
	{Run, ""}, {Rerun, ""}, {Bench, "[PROGRAM]"}, {Accept, "METRIC REASON"}, {Explain, ""}, {Cancel, ""}, {OK, "COMMIT"},
}

// Command is one command.
type Command struct {
	Verb   string
	Args   []string // of Bench at most one, of OK one: the whole hash
	Metric string   // of Accept: "NAME" or "NAME key=value …"
	Reason string   // of Accept
	Text   string   // the line
}

// Error says why a line is no command that can be done: one sentence.
type Error struct {
	Line, Why string
}

func (e *Error) Error() string { return e.Why }

const (
	prefix  = "/holdfast"
	maxLine = 500
)

// Parse finds the command of a comment. ok is false if it has none. The error is an
// [*Error]: there is one, but not one that can be done.
func Parse(body string) (c Command, ok bool, err error) {
	found := lines(body)
	if len(found) == 0 {
		return c, false, nil
	}
	c, err = parse(found[0])
	if err == nil && len(found) > 1 {
		err = &Error{Line: found[0], Why: "one command in a comment, please: none of these was done"}
	}
	return c, true, err
}

var hash = regexp.MustCompile(`\A([0-9a-f]{40}|[0-9a-f]{64})\z`)

func parse(l string) (Command, error) {
	words := strings.Fields(l)
	c := Command{Text: l}
	fail := func(format string, args ...any) (Command, error) {
		return c, &Error{Line: l, Why: fmt.Sprintf(format, args...)}
	}
	if len(words) < 2 {
		return fail("which command? There are %s", verbs())
	}
	i := slices.IndexFunc(usage, func(u struct{ verb, args string }) bool { return u.verb == words[1] })
	if i < 0 {
		return fail("there is no such command, only %s", verbs())
	}
	c.Verb, c.Args = words[1], words[2:]
	want := "write it as " + strings.TrimSpace(prefix+" "+c.Verb+" "+usage[i].args)
	switch c.Verb {
	case Run, Rerun, Explain, Cancel:
		if len(c.Args) > 0 {
			return fail("%s", want)
		}
	case Bench:
		if len(c.Args) > 1 {
			return fail("%s", want)
		}
	case OK:
		if len(c.Args) != 1 || !hash.MatchString(c.Args[0]) {
			return fail("%s, with all 40 digits: a shorter one may be another commit's, too", want)
		}
	case Accept:
		n := 1
		for n < len(c.Args) && strings.Contains(c.Args[n], "=") {
			n++
		}
		if len(c.Args) < 2 || n >= len(c.Args) {
			return fail("%s", want)
		}
		c.Metric, c.Reason = strings.Join(c.Args[:n], " "), strings.Join(c.Args[n:], " ")
	}
	return c, nil
}

func verbs() string {
	var list []string
	for _, u := range usage {
		list = append(list, u.verb)
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// lines finds the lines that are commands: those that begin a paragraph outside of
// everything else. It knows only as much of Markdown as it takes to be sure.
func lines(body string) []string {
	var out []string
	fence, html := "", ""
	fresh := true // nothing stands before on this or the last line
	for l := range strings.SplitSeq(strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n"), "\n") {
		text := strings.TrimLeft(l, " ")
		indent := len(l) - len(text)
		lower := strings.ToLower(text)
		switch {
		case html != "":
			if strings.Contains(lower, html) {
				html = ""
			}
			fresh = false
		case fence != "":
			if indent < 4 && strings.HasPrefix(text, fence) && strings.Trim(text, fence[:1]+" \t") == "" {
				fence = ""
			}
			fresh = false
		case strings.TrimSpace(l) == "":
			fresh = true
		case fenceStart(text) != "":
			if fence = fenceStart(text); indent > 0 || !strings.HasPrefix(text, fence) {
				return out // in a list or a quote its end is hard to tell: nothing below is trusted
			}
			fresh = false
		case htmlEnd(lower) != "":
			if end := htmlEnd(lower); !strings.Contains(lower[2:], end) {
				html = end
			}
			fresh = false
		case fresh && indent == 0 && command(l):
			out = append(out, strings.TrimRightFunc(l, unicode.IsSpace))
			// The next line may be another.
		default:
			fresh = false
		}
	}
	return out
}

// command reports whether a line is one: /holdfast, the end or a blank, and nothing that
// cannot be seen or could make a table of it.
func command(l string) bool {
	rest, ok := strings.CutPrefix(l, prefix)
	if !ok || len(l) > maxLine || strings.Contains(l, "|") || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return false
	}
	for _, r := range l {
		if r != '\t' && (!unicode.IsPrint(r) || r == unicode.ReplacementChar) {
			return false
		}
	}
	return true
}

// fenceStart is what a code fence is closed by, "" if a line opens none. A marker of a list
// or a quote may stand before it.
func fenceStart(text string) string {
	text = strings.TrimLeft(text, " \t>-+*0123456789.)")
	for _, c := range []string{"`", "~"} {
		if n := len(text) - len(strings.TrimLeft(text, c)); n >= 3 {
			return text[:n]
		}
	}
	return ""
}

// htmlEnd is what ends a block of HTML that may have blank lines in it, "" if a line has
// the start of none.
func htmlEnd(lower string) string {
	i := strings.IndexByte(lower, '<')
	if i < 0 {
		return ""
	}
	text := lower[i:]
	for _, b := range []struct{ start, end string }{
		{"<!--", "-->"},
		{"<?", "?>"},
		{"<![cdata[", "]]>"},
		{"<!", ">"},
		{"<pre", "</pre>"},
		{"<script", "</script>"},
		{"<style", "</style>"},
		{"<textarea", "</textarea>"},
	} {
		if strings.HasPrefix(text, b.start) {
			return b.end
		}
	}
	return ""
}
