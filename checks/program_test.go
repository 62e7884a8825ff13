package checks

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// told renders rows as "id outcome reason", one a line.
func told(rules []runner.Rule) string {
	var out []string
	for _, r := range rules {
		s := r.ID + " " + r.Outcome + " " + r.Reason
		if p := positions(r); p != "" {
			s += " @ " + p
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

func TestPrograms(t *testing.T) {
	for _, tt := range []struct {
		name, script, format string
		verdict              runner.Verdict
		want                 string
	}{
		{"lines", "echo 'Checking'; echo '[PASS] A.1: fine'; echo '[WARN] A.2: so so'; echo '  [ok] A.3'", "", runner.Success, "A.1 pass fine\nA.2 warn so so\nA.3 pass as the program says"},
		{"failure", "echo '[PASS] A.1: fine'; echo '[FAIL] A.2: a lock is missing'; exit 1", "lines", runner.Failure, "A.1 pass fine\nA.2 fail a lock is missing"},
		{"colours", `printf '\033[0;32m[PASS]\033[0m A.1: fine\r\n\033[1;31m[FAIL]\033[m A.2: bad\n'; exit 1`, "lines", runner.Failure, "A.1 pass fine\nA.2 fail bad"},
		{"location", "echo '[FAIL] A.1: bad'; echo '       Location: '$PWD/src/a.c:2; exit 1", "", runner.Failure, "A.1 fail bad @ src/a.c:2:1"},
		{"checkout in a message", "echo \"[SKIP] sources: $PWD/lib/a.c is not there\"; echo '[PASS] A.1: fine'", "", runner.Success, "sources skip lib/a.c is not there\nA.1 pass fine"},
		{"location outside", "echo '[FAIL] A.1: bad'; echo '       Location: /etc/passwd:1'; exit 1", "", runner.Failure, "A.1 fail bad (/etc/passwd)"},
		{"same id", "echo '[PASS] A.1: one'; echo '[FAIL] A.1: two'; echo '[PASS] A.1: three'; exit 1", "", runner.Failure, "A.1 fail 3 results (1 fail, 2 pass): two"},
		{"exit 0 with failures", "echo '[FAIL] A.1: bad'", "", runner.Failure, "A.1 fail bad\nprog error it ended with exit code 0 although 1 check failed"},
		{"exit 1 without failures", "echo '[PASS] A.1: fine'; echo oops >&2; exit 1", "", runner.Error, "A.1 pass fine\nprog error it ended with exit code 1 although no check failed: oops"},
		{"nothing", "echo hello", "", runner.Error, "prog error it printed no check result"},
		{"only skipped", "echo '[SKIP] sources: not there'", "", runner.Error, "sources skip not there\nprog error it printed no check result"},
		{"dies", "echo '[PASS] A.1: fine'; kill -9 $$", "", runner.Error, "A.1 pass fine\nprog error it was killed by signal 9 (often: out of memory), so there may be more results"},
		{"on standard error", "echo '[FAIL] A.1: bad' >&2; exit 1", "", runner.Failure, "A.1 fail bad"},
		{"error line", "echo '[ERROR] A.1: no input'; exit 2", "", runner.Error, "A.1 error no input"},
		{"line without id", "echo '[PASS]'; echo '[PASS] A.1'", "", runner.Error, "prog error a result without id: \"[PASS]\"; it printed no check result"},
		{"json array", `echo '[{"id":"A.1","status":"pass","message":"fine"},{"id":"A.2","status":"FAIL","message":"bad","file":"src/a.c","line":"2"}]'; exit 1`, "json", runner.Failure, "A.1 pass fine\nA.2 fail bad @ src/a.c:2:1"},
		{"json object", `echo '{"time":1,"results":[{"name":"A.1: a name","status":"PASS","message":"","file":"","line":""}]}'`, "json", runner.Success, "A.1 pass a name"},
		{"json hides a failure", `echo '{"status":"FAIL","results":[{"id":"A.1","status":"PASS"}]}'`, "json", runner.Error, "A.1 pass as the program says\nprog error the whole is \"FAIL\", but no result says why"},
		{"json counts wrongly", `echo '{"failed":1,"results":[{"id":"A.1","status":"PASS"}]}'`, "json", runner.Error, "A.1 pass as the program says\nprog error it counts 1 failed, but lists 0"},
		{"json with a new status", `echo '[{"id":"A.1","status":"MAYBE"}]'; exit 1`, "json", runner.Error, "A.1 error unknown status \"MAYBE\""},
		{"not json", "echo '[PASS] A.1: fine'", "json", runner.Error, "prog error not the JSON of check results: invalid character 'P' looking for beginning of value; it printed no check result"},
		{"json and more", "echo '[] x'", "json", runner.Error, "prog error something stands behind the JSON; it printed no check result"},
		{"json cut short", `echo '[{"id":"A.1","status":"PASS"}'`, "json", runner.Error, "prog error not the JSON of check results: unexpected EOF; it printed no check result"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := lay(t, map[string]string{"src/a.c": "int a;\nint b;\n", "check.sh": "#!/bin/sh\n" + tt.script + "\n"})
			res := run(t, dir, Config{Programs: []Program{{Name: "prog", Command: []string{"./check.sh"}, Format: tt.format}}})
			if got := told(res.Checks.Rules); got != tt.want || res.Verdict != tt.verdict {
				t.Errorf("%s:\n%s\nwant %s:\n%s", res.Verdict, got, tt.verdict, tt.want)
			}
			for _, r := range res.Checks.Rules {
				if r.Source != "prog" {
					t.Errorf("source %q", r.Source)
				}
				if len(r.Evidence) > 0 && r.Evidence[0].Text != "int b;" {
					t.Errorf("text %q", r.Evidence[0].Text)
				}
			}
			if len(res.Logs) != 1 || res.Logs[0].Name != "checks-prog" {
				t.Errorf("logs %+v", res.Logs)
			}
		})
	}
}

func TestProgramCannotRun(t *testing.T) {
	dir := lay(t, map[string]string{"a": "not executable", "out": "-> /", "sub/x": ""})
	for _, tt := range []struct {
		program Program
		reason  string
	}{
		{Program{Command: []string{"./none"}}, "program none: no such file or directory"},
		{Program{Command: []string{"./a"}}, "not an executable file"},
		{Program{Command: []string{"no-such-program-here"}}, "not in PATH"},
		{Program{}, "no command is configured"},
		{Program{Command: []string{"true"}, Dir: "../x"}, "outside of the checkout"},
		{Program{Command: []string{"true"}, Dir: "out"}, "outside of the checkout"},
		{Program{Command: []string{"true"}, Dir: "none"}, "no such file or directory"},
	} {
		tt.program.Name = "p"
		res := run(t, dir, Config{Programs: []Program{tt.program}})
		r := res.Checks.Rules[0]
		if res.Verdict != runner.Error || r.Outcome != runner.RuleError || !strings.Contains(r.Reason, tt.reason) {
			t.Errorf("%v: %s: %s, want %q", tt.program, res.Verdict, r.Reason, tt.reason)
		}
	}
}

func TestProgramLimit(t *testing.T) {
	dir := lay(t, map[string]string{"check.sh": "#!/bin/sh\necho '[PASS] A.1: fine'\nsleep 60\n"})
	res := run(t, dir, Config{Programs: []Program{{Name: "slow", Command: []string{"./check.sh"}, Limit: 200 * time.Millisecond}}})
	if got := told(res.Checks.Rules); res.Verdict != runner.Error || !strings.Contains(got, "A.1 pass fine\nslow error it was stopped after its time limit") {
		t.Errorf("%s: %s", res.Verdict, got)
	}
}

// TestIDsStayUnique: the id is what results are compared by.
func TestIDsStayUnique(t *testing.T) {
	dir := lay(t, with(map[string]string{"src/a.c": "x", "check.sh": "#!/bin/sh\necho '[PASS] R: fine'\necho '[PASS] one: fine'\nexit 1\n"}, "kind='match'\npattern='x'"))
	p := Program{Name: "one", Command: []string{"./check.sh"}}
	q := p
	q.Name = "two"
	rules := run(t, dir, Config{Programs: []Program{p, q}}).Checks.Rules
	seen := map[string]bool{}
	for _, r := range rules {
		if seen[r.ID] {
			t.Errorf("%s twice", r.ID)
		}
		seen[r.ID] = true
	}
	if len(rules) != 7 || !seen["R"] || !seen["one/R"] || !seen["two/R"] {
		t.Errorf("%s", told(rules))
	}
}

// TestRulesSeeTheCommit: a program cannot change what the rules see.
func TestRulesSeeTheCommit(t *testing.T) {
	dir := lay(t, with(map[string]string{"src/a.c": "bad", "check.sh": "#!/bin/sh\nrm src/a.c\necho '[PASS] A: fine'\n"}, "kind='absent'\npattern='bad'"))
	res := run(t, dir, Config{Programs: []Program{{Name: "p", Command: []string{"./check.sh"}}}})
	if res.Verdict != runner.Failure {
		t.Errorf("%s: %s", res.Verdict, told(res.Checks.Rules))
	}
	if _, err := os.Stat(filepath.Join(dir, "src/a.c")); err == nil {
		t.Error("the program did not run")
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"[PASS] a: b", "\x1b[32m[FAIL]\x1b[0m a: b\r\n Location: x.c:1:2\n", "[SKIP]", "[pass] - a:b: c", "[WARN]a", "[ERROR] " + strings.Repeat("é", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cs, err := parseLines(s)
		if n := strings.Count(s, "["); len(cs) > n {
			t.Errorf("%d results from %d brackets", len(cs), n)
		}
		for _, c := range cs {
			if c.id == "" || len(c.id) > 210 || outcomeOf(c.outcome) != c.outcome || c.line < 0 {
				t.Errorf("%q: %+v", s, c)
			}
			// What was read is read again from its own line.
			again, err2 := parseLines("[" + c.outcome + "] " + c.id + ": " + c.message)
			if err == nil && err2 == nil && (len(again) != 1 || again[0].id != c.id || again[0].outcome != c.outcome) {
				t.Errorf("%q: %+v again is %+v", s, c, again)
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`[]`, `{}`, `[{"id":"a","status":"pass"}]`, `{"failed":1,"overall":"ok","results":[{"name":"a: b","status":"x","line":"7"}]}`, `[{"line":-1}]`, `null`, `"a"`, `{"status":"FAIL","results":[{"id":"a","status":"pass"}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		cs, err := parseJSON(s)
		failed := 0
		for _, c := range cs {
			if c.id == "" || outcomeOf(c.outcome) != c.outcome || c.line < 0 || len(c.id) > 210 {
				t.Errorf("%q: %+v", s, c)
			}
			if c.outcome == runner.Fail {
				failed++
			}
		}
		// A summary that tells of a failure is never lost. (Of keys that differ in case only,
		// the decoder of structs takes the last, so these are left out.)
		var whole map[string]any
		if err != nil || json.Unmarshal(s, &whole) != nil {
			return
		}
		same := 0
		for k := range whole {
			if strings.EqualFold(k, "status") {
				same++
			}
		}
		if word, ok := whole["status"].(string); ok && same == 1 && outcomeOf(word) == runner.Fail && failed == 0 {
			t.Errorf("%q hides a failure", s)
		}
	})
}

func TestAcknowledgements(t *testing.T) {
	ack := func(id, file, until string) string {
		s := fmt.Sprintf("[[ack]]\nid='%s'\nreason='because'\nowner='ada'\nuntil=%s\n", id, until)
		if file != "" {
			s += "file='" + file + "'\n"
		}
		return s
	}
	files := map[string]string{"src/a.c": "bad();\nbad();\n", "src/b.c": "bad();\n"}
	const rules = "[[rule]]\nid='F'\nkind='absent'\nfiles=['src/*.c']\npattern='bad'\n[[rule]]\nid='P'\nkind='match'\nfiles=['src/*.c']\npattern='bad'\n"
	const unread = "[[rule]]\nid='E'\nkind='match'\nfiles=['lib/*.c']\npattern='bad'\n"
	for _, tt := range []struct {
		name, acks string
		verdict    runner.Verdict
		rule, last string // what is told of F, and of the last row
	}{
		{"none", "", runner.Failure, "F fail 3 matches in 2 files, none expected", ""},
		{"acknowledged", ack("F", "", "2026-12-31"), runner.Success, "F warn 3 matches in 2 files, none expected", ""},
		{"on the last day", ack("F", "", "2026-06-15"), runner.Success, "F warn 3 matches in 2 files, none expected", ""},
		{"expired", ack("F", "", "2026-06-14"), runner.Failure, "F fail 3 matches in 2 files, none expected; its acknowledgement by ada expired after 2026-06-14", "ack/F error it expired after 2026-06-14: remove it with its cause, or have ada decide anew"},
		{"expired and not needed", ack("F", "", "2026-12-31") + ack("P", "", "2026-06-14"), runner.Error, "F warn 3 matches in 2 files, none expected", "ack/P error it expired after 2026-06-14: remove it with its cause, or have ada decide anew"},
		{"one file of two", ack("F", "src/a.c", "2026-12-31"), runner.Failure, "F fail 3 matches in 2 files, none expected; 2 places in src/a.c acknowledged until 2026-12-31", ""},
		{"both files", ack("F", "src/a.c", "2026-12-31") + ack("F", "src/b.c", "2026-12-31"), runner.Success, "F warn 3 matches in 2 files, none expected; 2 places in src/a.c acknowledged until 2026-12-31", ""},
		{"a file of neither", ack("F", "src/c.c", "2026-12-31"), runner.Failure, "F fail 3 matches in 2 files, none expected", "ack/F error it is not used: the rule finds nothing in src/c.c; remove it"},
		{"of a passing rule", ack("F", "", "2026-12-31") + ack("P", "", "2026-12-31"), runner.Error, "F warn 3 matches in 2 files, none expected", "ack/P error it is not used: the rule passes; remove it"},
		{"of no rule", ack("F", "", "2026-12-31") + ack("X", "", "2026-12-31"), runner.Error, "F warn 3 matches in 2 files, none expected", "ack/X error it is not used: no rule has this id; remove it"},
		{"twice", ack("F", "", "2026-12-31") + ack("F", "", "2026-12-31"), runner.Error, "F warn 3 matches in 2 files, none expected", "ack/F error it is not used: the rule is acknowledged already; remove it"},
		{"of an error", ack("F", "", "2026-12-31") + unread + ack("E", "", "2026-12-31"), runner.Error, "F warn 3 matches in 2 files, none expected", "E error no file matches lib/*.c (on_missing says what that means)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := map[string]string{DefaultRuleFile: rules + tt.acks}
			for k, v := range files {
				all[k] = v
			}
			res := run(t, lay(t, all), Config{})
			got := res.Checks.Rules
			text := func(r runner.Rule) string { return r.ID + " " + r.Outcome + " " + r.Reason }
			if text(got[0]) != tt.rule || res.Verdict != tt.verdict {
				t.Errorf("%s: %s\nwant %s: %s", res.Verdict, text(got[0]), tt.verdict, tt.rule)
			}
			if tolerated := got[0].Outcome == runner.Warn; tolerated != (got[0].Ack != nil) {
				t.Errorf("%s with %+v", got[0].Outcome, got[0].Ack)
			}
			if l := got[len(got)-1]; tt.last != "" && text(l) != tt.last || tt.last == "" && len(got) != 2 {
				t.Errorf("last row %s, want %s", text(l), tt.last)
			}
		})
	}
}

// TestAcknowledgedProgram: results of programs can be acknowledged, and an unknown id is
// no error while a program could not tell.
func TestAcknowledgedProgram(t *testing.T) {
	acks := []Ack{{ID: "A.1", Reason: "r", Owner: "o", Until: Date{today}}}
	for script, want := range map[string]string{
		"echo '[FAIL] A.1: bad'; exit 1": "A.1 warn bad",
		"echo '[WARN] A.1: bad'":         "A.1 warn bad",
		"echo '[PASS] A.1: good'":        "A.1 pass good\nack/A.1 error it is not used: the rule passes; remove it",
		"exit 1":                         "p error it printed no check result and ended with exit code 1",
	} {
		dir := lay(t, map[string]string{"check.sh": "#!/bin/sh\n" + script + "\n"})
		got := told(run(t, dir, Config{Acks: acks, Programs: []Program{{Name: "p", Command: []string{"./check.sh"}}}}).Checks.Rules)
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", script, got, want)
		}
	}
}
