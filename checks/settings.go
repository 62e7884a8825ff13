package checks

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Settings are the keys of a rule that are set, as "KEY = VALUE" in the form of a rule file,
// without those that say what it is called, what it is for and where it looks.
func (r Rule) Settings() []string {
	var out []string
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("toml")
		f := v.Field(i)
		if f.IsZero() || slices.Contains([]string{"-", "id", "title", "doc", "kind", "files", "exclude", "in"}, key) {
			continue
		}
		out = append(out, key+" = "+written(f.Interface()))
	}
	return out
}

// written is a value of a rule as it is written in a rule file.
func written(v any) string {
	switch v := v.(type) {
	case string:
		return literal(v)
	case []string:
		return "[" + join(v, literal) + "]"
	case Strings:
		return list(v, literal)
	case *int:
		return strconv.Itoa(*v)
	case Events:
		return list(v, Event.written)
	case *Pair:
		return table("event", v.Event, "then", v.Then)
	case *Live:
		if v.Locks && len(v.Guards)+len(v.Acquire) == 0 && v.Of == "" {
			return literal("lock")
		}
		return table("locks", v.Locks && len(v.Acquire) > 0, "guards", v.Guards, "of", v.Of, "acquire", v.Acquire, "release", v.Release)
	case *Typestate:
		return table("type", v.Type, "made", v.Made, "by", v.By, "enter", v.Enter, "leave", v.Leave, "part", v.Part, "end", v.End, "forbid", v.Forbid, "when", v.When)
	}
	return fmt.Sprint(v) // a number or a boolean
}

func (e Event) written() string {
	switch {
	case e.Call != "":
		return table("call", e.Call)
	case e.Pattern != "":
		return literal("/" + e.Pattern + "/")
	}
	return literal(e.Tokens)
}

// literal is a string of TOML that needs no second look.
func literal(s string) string {
	if strings.ContainsAny(s, "'\n\r\t") {
		return strconv.Quote(s)
	}
	return "'" + s + "'"
}

// list is an array, or its only element.
func list[E any](es []E, one func(E) string) string {
	if len(es) == 1 {
		return one(es[0])
	}
	return "[" + join(es, one) + "]"
}

func join[E any](es []E, one func(E) string) string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = one(e)
	}
	return strings.Join(parts, ", ")
}

// table is an inline table of the keys that are set.
func table(pairs ...any) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := reflect.ValueOf(pairs[i+1]); !v.IsZero() {
			parts = append(parts, fmt.Sprintf("%s = %s", pairs[i], written(pairs[i+1])))
		}
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}
