package checks

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// sarifOutcome is "" for a kind or level that the standard does not know.
func sarifOutcome(kind, level string) string {
	switch kind {
	case "", "fail":
		switch level {
		case "error":
			return runner.Fail
		case "", "warning", "note":
			return runner.Warn
		case "none":
			return runner.Pass
		}
		return ""
	case "pass":
		return runner.Pass
	case "notApplicable", "informational":
		return runner.Skip
	case "open":
		return runner.RuleError
	case "review":
		return runner.Warn
	}
	return ""
}

// suppressed reports whether every suppression of a result is accepted, which is what a
// missing status means (§3.35.3), and the reason of the first.
func (r *sarifResult) suppressed() (why string, yes bool) {
	for _, s := range r.Suppressions {
		if s.Status != "" && s.Status != "accepted" {
			return "", false
		}
	}
	if len(r.Suppressions) == 0 {
		return "", false
	}
	if why = cut(oneLine(r.Suppressions[0].Justification), 300); why == "" {
		why = "no reason given"
	}
	return why, true
}

// text is the message of a result, with its arguments put in (§3.11.5).
func (r *sarifResult) text(rule *sarifRule) string {
	text := r.Message.Text
	if text == "" && r.Message.ID != "" && rule != nil {
		text = rule.Messages[r.Message.ID].Text
	}
	text = cut(text, 4000)
	for i, a := range r.Message.Arguments {
		if i == 20 {
			break
		}
		text = strings.ReplaceAll(text, "{"+strconv.Itoa(i)+"}", cut(a, 200))
	}
	return oneLine(text)
}

// oneLine puts a space for line ends and drops other control characters.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, s))
}

// path is the path of an artifact as a program would print it: absolute, or relative to
// the checkout. It is "" if none is told, and the URI itself if it is not one of a file.
func (r *sarifRun) path(a sarifArtifact) (name string, isFile bool) {
	if a.URI == "" && a.Index != nil && *a.Index >= 0 && *a.Index < len(r.Artifacts) {
		a = r.Artifacts[*a.Index].Location
	}
	if a.URI == "" {
		return "", false
	}
	uri := a.URI
	base := a.Base
	for range 8 { // bases may have bases, and a hostile log may make a ring of them
		b, ok := r.Bases[base]
		if base == "" || !ok || absoluteURI(uri) {
			break
		}
		if b.URI != "" {
			uri = strings.TrimSuffix(b.URI, "/") + "/" + uri
		}
		base = b.Base
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil, u.Scheme != "" && u.Scheme != "file", u.Host != "" && u.Host != "localhost":
		return cut(oneLine(uri), 200), false
	}
	return cut(oneLine(u.Path), 1000), true
}

func absoluteURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme != "" || strings.HasPrefix(u.Path, "/"))
}
