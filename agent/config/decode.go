package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
)

// decoder fills the configuration from a decoded TOML tree. Unlike the TOML library's
// own decoding it does not stop: what is wrong becomes a problem, the setting keeps its
// default, and the walk goes on.
type decoder struct {
	file     string
	text     string
	pos      positions
	problems []*Problem
	set      map[path]bool  // settings that the file gives
	failed   []path         // settings whose value was refused
	code     map[int]bool   // lines that hold tokens of a rule, which are code and no secret
	hidden   map[int]string // lines with a secret in them, without it
}

// table fills the struct dst from a TOML table. skip names keys that are left to the
// caller.
func (d *decoder) table(p path, tree map[string]any, dst reflect.Value, skip ...string) {
	fields := fieldsOf(dst.Type())
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		at := p.key(name)
		i, ok := fields[name]
		if !ok {
			d.unknown(p, name, dst.Type())
			continue
		}
		d.set[at] = true
		if !slices.Contains(skip, name) {
			d.field(at, tree[name], dst.Field(i), dst.Type().Field(i).Tag.Get("is"))
		}
	}
	for name, i := range fields {
		if _, ok := tree[name]; !ok && slices.Contains(rules(dst.Type().Field(i).Tag.Get("is")), "required") {
			d.key(p, "", "%s is missing in %s", name, heading(p))
		}
	}
}

// heading is a table's name as it is written in the file.
func heading(p path) string {
	name := p.String()
	if i := strings.LastIndexByte(name, '['); strings.HasSuffix(name, "]") && i > 0 {
		return "[[" + name[:i] + "]]"
	}
	return "[" + name + "]"
}

// fieldsOf maps the keys of a table to the fields of its struct.
func fieldsOf(t reflect.Type) map[string]int {
	m := map[string]int{}
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("toml"), ",")
		if tag != "" && tag != "-" {
			m[tag] = i
		}
	}
	return m
}

// unknown reports a key that no table of this kind has.
func (d *decoder) unknown(p path, name string, t reflect.Type) {
	known := slices.Sorted(maps.Keys(fieldsOf(t)))
	hint := ""
	if near := nearest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	} else if home := homes(reflect.TypeFor[Config](), "", name); len(home) > 0 {
		hint = fmt.Sprintf("%s belongs in %s", name, strings.Join(home, " or "))
	} else {
		hint = "known here: " + strings.Join(known, ", ")
	}
	if p == "" {
		d.key(p.key(name), hint, "unknown table or key %s", quote(name))
		return
	}
	d.key(p.key(name), hint, "unknown key %s in %s", quote(name), heading(p))
}

// homes lists the tables that do have the key.
func homes(t reflect.Type, table, key string) []string {
	var found []string
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		ft, array := f.Type, false
		if ft.Kind() == reflect.Slice {
			ft, array = ft.Elem(), true
		}
		if tag == "" || tag == "-" {
			continue
		}
		if tag == key && table != "" {
			found = append(found, table)
		}
		if ft.Kind() != reflect.Struct || ft == secretType || unmarshals(ft) || strings.HasPrefix(table, "[[repositories") {
			continue
		}
		name := strings.Trim(strings.Trim(table, "[]")+"."+tag, ".")
		if array {
			name = "[" + name + "]"
		}
		found = append(found, homes(ft, "["+name+"]", key)...)
	}
	return found
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()

	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	tomlUnmarshaler = reflect.TypeFor[interface{ UnmarshalTOML(any) error }]()
)

// unmarshals reports whether a type reads its own value, so that it is one setting and
// not a table of several.
func unmarshals(t reflect.Type) bool {
	t = reflect.PointerTo(t)
	return t.Implements(textUnmarshaler) || t.Implements(tomlUnmarshaler)
}

// field sets one setting, or reports why it cannot.
func (d *decoder) field(p path, v any, dst reflect.Value, is string) {
	switch dst.Type() {
	case durationType:
		text, ok := v.(string)
		if !ok {
			d.wrongType(p, v, `a duration such as "90s" or "5m"`)
			return
		}
		n, err := time.ParseDuration(text)
		if err != nil {
			d.value(p, `write a number with a unit: "500ms", "90s", "5m", "2h"`, "%s: %s is not a duration", p, quote(text))
			return
		}
		if d.check(p, n, is) {
			dst.SetInt(int64(n))
		}
		return
	case secretType:
		text, ok := v.(string)
		if !ok {
			d.wrongType(p, v, `a reference such as "env:NAME"`)
			return
		}
		d.secret(p, text, dst.Addr().Interface().(*Secret))
		return
	}
	if u, ok := dst.Addr().Interface().(interface{ UnmarshalTOML(any) error }); ok {
		if err := u.UnmarshalTOML(v); err != nil {
			d.value(p, hintOf(err), "%s: %v", p, err)
		}
		return
	}
	if u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		text, ok := v.(string)
		if !ok {
			d.wrongType(p, v, "a string")
			return
		}
		if err := u.UnmarshalText([]byte(text)); err != nil {
			where := d.where(d.pos.values, p)
			var bad *baseline.SyntaxError
			// Point at the part inside the string, unless escapes shift its columns.
			if errors.As(err, &bad) && strings.Contains(d.text[where.start:where.end], text) {
				where.start += strings.Index(d.text[where.start:where.end], text) + bad.Column - 1
				where.end = where.start + len(bad.Token)
			}
			d.report(where, hintOf(err), "%s: %v", p, err)
		}
		return
	}
	switch dst.Kind() {
	case reflect.String:
		text, ok := v.(string)
		if !ok {
			d.wrongType(p, v, "a string")
			return
		}
		if d.check(p, text, is) {
			dst.SetString(text)
		}
	case reflect.Bool:
		b, ok := v.(bool)
		if !ok {
			d.wrongType(p, v, "true or false")
			return
		}
		dst.SetBool(b)
	case reflect.Int:
		n, ok := v.(int64)
		if !ok {
			d.wrongType(p, v, "a whole number")
			return
		}
		if n > math.MaxInt32 || n < math.MinInt32 {
			d.value(p, "", "%s: %d is out of range", p, n)
			return
		}
		if d.check(p, n, is) {
			dst.SetInt(n)
		}
	case reflect.Pointer:
		fresh := reflect.New(dst.Type().Elem())
		d.field(p, v, fresh.Elem(), is)
		dst.Set(fresh)
	case reflect.Slice:
		d.list(p, v, dst, is)
	case reflect.Struct:
		tree, ok := v.(map[string]any)
		if !ok {
			d.wrongType(p, v, "a table")
			return
		}
		d.table(p, tree, dst)
	default:
		panic("config: no decoding for " + dst.Type().String())
	}
}

// hintOf is the advice that an error carries.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// list replaces a list: the elements of a default never mix with those of the file.
func (d *decoder) list(p path, v any, dst reflect.Value, is string) {
	items, ok := elements(v)
	if !ok {
		want := "a list of strings"
		switch dst.Type().Elem().Kind() {
		case reflect.Int:
			want = "a list of whole numbers"
		case reflect.Struct:
			want = "a list of tables"
		}
		d.wrongType(p, v, want)
		return
	}
	out := reflect.MakeSlice(dst.Type(), len(items), len(items))
	if rest, required := strings.CutPrefix(is, "required"); required {
		is = strings.TrimPrefix(rest, ",") // the list is required, not each of its strings
		if len(items) == 0 {
			d.value(p, "", "%s: is empty", p)
		}
	}
	for i, item := range items {
		seed(out.Index(i))
		d.field(p.index(i), item, out.Index(i), is)
	}
	d.numbers(p, out, is)
	dst.Set(out)
}

// numbers checks the rules of a list of numbers as a whole.
func (d *decoder) numbers(p path, list reflect.Value, is string) {
	if list.Type().Elem().Kind() != reflect.Int {
		return
	}
	seen := map[int64]bool{}
	for i := range list.Len() {
		n := list.Index(i).Int()
		if n != 0 && seen[n] && slices.Contains(rules(is), "unique") {
			d.value(p.index(i), "", "%s: %d is listed twice", p, n)
		}
		seen[n] = true
	}
	if len(seen) > 0 && !seen[1] && !seen[0] && slices.Contains(rules(is), "one") {
		d.value(p, "add 1: the others are compared with it", "%s: 1 is missing", p)
	}
}

// seed fills in the defaults of one element of a list of tables.
func seed(v reflect.Value) {
	switch e := v.Addr().Interface().(type) {
	case *CheckProgram:
		*e = CheckProgram{Dir: ".", Limit: 5 * time.Minute, Format: "lines"}
	case *BenchProgram:
		*e = BenchProgram{Dir: ".", Limit: 2 * time.Minute, Format: "go"}
	}
}

// elements gives the items of a TOML array; the library has two shapes for them.
func elements(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case []map[string]any:
		items := make([]any, len(v))
		for i := range v {
			items[i] = v[i]
		}
		return items, true
	}
	return nil, false
}

func (d *decoder) wrongType(p path, v any, want string) {
	where := d.where(d.pos.values, p)
	text := ""
	switch v.(type) {
	case map[string]any, []map[string]any, []any:
	default:
		text = " " + printable(redact(d.text[where.start:where.end]))
	}
	if redact(p.String()+`="`+strings.TrimSpace(text)+`"`) != p.String()+`="`+strings.TrimSpace(text)+`"` {
		text = ""
	}
	hint := ""
	if s, ok := v.(string); ok && bare(s, want) {
		hint = fmt.Sprintf("write it without quotes: %s", printable(redact(s)))
	}
	if strings.HasPrefix(want, "a list of") && !strings.HasSuffix(want, "tables") && text != "" {
		hint = fmt.Sprintf("put it in brackets: [%s]", strings.TrimSpace(text))
	}
	if want == "a string" && text != "" {
		hint = fmt.Sprintf("put it in quotes: %q", strings.TrimSpace(text))
	}
	d.value(p, hint, "%s: expected %s, found %s%s", p, want, kind(v, text != ""), text)
}

// kind names a TOML type, with the article that fits what follows.
func kind(v any, shown bool) string {
	noun := ""
	switch v.(type) {
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	case []any:
		return "a list"
	case string:
		noun = "string"
	case int64, float64:
		noun = "number"
	case bool:
		noun = "boolean"
	default:
		noun = "date"
	}
	if shown {
		return "the " + noun
	}
	return "a " + noun
}

// bare reports whether a quoted value would be right without its quotes.
func bare(s, want string) bool {
	if want == "true or false" {
		return s == "true" || s == "false"
	}
	_, err := strconv.Atoi(s)
	return err == nil && want == "a whole number"
}
