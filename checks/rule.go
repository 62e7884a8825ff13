package checks

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// Kinds of rules.
const (
	KindExists = "exists" // every glob of files matches at least min files
	KindMatch  = "match"  // the patterns match
	KindAbsent = "absent" // no pattern matches
	KindCount  = "count"  // the number of matches lies between min and max
	KindWithin = "within" // the patterns match in the body of every function named by in
)

// Rule is one [[rule]] of a rule set. See the package comment for what the fields mean.
type Rule struct {
	ID        string   `toml:"id"`
	Title     string   `toml:"title"`
	Kind      string   `toml:"kind"`
	Files     []string `toml:"files"`
	Exclude   []string `toml:"exclude"`
	Pattern   string   `toml:"pattern"`    // one regular expression
	Patterns  []string `toml:"patterns"`   // several
	Tokens    Strings  `toml:"tokens"`     // token patterns: one string or several
	Any       bool     `toml:"any"`        // one of the patterns is enough
	Each      bool     `toml:"each"`       // judge every file by itself
	View      string   `toml:"view"`       // "" is code for the C family, raw for others
	In        In       `toml:"in"`         // only inside this function
	Min       *int     `toml:"min"`        // matches, or files for exists
	Max       *int     `toml:"max"`        // likewise
	Severity  string   `toml:"severity"`   // "fail" (default) or "warn"
	OnMissing string   `toml:"on_missing"` // "error" (default), "fail" or "skip": no file or no function
	Source    string   `toml:"-"`          // where it is written: "holdfast.rules.toml:12"
}

// In limits a rule to the bodies of the functions of one name. The zero value means the
// whole file.
type In struct {
	Function string // qualified as far as needed: "Pool::~Pool", "submit:after:", "main"
	Any      bool   // one of several bodies of that name is enough
}

// UnmarshalTOML accepts a string, the function, or a table {function, any}.
func (in *In) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		in.Function = v
		return nil
	case map[string]any:
		for k, e := range v {
			switch s, isString := e.(string); {
			case k == "function" && isString:
				in.Function = s
			case k == "any":
				b, ok := e.(bool)
				if !ok {
					return fmt.Errorf("in.any must be true or false")
				}
				in.Any = b
			case k == "function":
				return fmt.Errorf("in.function must be a string")
			default:
				return fmt.Errorf("unknown key %q in in; it has function and any", k)
			}
		}
		return nil
	}
	return fmt.Errorf("in must be a table like { function = 'Pool::~Pool' }")
}

// Strings is a list that may be written as a single string.
type Strings []string

// UnmarshalTOML accepts a string or an array of strings.
func (s *Strings) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		*s = Strings{v}
		return nil
	case []any:
		for _, e := range v {
			t, ok := e.(string)
			if !ok {
				return fmt.Errorf("must be a string or an array of strings")
			}
			*s = append(*s, t)
		}
		return nil
	}
	return fmt.Errorf("must be a string or an array of strings")
}

// Ack is one [[ack]]: a rule that does not pass is tolerated until a day.
type Ack struct {
	ID     string `toml:"id"`     // rule, also one of a program
	File   string `toml:"file"`   // only evidence in this file; "" for all
	Reason string `toml:"reason"` // why
	Owner  string `toml:"owner"`  // who removes the cause
	Until  Date   `toml:"until"`  // last day on which it holds, UTC
	Source string `toml:"-"`
}

// Date is a day, written 2026-12-31 with or without quotes.
type Date struct{ time.Time }

// UnmarshalTOML accepts a local date or a string of that form.
func (d *Date) UnmarshalTOML(v any) error {
	text := ""
	switch v := v.(type) {
	case string:
		text = v
	case time.Time:
		if v.Location().String() != "date-local" {
			return fmt.Errorf("until must be a day without a time: 2026-12-31")
		}
		text = v.Format(time.DateOnly)
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return fmt.Errorf("until must be a day: 2026-12-31")
	}
	d.Time = t
	return nil
}

// String is the day, "2026-12-31".
func (d Date) String() string { return d.Format(time.DateOnly) }

// expired reports whether the day is over everywhere in UTC.
func (d Date) expired(now time.Time) bool { return !now.Before(d.AddDate(0, 0, 1)) }

// Mistake is one thing wrong with a rule set.
type Mistake struct {
	File   string // "" if the rule is not from a file
	Line   int    // 1-based; 0 if not known
	Col    int    // 1-based, in bytes; 0 if not known
	Rule   string // id, if there is one
	Key    string // field that is wrong
	Text   string
	Advice string
}

func (m *Mistake) Error() string {
	var b strings.Builder
	if m.File != "" {
		b.WriteString(m.File + ":")
		if m.Line > 0 {
			fmt.Fprintf(&b, "%d:", m.Line)
			if m.Col > 0 {
				fmt.Fprintf(&b, "%d:", m.Col)
			}
		}
		b.WriteByte(' ')
	}
	if m.Rule != "" {
		fmt.Fprintf(&b, "rule %s: ", m.Rule)
	}
	return b.String() + m.Text
}

// Hint is what to do about it, "" if that is plain.
func (m *Mistake) Hint() string { return m.Advice }

// compiled is a rule that can be judged.
type compiled struct {
	Rule
	files, exclude []*glob
	patterns       []matcher
	view           scan.View // "" until the language is known
}

// matcher is one pattern of a rule: a regular expression or a token pattern.
type matcher struct {
	text   string
	re     *regexp.Regexp
	needs  [][]byte // a match contains one of these; nil if that is not known
	tokens *scan.Pattern
}

// Validate reports everything that is wrong with a rule, as errors.Join of *[Mistake]. It
// is nil for a good rule.
func (r Rule) Validate() error {
	_, bad := r.compile()
	return joinMistakes(bad)
}

func (r Rule) compile() (*compiled, []*Mistake) {
	c := &compiled{Rule: r}
	var bad []*Mistake
	wrong := func(key, advice, format string, args ...any) {
		bad = append(bad, &Mistake{Rule: r.ID, Key: key, Text: fmt.Sprintf(format, args...), Advice: advice})
	}
	if r.ID == "" {
		wrong("id", `give it one: id = "ST.001"`, "a rule without id")
	} else if strings.ContainsFunc(r.ID, func(c rune) bool { return c <= ' ' || c == 0x7f || c == ':' }) {
		wrong("id", "letters, digits, dots and dashes are good ids", "id %q contains a space, a colon or a control character", r.ID)
	}
	switch r.Kind {
	case KindExists, KindMatch, KindAbsent, KindCount, KindWithin:
	case "":
		wrong("kind", "kinds: exists, match, absent, count, within", "a rule without kind")
	default:
		wrong("kind", suggest(r.Kind, []string{KindExists, KindMatch, KindAbsent, KindCount, KindWithin}), "unknown kind %q", r.Kind)
	}
	oneOf := func(key, value string, allowed ...string) {
		if value == "" {
			return
		}
		for _, a := range allowed {
			if a == value {
				return
			}
		}
		wrong(key, suggest(value, allowed), "unknown %s %q", key, value)
	}
	oneOf("severity", r.Severity, "fail", "warn")
	oneOf("on_missing", r.OnMissing, "error", "fail", "skip")
	oneOf("view", r.View, string(scan.Code), string(scan.CodeStrings), string(scan.Comments), string(scan.Raw))
	c.view = scan.View(r.View)

	if len(r.Files) == 0 {
		wrong("files", `say which files: files = ["src/**/*.mm"]`, "no files")
	}
	c.files = globs("files", r.Files, wrong)
	c.exclude = globs("exclude", r.Exclude, wrong)
	c.compilePatterns(wrong)
	c.checkKind(wrong)
	return c, bad
}

type wrongFunc func(key, advice, format string, args ...any)

func globs(key string, texts []string, wrong wrongFunc) []*glob {
	var out []*glob
	for _, t := range texts {
		g, err := parseGlob(t)
		if err != nil {
			wrong(key, "globs are relative to the checkout, with / between folders; ** stands for any folders", "glob %q: %v", t, err)
			continue
		}
		out = append(out, g)
	}
	return out
}

func (c *compiled) compilePatterns(wrong wrongFunc) {
	regexps := c.Patterns
	if c.Pattern != "" {
		if len(c.Patterns) > 0 {
			wrong("pattern", "put all of them into patterns", "both pattern and patterns")
		}
		regexps = append([]string{c.Pattern}, regexps...)
	}
	key := "patterns"
	if c.Pattern != "" {
		key = "pattern"
	}
	for _, text := range regexps {
		re, err := regexp.Compile("(?m)" + text)
		switch {
		case err != nil:
			wrong(key, "patterns are Go regular expressions (RE2): no look-around, no back-references", "pattern %q: %v", text,
				strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		case re.MatchString(""):
			wrong(key, "a pattern that needs no text can tell nothing", "pattern %q matches the empty text", text)
		default:
			m := matcher{text: text, re: re}
			if tree, err := syntax.Parse("(?m)"+text, syntax.Perl); err == nil {
				m.needs = needed(tree.Simplify())
			}
			c.patterns = append(c.patterns, m)
		}
	}
	for _, text := range c.Tokens {
		p, err := scan.ParsePattern(text)
		if err != nil {
			wrong("tokens", "write it as code: tokens = 'std::atomic<bool> $NAME'", "tokens %q: %v", text, err)
			continue
		}
		c.patterns = append(c.patterns, matcher{text: text, tokens: p})
	}
	if len(c.Tokens) > 0 && (c.view == scan.Comments || c.view == scan.Raw) {
		wrong("view", "leave view out, or use pattern", "tokens are matched on code, not on view %q", c.View)
	}
}

// checkKind checks what belongs to which kind.
func (c *compiled) checkKind(wrong wrongFunc) {
	asked := c.Pattern != "" || len(c.Patterns) > 0 || len(c.Tokens) > 0
	switch c.Kind {
	case KindExists:
		if asked {
			wrong("pattern", `use kind = "match"`, "kind exists takes no pattern")
		}
		if c.In != (In{}) {
			wrong("in", `use kind = "within"`, "kind exists looks at file names only")
		}
		if c.Each {
			wrong("each", "leave it out", "kind exists has no each")
		}
		if c.OnMissing != "" {
			wrong("on_missing", "leave it out", "kind exists has no on_missing: a missing file is what it looks for")
		}
	case KindMatch, KindAbsent, KindCount, KindWithin:
		if !asked {
			wrong("pattern", "give a pattern, patterns or tokens", "kind %s without a pattern", c.Kind)
		}
	}
	if c.Kind == KindWithin && c.In.Function == "" {
		wrong("in", `name it: in = { function = "Pool::~Pool" }`, "kind within without a function")
	}
	if c.In.Any && c.In.Function == "" {
		wrong("in", `name it: in = { function = "Pool::~Pool" }`, "in without a function")
	}
	if c.In.Function != "" {
		c.In.Function = normalName(c.In.Function)
		if c.Each {
			wrong("each", "leave it out: every body is judged by itself", "each together with in")
		}
	}
	if c.Any && c.Kind != KindMatch && c.Kind != KindWithin {
		wrong("any", "only match and within ask for all or any of several patterns", "kind %s has no any", c.Kind)
	}
	switch {
	case c.Kind == KindCount && c.Min == nil && c.Max == nil:
		wrong("min", "set min, max or both", "kind count without min and max")
	case c.Kind != KindCount && c.Kind != KindExists && c.Min != nil:
		wrong("min", `use kind = "count"`, "kind %s has no min", c.Kind)
	case c.Kind != KindCount && c.Kind != KindExists && c.Max != nil:
		wrong("max", `use kind = "count"`, "kind %s has no max", c.Kind)
	case c.Min != nil && *c.Min < 0:
		wrong("min", "", "min is negative")
	case c.Max != nil && *c.Max < 0:
		wrong("max", "", "max is negative")
	case c.Min != nil && c.Max != nil && *c.Min > *c.Max:
		wrong("min", "", "min %d is greater than max %d: no file can satisfy that", *c.Min, *c.Max)
	case c.Min != nil && *c.Min == 0 && c.Max == nil:
		wrong("min", "set max, or a min of at least 1", "min = 0 without max always passes")
	}
}

// normalName brings a function name into the form of scan.Function: no template
// arguments, no leading "::".
func normalName(s string) string {
	s = strings.TrimPrefix(strings.TrimSpace(s), "::")
	if strings.Contains(s, "operator") || strings.ContainsAny(s, "[]") {
		return s
	}
	var b strings.Builder
	depth := 0
	for _, c := range s {
		switch {
		case c == '<':
			depth++
		case c == '>' && depth > 0:
			depth--
		case depth == 0 && c != ' ':
			b.WriteRune(c)
		}
	}
	return b.String()
}

// suggest offers the nearest of the allowed words.
func suggest(word string, allowed []string) string {
	best, dist := "", 3
	for _, a := range allowed {
		if d := distance(strings.ToLower(word), a); d < dist {
			best, dist = a, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "known: " + strings.Join(allowed, ", ")
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diag, row[j] = row[j], min(row[j]+1, row[j-1]+1, diag+cost)
		}
	}
	return row[len(b)]
}
