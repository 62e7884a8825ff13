package agent

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/store"
)

// pushed tells the agent of a new head of main.
func (a *agentTest) pushed(sha string) {
	a.t.Helper()
	repo := a.app.cfg.Repository("pool")
	a.fake.SetBranch("acme/pool", "main", sha)
	if err := a.app.enqueueHead(a.t.Context(), repo, intake.Head{Repo: "pool", Branch: "main", SHA: sha}); err != nil {
		a.t.Fatal(err)
	}
}

// bisected waits for the end of a bisection.
func (a *agentTest) bisected(id int64) (b store.Bisection) {
	a.t.Helper()
	if !until(func() bool {
		var err error
		b, err = a.app.store.Bisection(a.t.Context(), id)
		return err == nil && !b.Running
	}) {
		a.t.Fatalf("bisection %d never ended: %+v", id, b)
	}
	return b
}

// A stage that fails on a branch where it held is bisected behind everything else, once,
// and the tracking issue names the culprit. Probes say nothing on GitHub.
func TestRedBranchIsBisected(t *testing.T) {
	a := newAgentTest(t)
	a.app.cfg.Repositories[0].Bench.Enabled, a.app.cfg.Repositories[0].Checks.Ratchet = false, false
	good := a.commit()
	a.fake.AddRepo("acme/pool", good)
	stop := a.serve()
	a.pushed(good)
	a.await("commit " + good[:10] + `\n[^c]*status holdfast success`)
	var shas []string
	for i := range 7 {
		if i == 4 { // from here on a file of the rule is missing
			a.git("rm", "--quiet", "bench.sh")
		}
		a.write(filepath.Join(a.repo, "note"), fmt.Sprint(i))
		shas = append(shas, a.commit())
	}
	bad := shas[6]
	a.pushed(bad)
	b := a.bisected(1)
	if b.Result != (bisect.Result{Kind: bisect.Found, First: 5, Last: 5, Confirmed: true}) || b.Commits[5].SHA != shas[4] || b.Commits[0].SHA != good || b.Origin != 2 {
		t.Errorf("%+v", b)
	}
	// The branch stays red: what is asked since the same good commit is not asked again.
	a.write(filepath.Join(a.repo, "note"), "more")
	worse := a.commit()
	a.pushed(worse)
	a.await("commit " + worse[:10] + `\n[^c]*status holdfast failure`)
	a.await("First bad commit: `" + shas[4][:10])
	stop()
	list, err := a.app.store.BisectionsOf(t.Context(), "pool", 9)
	if err != nil || len(list) != 1 {
		t.Errorf("%d bisections, %v", len(list), err)
	}
	for _, r := range a.fake.Requests() {
		if slices.ContainsFunc(shas[:6], func(sha string) bool { return strings.Contains(r, sha) }) {
			t.Errorf("a probe said something: %s", r)
		}
	}
	// Every later report of the branch names it while it is red.
	runs, err := a.app.store.Runs(t.Context(), store.Filter{Branch: "main"})
	if err != nil || len(runs) != 3 {
		t.Fatalf("%+v, %v", runs, err)
	}
	in, err := a.app.finish(t.Context(), runs[0].Number)
	if err != nil || len(in.Bisections) != 1 || in.Bisections[0].Suspects[0].SHA != shas[4] {
		t.Errorf("the next report: %+v, %v", in.Bisections, err)
	}
	if in, err := a.app.finish(t.Context(), 1); err != nil || len(in.Bisections) != 0 {
		t.Errorf("a report from before: %+v, %v", in.Bisections, err)
	}
}

// What changed outside of the repository blames nobody.
func TestDriftIsNotBisected(t *testing.T) {
	a := newAgentTest(t)
	a.app.cfg.Repositories[0].Bench.Enabled = false
	sha := a.commit()
	a.fake.AddRepo("acme/pool", sha)
	stop := a.serve()
	defer stop()
	a.pushed(sha)
	a.await("commit " + sha[:10] + `\n[^c]*status holdfast success`)
	// The rules in agent.toml are stricter now.
	repo := &a.app.cfg.Repositories[0]
	strict := repo.Checks
	strict.Rules, strict.Ratchet = []string{"strict.toml"}, false
	a.write(filepath.Join(a.repo, "strict.toml"), "[[rule]]\nid = \"A.2\"\ntitle = \"nothing echoes\"\nkind = \"absent\"\nfiles = [\"bench.sh\"]\npattern = 'echo'\nview = \"raw\"\n")
	sha = a.commit()
	a.pushed(sha)
	a.await("commit " + sha[:10] + `\n[^c]*status holdfast success`)
	repo.Checks = strict
	if err := a.app.fire(t.Context(), "nightly", time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	a.await("commit " + sha[:10] + `\n[^c]*status holdfast failure`)
	rec, err := a.app.store.Run(t.Context(), 3)
	if err != nil || !strings.Contains(strings.Join(rec.Run.Warnings, "\n"), "checks: this very commit was good in run 2: what changed is not in the repository") {
		t.Errorf("warnings %q, %v", rec.Run.Warnings, err)
	}
	if list, err := a.app.store.BisectionsOf(t.Context(), "pool", 9); err != nil || len(list) != 0 {
		t.Errorf("bisections %+v, %v", list, err)
	}
}
