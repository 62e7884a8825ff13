package checks

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzPath: what is read is JSON, every value stands where it says, ** leads to all of
// them, and a path that is shown parses to itself.
func FuzzPath(f *testing.F) {
	for _, s := range []string{`{}`, `[1, "a", null, {"b": [true]}]`, "\xEF\xBB\xBF {\"a\" : 1.5e3}", `{"a": {"a": 1}, "b": 2}`, `{"a": 1, "a": 2}`, `[[[`, `"\ud800"`} {
		f.Add([]byte(s), `a.b[0].*."c d"`)
	}
	f.Add([]byte(`{"a": 1}`), `**.a[*]`)
	f.Fuzz(func(t *testing.T, src []byte, text string) {
		if p, err := parsePath(text); err == nil {
			q, err := parsePath(p.text)
			if err != nil || len(q.steps) != len(p.steps) {
				t.Fatalf("%q: %v", text, err)
			}
		}
		doc, err := readJSON(src)
		if err != nil {
			return
		}
		if !json.Valid([]byte(strings.TrimPrefix(string(src), "\xEF\xBB\xBF"))) {
			t.Fatalf("%q is no JSON", src)
		}
		deep, _ := parsePath("**")
		all, err := deep.find(doc)
		if err != nil {
			return
		}
		n := 0
		var walk func(v *value)
		walk = func(v *value) {
			n++
			first := map[byte]string{'{': "{", '[': "[", '"': `"`, '0': "-0123456789", 't': "tf", 'n': "n"}[v.kind]
			if v.offset >= len(src) || strings.IndexByte(first, src[v.offset]) < 0 {
				t.Fatalf("%q: a value of kind %c at %d", src, v.kind, v.offset)
			}
			for _, e := range v.list {
				walk(e)
			}
		}
		walk(doc)
		if n != len(all) {
			t.Fatalf("%q: %d values, ** leads to %d", src, n, len(all))
		}
	})
}

func TestConditions(t *testing.T) {
	for _, s := range []string{"", "a", "a =", "= 1", "a ~ 1", "a[ = 1", "a. = 1", "a < true", "a =~ (", "a exists b"} {
		if c, err := parseCondition(s); err == nil {
			t.Errorf("%q is a condition: %+v", s, c)
		}
	}
	for _, s := range []string{"a=1", "a.b[3] != \"x = y\"", "** exists", "\"a.b\".c absent", "a >= @b.c", "a =~ ^x.*y$", "a != ok", "$.a = null"} {
		if _, err := parseCondition(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}
