package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/checks"
	"github.com/holdfast-ci/holdfast/runner"
)

// checksTest is an agent that only judges rules.
type checksTest struct {
	*agentTest
	repo *config.Repository
}

func newChecksTest(t *testing.T) *checksTest {
	c := &checksTest{agentTest: newAgentTest(t)}
	c.repo = &c.app.cfg.Repositories[0]
	c.repo.Bench.Enabled = false
	c.app.poster, c.app.hub = nil, nil
	return c
}

const noWaiting = "[[rule]]\nid = \"W\"\ntitle = \"nothing waits\"\nkind = \"absent\"\nfiles = [\"*.mm\"]\npattern = 'wait\\w+'\n"

// state commits rules and one source.
func (c *checksTest) state(rules, source string) string {
	c.t.Helper()
	c.write(filepath.Join(c.agentTest.repo, checks.DefaultRuleFile), rules)
	c.write(filepath.Join(c.agentTest.repo, "a.mm"), source)
	return c.commit()
}

func (c *checksTest) run(n store.NewRun) *runner.Result {
	c.t.Helper()
	n.Repo, n.Direct, n.Stages = "pool", true, enabled(c.repo, runner.Stages)
	if n.Trigger == "" {
		n.Trigger = store.TriggerCommand
	}
	if err := c.app.x.mirror(c.repo).Fetch(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	p := newProgress(os.Stderr)
	defer p.close()
	in, err := c.app.direct(c.t.Context(), n, c.repo, "", p)
	if err != nil {
		c.t.Fatal(err)
	}
	res := in.Run.Stage(runner.StageChecks)
	if res == nil || res.Checks == nil {
		c.t.Fatalf("no checks: %+v", in.Run)
	}
	return res
}

func (c *checksTest) pull(head, base string) store.NewRun {
	n := at("", head)
	n.PullRequest, n.Base, n.Trigger = 7, runner.Commit{SHA: base}, "test"
	return n
}

func ids(res *runner.Result) string {
	var out []string
	for _, r := range res.Checks.Rules {
		s := r.ID + "=" + r.Outcome
		if r.Debt {
			s += "(debt)"
		}
		if r.Told {
			s += "(told)"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// On a branch the last other commit is what violations are compared with, by the rules of
// the new one.
func TestChecksOfBranch(t *testing.T) {
	c := newChecksTest(t)
	old := c.state(noWaiting, "void f() { waitA(); }\n")
	same := c.state(noWaiting, "int x;\n\nvoid f() { waitA(); }\n")
	worse := c.state(noWaiting, "int x;\n\nvoid f() { waitA(); }\nvoid g() { waitB(); }\n")
	more := c.state(noWaiting+strings.Replace(strings.Replace(noWaiting, "\"W\"", "\"X\"", 1), `wait\w+`, "int x", 1), "int x;\n\nvoid f() { waitA(); }\nvoid g() { waitB(); }\n")
	for i, step := range []struct{ sha, want, base string }{
		{old, "W=fail", ""},
		{old, "W=fail", ""},
		{same, "W=warn(debt)", old},
		{worse, "W=fail", same},
		{worse, "W=fail", same},                    // a second look is compared with what the first was
		{more, "W=warn(debt) X=warn(debt)", worse}, // a new rule is asked of the base, too
	} {
		res := c.run(at("main", step.sha))
		if got := ids(res); got != step.want || res.Checks.Base.SHA != step.base || res.Checks.Settings == "" {
			t.Errorf("step %d: %s against %q, want %s against %q", i, got, res.Checks.Base.SHA, step.want, step.base)
		}
	}
	// Another agent.toml asks of the base anew.
	c.repo.Checks.Rule = []checks.Rule{{ID: "I", Kind: checks.KindAbsent, Files: []string{"*.mm"}, Pattern: "int x"}}
	if got := ids(c.run(at("main", c.state(noWaiting, "int x;\n")))); got != "W=pass I=warn(debt)" {
		t.Error(got)
	}
	c.repo.Checks.Ratchet = false
	if got := ids(c.run(at("main", c.state(noWaiting, "int x; \n")))); got != "W=pass I=fail" {
		t.Error(got)
	}
}

// A pull request is judged by the rules of its base.
func TestChecksOfPullRequest(t *testing.T) {
	c := newChecksTest(t)
	base := c.state(noWaiting, "void f() { waitA(); }\n")
	weak := c.state(strings.Replace(noWaiting, `wait\w+`, "nothing", 1), "void f() { waitA(); }\nvoid g() { waitB(); }\n")
	res := c.run(c.pull(weak, base))
	if got := ids(res); got != "W=fail W@head=pass(told)" || res.Checks.Base.SHA != base || res.Checks.RulesOf.SHA != base || only1(res).New != 1 {
		t.Errorf("%s, %d new: %+v", got, only1(res).New, res.Warnings)
	}
	// The base was examined for it, and with a stored result is not again.
	if len(res.Warnings) != 1 || res.Verdict != runner.Failure {
		t.Errorf("%s, %q", res.Verdict, res.Warnings)
	}
	c.run(at("main", base))
	if got := ids(c.run(c.pull(weak, base))); got != "W=fail W@head=pass(told)" {
		t.Error(got)
	}
	c.git("checkout", "--quiet", "-b", "side", base)
	debt := c.state(noWaiting, "void f() { waitA(); other(); }\n")
	if got := ids(c.run(c.pull(debt, base))); got != "W=warn(debt)" {
		t.Error(got)
	}
	// By its own, if that is what is asked for.
	c.repo.Checks.RulesFrom = config.RulesFromHead
	res = c.run(c.pull(weak, base))
	if got := ids(res); got != "W=pass" || res.Checks.RulesOf.SHA != "" {
		t.Error(got)
	}
	// Without a base it says whose rules judged.
	c.repo.Checks.RulesFrom = config.RulesFromBase
	if res := c.run(c.pull(weak, "")); len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "judged by its own rules") {
		t.Errorf("%q", res.Warnings)
	}
	// A base whose rules cannot be read judges nothing.
	n := c.pull(weak, strings.Repeat("0", 40))
	n.Repo, n.Direct, n.Stages = "pool", true, enabled(c.repo, runner.Stages)
	p := newProgress(os.Stderr)
	defer p.close()
	in, err := c.app.direct(t.Context(), n, c.repo, "", p)
	if err != nil || in.Run.Verdict != runner.Error || !strings.Contains(in.Run.Reason, "rules of the base") {
		t.Errorf("%s: %s, %v", in.Run.Verdict, in.Run.Reason, err)
	}
}

func only1(res *runner.Result) runner.Rule { return res.Checks.Rules[0] }
