package checks

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestLoadMistakes compares what is said about bad rule files with testdata/mistakes.txt:
// sections "-- NAME --" of TOML, each followed by "-- said --" and the messages.
func TestLoadMistakes(t *testing.T) {
	name := filepath.Join("testdata", "mistakes.txt")
	golden, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	head, sections, _ := strings.Cut(string(golden), "-- ")
	out.WriteString(head)
	for part := range strings.SplitSeq("\n"+"-- "+sections, "\n-- ") {
		if part == "" {
			continue
		}
		title, rest, ok := strings.Cut(part, " --\n")
		if !ok {
			t.Fatalf("bad section %q", part)
		}
		if title == "said" {
			continue
		}
		_, err := Load("holdfast.rules.toml", []byte(rest))
		fmt.Fprintf(&out, "-- %s --\n%s\n-- said --\n", title, rest)
		if err == nil {
			t.Errorf("%s: no mistake found", title)
		}
		for _, m := range mistakes(err) {
			fmt.Fprintln(&out, m.Error())
			if h := m.Hint(); h != "" {
				fmt.Fprintln(&out, "  hint:", h)
			}
			if m.Line < 1 {
				t.Errorf("%s: no line: %v", title, m)
			}
		}
	}
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := out.String(); got != string(golden) {
		t.Errorf("run go test ./checks -update and look at the difference; got\n%s", got)
	}
}

func TestLoadGood(t *testing.T) {
	src := `# a comment = "with signs"
[[rule]]
id = "A"      # [[rule]]
kind = 'within'
files = [
    "src/**/*.mm", # id = "B"
    "x = y",
]
in = { function = "~A", any = true }
patterns = ['''a
[[rule]]
id = "no"''', "b"]

[[ack]]
id = "A"
reason = "why"
owner = "who"
until = 2026-12-31

[[rule]]
"id" = 'B'
kind = "count"
files = ["a"]
tokens = "a b"
max = 3

[[ack]]
id = "B"
reason = "why"
owner = "who"
until = "2027-01-01"
`
	set, err := Load("r.toml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range set.Rules {
		got = append(got, fmt.Sprintf("%s %s %v %v %v %v", r.ID, r.Source, r.Files, r.In, r.Tokens, r.Patterns))
	}
	for _, a := range set.Acks {
		got = append(got, fmt.Sprintf("%s %s %s", a.ID, a.Source, a.Until))
	}
	want := []string{
		"A r.toml:2 [src/**/*.mm x = y] function ~A [] [a\n[[rule]]\nid = \"no\" b]", "B r.toml:20 [a]  [a b] []",
		"A r.toml:14 2026-12-31", "B r.toml:27 2027-01-01",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzLoad: a mistake has a line that the file has, and what loads without mistake can be
// judged by.
func FuzzLoad(f *testing.F) {
	golden, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, part := range strings.Split(string(golden), " --\n") {
		f.Add(part)
	}
	f.Fuzz(func(t *testing.T, src string) {
		set, err := Load("r.toml", []byte(src))
		lines := strings.Count(src, "\n") + 1
		for _, m := range mistakes(err) {
			if m.Line < 0 || m.Line > lines || m.Text == "" || m.File != "r.toml" {
				t.Errorf("%q: %+v of %d lines", src, m, lines)
			}
		}
		if err != nil {
			return
		}
		if len(set.Rules)+len(set.Acks) == 0 {
			t.Errorf("%q is empty and no mistake", src)
		}
		ids := map[string]bool{}
		for _, r := range set.Rules {
			if ids[r.ID] || r.ID == "" || r.Validate() != nil {
				t.Errorf("%q: rule %+v", src, r)
			}
			ids[r.ID] = true
		}
		for _, a := range set.Acks {
			if a.Until.IsZero() || a.ID == "" {
				t.Errorf("%q: ack %+v", src, a)
			}
		}
	})
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		glob, yes, no string // space-separated paths
	}{
		{"a.c", "a.c", "b.c a_c x/a.c a.cc"},
		{"./a.c", "a.c", "x/a.c"},
		{"*.c", "a.c b.c", "x/a.c .a.c a.cc"},
		{"**/*.c", "a.c x/a.c x/y/a.c", ".x/a.c x/.y/a.c x/.a.c a.h"},
		{"src/**", "src/a src/x/y", "src a src/.x/a other/src/a"},
		{"src/**/test/*.c", "src/test/a.c src/x/y/test/a.c", "src/a.c src/testing/a.c"},
		{"a?c", "abc a.c", "ac a/c abbc"},
		{"[ab].[!c]", "a.h b.m", "c.h a.c a./"},
		{"*.{c,h}", "a.c a.h", "a.m a.{c,h}"},
		{".github/*.yml", ".github/ci.yml", "github/ci.yml .github/x/ci.yml"},
		{"a+b(c).d", "a+b(c).d", "aab(c)xd"},
		{"é*.c", "éa.c", "ea.c"},
	} {
		g, err := parseGlob(tt.glob)
		if err != nil {
			t.Errorf("%s: %v", tt.glob, err)
			continue
		}
		for _, p := range strings.Fields(tt.yes) {
			if !g.match(p) {
				t.Errorf("%s does not match %s", tt.glob, p)
			}
		}
		for _, p := range strings.Fields(tt.no) {
			if g.match(p) {
				t.Errorf("%s matches %s", tt.glob, p)
			}
		}
	}
	for _, bad := range []string{"", "/a", "a//b", "../a", "a/../b", "a/./b", "a**", "**a/b", `a\b`, "[a", "[]", "{a", "a}", "{{a}}", "a/", "a\xff", strings.Repeat("a", 1001)} {
		if _, err := parseGlob(bad); err == nil {
			t.Errorf("%q is a glob", bad)
		}
	}
}
