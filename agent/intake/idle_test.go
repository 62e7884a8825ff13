package intake_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/intake"
)

// A cycle over 50 repositories in which nothing has changed spends nothing of the rate
// limit: with a token and with an App, branches, pull requests, check suites and comments; also in a
// process that has just started, since what is known of each page is stored.
func TestIdleCostsNothing(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]hub.Options{
		"token": {Token: hub.StaticToken(hubtest.Token)},
		"App":   {App: &hub.App{ID: "4711", Key: key}},
	} {
		t.Run(name, func(t *testing.T) {
			f := hubtest.Start(t)
			f.AddApp(4711, "holdfast", &key.PublicKey)
			f.Install("holdfast", "acme", []string{"checks=write", "contents=read", "pull_requests=read"})
			o.BaseURL = f.URL()
			c, err := hub.New(o)
			if err != nil {
				t.Fatal(err)
			}
			m := newMemory()
			var repos []intake.Repository
			for i := range 50 {
				slug := fmt.Sprintf("acme/r%d", i)
				f.AddRepo(slug, hubtest.SHA("a1"))
				f.OpenPull(slug, hubtest.Pull{Head: "fix", SHA: hubtest.SHA("b2")})
				repos = append(repos, intake.Repository{Name: slug, GitHub: slug, Branches: []string{"main"}, PullRequests: intake.PullRequestsSame})
			}
			talk := 0
			cycle := func() (heads int) {
				t.Helper()
				list, err := pollAll(t.Context(), c, repos, m, m)
				if err != nil {
					t.Fatal(err)
				}
				for _, h := range list {
					if h.Changed {
						heads++
					}
					if name == "token" {
						continue // cannot see check suites
					}
					if mark, err := intake.Rerequested(t.Context(), c, h.Repo, h.SHA, "holdfast[bot]", m); err != nil || mark != "" {
						t.Fatalf("%s: %q, %v", h.Repo, mark, err)
					}
				}
				for _, r := range repos {
					comments, done, err := intake.Comments(t.Context(), c, r, m)
					if err == nil {
						err = done(t.Context())
					}
					if err != nil {
						t.Fatal(err)
					}
					talk += len(comments)
				}
				m.enqueue(list)
				return heads
			}
			if n := cycle(); n != 100 {
				t.Fatalf("%d new heads, want 100", n)
			}
			for _, r := range repos {
				f.Comment(r.GitHub, 1, "alice", "talk")
			}
			for range 3 { // read, read again under the address that follows, known
				cycle()
			}
			if talk < 50 {
				t.Fatalf("%d comments were read", talk)
			}
			left := f.Remaining()
			f.Forget()
			if c, err = hub.New(o); err != nil { // a process that has just started
				t.Fatal(err)
			}
			if n := cycle(); n != 0 {
				t.Errorf("%d new heads in an idle cycle", n)
			}
			spent := 0
			for _, r := range f.Requests() {
				if !strings.HasSuffix(r, " 304") && !byApp(r) {
					spent++
					t.Errorf("counts: %s", r)
				}
			}
			if name == "token" && f.Remaining() != left {
				t.Errorf("%d of the limit is spent", left-f.Remaining())
			}
			f.Forget()
			cycle()
			for _, r := range f.Requests() {
				if !strings.HasSuffix(r, " 304") {
					t.Errorf("counts in the cycle after: %s", r)
				}
			}
		})
	}
}

// byApp reports whether a request was sent as the App, whose limit is another one: to find
// an installation and get its token, once in the life of a process.
func byApp(r string) bool {
	return strings.Contains(r, "/installation ") || strings.Contains(r, "/access_tokens ")
}

// A request on GitHub to run the checks of a commit again is seen, and no other state of
// its suites is taken for one.
func TestRerequested(t *testing.T) {
	s := start(t)
	s.f.GrantActions("ghs_actionsActions", "acme/pool", "checks=write")
	c, err := hub.New(hub.Options{BaseURL: s.f.URL(), Token: hub.StaticToken("ghs_actionsActions"), Login: hub.ActionsLogin})
	if err != nil {
		t.Fatal(err)
	}
	sha := hubtest.SHA("a1")
	ask := func(self string) string {
		t.Helper()
		mark, err := intake.Rerequested(t.Context(), c, "acme/pool", sha, self, s.m)
		if err != nil {
			t.Fatal(err)
		}
		return mark
	}
	if mark := ask(hub.ActionsLogin); mark != "" {
		t.Errorf("without a suite: %q", mark)
	}
	done, now := "completed", github.Timestamp{}
	ok := "success"
	_, _, err = c.Writable().API().Checks.CreateCheckRun(t.Context(), "acme", "pool", github.CreateCheckRunOptions{
		Name: "holdfast", HeadSHA: sha, Status: &done, Conclusion: &ok, CompletedAt: &now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if mark := ask(hub.ActionsLogin); mark != "" {
		t.Errorf("completed: %q", mark)
	}
	s.f.Rerequest("acme/pool", sha)
	mark := ask(hub.ActionsLogin)
	if mark == "" || ask(hub.ActionsLogin) != mark {
		t.Errorf("requested: %q", mark)
	}
	s.f.Rerequest("acme/pool", sha)
	if again := ask(hub.ActionsLogin); again == "" || again == mark {
		t.Errorf("requested once more: %q after %q", again, mark)
	}
}
