package checks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// today is the day on which all tests run.
var today = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// lay writes files into a new folder. A value "-> TARGET" makes a symbolic link.
func lay(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, p)
		} else {
			mode := os.FileMode(0o644)
			if strings.HasPrefix(text, "#!") {
				mode = 0o755
			}
			err = os.WriteFile(p, []byte(text), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t testing.TB, dir string, cfg Config) runner.Result {
	t.Helper()
	cfg.Now = func() time.Time { return today }
	ws := &runner.Workspace{Dir: dir, Logs: filepath.Join(t.TempDir(), "logs"), Env: []string{"PATH=" + os.Getenv("PATH")}}
	return runner.Execute(context.Background(), New(cfg), ws, time.Minute)
}

// rule runs a single rule, written as the lines of its table without id and files.
func rule(t testing.TB, files map[string]string, text string) runner.Rule {
	t.Helper()
	res := run(t, lay(t, with(files, text)), Config{})
	if len(res.Checks.Rules) != 1 {
		t.Fatalf("%d rules: %+v", len(res.Checks.Rules), res.Checks.Rules)
	}
	return res.Checks.Rules[0]
}

func with(files map[string]string, rule string) map[string]string {
	all := map[string]string{DefaultRuleFile: "[[rule]]\nid = 'R'\n" + rule + "\n"}
	if !strings.Contains(rule, "files") {
		all[DefaultRuleFile] = "[[rule]]\nid = 'R'\nfiles = ['src/**/*']\n" + rule + "\n"
	}
	for k, v := range files {
		all[k] = v
	}
	return all
}

func TestOutcomes(t *testing.T) {
	pool := `// The pool.
std::atomic<bool> g_alive{false};

Pool::Pool() { g_alive.store(true); }
Pool::~Pool() { g_alive.store(false); }

void Pool::wait(Buffer b) {
  // waitUntilCompleted only here
  [b waitUntilCompleted];
}

void Pool::wait(Buffer b, int ms) {
  [b waitUntilScheduled];
}
`
	other := "int other() {\n  log(\"g_alive.load()\"); // g_alive.load()\n  return 1;\n}\n"
	files := map[string]string{"src/pool.mm": pool, "src/sub/other.cpp": other, "src/notes.md": "g_alive.load() everywhere\n"}
	for _, tt := range []struct {
		name, rule      string
		outcome, reason string // reason: what it must contain
		evidence        string
	}{
		{"match", "files=['src/**/*.mm']\nkind='match'\npattern='g_alive\\.store'", "pass", "2 matches in 1 file", "src/pool.mm:4:16 src/pool.mm:5:17"},
		{"match all", "files=['src/**/*.mm']\nkind='match'\npatterns=['store\\(true', 'store\\(false']", "pass", "2 matches", "src/pool.mm:4:24 src/pool.mm:5:25"},
		{"match lacks one", "files=['src/**/*.mm']\nkind='match'\npatterns=['store\\(true', 'store\\(maybe']", "fail", "no match for 'store\\(maybe' in 1 file", "src/pool.mm:4:24"},
		{"match any", "files=['src/**/*.mm']\nkind='match'\nany=true\npatterns=['store\\(true', 'store\\(maybe']", "pass", "1 match", "src/pool.mm:4:24"},
		{"match in each file", "files=['src/**/*.{mm,cpp}']\nkind='match'\neach=true\npattern='g_alive'", "fail", "no match for 'g_alive' in 2 files (1 of them lack it)", "src/sub/other.cpp:1:1"},
		{"match in a comment view", "files=['src/**/*.mm']\nkind='match'\nview='comments'\npattern='only here'", "pass", "1 match", "src/pool.mm:8:25"},
		{"string with strings", "files=['src/**/*.cpp']\nkind='match'\nview='code+strings'\npattern='g_alive\\.load'", "pass", "1 match in 1 file", "src/sub/other.cpp:2:8"},
		{"raw", "files=['src/**/*.cpp']\nkind='count'\nview='raw'\npattern='g_alive\\.load'\nmin=2\nmax=2", "pass", "2 matches", "src/sub/other.cpp:2:8 src/sub/other.cpp:2:29"},
		{"a plain language is raw", "files=['src/*.md']\nkind='match'\npattern='g_alive\\.load'", "pass", "1 match", "src/notes.md:1:1"},
		{"no code view of a plain language", "files=['src/*.md']\nkind='absent'\nview='code'\npattern='x'", "error", `src/notes.md: no view "code"`, "src/notes.md:1:1"},
		{"no tokens of a plain language", "files=['src/*.md']\nkind='absent'\ntokens='x'", "error", "src/notes.md: tokens are known for the C family only", "src/notes.md:1:1"},
		{"absent", "files=['src/**/*.{mm,cpp}']\nkind='absent'\npattern='g_alive\\.load'", "pass", "0 matches in 2 files", ""},
		{"absent fails", "files=['src/**/*.mm']\nkind='absent'\npattern='waitUntil\\w+'", "fail", "2 matches in 1 file, none expected", "src/pool.mm:9:6 src/pool.mm:13:6"},
		{"absent warns", "files=['src/**/*.mm']\nkind='absent'\nseverity='warn'\npattern='waitUntil\\w+'", "warn", "2 matches", "src/pool.mm:9:6 src/pool.mm:13:6"},
		{"count", "files=['src/**/*.mm']\nkind='count'\npattern='waitUntil\\w+'\nmin=1\nmax=2", "pass", "2 matches", "src/pool.mm:9:6 src/pool.mm:13:6"},
		{"too many", "files=['src/**/*.mm']\nkind='count'\npattern='waitUntil\\w+'\nmax=1", "fail", "2 matches in 1 file, at most 1 expected", "src/pool.mm:9:6 src/pool.mm:13:6"},
		{"too few", "files=['src/**/*.mm']\nkind='count'\npattern='waitUntil\\w+'\nmin=3", "fail", "2 matches in 1 file, at least 3 expected", "src/pool.mm:9:6 src/pool.mm:13:6"},
		{"not exactly", "files=['src/**/*.mm']\nkind='count'\npattern='waitUntil\\w+'\nmin=3\nmax=3", "fail", "exactly 3 expected", "src/pool.mm:9:6 src/pool.mm:13:6"},
		{"within", "files=['src/**/*.mm']\nkind='within'\nin={function='Pool::~Pool'}\npattern='store\\(false\\)'", "pass", "1 match in the body of Pool::~Pool in 1 file", "src/pool.mm:5:25"},
		{"within as a string", "files=['src/**/*.mm']\nkind='within'\nin='Pool::~Pool'\npattern='store\\(false\\)'", "pass", "1 match", "src/pool.mm:5:25"},
		{"not within", "files=['src/**/*.mm']\nkind='within'\nin={function='Pool::Pool'}\npattern='store\\(false\\)'", "fail", "no match for 'store\\(false\\)' in the body of Pool::Pool", "src/pool.mm:4:1"},
		{"within all bodies", "files=['src/**/*.mm']\nkind='within'\nin={function='wait'}\npattern='waitUntilCompleted'", "fail", "in 2 bodies of wait in 1 file (1 of them lack it)", "src/pool.mm:12:1"},
		{"within any body", "files=['src/**/*.mm']\nkind='within'\nin={function='wait', any=true}\npattern='waitUntilCompleted'", "pass", "1 match in 2 bodies", "src/pool.mm:9:6"},
		{"absent in a function", "files=['src/**/*.mm']\nkind='absent'\nin={function='Pool::~Pool'}\npattern='waitUntil'", "pass", "0 matches in the body of Pool::~Pool in 1 file", ""},
		{"present in a function", "files=['src/**/*.mm']\nkind='absent'\nin={function='wait'}\npattern='waitUntilScheduled'", "fail", "1 match in 2 bodies of wait", "src/pool.mm:13:6"},
		{"no such function", "files=['src/**/*.mm']\nkind='within'\nin={function='Pool::stop'}\npattern='x'", "error", "no function Pool::stop in 1 file (on_missing says what that means)", ""},
		{"no such function fails", "files=['src/**/*.mm']\nkind='within'\non_missing='fail'\nin={function='Pool::stop'}\npattern='x'", "fail", "no function Pool::stop in 1 file", ""},
		{"no such function skips", "files=['src/**/*.mm']\nkind='absent'\non_missing='skip'\nin={function='Pool::stop'}\npattern='x'", "skip", "no function Pool::stop", ""},
		{"no such file", "files=['source/**/*.mm']\nkind='absent'\npattern='x'", "error", "no file matches source/**/*.mm", ""},
		{"no such file skips", "files=['source/**/*.mm']\nkind='absent'\non_missing='skip'\npattern='x'", "skip", "no file matches", ""},
		{"all excluded", "files=['src/**/*.mm']\nexclude=['src/pool.*']\nkind='absent'\npattern='x'", "error", "no file matches", ""},
		{"exists", "files=['src/pool.mm', 'src/**/*.cpp']\nkind='exists'", "pass", "2 files", "src/pool.mm:1:1 src/sub/other.cpp:1:1"},
		{"does not exist", "files=['src/pool.mm', 'src/pool.h']\nkind='exists'", "fail", "no file src/pool.h", ""},
		{"too many exist", "files=['src/**/*']\nkind='exists'\nmin=0\nmax=0", "fail", "3 files, at most 0 expected", "src/notes.md:1:1 src/pool.mm:1:1 src/sub/other.cpp:1:1"},
		{"tokens", "files=['src/**/*.mm']\nkind='match'\ntokens='std :: atomic < bool > g_alive'", "pass", "1 match", "src/pool.mm:2:1"},
		{"tokens in a function", "files=['src/**/*.mm']\nkind='within'\nin={function='Pool::Pool'}\ntokens=['g_alive.store($_)', 'store(true)']", "pass", "2 matches", "src/pool.mm:4:16 src/pool.mm:4:24"},
		{"tokens not in this function", "files=['src/**/*.mm']\nkind='within'\nin={function='Pool::Pool'}\ntokens='store(false)'", "fail", "no match", "src/pool.mm:4:1"},
		{"across lines", "files=['src/**/*.mm']\nkind='match'\npattern='(?s)store\\(true.*store\\(false'", "pass", "1 match", "src/pool.mm:4:24"},
		{"not across lines", "files=['src/**/*.mm']\nkind='match'\npattern='store\\(true.*store\\(false'", "fail", "no match", ""},
		{"line ends", "files=['src/**/*.mm']\nkind='match'\npattern='^void Pool::wait'", "pass", "2 matches", "src/pool.mm:7:1 src/pool.mm:12:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rule(t, files, tt.rule)
			if r.Outcome != tt.outcome || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("%s: %q, want %s: %q", r.Outcome, r.Reason, tt.outcome, tt.reason)
			}
			if got := positions(r); got != tt.evidence {
				t.Errorf("evidence %s, want %s", got, tt.evidence)
			}
			if r.Source != DefaultRuleFile+":1" {
				t.Errorf("source %s", r.Source)
			}
		})
	}
}

func positions(r runner.Rule) string {
	var out []string
	for _, e := range r.Evidence {
		out = append(out, fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column))
	}
	return strings.Join(out, " ")
}

// TestGrepMistakes: each is a mistake that a check script over lines made. The first
// source must pass, the second must not.
func TestGrepMistakes(t *testing.T) {
	const guard = "kind='within'\nin={function='Slot::~Slot'}\npattern='g_alive\\.load'"
	for _, tt := range []struct{ name, rule, clean, bad string }{
		{"a declaration that is commented out", "kind='match'\ntokens='std::atomic<bool> g_alive'", "std::atomic<bool> g_alive;", "// std::atomic<bool> g_alive;\nbool g_alive;"},
		{"a declaration under #if 0", "kind='match'\ntokens='std::atomic<bool> g_alive'", "#if 0\n#else\nstd::atomic<bool> g_alive;\n#endif", "#if 0\nstd::atomic<bool> g_alive;\n#endif"},
		{"an API named in a comment", "kind='match'\npattern='addCompletedHandler'", "[b addCompletedHandler:h];", "/* addCompletedHandler: is called elsewhere */"},
		{"an API named in a string", "kind='match'\npattern='addCompletedHandler'", "[b addCompletedHandler:h];", "log(@\"addCompletedHandler\");"},
		{"an API forbidden, and named in a comment", "kind='absent'\npattern='waitUntilCompleted'", "// no waitUntilCompleted here\nlog(\"waitUntilCompleted\");", "[b waitUntilCompleted];"},
		{"a declaration over two lines", "kind='match'\ntokens='static std::mutex g_mutex'", "static\n    std::mutex g_mutex;", "static std::mutex other;"},
		{"either spelling", "kind='match'\nany=true\ntokens=['std::atomic<bool> g_alive', 'std::atomic_bool g_alive']", "std::atomic_bool g_alive;", "std::atomic<int> g_alive;"},
		{"a word inside a word", "kind='absent'\ntokens='run'", "void f() { rerun(on_scope_exit); }", "void f() { run(); }"},
		{"a call in the next function", guard, "Slot::~Slot() { if (g_alive.load()) give(); }\nvoid g() { }", "Slot::~Slot() { give(); }\nvoid g() { if (g_alive.load()) give(); }"},
		{"a call far below in the same function", guard, "Slot::~Slot() {" + strings.Repeat("\n  step();", 100) + "\n  if (g_alive.load()) give();\n}", "Slot::~Slot() { }" + strings.Repeat("\n", 100) + "void g() { g_alive.load(); }"},
		{"a brace in a string", guard, "Slot::~Slot() { log(\"}\"); g_alive.load(); }", "Slot::~Slot() { log(\"{\"); }\nvoid g() { g_alive.load(); }"},
		{"a safety tag in a comment", "kind='absent'\npattern='lock\\(\\)'", "void f() { /* lock() */ }", "void f() { lock(); // safe\n}"},
		{"a call that is a macro's", "kind='absent'\ntokens='raw_lock($_)'", "#define LOCK(x) guard(x)", "#define LOCK(x) raw_lock(x)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := rule(t, map[string]string{"src/a.mm": tt.clean}, tt.rule); r.Outcome != runner.Pass {
				t.Errorf("clean: %s: %s", r.Outcome, r.Reason)
			}
			if r := rule(t, map[string]string{"src/a.mm": tt.bad}, tt.rule); r.Outcome != runner.Fail {
				t.Errorf("bad: %s: %s", r.Outcome, r.Reason)
			}
		})
	}
}

// TestNotTold: what cannot be read with certainty is an error, and never a pass.
func TestNotTold(t *testing.T) {
	const absent, inF = "kind='absent'\npattern='bad'", "kind='absent'\nin={function='f'}\npattern='bad'"
	for _, tt := range []struct {
		name, rule string
		files      map[string]string
		reason     string
		line       int
	}{
		{"string without end", absent, map[string]string{"src/a.c": "int a;\nchar* s = \"x;\n"}, "src/a.c: line 2: a string without end", 2},
		{"comment without end", absent, map[string]string{"src/a.c": "/* bad"}, "a comment without end", 1},
		{"unbalanced", inF, map[string]string{"src/a.c": "void f() {\nif (a) {\n}\n"}, "line 1: '{' is not closed", 1},
		{"branches disagree", inF, map[string]string{"src/a.c": "void f() {\n#if A\n{\n#endif\n}\n}\n"}, "which is there only under an #if", 5},
		{"torn body", inF, map[string]string{"src/a.c": "#if A\nvoid f(int) {\n#else\nvoid f() {\n#endif\n}\n"}, "the body of f begins and ends in different branches", 2},
		{"perhaps in a torn head", "kind='absent'\non_missing='skip'\nin={function='g'}\npattern='bad'", map[string]string{"src/a.c": "#if A\nvoid f() {\n#else\nvoid g() {\n#endif\n}\n"}, "the extent of f (src/a.c:2) depends on #if", 0},
		{"UTF-16", absent, map[string]string{"src/a.c": "\xFF\xFEb\x00a\x00d\x00"}, "UTF-16", 1},
		{"a link out of the checkout", absent, map[string]string{"src/a.c": "-> /etc/passwd"}, "symbolic link", 1},
		{"a link by dots", absent, map[string]string{"src/a.c": "-> ../../../../../../etc/passwd"}, "symbolic link", 1},
		{"a link to nowhere", absent, map[string]string{"src/a.c": "-> b"}, "symbolic link", 1},
		{"functions of a plain language", inF, map[string]string{"src/a.py": "def f(): pass\n"}, "functions are known for the C family only", 1},
		{"empty folder", absent, map[string]string{"other/a.c": ""}, "no file matches", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := run(t, lay(t, with(tt.files, tt.rule)), Config{})
			r := res.Checks.Rules[0]
			if r.Outcome != runner.RuleError || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("%s: %s, want error: %s", r.Outcome, r.Reason, tt.reason)
			}
			if res.Verdict != runner.Error {
				t.Errorf("verdict %s", res.Verdict)
			}
			if tt.line > 0 && (len(r.Evidence) == 0 || r.Evidence[0].Line != tt.line) {
				t.Errorf("evidence %v, want line %d", r.Evidence, tt.line)
			}
		})
	}
}

func TestHugeFile(t *testing.T) {
	dir := lay(t, with(map[string]string{"src/a.c": "int a;"}, "kind='absent'\npattern='bad'"))
	if err := os.Truncate(filepath.Join(dir, "src/a.c"), maxFile+1); err != nil {
		t.Fatal(err)
	}
	if r := run(t, dir, Config{}).Checks.Rules[0]; r.Outcome != runner.RuleError || !strings.Contains(r.Reason, "more than the 16 MiB") {
		t.Errorf("%s: %s", r.Outcome, r.Reason)
	}
}

// TestKnownBadStaysBad: an unreadable file does not hide what was found in another.
func TestKnownBadStaysBad(t *testing.T) {
	files := map[string]string{"src/a.c": "bad();", "src/b.c": "/* "}
	r := rule(t, files, "kind='absent'\npattern='bad'")
	if r.Outcome != runner.Fail || !strings.Contains(r.Reason, "src/b.c: line 1: a comment without end") {
		t.Errorf("%s: %s", r.Outcome, r.Reason)
	}
	for _, rule2 := range []string{"kind='match'\npattern='good'", "kind='match'\npattern='bad'", "kind='count'\nmin=2\npattern='bad'"} {
		if r := rule(t, files, rule2); r.Outcome != runner.RuleError {
			t.Errorf("%s: %s: %s", rule2, r.Outcome, r.Reason)
		}
	}
}

// TestLinksInside: a link that stays inside is read, a folder behind a link is not
// entered, and .git is never looked at.
func TestLinksInside(t *testing.T) {
	files := map[string]string{"src/a.c": "-> ../lib/a.c", "lib/a.c": "good();", "src/dir": "-> ../lib", ".git/x.c": "bad();", ".hidden/x.c": "bad();"}
	if r := rule(t, files, "kind='match'\npattern='good'"); r.Outcome != runner.Pass || r.Files != 1 {
		t.Errorf("%s: %s (%d files)", r.Outcome, r.Reason, r.Files)
	}
	if r := rule(t, files, "files=['**/*.c']\nkind='absent'\npattern='bad'"); r.Outcome != runner.Pass {
		t.Errorf("%s: %s", r.Outcome, r.Reason)
	}
	if r := rule(t, files, "files=['.hidden/*.c', '.git/*.c']\nkind='absent'\npattern='bad'"); r.Outcome != runner.Fail || r.Files != 1 {
		t.Errorf("%s: %s (%d files)", r.Outcome, r.Reason, r.Files)
	}
}

func TestEvidenceIsCut(t *testing.T) {
	r := rule(t, map[string]string{"src/a.c": strings.Repeat("bad();\n", 5000)}, "kind='absent'\npattern='bad'")
	if len(r.Evidence) != maxEvidence || !strings.Contains(r.Reason, "5000 matches") || !strings.Contains(r.Reason, "(4000 places more not listed)") {
		t.Errorf("%d places: %s", len(r.Evidence), r.Reason)
	}
	long := rule(t, map[string]string{"src/a.c": "bad" + strings.Repeat("é", 5000)}, "kind='absent'\npattern='bad'")
	if n := len(long.Evidence[0].Text); n > maxText+10 {
		t.Errorf("a text of %d bytes", n)
	}
}

func TestVerdicts(t *testing.T) {
	src := map[string]string{"src/a.c": "bad(); worse();\n"}
	one := func(id, kind, pattern, more string) string {
		return fmt.Sprintf("[[rule]]\nid='%s'\ntitle='title of %s'\nkind='%s'\npattern='%s'\nfiles=['src/*.c']\n%s\n", id, id, kind, pattern, more)
	}
	good, warn, fail := one("G", "match", "bad", ""), one("W", "absent", "bad", "severity='warn'"), one("F", "absent", "worse", "")
	broken := "[[rule]]\nid='E'\nkind='absent'\npattern='x'\nfiles=['lib/*.c']\n"
	skip := broken + "on_missing='skip'\n"
	for _, tt := range []struct {
		name, rules string
		verdict     runner.Verdict
		reason      string
	}{
		{"pass", good, runner.Success, "1 of 1 check passes"},
		{"warn", good + warn, runner.Success, "1 of 2 checks pass, 1 warns"},
		{"fail", good + warn + fail, runner.Failure, "1 of 3 checks pass, 1 warns, 1 fails: F title of F (src/a.c:1)"},
		{"error", good + broken, runner.Error, "1 of 2 checks pass, 1 could not be told: E (no file matches lib/*.c (on_missing says what that means))"},
		{"fail and error", broken + fail, runner.Failure, "0 of 2 checks pass, 1 could not be told, 1 fails: F title of F (src/a.c:1)"},
		{"skip", skip, runner.Neutral, "0 of 1 check passes, 1 is skipped"},
		{"pass and skip", good + skip, runner.Success, "1 of 2 checks pass, 1 is skipped"},
		{"empty", "", runner.Error, "0 of 1 check passes, 1 could not be told: rules/holdfast.rules.toml:1 rule set holdfast.rules.toml (the rule set is empty)"},
		{"mistake", good + "[[rule]]\nid='X'\nkind='exist'\nfiles=['a']\n", runner.Error, "0 of 1 check passes, 1 could not be told: rules/holdfast.rules.toml:10 rule set holdfast.rules.toml (rule X: unknown kind \"exist\")"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{DefaultRuleFile: tt.rules}
			for k, v := range src {
				files[k] = v
			}
			res := run(t, lay(t, files), Config{})
			if res.Verdict != tt.verdict || res.Reason != tt.reason {
				t.Errorf("%s: %s\nwant %s: %s", res.Verdict, res.Reason, tt.verdict, tt.reason)
			}
			c := res.Checks
			if n := len(c.Rules); n != c.Total() {
				t.Errorf("%d rules, counted %d", n, c.Total())
			}
			for _, f := range res.Findings {
				if f.Rule == "F" && (f.File != "src/a.c" || f.Line != 1 || f.Column != 8 || f.Verdict != runner.Failure) {
					t.Errorf("finding %+v", f)
				}
			}
		})
	}
}

func TestConfiguredRules(t *testing.T) {
	dir := lay(t, map[string]string{"src/a.c": "bad();", "rules/one.toml": "[[rule]]\nid='R'\nkind='match'\npattern='bad'\nfiles=['src/*.c']\n", "rules/two.toml": "[[rule]]\nid='R'\nkind='absent'\npattern='bad'\nfiles=['src/*.c']\n"})
	inline := Rule{ID: "I", Kind: KindAbsent, Pattern: "bad", Files: []string{"src/*.c"}}
	for _, tt := range []struct {
		name    string
		cfg     Config
		verdict runner.Verdict
		reason  string
	}{
		{"nothing", Config{}, runner.Error, "there are no rules and no check programs"},
		{"inline", Config{Rules: []Rule{inline}}, runner.Failure, "0 of 1 check passes, 1 fails: I (src/a.c:1)"},
		{"one file", Config{RuleFiles: []string{"rules/one.toml"}}, runner.Success, "1 of 1 check passes"},
		{"missing file", Config{RuleFiles: []string{"rules/one.toml", "rules/three.toml"}}, runner.Error, "1 of 2 checks pass, 1 could not be told: rules/rules/three.toml rule set rules/three.toml (no such rule file)"},
		{"a folder", Config{RuleFiles: []string{"rules/"}}, runner.Error, "1 of 2 checks pass, 1 could not be told: rules/rules/two.toml:1 rule set rules/two.toml:1 (rule R: the id is already used at rules/one.toml:1)"},
		{"an empty folder", Config{RuleFiles: []string{"src/"}}, runner.Error, "0 of 1 check passes, 1 could not be told: rules/src/*.toml rule set src/*.toml (no such rule file)"},
		{"same id twice", Config{RuleFiles: []string{"rules/*.toml"}}, runner.Error, "1 of 2 checks pass, 1 could not be told: rules/rules/two.toml:1 rule set rules/two.toml:1 (rule R: the id is already used at rules/one.toml:1)"},
		{"bad inline", Config{Rules: []Rule{{ID: "I", Kind: KindAbsent, Pattern: "(", Files: []string{"src/*.c"}}}}, runner.Error, "0 of 1 check passes, 1 could not be told: rules/agent.toml rule set agent.toml (rule I: pattern \"(\": missing closing ): `(`)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := run(t, dir, tt.cfg)
			if res.Verdict != tt.verdict || res.Reason != tt.reason {
				t.Errorf("%s: %s\nwant %s: %s", res.Verdict, res.Reason, tt.verdict, tt.reason)
			}
		})
	}
	if res := run(t, dir, Config{}); !strings.Contains(res.Hint, "[[rule]]") {
		t.Errorf("hint %q", res.Hint)
	}
	if res := run(t, dir, Config{Rules: []Rule{inline}}); len(res.Warnings) != 1 {
		t.Errorf("warnings %q", res.Warnings)
	}
}

// TestRuleFolder: without configuration the rules are in a file, in a folder or in both.
func TestRuleFolder(t *testing.T) {
	rule := func(id string) string {
		return "[[rule]]\nid = '" + id + "'\nkind = 'absent'\nfiles = ['src/*']\npattern = 'bad'\n"
	}
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a file", map[string]string{DefaultRuleFile: rule("A")}, "A"},
		{"a folder", map[string]string{"holdfast.rules/locks.toml": rule("L"), "holdfast.rules/metal.toml": rule("M")}, "L M"},
		{"both", map[string]string{DefaultRuleFile: rule("A"), "holdfast.rules/locks.toml": rule("L")}, "A L"},
		{"fixtures are no rules", map[string]string{DefaultRuleFile: rule("A"), "holdfast.rules/A/good/x.toml": rule("X"), "holdfast.rules/A/bad/y.toml": "[["}, "A"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.files["src/a.c"] = "int a;\n"
			var ids []string
			for _, r := range run(t, lay(t, tt.files), Config{RuleFiles: []string{DefaultRuleFile}}).Checks.Rules {
				ids = append(ids, r.ID)
			}
			slices.Sort(ids)
			if got := strings.Join(ids, " "); got != tt.want {
				t.Errorf("rules %s, want %s", got, tt.want)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(runner.ErrSuperseded)
	dir := lay(t, with(map[string]string{"src/a.c": ""}, "kind='absent'\npattern='bad'"))
	res := runner.Execute(ctx, New(Config{}), &runner.Workspace{Dir: dir}, time.Minute)
	if res.Verdict != runner.Error || res.Reason != runner.ErrSuperseded.Error() {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
}
