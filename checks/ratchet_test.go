package checks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/runner"
)

const noWait = "[[rule]]\nid = 'R'\ntitle = 'no waiting'\nkind = 'absent'\nfiles = ['src/**/*']\npattern = 'wait\\w+'\n"

// against runs the stage over head with what it told about base.
func against(t testing.TB, base, head map[string]string, cfg Config) runner.Result {
	t.Helper()
	cfg.Now = func() time.Time { return today }
	was := run(t, lay(t, base), cfg)
	ws := &runner.Workspace{Dir: lay(t, head), Logs: t.TempDir(), Earlier: &was, EarlierCommit: runner.Commit{SHA: "fedcba9876543210fedcba9876543210fedcba98"}}
	return runner.Execute(context.Background(), New(cfg), ws, time.Minute)
}

func only(t testing.TB, res runner.Result, id string) runner.Rule {
	t.Helper()
	for _, r := range res.Checks.Rules {
		if r.ID == id {
			return r
		}
	}
	t.Fatalf("no rule %s in %+v", id, res)
	return runner.Rule{}
}

func TestRatchet(t *testing.T) {
	const two = "void f() {\n  [b waitA];\n}\nvoid g() {\n  [b waitB];\n}\n"
	within := "[[rule]]\nid = 'R'\nkind = 'within'\nfiles = ['src/**/*']\nin = 'f'\npatterns = ['lock', 'unlock']\n"
	least := "[[rule]]\nid = 'R'\nkind = 'count'\nfiles = ['src/**/*']\npattern = 'lock'\nmin = 4\n"
	exists := "[[rule]]\nid = 'R'\nkind = 'exists'\nfiles = ['src/a.mm', 'src/b.mm', 'src/c.mm']\n"
	ack := "[[ack]]\nid = 'R'\nfile = 'src/b.mm'\nreason = 'x'\nowner = 'y'\nuntil = 2026-12-31\n"
	over := strings.Replace(ack, "12-31", "01-01", 1)
	src := func(rules string, files ...string) map[string]string {
		m := map[string]string{DefaultRuleFile: rules}
		for i := 0; i < len(files); i += 2 {
			m[files[i]] = files[i+1]
		}
		return m
	}
	for _, tt := range []struct {
		name       string
		base, head map[string]string
		outcome    string
		reason     string
		fresh      int
		places     string // of what is new
	}{
		{"the same", src(noWait, "src/a.mm", two), src(noWait, "src/a.mm", two), "warn", "2 violations, all of them there at fedcba9876: 2 matches", 0, ""},
		{"moved and laid out anew", src(noWait, "src/a.mm", two), src(noWait, "src/a.mm", "// new\n\nvoid g()\n{\n  int x;\n  [b   waitB]; }\n"+"void f() { other(); [b waitA]; }\n"), "warn", "2 violations, all", 0, ""},
		{"one is new", src(noWait, "src/a.mm", two), src(noWait, "src/a.mm", "void n() { [b waitC]; }\n"+two), "fail", "1 of 3 violations new since fedcba9876: 3 matches", 1, "1"},
		{"the new one last in the file", src(noWait, "src/a.mm", two), src(noWait, "src/a.mm", two+"void n() { [b waitA]; }\n"), "fail", "1 of 3", 1, "7"},
		{"the same once more in one function", src(noWait, "src/a.mm", two), src(noWait, "src/a.mm", strings.Replace(two, "[b waitA];", "[b waitA]; [b waitA];", 1)), "fail", "1 of 3", 1, "2"},
		{"one goes, another comes", src(noWait, "src/a.mm", two), src(noWait, "src/a.mm", strings.Replace(two, "waitA", "waitZ", 1)), "fail", "1 of 2", 1, "2"},
		{"one is mended", src(noWait, "src/a.mm", two), src(noWait, "src/a.mm", strings.Replace(two, "[b waitA];", "", 1)), "warn", "1 violation, which was there", 0, ""},
		{"the file is renamed", src(noWait, "src/a.mm", two), src(noWait, "src/z.mm", two), "warn", "2 violations, all", 0, ""},
		{"the file is copied", src(noWait, "src/a.mm", two), src(noWait, "src/a.mm", two, "src/z.mm", two), "fail", "2 of 4", 2, "2 5"},
		{"renamed, and one more", src(noWait, "src/a.mm", two), src(noWait, "src/z.mm", two+"void n() { [b waitC]; }\n"), "fail", "1 of 3", 1, "7"},
		{"the base passed", src(noWait, "src/a.mm", "int a;"), src(noWait, "src/a.mm", two), "fail", "2 matches in 1 file, none expected", 2, "2 5"},
		{"the base could not be told", src(noWait, "src/a.mm", "/* "), src(noWait, "src/a.mm", two), "fail", "at fedcba9876 it could not be told", 2, "2 5"},
		{"a comment", src(strings.Replace(noWait, "pattern", "view = 'comments'\npattern", 1), "src/a.mm", "// waitX here\n"), src(strings.Replace(noWait, "pattern", "view = 'comments'\npattern", 1), "src/a.mm", "int a;\n    // waitX here\n"), "warn", "1 violation", 0, ""},
		{"a plain file", src(noWait, "src/a.py", "x = waitX()\n"), src(noWait, "src/a.py", "\nx = waitX()\ny = waitY()\n"), "fail", "1 of 2", 1, "3"},

		{"lacks the same", src(within, "src/a.mm", "void f() { lock(); }"), src(within, "src/a.mm", "int n;\nvoid f() { more(); lock(); lock(); }"), "warn", "1 violation, which was there", 0, ""},
		{"lacks more", src(within, "src/a.mm", "void f() { lock(); }"), src(within, "src/a.mm", "void f() { }"), "fail", "1 of 2", 1, "1"},
		{"another body lacks it", src(within, "src/a.mm", "void f() { lock(); }"), src(within, "src/a.mm", "void f() { lock(); }\n", "src/b.mm", "void f() { lock(); }"), "fail", "1 of 2", 1, "1"},
		{"too few, and fewer", src(least, "src/a.mm", "lock lock lock"), src(least, "src/a.mm", "lock lock"), "fail", "1 of 2", 1, ""},
		{"too few, but more", src(least, "src/a.mm", "lock lock"), src(least, "src/a.mm", "lock lock lock"), "warn", "1 violation", 0, ""},
		{"files lack", src(exists, "src/a.mm", ""), src(exists, "src/b.mm", ""), "fail", "1 of 2", 1, ""},
		{"files lack as before", src(exists, "src/a.mm", ""), src(exists, "src/a.mm", "x"), "warn", "2 violations", 0, ""},

		{"the rest is acknowledged", src(noWait+ack, "src/a.mm", two, "src/b.mm", "waitQ"), src(noWait+ack, "src/a.mm", two, "src/b.mm", "waitQ waitR"), "warn", "2 violations, all", 0, ""},
		{"an acknowledgement is over", src(noWait+ack, "src/a.mm", two, "src/b.mm", "waitQ"), src(noWait+over, "src/a.mm", two, "src/b.mm", "waitQ"), "fail", "is not replaced by being old", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := against(t, tt.base, tt.head, Config{Ratchet: true})
			r := only(t, res, "R")
			if r.Outcome != tt.outcome || !strings.Contains(r.Reason, tt.reason) || r.New != tt.fresh || r.Debt != (tt.outcome == "warn") {
				t.Errorf("%s, %d new, debt %v: %q; want %s, %d new: %q", r.Outcome, r.New, r.Debt, r.Reason, tt.outcome, tt.fresh, tt.reason)
			}
			var lines []string
			old := false
			for _, e := range r.Evidence {
				if e.New {
					lines = append(lines, string(rune('0'+e.Line)))
				}
				if old && e.New {
					t.Error("what is new does not come first")
				}
				old = old || !e.New
			}
			if got := strings.Join(lines, " "); got != tt.places {
				t.Errorf("new on lines %q, want %q", got, tt.places)
			}
			if (res.Verdict == runner.Failure) != (tt.outcome == "fail") || res.Checks.Base.SHA == "" {
				t.Errorf("verdict %s", res.Verdict)
			}
			for _, f := range res.Findings {
				if f.Verdict == runner.Failure && tt.places != "" && !slices.Contains(lines, string(rune('0'+f.Line))) {
					t.Errorf("a finding about what is old: %+v", f)
				}
			}
			// Without the ratchet all of it fails.
			if r := only(t, against(t, tt.base, tt.head, Config{}), "R"); r.Outcome != runner.Fail || r.Debt {
				t.Errorf("without the ratchet: %s", r.Outcome)
			}
		})
	}
}

func TestNotCompared(t *testing.T) {
	files := map[string]string{DefaultRuleFile: noWait, "src/a.mm": "waitA"}
	for _, earlier := range []*runner.Result{
		{Verdict: runner.Error, Reason: "no room"},
		{Checks: &runner.Checks{Scheme: "other/0", Rules: []runner.Rule{{ID: "R", Outcome: "fail", Violations: []string{"x"}}}}},
	} {
		ws := &runner.Workspace{Dir: lay(t, files), Earlier: earlier}
		res := runner.Execute(t.Context(), New(Config{Ratchet: true}), ws, time.Minute)
		if r := only(t, res, "R"); r.Outcome != runner.Fail || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "not compared") {
			t.Errorf("%s: %q", r.Outcome, res.Warnings)
		}
	}
}

// Beyond what evidence has room for, violations are compared all the same.
func TestManyViolations(t *testing.T) {
	text := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "void f%d() { waitA(); }\n", i)
		}
		return b.String()
	}
	const all = maxEvidence + 40
	base := map[string]string{DefaultRuleFile: noWait, "src/a.mm": text(0, all)}
	if r := only(t, against(t, base, map[string]string{DefaultRuleFile: noWait, "src/a.mm": text(1, all)}, Config{Ratchet: true}), "R"); r.Outcome != runner.Warn || len(r.Violations) != all-1 || len(r.Evidence) != maxEvidence {
		t.Errorf("%s, %d violations, %d shown: %s", r.Outcome, len(r.Violations), len(r.Evidence), r.Reason)
	}
	if r := only(t, against(t, base, map[string]string{DefaultRuleFile: noWait, "src/a.mm": text(0, all+1)}, Config{Ratchet: true}), "R"); r.Outcome != runner.Fail || !r.Evidence[0].New || r.Evidence[0].Line != all+1 {
		t.Errorf("%s: %+v", r.Outcome, r.Evidence[0])
	}
}

// Fingerprints depend on no line, no blank and no comment, and differ between violations.
func TestFingerprintProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		gap := func() string {
			return rapid.SampledFrom([]string{" ", "\n", "\t ", " /* c */ ", "\n// waitX\n", " \r\n"}).Draw(rt, "gap")
		}
		n := rapid.IntRange(1, 4).Draw(rt, "n")
		build := func(gap func() string) string {
			var b strings.Builder
			for i := range n {
				b.WriteString("void" + gap() + "f" + string(rune('a'+i)) + "()" + gap() + "{" + gap())
				for range 1 + i%2 {
					b.WriteString("[" + gap() + "b" + gap() + "waitA" + gap() + "]" + gap() + ";" + gap())
				}
				b.WriteString("}" + gap())
			}
			return b.String()
		}
		rules := strings.Replace(noWait, "pattern = 'wait\\w+'", "tokens = '[b waitA]'", 1)
		one := only(t, run(t, lay(t, map[string]string{DefaultRuleFile: rules, "src/a.mm": build(func() string { return " " })}), Config{}), "R")
		two := only(t, run(t, lay(t, map[string]string{DefaultRuleFile: rules, "src/a.mm": build(gap)}), Config{}), "R")
		if !slices.Equal(one.Violations, two.Violations) {
			rt.Errorf("%q and %q", one.Violations, two.Violations)
		}
		if len(slices.Compact(slices.Clone(one.Violations))) != len(one.Evidence) {
			rt.Errorf("%d names for %d places", len(one.Violations), len(one.Evidence))
		}
		for _, e := range two.Evidence {
			if e.EndLine == 0 || e.Fingerprint == "" || e.EndLine < e.Line {
				rt.Errorf("%+v", e)
			}
		}
	})
}
