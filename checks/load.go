package checks

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// RuleSet is the content of one rule file.
type RuleSet struct {
	Rules []Rule
	Acks  []Ack
}

// Load reads a rule file. name is its path as it should appear in messages. Whatever is
// wrong with it is in the error, an errors.Join of *[Mistake] in the order of lines; the
// rule set then holds what could be read, and is not to be judged by.
func Load(name string, src []byte) (*RuleSet, error) {
	l := loader{name: name, src: string(src)}
	set := l.load()
	for _, m := range l.bad {
		m.File = name
	}
	slices.SortStableFunc(l.bad, func(a, b *Mistake) int { return a.Line - b.Line })
	return set, joinMistakes(l.bad)
}

type loader struct {
	name   string
	src    string
	places []place
	bad    []*Mistake
	pack   func(*Rule) // completes a rule of a pack; nil for a rule file
}

func (l *loader) wrong(p place, advice, format string, args ...any) *Mistake {
	m := &Mistake{Line: p.line, Col: p.col, Key: p.key, Text: fmt.Sprintf(format, args...), Advice: advice}
	l.bad = append(l.bad, m)
	return m
}

func (l *loader) load() *RuleSet {
	set := &RuleSet{}
	var doc struct {
		Rule []toml.Primitive `toml:"rule"`
		Ack  []toml.Primitive `toml:"ack"`

		Packs []string             `toml:"packs"`
		Pack  map[string]packTable `toml:"pack"`
	}
	md, err := toml.Decode(l.src, &doc)
	if err != nil {
		l.syntax(err, reflect.TypeOf(doc))
		return set
	}
	l.places = places(l.src)
	var broken []func() // after Undecoded: another look at a table counts its keys as read
	for i, p := range doc.Rule {
		var r Rule
		if err := md.PrimitiveDecode(p, &r); err != nil {
			broken = append(broken, func() { l.values(&md, p, "rule", i, reflect.TypeFor[Rule]()) })
			continue
		}
		r.Source = l.source("rule", i)
		if l.pack != nil {
			r.Source = l.name
			l.pack(&r)
		}
		set.Rules = append(set.Rules, r)
		_, bad := r.compile()
		for _, m := range bad {
			at := find(l.places, "rule", i, m.Key)
			m.Line, m.Col = at.line, at.col
			l.bad = append(l.bad, m)
		}
	}
	for i, p := range doc.Ack {
		var a Ack
		if err := md.PrimitiveDecode(p, &a); err != nil {
			broken = append(broken, func() { l.values(&md, p, "ack", i, reflect.TypeFor[Ack]()) })
			continue
		}
		a.Source = l.source("ack", i)
		set.Acks = append(set.Acks, a)
		for _, m := range a.check() {
			at := find(l.places, "ack", i, m.Key)
			m.Line, m.Col = at.line, at.col
			l.bad = append(l.bad, m)
		}
	}
	l.unknown(md.Undecoded())
	for _, tell := range broken {
		tell()
	}
	l.packs(set, doc.Packs, doc.Pack)
	l.duplicates(set.Rules)
	if len(doc.Rule) == 0 && len(doc.Ack) == 0 && len(doc.Packs) == 0 && len(l.bad) == 0 {
		l.wrong(place{line: 1}, hintRule, "the rule set is empty")
	}
	return set
}

func (l *loader) source(table string, index int) string {
	return l.name + ":" + strconv.Itoa(max(1, find(l.places, table, index, "").line))
}

// hintRule shows how a rule is written, on one line.
const hintRule = `write one: [[rule]] id = "ST.001", title = "no waiting under a lock", kind = "absent", files = ["src/**/*.mm"], pattern = '\bwaitUntilCompleted\b', each key on its own line`

var (
	typeError = regexp.MustCompile(`(?s)^toml: (?:line \d+ )?(?:\(last key ".*?"\): )?(.*)$`)
	typeWords = strings.NewReplacer("incompatible types: ", "", "TOML value has type ", "it is ", "destination has type ", "it should be ",
		"map[string]any", "a table", "[]any", "an array", "[]map[string]any", "tables", "slice", "an array", "string", "a string",
		"int64", "an integer", "integer", "an integer", "float64", "a number", "boolean", "a boolean", "bool", "a boolean", "; ", ", ")
)

// syntax reports an error of the whole document.
func (l *loader) syntax(err error, fields reflect.Type) {
	var pe toml.ParseError
	if errors.As(err, &pe) {
		l.wrong(place{line: pe.Position.Line, col: pe.Position.Col}, strings.TrimSpace(firstLine(pe.Usage)), "%s", pe.Message)
		return
	}
	var keys map[string]toml.Primitive
	md, err := toml.Decode(l.src, &keys)
	if err != nil {
		l.wrong(place{line: 1}, "", "%v", err)
		return
	}
	l.places = places(l.src)
	l.misfits(&md, keys, fields, func(key, text string) {
		at, advice := find(l.places, "", 0, key), ""
		if at.line == 0 {
			at = find(l.places, key, 0, "")
		}
		if key == "rule" || key == "ack" {
			advice = "tables of rules have two brackets: [[" + key + "]]"
		}
		l.wrong(place{line: max(1, at.line), col: at.col, key: key}, advice, "%s", text)
	})
}

// values reports every key of a table whose value does not fit its field.
func (l *loader) values(md *toml.MetaData, table toml.Primitive, name string, index int, fields reflect.Type) {
	var keys map[string]toml.Primitive
	if err := md.PrimitiveDecode(table, &keys); err != nil {
		l.wrong(find(l.places, name, index, ""), "", "%v", err)
		return
	}
	l.misfits(md, keys, fields, func(key, text string) {
		l.wrong(find(l.places, name, index, key), "", "%s", text)
	})
}

// misfits calls tell for every key whose value does not fit its field, in the order of the
// fields. The TOML module decodes a table in random order, stops at the first of them, and
// does not know which of several tables it is in.
func (l *loader) misfits(md *toml.MetaData, keys map[string]toml.Primitive, fields reflect.Type, tell func(key, text string)) {
	for i := range fields.NumField() {
		key := fields.Field(i).Tag.Get("toml")
		value, ok := keys[key]
		if !ok {
			continue
		}
		err := md.PrimitiveDecode(value, reflect.New(fields.Field(i).Type).Interface())
		if err == nil {
			continue
		}
		text := err.Error()
		var pe toml.ParseError
		if errors.As(err, &pe) {
			text = pe.Message
		} else if m := typeError.FindStringSubmatch(text); m != nil {
			text = typeWords.Replace(m[1])
		}
		if !strings.HasPrefix(text, key) {
			text = key + ": " + text
		}
		tell(key, text)
	}
}

// unknown reports keys that nothing reads, each at all its places.
func (l *loader) unknown(keys []toml.Key) {
	seen := map[string]bool{}
	for _, k := range keys {
		table, key := "", k[0]
		allowed := []string{"rule", "ack", "packs", "pack"}
		if k[0] == "pack" && len(k) > 2 { // [pack.NAME]
			table, allowed = "pack."+k[1], tomlKeys(reflect.TypeFor[packTable]())
			l.wrong(find(l.places, table, 0, k[2]), suggest(k[2], allowed), "unknown key %q", k[2])
			continue
		}
		if len(k) > 1 && (k[0] == "rule" || k[0] == "ack") {
			table, key = k[0], k[1]
			if table == "rule" {
				allowed = tomlKeys(reflect.TypeFor[Rule]())
			} else {
				allowed = tomlKeys(reflect.TypeFor[Ack]())
			}
		}
		if seen[table+"."+key] || key == "" || slices.Contains(allowed, key) { // a table that did not decode
			continue
		}
		seen[table+"."+key] = true
		found := false
		for _, p := range l.places {
			if p.table == table && p.key == key || table == "" && p.table == key && p.key == "" {
				l.wrong(p, suggest(key, allowed), "unknown key %q", key)
				found = true
			}
		}
		if !found {
			l.wrong(find(l.places, table, 0, ""), suggest(key, allowed), "unknown key %q", k.String())
		}
	}
}

func tomlKeys(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("toml"); k != "-" {
			out = append(out, k)
		}
	}
	return out
}

func (l *loader) duplicates(rules []Rule) {
	first := map[string]string{}
	for _, r := range rules {
		if r.ID == "" {
			continue
		}
		if src, ok := first[r.ID]; ok {
			line, _ := strconv.Atoi(r.Source[strings.LastIndexByte(r.Source, ':')+1:])
			l.wrong(place{line: line}, "ids are unique: results are compared by them", "the id %s is already used at %s", r.ID, src)
			continue
		}
		first[r.ID] = r.Source
	}
}

// Validate reports everything that is wrong with an acknowledgement, as errors.Join of
// *[Mistake]. It is nil for a good one.
func (a Ack) Validate() error { return joinMistakes(a.check()) }

// check reports what is missing in an acknowledgement.
func (a Ack) check() []*Mistake {
	var bad []*Mistake
	missing := func(ok bool, key, why string) {
		if !ok {
			bad = append(bad, &Mistake{Key: key, Text: fmt.Sprintf("an acknowledgement without %s", key), Advice: why})
		}
	}
	missing(a.ID != "", "id", "the id of the rule that it tolerates")
	missing(strings.TrimSpace(a.Reason) != "", "reason", "say why the rule may be broken")
	missing(strings.TrimSpace(a.Owner) != "", "owner", "say who removes the cause")
	missing(!a.Until.IsZero(), "until", "the last day on which it holds: until = 2026-12-31")
	return bad
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}
