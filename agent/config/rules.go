package config

import (
	"fmt"
	"net/url"
	pathpkg "path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rules splits the "is" tag of a field: what a value of it must be.
//
//	required          the key must be there, and not empty
//	name              short text on one line
//	path              a path on this machine; made absolute later
//	inside            a path in the checkout: relative, never above it
//	glob              see Match
//	http              an http or https URL without credentials
//	regexp            a regular expression (RE2)
//	>=N, <=N          a number of at least, of at most N
//	duration>=D, <=D  a duration of at least, of at most D
//	unique            a list without repetitions
//	one               a list with the number 1 in it
//	a|b|c             one of the words
func rules(tag string) []string {
	if tag == "" {
		return nil
	}
	return strings.Split(tag, ",")
}

// check reports the first rule that a value breaks.
func (d *decoder) check(p path, v any, tag string) bool {
	for _, rule := range rules(tag) {
		msg, hint := violation(rule, v)
		if msg != "" {
			d.value(p, hint, "%s: %s", p, msg)
			return false
		}
	}
	return true
}

// violation says how v breaks a rule; msg is empty if it does not.
func violation(rule string, v any) (msg, hint string) {
	switch v := v.(type) {
	case int64:
		if n, ok := bound(rule, ">=", strconv.Atoi); ok && v < int64(n) {
			return fmt.Sprintf("%d is less than %d", v, n), ""
		}
		if n, ok := bound(rule, "<=", strconv.Atoi); ok && v > int64(n) {
			return fmt.Sprintf("%d is more than %d", v, n), ""
		}
	case time.Duration:
		if n, ok := bound(rule, "duration>=", time.ParseDuration); ok && v < n {
			return fmt.Sprintf("%s is shorter than %s", short(v), short(n)), ""
		}
		if n, ok := bound(rule, "duration<=", time.ParseDuration); ok && v > n {
			return fmt.Sprintf("%s is longer than %s", short(v), short(n)), ""
		}
	case string:
		return textViolation(rule, v)
	}
	return "", ""
}

// bound reads the number of a rule that starts with op.
func bound[T any](rule, op string, parse func(string) (T, error)) (T, bool) {
	text, ok := strings.CutPrefix(rule, op)
	if !ok {
		var zero T
		return zero, false
	}
	n, err := parse(text)
	return n, err == nil
}

// short writes a duration as a person does: 2h, not 2h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func textViolation(rule, s string) (msg, hint string) {
	switch rule {
	case "required":
		if s == "" {
			return "is empty", ""
		}
	case "name":
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(s) > 200 || s != strings.TrimSpace(s) {
			return quote(s) + " is not a name", "a name is short text on one line, without blanks around it"
		}
	case "path":
		if s == "" || strings.ContainsRune(s, 0) {
			return quote(s) + " is not a path", ""
		}
	case "inside":
		clean := pathpkg.Clean(s)
		if s == "" || pathpkg.IsAbs(s) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(s, "\x00\n") {
			return quote(s) + " is not a path inside the checkout", "write it relative to the top of the repository, with slashes"
		}
	case "glob":
		if _, err := compile(s); err != nil {
			return fmt.Sprintf("bad glob %s: %v", quote(s), err), "use * within a name, ** across slashes, ?, [abc]"
		}
	case "http":
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return quote(s) + " is not an http or https URL", ""
		}
		if u.User != nil {
			return "credentials in a URL", "give the token by reference: token = \"env:NAME\""
		}
	case "regexp":
		if _, err := regexp.Compile(s); err != nil {
			return fmt.Sprintf("bad pattern %s: %v", quote(s), err), ""
		}
	default:
		words := strings.Split(rule, "|")
		if len(words) < 2 || slices.Contains(words, s) {
			return "", ""
		}
		hint := "one of " + strings.Join(words, ", ")
		if near := nearest(s, words); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return quote(s) + " is not one of " + strings.Join(words, ", "), hint
	}
	return "", ""
}

// Match reports whether a slash-separated name matches a glob: * and ? stay within one
// part, ** crosses slashes, [abc] and [^a-z] are classes, a backslash takes the next
// character literally. A bad glob matches nothing.
func Match(glob, name string) bool {
	re, err := compile(glob)
	return err == nil && re.MatchString(name)
}

// MatchBranch reports whether a branch is one of those watched.
func (r Repository) MatchBranch(branch string) bool {
	return slices.ContainsFunc(r.Branches, func(g string) bool { return Match(g, branch) })
}

// compile turns a glob into an anchored regular expression.
func compile(glob string) (*regexp.Regexp, error) {
	if glob == "" || strings.ContainsAny(glob, "\x00\n") {
		return nil, fmt.Errorf("empty or not on one line")
	}
	var b strings.Builder
	b.WriteString(`\A`)
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; c {
		case '*':
			switch {
			case strings.HasPrefix(glob[i:], "**/") && (i == 0 || glob[i-1] == '/'):
				b.WriteString(`(?:[^\x00]*/)?`)
				i += 2
			case strings.HasPrefix(glob[i:], "**"):
				b.WriteString(`[^\x00]*`)
				i++
			default:
				b.WriteString(`[^/]*`)
			}
		case '?':
			b.WriteString(`[^/]`)
		case '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 || glob[i:i+end] == "[^" {
				return nil, fmt.Errorf("unclosed or empty [ at character %d", i+1)
			}
			class := glob[i+1 : i+end]
			neg := strings.HasPrefix(class, "^") || strings.HasPrefix(class, "!")
			if neg {
				class = class[1:]
			}
			if class == "" || strings.ContainsAny(class, `[\/`) {
				return nil, fmt.Errorf("bad class at character %d", i+1)
			}
			b.WriteByte('[')
			if neg {
				b.WriteString("^/")
			}
			b.WriteString(strings.ReplaceAll(class, "^", `\^`) + "]")
			i += end
		case '\\':
			i++
			if i == len(glob) {
				return nil, fmt.Errorf("ends in a backslash")
			}
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("bad class")
	}
	return re, nil
}
