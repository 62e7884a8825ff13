package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// compiled is a rule that can be judged.
type compiled struct {
	Rule
	files, exclude []*glob
	patterns       []matcher
	view           scan.View  // "" until the language is known
	numbers        *literals  // that glances are about
	glances        []glance   // of the patterns or, for the newer kinds, of what the rule is about
	glanceIn       glance     // of in
	groups         [][][]byte // words of which an analysis needs one of each group
	analysis       analysis   // of the kinds that are written in Go; nil for others

	in                                                     scopeFilter
	forbid, require, when, inside, sequence, reset, unless []event
	first, then                                            []event // of forbid_after or require_after
	live                                                   liveness
	sync                                                   map[string]scan.Runs
	conditions                                             []condition
	newer                                                  []*glob
	stamp                                                  jsonPath
	of                                                     []*regexp.Regexp
}

// matcher is one pattern of a rule: a regular expression or a token pattern.
type matcher struct {
	text  string
	re    *regexp.Regexp
	needs [][]byte // a match contains one of these; nil if that is not known
	words [][]byte // all of these are tokens of a file with a match
	raw   [][]byte // the bytes of the file contain one of these, in any case of letters; likewise
	// bare is re without its leading \b, if a literal follows: the regexp package looks
	// for a literal at the start much faster than for anything else.
	bare *regexp.Regexp
	// singleLine: a match stays inside of a line and depends on nothing else.
	singleLine bool
	tokens     *scan.Pattern
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
	switch {
	case r.Kind == "":
		wrong("kind", "kinds: "+strings.Join(kinds(), ", "), "a rule without kind")
	case !slices.Contains(kinds(), r.Kind):
		wrong("kind", suggest(r.Kind, kinds()), "unknown kind %q", r.Kind)
	case analysed(r.Kind):
		c.compileAnalysis(wrong)
		if n, ok := c.analysis.(narrow); ok {
			for _, group := range n.words() {
				var g [][]byte
				for _, w := range group {
					g = append(g, []byte(w))
				}
				c.groups = append(c.groups, g)
			}
		}
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
	oneOf("vacuous", r.Vacuous, "pass", "skip", "fail", "error")
	oneOf("side", r.Side, "before", "after")
	oneOf("per", r.Per, "receiver")
	if r.In.Missing != "" && r.In.Missing != "error" && r.In.Missing != "fail" && r.In.Missing != "skip" {
		wrong("in", suggest(r.In.Missing, []string{"error", "fail", "skip"}), "unknown missing %q", r.In.Missing)
	}
	oneOf("view", r.View, string(scan.Code), string(scan.CodeStrings), string(scan.Comments), string(scan.Raw))
	c.view = scan.View(r.View)

	if len(r.Files) == 0 && r.Kind != KindAggregate && r.Kind != KindInfo {
		wrong("files", `say which files: files = ["src/**/*.mm"]`, "no files")
	}
	c.files = globs("files", r.Files, wrong)
	c.exclude = globs("exclude", r.Exclude, wrong)
	c.compilePatterns(wrong)
	c.checkKind(wrong)
	c.compileIn(wrong)
	c.compileKind(wrong)
	c.compileJSON(wrong)
	c.compileAggregate(wrong)
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
		if m := compileRegexp(key, text, wrong); m != nil {
			c.patterns = append(c.patterns, *m)
		}
	}
	for _, text := range c.Tokens {
		p, err := scan.ParsePattern(text)
		if err != nil {
			wrong("tokens", "write it as code: tokens = 'std::atomic<bool> $NAME'", "tokens %q: %v", text, err)
			continue
		}
		c.patterns = append(c.patterns, matcher{text: text, tokens: p, words: words(p.Literals())})
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
	if analysed(c.Kind) && (asked || c.In != (In{}) || c.Each || c.View != "") {
		wrong("kind", "it reads whole files and takes none of these keys", "kind %s with a pattern, in, each or view", c.Kind)
	}
	if c.Typestate != nil && c.Kind != KindTypestate {
		wrong("typestate", `use kind = "typestate"`, "kind %s has no typestate", c.Kind)
	}
	if c.Kind == KindWithin && c.In.everywhere() {
		wrong("in", `name it: in = { function = "Pool::~Pool" }`, "kind within without a function")
	}
	if c.In.Any && c.In.everywhere() {
		wrong("in", `name it: in = { function = "Pool::~Pool" }`, "in without a function")
	}
	if !c.In.everywhere() && c.Each {
		wrong("each", "leave it out: every body is judged by itself", "each together with in")
	}
	if c.Any && c.Kind != KindMatch && c.Kind != KindWithin && c.Kind != KindJSON && c.Kind != KindAggregate {
		wrong("any", "only match and within ask for all or any of several patterns", "kind %s has no any", c.Kind)
	}
	switch {
	case c.Kind == KindCount && c.Min == nil && c.Max == nil:
		wrong("min", "set min, max or both", "kind count without min and max")
	case c.Kind != KindCount && c.Kind != KindExists && c.Kind != KindAggregate && c.Min != nil:
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
