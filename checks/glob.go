package checks

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// glob matches slash-separated paths relative to the checkout. * and ? stay inside one
// name, ** as a whole name stands for any number of folders, [a-z] and {a,b} are as in
// shells. Wildcards do not match a name that begins with a dot: build folders and the
// like have to be asked for.
type glob struct {
	text   string
	re     *regexp.Regexp
	hidden bool // some name begins with a dot
}

func parseGlob(text string) (*glob, error) {
	switch {
	case text == "":
		return nil, errors.New("it is empty")
	case strings.HasPrefix(text, "/"):
		return nil, errors.New("it begins with /")
	case strings.ContainsAny(text, "\\\x00\n"):
		return nil, errors.New(`it contains a backslash or a line end`)
	case !utf8.ValidString(text):
		return nil, errors.New("it is not UTF-8")
	case len(text) > 1000:
		return nil, errors.New("it is longer than 1000 bytes")
	}
	g := &glob{text: text}
	var b strings.Builder
	b.WriteString("^")
	names := strings.Split(strings.TrimPrefix(text, "./"), "/")
	for i, name := range names {
		last := i == len(names)-1
		switch {
		case name == "":
			return nil, errors.New("it has an empty folder name")
		case name == "." || name == "..":
			return nil, errors.New("it contains " + name)
		case name == "**" && last:
			b.WriteString(`(?:[^/.][^/]*/)*[^/.][^/]*`)
		case name == "**":
			b.WriteString(`(?:[^/.][^/]*/)*`)
		default:
			if strings.Contains(name, "**") {
				return nil, errors.New("** must be a whole name between slashes")
			}
			if strings.HasPrefix(name, ".") || strings.Contains(name, "{.") || strings.Contains(name, ",.") {
				g.hidden = true
			}
			re, err := nameRegexp(name)
			if err != nil {
				return nil, err
			}
			b.WriteString(re)
			if !last {
				b.WriteString("/")
			}
		}
	}
	b.WriteString("$")
	re, err := regexp.Compile("(?s)" + b.String())
	if err != nil {
		return nil, errors.New("it is not a glob")
	}
	g.re = re
	return g, nil
}

// nameRegexp translates the glob of one name.
func nameRegexp(name string) (string, error) {
	var b strings.Builder
	depth := 0
	first := true // a wildcard here would begin the name
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch c {
		case '*':
			if first && i+1 == len(name) {
				b.WriteString(`[^/.][^/]*`)
			} else if first {
				b.WriteString(`(?:[^/.][^/]*)?`)
			} else {
				b.WriteString(`[^/]*`)
			}
		case '?':
			if first {
				b.WriteString(`[^/.]`)
			} else {
				b.WriteString(`[^/]`)
			}
		case '[':
			end := strings.IndexByte(name[i+1:], ']')
			if end <= 0 {
				return "", errors.New("a [ without ]")
			}
			set := name[i+1 : i+1+end]
			neg := ""
			if set[0] == '!' || set[0] == '^' {
				neg, set = "^/", set[1:]
			}
			if set == "" {
				return "", errors.New("an empty []")
			}
			set = strings.ReplaceAll(strings.ReplaceAll(set, "[", `\[`), "^", `\^`)
			b.WriteString("[" + neg + set + "]")
			i += end + 1
		case '{':
			if depth++; depth > 1 {
				return "", errors.New("nested braces")
			}
			b.WriteString("(?:")
			continue // an alternative begins the name as the brace would
		case '}':
			if depth--; depth < 0 {
				return "", errors.New("a } without {")
			}
			b.WriteString(")")
		case ',':
			if depth > 0 {
				b.WriteString("|")
				continue
			}
			b.WriteString(",")
		default:
			if c < 0x80 {
				b.WriteString(regexp.QuoteMeta(name[i : i+1]))
			} else {
				b.WriteByte(c) // part of a longer character
			}
		}
		first = false
	}
	if depth != 0 {
		return "", errors.New("a { without }")
	}
	return b.String(), nil
}

func (g *glob) match(path string) bool { return g.re.MatchString(path) }

func matchAny(gs []*glob, path string) bool {
	for _, g := range gs {
		if g.match(path) {
			return true
		}
	}
	return false
}
