package checks

import (
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/flow"
)

// Typestate is the value of typestate: what may be called on an object depends on what was
// called on it before (R. E. Strom, S. Yemini: Typestate, IEEE TSE 12(1), 1986). All
// fields but When are regular expressions for the whole of a name; of an Objective-C
// message that is the selector.
type Typestate struct {
	Type   string // objects by their declared type: matches somewhere in it
	Made   string // calls that make an object
	By     string // what Made is called on: matches somewhere in its text or declared type
	Enter  string // calls on an object that put it into the state
	Leave  string // calls after which its state is not known
	Part   string // calls on an object that make a part of it
	End    string // calls on a part that end it
	Forbid string // calls that are forbidden
	// When says in which state: "entered", "fresh" (made here and not entered yet), "open"
	// (a part of the object is not ended), "ended" (the calls are on a part, which is).
	When string
}

// UnmarshalTOML accepts a table.
func (t *Typestate) UnmarshalTOML(v any) error {
	table, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("must be a table like { enter = 'commit', forbid = 'commit', when = 'entered' }")
	}
	to := map[string]*string{
		"type": &t.Type, "made": &t.Made, "by": &t.By, "enter": &t.Enter, "leave": &t.Leave, "part": &t.Part, "end": &t.End, "forbid": &t.Forbid, "when": &t.When,
	}
	for _, k := range slices.Sorted(maps.Keys(table)) {
		s, known := to[k]
		if !known {
			return fmt.Errorf("unknown key %q in typestate; it has %s", k, strings.Join(slices.Sorted(maps.Keys(to)), ", "))
		}
		text, isString := table[k].(string)
		if !isString {
			return fmt.Errorf("%s in typestate must be a string", k)
		}
		*s = text
	}
	return nil
}

// typestate is a compiled Typestate.
type typestate struct {
	typ, made, by, enter, leave, part, end, forbid *regexp.Regexp
	when                                           string
	needed                                         [][]string
}

func (t *typestate) words() [][]string { return t.needed }

func (t *Typestate) compile(wrong wrongFunc) analysis {
	const key = "typestate"
	if t == nil {
		wrong(key, `say what: typestate = { enter = 'commit', forbid = 'commit', when = "entered" }`, "kind typestate without typestate")
		return nil
	}
	c := &typestate{when: t.When}
	bad := false
	set := func(name, text string, to **regexp.Regexp, whole bool) {
		if text == "" {
			return
		}
		if whole {
			text = "^(?:" + text + ")$"
		}
		re, err := regexp.Compile(text)
		if err != nil {
			wrong(key, "regular expressions of Go (RE2)", "%s in typestate: %v", name, err)
			bad = true
			return
		}
		*to = re
	}
	set("type", t.Type, &c.typ, false)
	set("made", t.Made, &c.made, true)
	set("by", t.By, &c.by, false)
	set("enter", t.Enter, &c.enter, true)
	set("leave", t.Leave, &c.leave, true)
	set("part", t.Part, &c.part, true)
	set("end", t.End, &c.end, true)
	set("forbid", t.Forbid, &c.forbid, true)
	need := func(ok bool, what string) {
		if !ok && !bad {
			wrong(key, "the package documentation has examples", "typestate with when = %q needs %s", t.When, what)
			bad = true
		}
	}
	need(t.Forbid != "", "forbid")
	switch t.When {
	case "entered":
		need(t.Enter != "", "enter")
	case "fresh":
		need(t.Made != "" && t.Enter != "", "made and enter")
	case "open", "ended":
		need(t.Part != "" && t.End != "", "part and end")
	default:
		wrong(key, suggest(t.When, []string{"entered", "fresh", "open", "ended"}), "unknown when %q in typestate", t.When)
		bad = true
	}
	if bad {
		return nil
	}
	// Words without which nothing can be found: of what gets an object into its state, of
	// what is forbidden, and of the objects if they are limited.
	group := func(res ...*regexp.Regexp) {
		var words []string
		for _, re := range res {
			if re == nil {
				continue
			}
			tree, err := syntax.Parse(re.String(), syntax.Perl)
			if err != nil {
				return
			}
			lits := needed(tree.Simplify())
			if lits == nil {
				return
			}
			for _, l := range lits {
				words = append(words, string(l))
			}
		}
		if len(words) > 0 {
			c.needed = append(c.needed, words)
		}
	}
	group(c.forbid)
	switch t.When {
	case "entered":
		group(c.enter)
		group(c.typ, c.made)
	case "fresh":
		group(c.made)
	default:
		group(c.part)
	}
	return c
}

func (t *typestate) gather(x *flow.File, f *facts) {
	for _, b := range x.Bodies {
		w := &typestateWalk{typestate: t, body: b, file: x}
		w.note = func(at int, format string, args ...any) {
			if !expected(b, at) {
				f.find(at, fmt.Sprintf(format, args...))
			}
		}
		flow.Walk(b, w, objects{})
	}
}
