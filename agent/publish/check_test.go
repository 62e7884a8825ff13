package publish_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// appPEM is the key as a process of its own reads it.
func appPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(appKey())}))
}

// startApp is a fake with an App that may create check runs on acme.
func startApp(t *testing.T) (f *hubtest.Fake, installation int64) {
	t.Helper()
	f = hubtest.Start(t)
	f.AddRepo(slug, sha)
	f.OpenPull(slug, hubtest.Pull{Title: "Faster", Head: "fix", SHA: hubtest.SHA("b2")})
	f.AddApp(4711, "holdfast", &appKey().PublicKey)
	return f, f.Install("holdfast", "acme", []string{"checks=write", "statuses=write", "pull_requests=write", "issues=write", "contents=read"})
}

func appPoster(t *testing.T, f *hubtest.Fake) *publish.GitHub {
	t.Helper()
	c, err := hub.New(hub.Options{BaseURL: f.URL(), App: &hub.App{ID: "4711", Key: appKey()}})
	if err != nil {
		t.Fatal(err)
	}
	return publish.NewGitHub(c, publish.Options{Gap: -1})
}

// annotated ends a run whose checks stage has n annotations.
func annotated(number int64, n int) []publish.Message {
	msgs := publish.Statuses(target, finish(run(number)), runner.Stages)
	for i := range msgs {
		if msgs[i].Context != "holdfast/checks" {
			continue
		}
		for k := range n {
			msgs[i].Check.Annotations = append(msgs[i].Check.Annotations, publish.Annotation{
				Path: "pool.mm", Line: k + 1, StartColumn: 3, Level: "failure", Title: "POOL.1", Message: "waits under the lock",
			})
		}
	}
	return msgs
}

func queued(number int64) *runner.Run {
	r := run(number)
	r.State = runner.StateQueued
	return r
}

// A run with an App: queued, at work, done; one check run for each stage and one for the
// whole, nothing that is not concluded.
func TestCheckRuns(t *testing.T) {
	f, _ := startApp(t)
	g := appPoster(t, f)
	o, c := &outbox{}, newClock()
	o.add(publish.Statuses(target, queued(1), runner.Stages)...)
	deliver(t, o, g, c)
	wantDump(t, f, `check holdfast queued "run 1 is queued" by holdfast[bot] (1 in all, 1 open, 0 annotations)`)
	for i, line := range []string{"building A", "building B"} {
		m, ok := publish.Running(target, run(1), "proofs", c.t, []string{"first", line})
		if !ok {
			t.Fatal("no message")
		}
		m.Seq += int64(i) // the real outbox tells texts of one Seq apart
		o.add(m)
		deliver(t, o, g, c)
		wantDump(t, f, fmt.Sprintf(`check holdfast/proofs in_progress %q by holdfast[bot] (1 in all, 1 open, 0 annotations)`, line))
	}
	o.add(annotated(1, 120)...)
	deliver(t, o, g, c)
	const want = `    check holdfast failure "1 rule fails" by holdfast[bot] (1 in all, 0 open, 0 annotations)
    check holdfast/bench neutral "does not apply: no benchmarks are configured" by holdfast[bot] (1 in all, 0 open, 0 annotations)
    check holdfast/checks failure "1 rule fails" by holdfast[bot] (1 in all, 0 open, 120 annotations)
    check holdfast/proofs success "6 modules, 12 theorems" by holdfast[bot] (1 in all, 0 open, 0 annotations)
`
	wantDump(t, f, want)
	// Said again, by a process that remembers nothing, it costs no change.
	f.Forget()
	for _, m := range annotated(1, 120) {
		must(t, appPoster(t, f), m)
	}
	for _, r := range f.Requests() {
		if strings.HasPrefix(r, "PATCH") || strings.HasPrefix(r, "POST") && !strings.Contains(r, "access_tokens") {
			t.Errorf("a change: %s", r)
		}
	}
	// Examined again it is a check run of its own.
	o.add(publish.Statuses(target, queued(2), runner.Stages)...)
	deliver(t, o, g, c)
	wantDump(t, f, `check holdfast queued "run 2 is queued" by holdfast[bot] (2 in all, 1 open, 0 annotations)`)
	o.add(annotated(2, 0)...)
	deliver(t, o, g, c)
	wantDump(t, f, `check holdfast failure "1 rule fails" by holdfast[bot] (2 in all, 0 open, 0 annotations)`)
	wantDump(t, f, `check holdfast/checks failure "1 rule fails" by holdfast[bot] (2 in all, 0 open, 0 annotations)`)
}

// A head is announced before it has a run; the run takes over what was announced.
func TestAnnouncedIsTakenOver(t *testing.T) {
	f, _ := startApp(t)
	seen := queued(0)
	seen.Reason = publish.Announced
	for _, g := range []*publish.GitHub{appPoster(t, f), poster(t, f)} {
		for _, r := range []*runner.Run{seen, queued(7), finish(run(7))} {
			for _, m := range publish.Statuses(target, r, nil) {
				must(t, g, m)
			}
		}
	}
	wantDump(t, f, `check holdfast failure "1 rule fails" by holdfast[bot] (1 in all, 0 open, 0 annotations)`)
	wantDump(t, f, `status holdfast failure "1 rule fails" by holdfast-bot (2 in all)`)
	if n := strings.Count(strings.Join(f.Requests(), "\n"), "PATCH"); n != 1 {
		t.Errorf("%d changes of the check run, want one:\n%s", n, strings.Join(f.Requests(), "\n"))
	}
}

// What an earlier examination left open is taken over, not left.
func TestOpenCheckRunIsTakenOver(t *testing.T) {
	f, _ := startApp(t)
	for _, m := range publish.Statuses(target, run(1), nil) {
		must(t, appPoster(t, f), m)
	}
	for _, m := range publish.Statuses(target, finish(run(2)), nil) {
		must(t, appPoster(t, f), m)
	}
	wantDump(t, f, `check holdfast failure "1 rule fails" by holdfast[bot] (1 in all, 0 open, 0 annotations)`)
}

// Whatever request fails, before or after its effect, and although each try is a new
// process: in the end there is one check run, concluded, with each annotation once.
func TestCheckRunsOnce(t *testing.T) {
	var msg publish.Message
	for _, m := range annotated(1, 130) {
		if m.Context == "holdfast/checks" {
			msg = m
		}
	}
	for _, ft := range []hubtest.Fault{
		{Kind: hubtest.FailStatus, Code: 502},
		{Kind: hubtest.FailStatus, Code: 502, After: true},
		{Kind: hubtest.FailReset},
		{Kind: hubtest.FailReset, After: true},
		{Kind: hubtest.FailTruncated},
		{Kind: hubtest.FailSecondary},
		{Kind: hubtest.FailPrimary, Code: 429},
		{Kind: hubtest.FailStatus, Code: 401},
	} {
		failed := 0
		for skip := range 8 { // three to find things out, three changes, and some to spare
			f, _ := startApp(t)
			ft.Skip = skip
			f.Fail(ft)
			tries := 1
			for ; tries < 6; tries++ {
				if _, err := appPoster(t, f).Post(t.Context(), msg); err == nil {
					break
				}
			}
			if dump := f.Dump(); !strings.Contains(dump, `check holdfast/checks failure "1 rule fails" by holdfast[bot] (1 in all, 0 open, 130 annotations)`) {
				t.Fatalf("%+v: after %d tries:\n%s\n%s", ft, tries, dump, strings.Join(f.Requests(), "\n"))
			}
			if tries > 1 {
				failed++ // a refused token and a reset GET are repaired at once
			}
		}
		if failed < 3 {
			t.Errorf("%+v: %d requests failed", ft, failed)
		}
	}
}

// Annotations that GitHub does not take must not leave a check run open.
func TestRefusedAnnotations(t *testing.T) {
	f, _ := startApp(t)
	m := publish.Statuses(target, finish(run(1)), nil)[0]
	m.Check.Annotations = []publish.Annotation{{Path: "/etc/passwd", Line: 1, Level: "failure", Message: "x"}}
	must(t, appPoster(t, f), m)
	wantDump(t, f, `check holdfast failure "1 rule fails" by holdfast[bot] (1 in all, 0 open, 0 annotations)`)
}

func TestTooManyAnnotations(t *testing.T) {
	f, _ := startApp(t)
	for _, m := range annotated(1, 1000) {
		must(t, appPoster(t, f), m)
	}
	wantDump(t, f, `(1 in all, 0 open, 200 annotations)`)
	if n := strings.Count(strings.Join(f.Requests(), "\n"), "PATCH"); n != 3 {
		t.Errorf("%d changes for 200 annotations, want one and 3 more", n)
	}
}

// Who may not create check runs posts commit statuses, without being told to.
func TestCheckRunsOrStatuses(t *testing.T) {
	const asCheck, asStatus = "check holdfast failure", "status holdfast failure"
	for name, c := range map[string]struct {
		poster func(t *testing.T, f *hubtest.Fake, installation int64) *publish.GitHub
		want   string
	}{
		"App": {func(t *testing.T, f *hubtest.Fake, _ int64) *publish.GitHub { return appPoster(t, f) }, asCheck},
		"App without the permission": {func(t *testing.T, f *hubtest.Fake, in int64) *publish.GitHub {
			f.Permit(in, "checks", "read")
			return appPoster(t, f)
		}, asStatus},
		"App whose permission is withdrawn": {func(t *testing.T, f *hubtest.Fake, in int64) *publish.GitHub {
			g := appPoster(t, f)
			m := status("pending", "x")
			m.Context, m.Key = "other", "other"
			m.Check = &publish.Check{Run: "1", Status: "in_progress", Title: "x", Summary: "x"}
			must(t, g, m)
			f.Permit(in, "checks", "read")
			return g
		}, asStatus},
		"Actions": {func(t *testing.T, f *hubtest.Fake, _ int64) *publish.GitHub {
			f.GrantActions("ghs_actionsActionsActions", slug, "checks=write", "statuses=write")
			return tokenPoster(t, f, "ghs_actionsActionsActions", hub.ActionsLogin)
		}, asCheck},
		"Actions without the permission": {func(t *testing.T, f *hubtest.Fake, _ int64) *publish.GitHub {
			f.GrantActions("ghs_actionsActionsActions", slug, "checks=read", "statuses=write")
			return tokenPoster(t, f, "ghs_actionsActionsActions", hub.ActionsLogin)
		}, asStatus},
		"classic token": {func(t *testing.T, f *hubtest.Fake, _ int64) *publish.GitHub { return poster(t, f) }, asStatus},
		"fine-grained token": {func(t *testing.T, f *hubtest.Fake, _ int64) *publish.GitHub {
			f.Grant("github_pat_fine", "someone", "statuses")
			return tokenPoster(t, f, "github_pat_fine", "")
		}, asStatus},
	} {
		f, in := startApp(t)
		g := c.poster(t, f, in)
		for range 2 {
			for _, m := range publish.Statuses(target, finish(run(1)), nil) {
				must(t, g, m)
			}
		}
		dump := f.Dump()
		if !strings.Contains(dump, c.want) || strings.Contains(dump, asCheck) && strings.Contains(dump, asStatus) {
			t.Errorf("%s: want %q and nothing beside it:\n%s", name, c.want, dump)
		}
	}
}

func tokenPoster(t *testing.T, f *hubtest.Fake, token, login string) *publish.GitHub {
	t.Helper()
	c, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken(token), Login: login})
	if err != nil {
		t.Fatal(err)
	}
	return publish.NewGitHub(c, publish.Options{Gap: -1})
}

// An error is never what GitHub lets pass where a check is required.
func TestConclusions(t *testing.T) {
	passes := []string{publish.ConcludeSuccess, publish.ConcludeNeutral, "skipped"}
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name    string
		state   string
		verdict runner.Verdict
		late    bool
		want    string
	}{
		{"success", runner.StateDone, runner.Success, false, "success"},
		{"failure", runner.StateDone, runner.Failure, false, "failure"},
		{"neutral", runner.StateDone, runner.Neutral, false, "neutral"},
		{"could not tell", runner.StateDone, runner.Error, false, "action_required"},
		{"time was up", runner.StateDone, runner.Error, true, "timed_out"},
		{"no verdict", runner.StateDone, "", false, "action_required"},
		{"unknown verdict", runner.StateDone, "green", false, "action_required"},
		{"cancelled", runner.StateCancelled, runner.Error, false, "cancelled"},
		{"superseded", runner.StateSuperseded, runner.Error, false, "cancelled"},
		{"failed, then cancelled", runner.StateCancelled, runner.Failure, false, "failure"},
		{"cancelled after success", runner.StateCancelled, runner.Success, false, "cancelled"},
	} {
		r := run(1)
		r.State, r.Verdict, r.Reason = c.state, c.verdict, "why"
		r.Stages = []runner.Result{{Stage: "proofs", Verdict: c.verdict, Reason: "why", TimedOut: c.late, Started: started, Seconds: 3}}
		for _, m := range publish.Statuses(target, r, []string{"proofs"}) {
			got := m.Check.Conclusion
			if got != c.want {
				t.Errorf("%s: %s concludes %q, want %q", c.name, m.Context, got, c.want)
			}
			if c.verdict != runner.Success && c.verdict != runner.Neutral && slices.Contains(passes, got) {
				t.Errorf("%s: %s passes", c.name, m.Context)
			}
		}
	}
	// A stage that gave no result when the run was over.
	r := run(1)
	r.State, r.Verdict = runner.StateDone, runner.Error
	for _, m := range publish.Statuses(target, r, []string{"proofs"}) {
		if m.Check.Conclusion != publish.ConcludeActionRequired {
			t.Errorf("no result: %s concludes %q", m.Context, m.Check.Conclusion)
		}
	}
}

// What a stage told is said as soon as it cannot get better any more.
func TestEnded(t *testing.T) {
	for _, c := range []struct {
		verdict runner.Verdict
		final   bool
		want    string
	}{
		{runner.Failure, false, "failure"},
		{runner.Error, false, "action_required"},
		{runner.Success, true, "success"},
		{runner.Success, false, ""},
		{runner.Neutral, false, ""},
	} {
		m, ok := publish.Ended(target, run(1), &runner.Result{Stage: "proofs", Verdict: c.verdict, Reason: "why"}, c.final)
		if !ok || m.Check.Conclusion != c.want || m.Live != (c.want == "") || (m.State == publish.StatePending) != (c.want == "") {
			t.Errorf("%s, final %v: %+v, want %q", c.verdict, c.final, m.Check, c.want)
		}
	}
}

// The permission to write check runs is withdrawn in the middle of a run: what it came to is
// said by commit statuses, and the check runs that were begun are concluded as soon as the
// permission is back, however long that takes.
func TestPermissionWithdrawn(t *testing.T) {
	f, in := startApp(t)
	o, c := &outbox{}, newClock()
	stages := []string{"checks"}
	o.add(publish.Statuses(target, queued(1), stages)...)
	deliver(t, o, appPoster(t, f), c)
	wantDump(t, f, "check holdfast queued", "check holdfast/checks queued")
	f.Permit(in, "checks", "read")
	f.ExpireTokens()
	o.add(publish.Statuses(target, run(1), stages)...) // goes on
	if d := deliver(t, o, appPoster(t, f), c); d.Posted != 2 {
		t.Errorf("still at work: %+v", d)
	}
	r := finish(run(1))
	r.Stages = r.Stages[1:2]
	o.add(publish.Statuses(target, r, stages)...)
	for i := range 60 { // more often than anything else is tried
		if d := deliver(t, o, appPoster(t, f), c); d.Waiting != 2 || d.Dropped != 0 || d.Next.Sub(c.t) > 15*time.Minute {
			t.Fatalf("after %d attempts: %+v", i, d)
		}
		c.t = c.t.Add(15 * time.Minute)
	}
	wantDump(t, f, "check holdfast queued", "check holdfast/checks queued", `status holdfast failure "1 rule fails" by holdfast[bot] (2 in all)`)
	if r := o.rows[0]; r.state != "pending" || !strings.Contains(r.reason, "stays open until the App has the permission checks: write again") {
		t.Errorf("%s, %q", r.state, r.reason)
	}
	f.Permit(in, "checks", "write")
	f.ExpireTokens()
	if d := deliver(t, o, appPoster(t, f), c); d.Posted != 2 {
		t.Errorf("the permission is back: %+v", d)
	}
	wantDump(t, f, `check holdfast failure "1 rule fails" by holdfast[bot] (1 in all, 0 open`, `check holdfast/checks failure "1 rule fails" by holdfast[bot] (1 in all, 0 open`)
	// Nobody owes a check run where none was begun.
	f.Permit(in, "checks", "read")
	f.ExpireTokens()
	r = finish(run(2))
	o.add(publish.Statuses(target, r, stages)...)
	if d := deliver(t, o, appPoster(t, f), c); d.Posted != 2 {
		t.Errorf("a run after the permission was withdrawn: %+v", d)
	}
}
