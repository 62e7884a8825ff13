package checks

import (
	"fmt"
	"path"
	"strings"
	"unicode"
)

// Skeleton writes a rule as a table of a rule file, with the keys that it could have in
// comments. The error is what [Rule.Validate] says of the rule.
func Skeleton(r Rule) (string, error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("[[rule]]\n")
	set := func(key, value, comment string) {
		line := key + " = " + value
		if comment != "" {
			line += " # " + comment
		}
		b.WriteString(line + "\n")
	}
	title := r.Title
	if title == "" {
		title = "what holds, in one sentence"
	}
	set("id", quoteTOML(r.ID), "never changes: results are compared by it")
	set("title", quoteTOML(title), "")
	doc := r.Doc
	if doc == "" {
		doc = "why the rule is there, and what to do about a violation"
	}
	set("doc", quoteTOML(doc), "")
	set("kind", quoteTOML(r.Kind), "")
	set("files", quoteTOMLs(r.Files), "** stands for any folders")
	if len(r.Exclude) > 0 {
		set("exclude", quoteTOMLs(r.Exclude), "")
	} else {
		b.WriteString("# exclude = []\n")
	}
	if r.In.Function != "" {
		set("in", "{ function = "+quoteTOML(r.In.Function)+" }", "only in its body")
	} else if r.Kind != KindExists {
		b.WriteString("# in = { function = \"Pool::~Pool\" } # only in the body of this function\n")
	}
	switch {
	case len(r.Tokens) == 1:
		set("tokens", quoteTOML(r.Tokens[0]), "code: blanks and comments do not count, $NAME is any one token, $... any tokens")
	case len(r.Tokens) > 1:
		set("tokens", quoteTOMLs(r.Tokens), "")
	}
	if r.Pattern != "" {
		set("pattern", quoteTOML(r.Pattern), "Go regular expression; ^ and $ match at line ends")
	}
	if len(r.Patterns) > 0 {
		set("patterns", quoteTOMLs(r.Patterns), "")
	}
	if r.Min != nil {
		set("min", fmt.Sprint(*r.Min), "")
	}
	if r.Max != nil {
		set("max", fmt.Sprint(*r.Max), "")
	}
	if r.Severity != "" {
		set("severity", quoteTOML(r.Severity), "")
	} else {
		b.WriteString("# severity = \"warn\" # default \"fail\"\n")
	}
	if r.Kind != KindExists {
		b.WriteString("# view = \"code\" # or code+strings, comments, raw\n")
		b.WriteString("# on_missing = \"fail\" # default \"error\": no file, or no function\n")
	}
	text := b.String()
	if _, err := Load("rule", []byte(text)); err != nil {
		return "", err
	}
	return text, nil
}

// Example is a first fixture of a rule, under its name: a sentence to be replaced. What it
// says is true of no rule, so that a test of it fails until somebody has written it.
func Example(r Rule, good bool) (name, text string) {
	ext := ".mm"
	for _, f := range r.Files {
		if e := path.Ext(f); e != "" && !strings.ContainsAny(e, "*?[{") {
			ext = e
			break
		}
	}
	sign := "//"
	if !cFamily("x" + ext) {
		sign = "#"
	}
	what := "must be a violation of"
	if good {
		what = "must satisfy"
	}
	return "example" + ext, fmt.Sprintf("%s Replace this by the shortest code that %s %s.\n", sign, what, r.ID)
}

// quoteTOML writes a TOML string, as it is if it can be.
func quoteTOML(s string) string {
	if !strings.ContainsRune(s, '\'') && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == unicode.ReplacementChar }) {
		if strings.ContainsAny(s, `"\`) {
			return "'" + s + "'"
		}
		return `"` + s + `"`
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func quoteTOMLs(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quoteTOML(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
