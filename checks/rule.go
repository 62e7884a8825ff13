package checks

import (
	"fmt"
	"time"
)

// Kinds of rules.
const (
	KindExists = "exists" // every glob of files matches at least min files
	KindMatch  = "match"  // the patterns match
	KindAbsent = "absent" // no pattern matches
	KindCount  = "count"  // the number of matches lies between min and max
	KindWithin = "within" // the patterns match in every scope named by in

	KindScope     = "scope"     // what must, or must not, happen while a lock is held or inside of a block
	KindOrder     = "order"     // what must, or must not, happen before or after something else
	KindNear      = "near"      // what must, or must not, stand close to something else
	KindImplies   = "implies"   // a scope that contains one thing contains another
	KindJSON      = "json"      // values of a JSON file
	KindAggregate = "aggregate" // the outcomes of other rules
	KindInfo      = "info"      // a fact, never judged
)

// kinds are all kinds of rules in the order of their description.
func kinds() []string {
	return append([]string{
		KindExists, KindMatch, KindAbsent, KindCount, KindWithin,
		KindScope, KindOrder, KindNear, KindImplies, KindJSON, KindAggregate, KindInfo,
	}, analysisKinds...)
}

// Rule is one [[rule]] of a rule set. See the package comment for what the fields mean.
type Rule struct {
	ID        string     `toml:"id"`
	Title     string     `toml:"title"`
	Kind      string     `toml:"kind"`
	Files     []string   `toml:"files"`
	Exclude   []string   `toml:"exclude"`
	Pattern   string     `toml:"pattern"`    // one regular expression
	Patterns  []string   `toml:"patterns"`   // several
	Tokens    Strings    `toml:"tokens"`     // token patterns: one string or several
	Any       bool       `toml:"any"`        // one of the patterns is enough
	Each      bool       `toml:"each"`       // judge every file by itself
	View      string     `toml:"view"`       // "" is code for the C family, raw for others
	In        In         `toml:"in"`         // only inside these scopes
	Min       *int       `toml:"min"`        // matches, or files for exists
	Max       *int       `toml:"max"`        // likewise
	Severity  string     `toml:"severity"`   // "fail" (default) or "warn"
	OnMissing string     `toml:"on_missing"` // "error" (default), "fail" or "skip": no file or no function
	Typestate *Typestate `toml:"typestate"`  // what kind typestate looks for
	Doc       string     `toml:"doc"`        // what it is for: why the rule is there, and what to do
	Source    string     `toml:"-"`          // where it is written: "holdfast.rules.toml:12"

	Forbid      Events  `toml:"forbid"`      // scope, near, implies: what must not be there
	Require     Events  `toml:"require"`     // scope, near, implies: what must be there
	When        Events  `toml:"when"`        // near, implies: what the rule is about
	WhileLive   *Live   `toml:"while_live"`  // scope: while this is held
	Inside      Events  `toml:"inside"`      // scope: in a block whose head has a match
	Synchronous Strings `toml:"synchronous"` // further calls that run a lambda or block before they return
	Vacuous     string  `toml:"vacuous"`     // what it means that the rule applies nowhere: pass, skip, fail, error

	Sequence     Events `toml:"sequence"`      // order: each step before the next
	Dominates    bool   `toml:"dominates"`     // order: on every path to it
	ForbidAfter  *Pair  `toml:"forbid_after"`  // order
	RequireAfter *Pair  `toml:"require_after"` // order
	Per          string `toml:"per"`           // order: "receiver"
	Reset        Events `toml:"reset"`         // order: ends what an event began

	Lines    int    `toml:"lines"`    // near: at most so many lines away
	Distance int    `toml:"distance"` // near: at most so many tokens away
	Side     string `toml:"side"`     // near: "before", "after" or "" for both
	Unless   Events `toml:"unless"`   // near: not if this stands between

	Conditions Strings `toml:"conditions"` // json
	NewerThan  Strings `toml:"newer_than"` // json: globs of what it must not be older than
	Timestamp  string  `toml:"timestamp"`  // json: path of its time; "" for the time of its last commit

	Of   Strings `toml:"of"`   // aggregate: ids, * stands for any characters
	Text string  `toml:"text"` // info
}

// In limits a rule to scopes. Several of its keys narrow each other: the scopes of the
// innermost kind inside of those of the others. The zero value means the whole file.
//
// A name is exact, qualified as far as needed; "*" stands for all; between slashes it is a
// regular expression.
type In struct {
	Namespace  string // qualified as far as needed
	Class      string // class, struct, union or @implementation
	Function   string // "Pool::~Pool", "submit:after:", "main"
	Control    string // keyword of a statement with a block: "for", "@autoreleasepool", "/for|while|do/"
	ArgumentOf string // lambdas and blocks that are passed to a call of this name
	Lambda     bool   // lambdas
	Block      bool   // Objective-C blocks
	Any        bool   // one of several scopes is enough
	Missing    string // on_missing for the scopes: "error", "fail" or "skip"
}

// everywhere reports whether no scope is asked for.
func (in In) everywhere() bool {
	in.Any, in.Missing = false, ""
	return in == In{}
}

// all reports whether scopes are asked for without naming one.
func (in In) all() bool {
	for _, s := range []string{in.Namespace, in.Class, in.Function, in.Control, in.ArgumentOf} {
		if s != "" && s != "*" {
			return false
		}
	}
	return true
}

// String names the scopes for messages.
func (in In) String() string {
	what := ""
	switch {
	case in.ArgumentOf != "":
		what = "callback of " + in.ArgumentOf
	case in.Lambda && in.Block:
		what = "lambda or block"
	case in.Lambda:
		what = "lambda"
	case in.Block:
		what = "block"
	}
	for _, p := range [][2]string{{"statement", in.Control}, {"function", in.Function}, {"class", in.Class}, {"namespace", in.Namespace}} {
		if p[1] == "" {
			continue
		}
		s := p[0]
		if p[1] != "*" {
			s += " " + p[1]
		}
		if what != "" {
			s = what + " in " + s
		}
		what = s
	}
	return what
}

// UnmarshalTOML accepts a string, the function, or a table.
func (in *In) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		in.Function = v
		return nil
	case map[string]any:
		return decode("in", v, fields{
			"namespace": &in.Namespace, "class": &in.Class, "function": &in.Function, "control": &in.Control,
			"argument_of": &in.ArgumentOf, "lambda": &in.Lambda, "block": &in.Block, "any": &in.Any, "missing": &in.Missing,
		})
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
