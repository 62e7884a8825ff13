package checks

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// event is an Event that can be looked for.
type event struct {
	text   string
	tokens *scan.Pattern
	match  *matcher       // a regular expression
	call   *regexp.Regexp // the name of what is called
	words  [][]byte       // all of these are tokens of a file with a match
	needs  [][]byte       // a file with a match contains one of these; nil if not known
}

// names are the names that a match binds.
func (e event) names() []string {
	if e.tokens == nil {
		return nil
	}
	return e.tokens.Names()
}

// belongs says which kinds may have which of the keys that not all have.
var belongs = []struct {
	key   string
	set   func(c *compiled) bool
	kinds string
}{
	{"in", func(c *compiled) bool { return c.In != In{} }, "match absent count within scope order near implies"},
	{"view", func(c *compiled) bool { return c.View != "" }, "exists match absent count within near implies info"},
	{"each", func(c *compiled) bool { return c.Each }, "exists match absent count within"},
	{"pattern", func(c *compiled) bool { return c.Pattern != "" }, "exists match absent count within"},
	{"patterns", func(c *compiled) bool { return len(c.Patterns) > 0 }, "exists match absent count within"},
	{"tokens", func(c *compiled) bool { return len(c.Tokens) > 0 }, "exists match absent count within"},
	{"forbid", func(c *compiled) bool { return len(c.Forbid) > 0 }, "scope near implies"},
	{"require", func(c *compiled) bool { return len(c.Require) > 0 }, "scope near implies"},
	{"when", func(c *compiled) bool { return len(c.When) > 0 }, "near implies"},
	{"while_live", func(c *compiled) bool { return c.WhileLive != nil }, "scope"},
	{"inside", func(c *compiled) bool { return len(c.Inside) > 0 }, "scope"},
	{"synchronous", func(c *compiled) bool { return len(c.Synchronous) > 0 }, "scope order"},
	{"vacuous", func(c *compiled) bool { return c.Vacuous != "" }, "scope order near implies"},
	{"sequence", func(c *compiled) bool { return len(c.Sequence) > 0 }, "order"},
	{"dominates", func(c *compiled) bool { return c.Dominates }, "order"},
	{"forbid_after", func(c *compiled) bool { return c.ForbidAfter != nil }, "order"},
	{"require_after", func(c *compiled) bool { return c.RequireAfter != nil }, "order"},
	{"per", func(c *compiled) bool { return c.Per != "" }, "order"},
	{"reset", func(c *compiled) bool { return len(c.Reset) > 0 }, "order"},
	{"lines", func(c *compiled) bool { return c.Lines != 0 }, "near"},
	{"distance", func(c *compiled) bool { return c.Distance != 0 }, "near"},
	{"side", func(c *compiled) bool { return c.Side != "" }, "near"},
	{"unless", func(c *compiled) bool { return len(c.Unless) > 0 }, "near"},
	{"conditions", func(c *compiled) bool { return len(c.Conditions) > 0 }, "json"},
	{"newer_than", func(c *compiled) bool { return len(c.NewerThan) > 0 }, "json"},
	{"timestamp", func(c *compiled) bool { return c.Timestamp != "" }, "json"},
	{"of", func(c *compiled) bool { return len(c.Of) > 0 }, "aggregate"},
	{"text", func(c *compiled) bool { return c.Text != "" }, "info"},
	{"on_missing", func(c *compiled) bool { return c.OnMissing != "" }, "exists match absent count within scope order near implies json aggregate"},
	{"files", func(c *compiled) bool { return len(c.Files) > 0 }, "exists match absent count within scope order near implies json"},
	{"severity", func(c *compiled) bool { return c.Severity != "" }, "exists match absent count within scope order near implies json aggregate"},
}

// compileKind checks and compiles what only the newer kinds have.
func (c *compiled) compileKind(wrong wrongFunc) {
	if !slices.Contains(kinds(), c.Kind) {
		return
	}
	for _, b := range belongs {
		ok := strings.Fields(b.kinds)
		if analysed(c.Kind) && slices.Contains(ok, KindAbsent) { // these say themselves what they do not take
			continue
		}
		if b.set(c) && !slices.Contains(ok, c.Kind) {
			wrong(b.key, "it belongs to "+strings.Join(ok, ", "), "kind %s has no %s", c.Kind, b.key)
		}
	}
	for _, l := range []struct {
		key    string
		events Events
		to     *[]event
	}{
		{"forbid", c.Forbid, &c.forbid},
		{"require", c.Require, &c.require},
		{"when", c.When, &c.when},
		{"inside", c.Inside, &c.inside},
		{"sequence", c.Sequence, &c.sequence},
		{"reset", c.Reset, &c.reset},
		{"unless", c.Unless, &c.unless},
	} {
		*l.to = compileEvents(l.key, l.events, wrong)
	}
	one := func(need bool) {
		if (len(c.Forbid) > 0) == (len(c.Require) > 0) && need {
			wrong("forbid", "give one of the two", "kind %s has either forbid or require", c.Kind)
		}
	}
	switch c.Kind {
	case KindScope:
		one(true)
		if (c.WhileLive == nil) == (len(c.Inside) == 0) {
			wrong("while_live", `while_live = "lock" or inside = '@autoreleasepool'`, "kind scope has either while_live or inside")
		}
		c.compileLive(wrong)
	case KindOrder:
		c.compileOrder(wrong)
	case KindNear:
		one(true)
		if len(c.When) == 0 {
			wrong("when", "say what must, or must not, have the other near it", "kind near without when")
		}
		switch {
		case c.Lines <= 0 && c.Distance <= 0:
			wrong("lines", "lines = 5, or distance = 40 for tokens", "kind near without lines or distance")
		case c.Lines != 0 && c.Distance != 0:
			wrong("lines", "leave one of them out", "both lines and distance")
		}
	case KindImplies:
		one(true)
		if len(c.When) == 0 {
			wrong("when", "say what implies the other", "kind implies without when")
		}
	case KindInfo:
		if strings.TrimSpace(c.Text) == "" {
			wrong("text", "say what there is to know", "kind info without text")
		}
	}
	if c.View != "" && c.View != string(scan.Code) && (c.Kind == KindNear || c.Kind == KindImplies) {
		for _, es := range [][]event{c.when, c.forbid, c.require, c.unless} {
			for _, e := range es {
				if e.match == nil {
					wrong("view", "leave view out, or write '/regular expressions/'", "tokens are matched on code, not on view %q", c.View)
					return
				}
			}
		}
	}
	c.sync = synchronous(c.Synchronous)
}

func (c *compiled) compileOrder(wrong wrongFunc) {
	n := 0
	for _, set := range []bool{len(c.Sequence) > 0, c.ForbidAfter != nil, c.RequireAfter != nil} {
		if set {
			n++
		}
	}
	switch {
	case n != 1:
		wrong("sequence", "give one of the three", "kind order has one of sequence, forbid_after and require_after")
		return
	case len(c.Sequence) == 1:
		wrong("sequence", "sequence = ['first', 'second']", "a sequence of one step")
	case c.Dominates && len(c.Sequence) == 0:
		wrong("dominates", "leave it out", "dominates belongs to sequence")
	case len(c.Reset) > 0 && len(c.Sequence) > 0:
		wrong("reset", "leave it out", "reset belongs to forbid_after and require_after")
	}
	pair, key := c.ForbidAfter, "forbid_after"
	if pair == nil {
		pair, key = c.RequireAfter, "require_after"
	}
	if pair != nil {
		c.first, c.then = compileEvents(key, pair.Event, wrong), compileEvents(key, pair.Then, wrong)
	}
	if c.Per != "receiver" {
		return
	}
	if pair == nil {
		wrong("per", "leave it out", "per belongs to forbid_after and require_after")
	}
	for _, es := range [][]event{c.first, c.then} {
		for _, e := range es {
			if len(e.names()) == 0 {
				wrong(key, "name it in all patterns: event = '[$R commit]'", "per receiver, but %s names no receiver", short(e.text))
			}
		}
	}
}

func compileEvents(key string, events Events, wrong wrongFunc) []event {
	var out []event
	for _, e := range events {
		c := event{text: e.String()}
		switch {
		case e.Tokens != "":
			p, err := scan.ParseOperands(e.Tokens)
			if err != nil {
				wrong(key, "write it as code, '[$R commit]', or a regular expression between slashes", "event %q: %v", e.Tokens, err)
				continue
			}
			c.tokens = p
			c.words = words(p.Literals())
		case e.Pattern != "":
			m := compileRegexp(key, e.Pattern, wrong)
			if m == nil {
				continue
			}
			c.match, c.needs = m, m.raw
		case e.Call != "":
			if _, err := regexp.Compile(e.Call); err != nil { // alone, for a message with the author's own text
				wrong(key, "it is a regular expression for the whole name", "call %q: %v", e.Call, plainRegexp(err))
				continue
			}
			re, err := regexp.Compile("^(?:" + e.Call + ")$")
			if err != nil {
				wrong(key, "make it shorter", "call %q: %v", e.Call, plainRegexp(err))
				continue
			}
			c.call = re
			if tree, err := syntax.Parse(e.Call, syntax.Perl); err == nil {
				c.needs = rawNeeds(tree.Simplify())
			}
		default:
			wrong(key, "write code or a '/regular expression/'", "an empty event")
			continue
		}
		out = append(out, c)
	}
	return out
}

// words are those of some tokens that are worth looking for.
func words(tokens []string) [][]byte {
	var out [][]byte
	for _, t := range tokens {
		if len(t) >= leastLiteral && !slices.ContainsFunc(out, func(w []byte) bool { return string(w) == t }) {
			out = append(out, []byte(t))
		}
	}
	return out
}

func plainRegexp(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// compileRegexp compiles one regular expression of a rule, nil if it is wrong.
func compileRegexp(key, text string, wrong wrongFunc) *matcher {
	_, err := regexp.Compile(text) // alone, for a message with the author's own text
	var re *regexp.Regexp
	if err == nil {
		re, err = regexp.Compile("(?m)" + text)
	}
	switch {
	case err != nil:
		wrong(key, "patterns are Go regular expressions (RE2): no look-around, no back-references", "pattern %q: %s", text, plainRegexp(err))
		return nil
	case re.MatchString(""):
		wrong(key, "a pattern that needs no text can tell nothing", "pattern %q matches the empty text", text)
		return nil
	}
	m := &matcher{text: text, re: re}
	if tree, err := syntax.Parse("(?m)"+text, syntax.Perl); err == nil {
		tree = tree.Simplify()
		m.needs = needed(tree)
		m.raw = rawNeeds(tree)
		m.bare = withoutBoundary(tree)
		m.singleLine = singleLine(tree)
	}
	return m
}

// synchronous are the calls that run what is passed to them before they return. All that
// a rule adds are taken to run it once.
func synchronous(more []string) map[string]scan.Runs {
	out := map[string]scan.Runs{}
	for _, n := range []string{"dispatch_sync", "dispatch_barrier_sync", "dispatch_async_and_wait", "dispatch_barrier_async_and_wait", "performBlockAndWait", "performWithoutAnimation", "invoke", "apply"} {
		out[n] = scan.Once
	}
	for _, n := range []string{
		"dispatch_apply", "dispatch_once", "call_once", "visit", "for_each", "for_each_n", "find_if", "find_if_not", "any_of", "all_of", "none_of", "count_if",
		"transform", "remove_if", "erase_if", "copy_if", "sort", "stable_sort", "generate", "accumulate", "reduce", "partition", "lower_bound", "upper_bound",
		"max_element", "min_element", "enumerateObjectsUsingBlock", "enumerateKeysAndObjectsUsingBlock", "sortUsingComparator", "sortedArrayUsingComparator",
	} {
		out[n] = scan.Anytime
	}
	for _, n := range more {
		out[n] = scan.Once
	}
	return out
}

// runs says when a lambda or block runs that is passed to one of callees.
func (c *compiled) runs(callees []string) scan.Runs {
	for _, n := range callees {
		if r, ok := c.sync[n]; ok {
			return r
		}
	}
	return scan.Later
}

// singleLine reports whether no match of an expression can contain a line end, or depend on
// more than its line.
func singleLine(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return !slices.ContainsFunc(re.Rune, func(r rune) bool { return r == '\n' || r == '\r' })
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] <= '\n' && '\n' <= re.Rune[i+1] {
				return false
			}
		}
		return true
	case syntax.OpAnyChar, syntax.OpBeginText, syntax.OpEndText:
		return false
	}
	for _, s := range re.Sub {
		if !singleLine(s) {
			return false
		}
	}
	return true
}
