package checks

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/runner"
)

func TestFixtures(t *testing.T) {
	rules := noWait +
		"[[rule]]\nid = 'E'\nkind = 'exists'\nfiles = ['doc/*.md']\n" +
		"[[rule]]\nid = 'W'\nkind = 'within'\nfiles = ['src/*.mm']\nin = 'f'\npattern = 'lock'\nseverity = 'warn'\n" +
		"[[rule]]\nid = 'N'\nkind = 'absent'\nfiles = ['src/*.mm']\npattern = 'zzz'\n"
	dir := lay(t, map[string]string{
		DefaultRuleFile:                     rules,
		"holdfast.rules/R/good/a.mm":        "// waitA\n",
		"holdfast.rules/R/good/.hidden":     "waitA",
		"holdfast.rules/R/bad/a.mm":         "waitA",
		"holdfast.rules/R/bad/b.mm":         "wai",
		"holdfast.rules/R/bad/c.mm":         "/*",
		"holdfast.rules/E/good/x/doc/a.md":  "",
		"holdfast.rules/E/bad/x/doc/a.txt":  "",
		"holdfast.rules/E/bad/y.md":         "",
		"holdfast.rules/W/good/a.mm":        "void f() { lock(); }",
		"holdfast.rules/W/bad/a.mm":         "void f() { }",
		"holdfast.rules/W/bad/b.mm":         "void g() { }",
		"holdfast.rules/OLD.1/good/a.mm":    "",
		"holdfast.rules/notes/about.txt":    "",
		"holdfast.rules/W/good/more/src.md": "",
		"holdfast.rules/W/other/real.mm":    "wait",
		"src/good/real.mm":                  "wait",
	})
	list, strays, err := New(Config{}).Test(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range list {
		got = append(got, fmt.Sprintf("%s %d %d %q %q", f.ID, f.Good, f.Bad, f.Wrong, f.Missing))
	}
	want := []string{
		`R 1 1 ["bad/b.mm passes: 0 matches in 1 file" "bad/c.mm could not be told (error): c.mm: line 1: a comment without end"] []`,
		`E 1 1 ["bad/y.md is a file: kind exists looks at names, so its fixtures are folders"] []`,
		`W 1 1 ["good/more could not be told (error): no file matches src/*.mm (on_missing says what that means)" "bad/b.mm could not be told (error): no function f in 1 file (on_missing says what that means)"] []`,
		`N 0 0 [] ["good" "bad"]`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(strays) != 1 || strays[0] != "holdfast.rules/OLD.1" {
		t.Errorf("strays %q", strays)
	}
	// What is bad on purpose is no violation, and good is no proof.
	var judged []string
	all := Rule{ID: "ALL", Kind: KindAbsent, Files: []string{"**/*.mm"}, Pattern: "wait|lock"}
	outside := Rule{ID: "../src", Kind: KindAbsent, Files: []string{"**/*.mm"}, Pattern: "nothing"}
	for _, e := range only(t, run(t, dir, Config{RuleFiles: []string{"*.toml"}, Rules: []Rule{all, outside}}), "ALL").Evidence {
		judged = append(judged, e.File)
	}
	if got := strings.Join(judged, " "); got != "holdfast.rules/W/other/real.mm src/good/real.mm" {
		t.Errorf("judged %s", got)
	}
	for _, id := range []string{"..", "../x", "a/../../b", "/x", ".", "a//b", ""} {
		if d := FixtureDir(DefaultRuleFile, id); d != "" {
			t.Errorf("fixtures of %q are in %q", id, d)
		}
	}
	if _, _, err := New(Config{}).Test(t.Context(), lay(t, map[string]string{DefaultRuleFile: "[[rule]]\n"})); err == nil {
		t.Error("a rule file with a mistake was tested")
	}
}

func TestExplain(t *testing.T) {
	rules := strings.Replace(noWait, "kind", "doc = 'because'\nkind", 1) +
		"[[rule]]\nid = 'W'\nkind = 'within'\nfiles = ['src/*.mm']\nin = 'f'\npattern = 'lock'\n" +
		"[[ack]]\nid = 'W'\nreason = 'x'\nowner = 'y'\nuntil = 2026-12-31\n"
	dir := lay(t, map[string]string{
		DefaultRuleFile: rules, "src/a.mm": "void f() { lock(); }\nvoid f(int) {}\n", "src/b.mm": strings.Repeat("waitA();\n", 60),
		"check.sh": "#!/bin/sh\necho '[PASS] P.1: fine'\n",
	})
	s := New(Config{Programs: []Program{{Name: "p", Command: []string{"sh", "check.sh"}}}, Now: func() time.Time { return today }})
	ws := &runner.Workspace{Dir: dir, Logs: t.TempDir(), Env: []string{"PATH=/bin:/usr/bin"}}
	x, err := s.Explain(t.Context(), ws, "R")
	if err != nil {
		t.Fatal(err)
	}
	if x.Rule.Doc != "because" || len(x.Result.Evidence) != 60 || len(x.Files) != 2 || x.Scopes != nil || x.Result.Outcome != runner.Fail {
		t.Errorf("%+v", x)
	}
	if x, err = s.Explain(t.Context(), ws, "W"); err != nil || len(x.Scopes) != 2 || x.Result.Outcome != runner.Warn || x.Result.Ack == nil {
		t.Errorf("%+v, %v", x, err)
	}
	if x, err = s.Explain(t.Context(), ws, "P.1"); err != nil || !x.Program || x.Result.Outcome != runner.Pass {
		t.Errorf("%+v, %v", x, err)
	}
	var none *ErrNoRule
	if _, err = s.Explain(t.Context(), ws, "P.2"); !errors.As(err, &none) || none.Hint() != `did you mean "P.1"?` && none.Hint() != `did you mean "R"?` {
		t.Errorf("%v, %+v", err, none)
	}
}

// A skeleton is the rule that was asked for, whatever its texts hold.
func TestSkeletonProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab'\"\\#\n\t$[]é\u0001 ")), 1, 12, -1)
		r := Rule{ID: "A.1", Kind: KindAbsent, Title: text.Draw(rt, "title"), Doc: text.Draw(rt, "doc"), Files: []string{"src/**/*.mm"}, Severity: rapid.SampledFrom([]string{"", "warn"}).Draw(rt, "severity")}
		if rapid.Bool().Draw(rt, "in") {
			r.In.Function = "Pool::~Pool"
		}
		r.Patterns = []string{"x" + strings.Map(func(c rune) rune {
			if strings.ContainsRune(`\[]$`, c) {
				return 'y'
			}
			return c
		}, text.Draw(rt, "pattern"))}
		src, err := Skeleton(r)
		if err != nil {
			rt.Fatal(err)
		}
		set, err := Load("f", []byte(src))
		if err != nil || len(set.Rules) != 1 {
			rt.Fatalf("%v\n%s", err, src)
		}
		if got := set.Rules[0]; !sameRule(got, r) {
			rt.Errorf("%+v\n%+v", got, r)
		}
	})
	if _, err := Skeleton(Rule{ID: "a b", Kind: KindAbsent}); err == nil {
		t.Error("a bad rule has a skeleton")
	}
}
