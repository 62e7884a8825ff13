package proofs

import (
	"slices"
	"strings"
	"testing"
)

func TestParseImports(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want []string
	}{
		{"import A\nimport B.C\n\ndef import := 1\nimport D", []string{"A", "B.C"}},
		{"/- import X /- import Y -/ -/ import A -- import Z\nimport B/- c -/ theorem", []string{"A", "B"}},
		{"module\n\npublic import A.B\nmeta import all C\nprivate import D\nnamespace E", []string{"A.B", "C", "D"}},
		{"prelude\r\nimport A\r\n", []string{"A"}},
		{"import «a b».C «d»\n", []string{"a b.C"}},
		{"import all A\nimport runtime B", []string{"A", "B"}},
		{"theorem x : True := trivial\nimport A", nil},
		{"import", nil},
		{"import «unterminated", nil},
		{"import ../../etc", nil},
		{"", nil},
	} {
		if got := parseImports(tt.src); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.src, got, tt.want)
		}
	}
}

func TestStripComments(t *testing.T) {
	src := "a -- b\n/- c /- d -/ e -/ f \"-- no /- comment\" g"
	want := "a     \n" + strings.Repeat(" ", 18) + "f \"-- no /- comment\" g"
	if got := stripComments(src); got != want {
		t.Errorf("got %q", got)
	}
}

func FuzzSource(f *testing.F) {
	f.Add("import A\nimport «b c».D -- x\n/- /- -/ -/ import E")
	f.Add("module\npublic import A\n\"str\\\"--\" /-")
	f.Fuzz(func(t *testing.T, src string) {
		got := stripComments(src)
		// Nothing moves: same length, same line ends.
		if len(got) != len(src) {
			t.Fatalf("length %d became %d", len(src), len(got))
		}
		for i := range len(src) {
			if (src[i] == '\n') != (got[i] == '\n') {
				t.Fatalf("line end at %d", i)
			}
			if got[i] != src[i] && got[i] != ' ' {
				t.Fatalf("byte %d became %q", i, got[i])
			}
		}
		for _, name := range parseImports(src) {
			if name == "" || strings.ContainsAny(name, "/\\\n") {
				t.Fatalf("import %q", name)
			}
		}
	})
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		in    string
		parts []string
		out   string
	}{
		{"A.B", []string{"A", "B"}, "A.B"},
		{"A.«b.c».D", []string{"A", "b.c", "D"}, "A.«b.c».D"},
		{"demo-exe", []string{"demo-exe"}, "«demo-exe»"},
		{"«A».B'", []string{"A", "B'"}, "A.B'"},
		{"", nil, ""},
		{"A..B", nil, ""},
		{"A.", nil, ""},
		{".A", nil, ""},
		{"../A", nil, ""},
		{"A/B", nil, ""},
		{"«A", nil, ""},
		{"«A»B", nil, ""},
		{"«..»", nil, ""},
	} {
		parts, ok := splitName(tt.in)
		if ok != (tt.parts != nil) || ok && (!slices.Equal(parts, tt.parts) || joinName(parts) != tt.out) {
			t.Errorf("%q: %q %v", tt.in, parts, ok)
		}
	}
}
