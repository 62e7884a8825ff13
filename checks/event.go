package checks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Event is something to look for in code: exactly one of its fields is set. In a rule
// file it is a string, which is a token pattern or, between slashes, a regular
// expression; or a table with one of the keys tokens, pattern and call.
type Event struct {
	Tokens  string // token pattern in which $NAME stands for an operand
	Pattern string // regular expression
	Call    string // regular expression for the whole name of what is called
}

// String is the event as it is written in a rule file.
func (e Event) String() string {
	switch {
	case e.Pattern != "":
		return "/" + e.Pattern + "/"
	case e.Call != "":
		return "call of " + e.Call
	}
	return e.Tokens
}

// Events are alternatives, or, for sequence, steps.
type Events []Event

// String lists the events.
func (es Events) String() string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = e.String()
	}
	return strings.Join(parts, " or ")
}

// UnmarshalTOML accepts a string, a table or an array of both.
func (es *Events) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if _, ok := e.([]any); ok {
				return fmt.Errorf("an array inside of an array of events")
			}
			if err := es.UnmarshalTOML(e); err != nil {
				return err
			}
		}
		return nil
	case string:
		if n := len(v); n > 2 && v[0] == '/' && v[n-1] == '/' {
			*es = append(*es, Event{Pattern: v[1 : n-1]})
		} else {
			*es = append(*es, Event{Tokens: v})
		}
		return nil
	case map[string]any:
		var e Event
		if err := decode("an event", v, fields{"tokens": &e.Tokens, "pattern": &e.Pattern, "call": &e.Call}); err != nil {
			return err
		}
		n := 0
		for _, s := range []string{e.Tokens, e.Pattern, e.Call} {
			if s != "" {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("an event has one of the keys tokens, pattern and call, and not an empty one")
		}
		*es = append(*es, e)
		return nil
	}
	return fmt.Errorf("must be code like '[$R commit]', a '/regular expression/', a table, or an array of these")
}

// fields are the keys of an inline table with what they fill.
type fields map[string]any

// decode fills the fields from a table and reports keys and types that do not fit.
func decode(what string, v map[string]any, to fields) error {
	for _, k := range slices.Sorted(maps.Keys(v)) {
		target, ok := to[k]
		if !ok {
			return fmt.Errorf("unknown key %q in %s; it has %s", k, what, strings.Join(slices.Sorted(maps.Keys(to)), ", "))
		}
		e := v[k]
		switch target := target.(type) {
		case *string:
			s, ok := e.(string)
			if !ok {
				return fmt.Errorf("%s in %s must be a string", k, what)
			}
			*target = s
		case *bool:
			b, ok := e.(bool)
			if !ok {
				return fmt.Errorf("%s in %s must be true or false", k, what)
			}
			*target = b
		case interface{ UnmarshalTOML(any) error }:
			if err := target.UnmarshalTOML(e); err != nil {
				return fmt.Errorf("%s in %s: %w", k, what, err)
			}
		}
	}
	return nil
}

// Pair is the value of forbid_after and require_after.
type Pair struct {
	Event Events // what happens first
	Then  Events // what must not, or must, happen after it
}

// UnmarshalTOML accepts a table {event, then}.
func (p *Pair) UnmarshalTOML(v any) error {
	t, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("must be a table like { event = '[$R commit]', then = '[$R addCompletedHandler:' }")
	}
	if err := decode("the pair", t, fields{"event": &p.Event, "then": &p.Then}); err != nil {
		return err
	}
	if len(p.Event) == 0 || len(p.Then) == 0 {
		return fmt.Errorf("both event and then are needed")
	}
	return nil
}

// Live is the value of while_live: which locks, or what else is taken and given back.
// Locks is true for `while_live = "lock"` and wherever neither Guards nor Acquire is set.
type Live struct {
	Locks   bool    // all locks that are known
	Guards  Strings // further types of guards: regular expressions for the whole name
	Of      string  // regular expression: only locks whose text matches
	Acquire Events  // takes something, instead of a lock
	Release Events  // gives it back
}

// UnmarshalTOML accepts "lock" or a table {locks, guards, of, acquire, release}.
func (l *Live) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		if v != "lock" {
			return fmt.Errorf(`must be "lock" or a table like { of = 'mutex_' }`)
		}
		l.Locks = true
		return nil
	case map[string]any:
		locks := true
		if err := decode("while_live", v, fields{"locks": &locks, "guards": &l.Guards, "of": &l.Of, "acquire": &l.Acquire, "release": &l.Release}); err != nil {
			return err
		}
		_, said := v["locks"]
		l.Locks = locks && (said || len(l.Acquire) == 0)
		if len(l.Release) > 0 && len(l.Acquire) == 0 {
			return fmt.Errorf("release without acquire")
		}
		if !l.Locks && len(l.Acquire) == 0 && len(l.Guards) == 0 {
			return fmt.Errorf("nothing can be live: it has neither locks nor guards nor acquire")
		}
		return nil
	}
	return fmt.Errorf(`must be "lock" or a table like { of = 'mutex_' }`)
}
