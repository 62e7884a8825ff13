package checks

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestMistakesOfALineScript: the thirteen kinds of mistake that a check script of 61 ids over
// lines made, each as a repository that is right, or looks wrong to grep, and one that is
// wrong, or looks right to it.
func TestMistakesOfALineScript(t *testing.T) {
	const source, results = "src/pool.mm", "results/run.json"
	guard := "std::lock_guard<std::mutex> guard(mutex_);\n" + strings.Repeat("  step();\n", 20) + "  [buffer waitUntilCompleted];"
	for _, tt := range []struct {
		name, rule string
		file       string
		right      string
		wrong      string
		outcome    string // of the wrong one; fail if empty
		reason     string // likewise
	}{
		{
			name: "a declaration that is commented out passes",
			rule: "kind='match'\nfiles=['src/*']\ntokens='std::atomic<bool> g_alive'", file: source,
			right: "std::atomic<bool> g_alive{true};", wrong: "// std::atomic<bool> g_alive{true};\nbool g_alive = true;",
		},
		{
			name: "an API that is named only in a comment passes",
			rule: "kind='match'\nfiles=['src/*']\npattern='addCompletedHandler:'", file: source,
			right: "void f() { [b addCompletedHandler:h]; }", wrong: "// addCompletedHandler: comes with the next release\nvoid f() { }",
		},
		{
			name: "an API that is named only in a string passes",
			rule: "kind='match'\nfiles=['src/*']\ntokens='[$_ addCompletedHandler:'", file: source,
			right: "void f() { [b addCompletedHandler:h]; }", wrong: "void f() { log(@\"[b addCompletedHandler:h]\"); }",
		},
		{
			name: "a declaration over two lines fails",
			rule: "kind='match'\nfiles=['src/*']\ntokens='static std::shared_ptr<Pool> instance()'", file: source,
			right: "static std::shared_ptr<Pool>\ninstance() { return p; }", wrong: "static std::unique_ptr<Pool>\ninstance() { return p; }",
		},
		{
			name: "another spelling fails",
			rule: "kind='match'\nany=true\nfiles=['src/*']\ntokens=['std::atomic<bool> $_', 'std::atomic_bool $_']", file: source,
			right: "std::atomic_bool g_alive;", wrong: "std::atomic_flag g_alive;",
		},
		{
			name: "a wait 20 lines below a lock that is held is missed",
			rule: "kind='scope'\nfiles=['src/*']\nforbid={call='waitUntil(Completed|Scheduled)'}\nwhile_live='lock'", file: source,
			right: "void f() {\n  {" + strings.Replace(guard, "  [buffer", "  }\n  [buffer", 1) + "\n}", wrong: "void f() {\n  " + guard + "\n}",
			reason: "while guard(mutex_) is held (line 2)",
		},
		{
			name: "a word in a word is a match",
			rule: "kind='absent'\nfiles=['src/*']\ntokens='run'", file: source,
			right: "void f() { runs_on_scope_exit(g); }", wrong: "void f() { run(g); }",
		},
		{
			name: "a call in the next function is blamed on this one",
			rule: "kind='absent'\nfiles=['src/*']\nin='Pool::flush'\npattern='waitUntilCompleted'", file: source,
			right: "void Pool::flush() { }\nvoid Pool::drain() { [b waitUntilCompleted]; }", wrong: "void Pool::flush() { if (x) { } [b waitUntilCompleted]; }\nvoid Pool::drain() { }",
		},
		{
			name: "a nested PASS hides an overall FAIL",
			rule: "kind='json'\nfiles=['results/*.json']\nconditions='overall.status = PASS'", file: results,
			right: `{"overall": {"status": "PASS"}, "runs": [{"status": "FAIL", "retried": true}]}`, wrong: `{"runs": [{"status": "PASS"}], "overall": {"status": "FAIL"}}`,
		},
		{
			name: "a tag in a comment waves a hit through",
			rule: "kind='absent'\nfiles=['src/*']\npattern='\\bmutex_\\.lock\\(\\)'", file: source,
			right: "void f() { guard(mutex_); } // not mutex_.lock()", wrong: "void f() { mutex_.lock(); } // safe",
		},
		{
			name: "no sources, no checks, exit 0",
			rule: "kind='absent'\nfiles=['src/*.mm']\npattern='waitUntilCompleted'", file: source,
			right: "void f() { }", wrong: "", outcome: runner.RuleError, reason: "no file matches src/*.mm",
		},
		{
			name: "a check that cannot fail",
			rule: "kind='within'\nfiles=['src/*']\nin='Pool::flush'\npattern='commit'", file: source,
			right: "void Pool::flush() { commit(); }", wrong: "void Pool::flushAll() { commit(); }", outcome: runner.RuleError, reason: "no function Pool::flush in 1 file",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			judged := func(text string) runner.Rule {
				files := map[string]string{DefaultRuleFile: "[[rule]]\nid='R'\n" + tt.rule + "\n", "README": "x\n"}
				if text != "" {
					files[tt.file] = text + "\n"
				}
				return run(t, lay(t, files), Config{}).Checks.Rules[0]
			}
			if r := judged(tt.right); r.Outcome != runner.Pass {
				t.Errorf("right: %s: %s", r.Outcome, r.Reason)
			}
			want := tt.outcome
			if want == "" {
				want = runner.Fail
			}
			if r := judged(tt.wrong); r.Outcome != want || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("wrong: %s: %s, want %s: %s", r.Outcome, r.Reason, want, tt.reason)
			}
		})
	}
}

// TestRowsDoNotDependOnSources: the thirteenth kind. The number of results of a script changed
// when a comment did, since each hit was a row; here a rule is one row, whatever it finds.
func TestRowsDoNotDependOnSources(t *testing.T) {
	const rules = "packs = ['metal', 'concurrency']\n[[rule]]\nid='A'\nkind='absent'\nfiles=['src/*']\npattern='usleep'\n[[rule]]\nid='B'\nkind='count'\nmax=1\nfiles=['src/*']\nview='comments'\npattern='TODO'\n"
	var first []string
	for _, src := range []string{
		"void f() { }\n",
		"// usleep usleep TODO\nvoid f() { }\n",
		"void f() { usleep(1); usleep(2); /* TODO */ /* TODO */ }\n",
		"void f() { [b commit]; [b addCompletedHandler:h]; [b addScheduledHandler:h]; [b commit]; }\n",
		"void f() {\n",
	} {
		var ids []string
		for _, r := range run(t, lay(t, map[string]string{DefaultRuleFile: rules, "src/a.mm": src}), Config{}).Checks.Rules {
			ids = append(ids, r.ID)
		}
		if first == nil {
			first = ids
		}
		if !slices.Equal(ids, first) {
			t.Errorf("%q: %q, want %q", src, ids, first)
		}
	}
}
