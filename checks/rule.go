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
	KindWithin = "within" // the patterns match in the body of every function named by in
)

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
	In        In         `toml:"in"`         // only inside this function
	Min       *int       `toml:"min"`        // matches, or files for exists
	Max       *int       `toml:"max"`        // likewise
	Severity  string     `toml:"severity"`   // "fail" (default) or "warn"
	OnMissing string     `toml:"on_missing"` // "error" (default), "fail" or "skip": no file or no function
	Typestate *Typestate `toml:"typestate"`  // what kind typestate looks for
	Doc       string     `toml:"doc"`        // what it is for: why the rule is there, and what to do
	Source    string     `toml:"-"`          // where it is written: "holdfast.rules.toml:12"
}

// In limits a rule to the bodies of the functions of one name. The zero value means the
// whole file.
type In struct {
	Function string `toml:"function"` // qualified as far as needed: "Pool::~Pool", "submit:after:", "main"
	Any      bool   `toml:"any"`      // one of several bodies of that name is enough
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
