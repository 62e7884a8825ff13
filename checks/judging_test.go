package checks

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// judgedBy runs the stage over head with the rule file of a base.
func judgedBy(t *testing.T, rules string, head map[string]string, cfg Config) runner.Result {
	t.Helper()
	cfg.Now = func() time.Time { return today }
	files := map[string][]byte{}
	if rules != "" {
		files[DefaultRuleFile] = []byte(rules)
	}
	ws := &runner.Workspace{Dir: lay(t, head), Rules: files, RulesOf: runner.Commit{SHA: "fedcba9876543210fedcba9876543210fedcba98"}}
	return runner.Execute(context.Background(), New(cfg), ws, time.Minute)
}

func allOf(res runner.Result) string {
	var out []string
	for _, r := range res.Checks.Rules {
		s := r.ID + "=" + r.Outcome
		if r.Told {
			s += "(told)"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestBaseRulesJudge(t *testing.T) {
	const (
		src    = "void f() { waitA(); }\n"
		weaker = "[[rule]]\nid = 'R'\ntitle = 'no waiting'\nkind = 'absent'\nfiles = ['src/**/*']\npattern = 'nothing'\n"
		other  = "[[rule]]\nid = 'N'\ntitle = 'no f'\nkind = 'absent'\nfiles = ['src/**/*']\ntokens = 'f()'\n"
		broken = "[[rule]]\nid = 'B'\nkind = 'absnt'\nfiles = ['src/**/*']\npattern = 'x'\n"
	)
	ack := "[[ack]]\nid = 'R'\nreason = 'x'\nowner = 'y'\nuntil = 2026-12-31\n"
	unused := strings.Replace(ack, "'R'", "'N'", 1)
	for _, tt := range []struct {
		name, base, head, source string
		outcomes                 string
		verdict                  runner.Verdict
		warning                  string
		reason                   string // of the first rule
	}{
		{"the same", noWait, noWait, src, "R=fail", runner.Failure, "", "1 match"},
		{"comments and places do not matter", noWait, "# more\n\n" + noWait, src, "R=fail", runner.Failure, "", "1 match"},
		{"weakened", noWait, weaker, src, "R=fail R@head=pass(told)", runner.Failure, "(changed R)", "this change changes the rule, which counts once it is merged"},
		{"removed", noWait, other, "int a;", "R=pass N=pass(told)", runner.Success, "(added N; removed R)", "0 matches"},
		{"removed, and broken", noWait, other, src, "R=fail N=warn(told)", runner.Failure, "(added N; removed R)", "this change removes the rule"},
		{"the file is gone", noWait, "", src, "R=fail", runner.Failure, "(removed R)", ""},
		{"added", noWait, noWait + other, "void f();", "R=pass N=warn(told)", runner.Success, "(added N)", ""},
		{"the first rules", "", noWait, src, "R=warn(told)", runner.Neutral, "(added R)", "a new rule, told only until it is merged; then it would fail: 1 match"},
		{"forgiven by itself", noWait, noWait + ack, src, "R=fail", runner.Failure, "(acknowledgements of R)", "1 match"},
		{"forgiven before", noWait + ack, noWait + ack, src, "R=warn", runner.Success, "", ""},
		{"forgiven for longer", noWait + strings.Replace(ack, "12-31", "01-01", 1), noWait + ack, src, "R=fail", runner.Failure, "(acknowledgements of R)", "expired after 2026-01-01"},
		{"taken back", noWait + ack, noWait, src, "R=fail", runner.Failure, "(acknowledgements of R)", ""},
		{"mended, and taken back", noWait + ack, noWait, "int a;", "R=pass", runner.Success, "(acknowledgements of R)", ""},
		{"mended, and forgotten", noWait + ack, noWait + ack, "int a;", "R=pass ack/R=error", runner.Error, "", ""},
		{"forgiven what it does not have", noWait + unused, noWait + unused, "int a;", "R=pass ack/N=error", runner.Error, "", ""},
		{"the change breaks the file", noWait, noWait + broken, "int a;", "R=pass rules/holdfast.rules.toml:9=error", runner.Error, "", ""},
		{"the change mends the file", broken, noWait, src, "R=fail", runner.Failure, "cannot be judged by", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			head := map[string]string{"src/a.mm": tt.source}
			if tt.head != "" {
				head[DefaultRuleFile] = tt.head
			}
			res := judgedBy(t, tt.base, head, Config{})
			if got := allOf(res); got != tt.outcomes || res.Verdict != tt.verdict {
				t.Errorf("%s: %s, want %s: %s (%s)", res.Verdict, got, tt.verdict, tt.outcomes, res.Reason)
			}
			if w := strings.Join(res.Warnings, "\n"); tt.warning == "" && w != "" || !strings.Contains(w, tt.warning) {
				t.Errorf("warnings %q, want %q", w, tt.warning)
			}
			if !strings.Contains(res.Checks.Rules[0].Reason, tt.reason) {
				t.Errorf("reason %q", res.Checks.Rules[0].Reason)
			}
			if res.Checks.RulesOf.SHA == "" {
				t.Error("whose rules judged is not said")
			}
		})
	}
	// Rules of agent.toml always judge.
	inline := Rule{ID: "I", Kind: KindAbsent, Files: []string{"src/*"}, Tokens: Strings{"waitA()"}}
	if got := allOf(judgedBy(t, noWait, map[string]string{DefaultRuleFile: other, "src/a.mm": src}, Config{Rules: []Rule{inline}})); got != "R=fail I=fail N=warn(told)" {
		t.Error(got)
	}
	// Every difference is a note at its place.
	res := judgedBy(t, noWait, map[string]string{DefaultRuleFile: weaker + other, "src/a.mm": src}, Config{})
	var notes []string
	for _, f := range res.Findings {
		if f.Verdict == runner.Neutral && strings.Contains(f.Text, "this rule is") {
			notes = append(notes, f.Rule+":"+f.File)
		}
	}
	if got := strings.Join(notes, " "); got != "R:holdfast.rules.toml N:holdfast.rules.toml" {
		t.Errorf("notes %s", got)
	}
}

func TestOnlyChanged(t *testing.T) {
	rules := noWait +
		"[[rule]]\nid = 'M'\nkind = 'match'\nfiles = ['src/**/*']\npattern = 'anchor'\n" +
		"[[rule]]\nid = 'W'\nkind = 'within'\nfiles = ['src/**/*']\nin = 'far'\npattern = 'lock'\n" +
		"[[rule]]\nid = 'T'\nkind = 'absent'\nfiles = ['tools/*']\npattern = 'wait'\n" +
		"[[ack]]\nid = 'T'\nreason = 'x'\nowner = 'y'\nuntil = 2026-12-31\n"
	files := map[string]string{
		DefaultRuleFile: rules,
		"src/a.mm":      "void f() { waitA(); }", "src/b.mm": "int anchor; void far() { lock(); }", "src/c.mm": "void g() { waitC(); }", "tools/x.py": "wait",
	}
	dir := lay(t, files)
	res := run(t, dir, Config{Only: true, Changed: []string{"src/a.mm", "gone.mm"}, Programs: []Program{{Name: "p", Command: []string{"false"}}}})
	if got := allOf(res); got != "R=fail M=pass W=skip T=skip" {
		t.Errorf("%s %q", got, res.Warnings)
	}
	if r := only(t, res, "R"); positions(r) != "src/a.mm:1:12" || r.Files != 1 {
		t.Errorf("%+v", r)
	}
	if r := only(t, res, "M"); r.Files != 3 {
		t.Errorf("a rule that needs the whole tree saw %d files", r.Files)
	}
	w := strings.Join(res.Warnings, "\n")
	for _, want := range []string{"program p was not run", "1 file by 2 rules; 1 rule needed the whole tree", "skipped, since none of their files changed: T"} {
		if !strings.Contains(w, want) {
			t.Errorf("%q lacks %q", w, want)
		}
	}
	// A changed rule file is judged over everything.
	res = run(t, dir, Config{Only: true, Changed: []string{DefaultRuleFile}})
	if got := allOf(res); got != "R=fail M=pass W=pass T=warn" {
		t.Errorf("%s %q", got, res.Warnings)
	}
}

// An aggregate that a change brings is told only, as any other rule.
func TestToldAggregate(t *testing.T) {
	sum := "[[rule]]\nid = 'S'\nkind = 'aggregate'\nof = ['R']\n"
	head := map[string]string{DefaultRuleFile: noWait + sum, "src/a.mm": "waitA();"}
	if got := allOf(judgedBy(t, noWait, head, Config{})); got != "R=fail S=warn(told)" {
		t.Error(got)
	}
	if got := allOf(judgedBy(t, noWait+sum, head, Config{})); got != "R=fail S=fail" {
		t.Error(got)
	}
	// Old debt of a part is old debt of the whole.
	res := against(t, head, head, Config{Ratchet: true})
	if got := allOf(res); got != "R=warn S=warn" {
		t.Error(got)
	}
	x, err := New(Config{}).Explain(t.Context(), &runner.Workspace{Dir: lay(t, head)}, "S")
	if err != nil || x.Result.Outcome != runner.Fail || x.Rule.Kind != KindAggregate || x.Program {
		t.Errorf("%+v, %v", x, err)
	}
}

// Only what changed is judged by kinds that judge every file by itself.
func TestOnlyChangedKinds(t *testing.T) {
	rules := "[[rule]]\nid = 'S'\nkind = 'scope'\nfiles = ['src/*']\nforbid = 'wait()'\nwhile_live = 'lock'\n" +
		"[[rule]]\nid = 'I'\nkind = 'implies'\nfiles = ['src/*']\nin = { function = '*' }\nwhen = 'open()'\nrequire = 'shut()'\n" +
		"[[rule]]\nid = 'V'\nkind = 'implies'\nfiles = ['src/*']\nin = { function = '*' }\nwhen = 'rare()'\nrequire = 'shut()'\nvacuous = 'error'\n"
	dir := lay(t, map[string]string{DefaultRuleFile: rules, "src/a.mm": "void f() { open(); }\n", "src/b.mm": "void g() { open(); rare(); shut(); }\n"})
	whole := run(t, dir, Config{})
	part := run(t, dir, Config{Only: true, Changed: []string{"src/b.mm"}})
	if allOf(whole) != "S=pass I=fail V=pass" || allOf(part) != "S=pass I=pass V=pass" || only(t, part, "V").Files != 2 || only(t, part, "I").Files != 1 {
		t.Errorf("%s: %s, %s: %s", allOf(whole), whole.Reason, allOf(part), part.Reason)
	}
}
