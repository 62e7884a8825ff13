package intake_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/intake"
)

// memory is both stores.
type memory struct {
	etags map[string]string
	value map[string][]byte
	marks map[string]string
	err   error
}

func newMemory() *memory {
	return &memory{etags: map[string]string{}, value: map[string][]byte{}, marks: map[string]string{}}
}

func (m *memory) ETag(_ context.Context, url string) (string, []byte, error) {
	return m.etags[url], m.value[url], m.err
}

func (m *memory) SetETag(_ context.Context, url, etag string, value []byte) error {
	m.etags[url], m.value[url] = etag, slices.Clone(value)
	return m.err
}

func (m *memory) HeadMark(_ context.Context, repo, ref string) (string, error) {
	return m.marks[repo+" "+ref], m.err
}

// enqueue does what the store does with the runs of changed heads.
func (m *memory) enqueue(heads []intake.Head) {
	for _, h := range heads {
		m.marks[h.Repo+" "+h.Ref()] = h.Mark()
	}
}

// show prints heads, one a line.
func show(heads []intake.Head) string {
	var b strings.Builder
	for _, h := range heads {
		fmt.Fprintf(&b, "%s %s %s", h.Repo, h.Ref(), h.SHA[:4])
		if h.PullRequest > 0 {
			fmt.Fprintf(&b, " %s->%s@%.4s", h.Branch, h.BaseRef, h.BaseSHA)
		}
		for _, f := range []struct {
			on   bool
			name string
		}{{h.Fork, "fork"}, {h.Draft, "draft"}, {h.Changed, "changed"}} {
			if f.on {
				b.WriteString(" " + f.name)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

type setup struct {
	f    *hubtest.Fake
	c    *hub.Client
	m    *memory
	repo intake.Repository
}

func start(t *testing.T) *setup {
	t.Helper()
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	c, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken(hubtest.Token)})
	if err != nil {
		t.Fatal(err)
	}
	return &setup{f, c, newMemory(), intake.Repository{
		Name: "pool", GitHub: "acme/pool", Branches: []string{"main", "release/*"}, PullRequests: intake.PullRequestsSame,
	}}
}

// poll polls, requires the heads, and enqueues them.
func (s *setup) poll(t *testing.T, want string) {
	t.Helper()
	heads, err := intake.Poll(t.Context(), s.c, s.repo, s.m, s.m)
	if err != nil {
		t.Fatal(err)
	}
	if got := show(heads); got != want {
		t.Errorf("heads:\n%swant:\n%s", got, want)
	}
	s.m.enqueue(heads)
}

func (s *setup) requests(t *testing.T, want ...string) {
	t.Helper()
	got := s.f.Requests()
	s.f.Forget()
	if !slices.Equal(got, want) {
		t.Errorf("requests:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const (
	branchesPath = "GET /repos/acme/pool/branches?per_page=100&page=1"
	pullsPath    = "GET /repos/acme/pool/pulls?state=open&sort=created&direction=asc&per_page=100&page=1"
)

// The life of a few branches and pull requests, with what each poll reports and costs.
func TestPoll(t *testing.T) {
	s := start(t)
	s.f.SetBranch("acme/pool", "release/1", hubtest.SHA("b2"))
	s.f.SetBranch("acme/pool", "scratch", hubtest.SHA("c3"))

	s.poll(t, "pool refs/heads/main a1a1 changed\npool refs/heads/release/1 b2b2 changed\n")
	s.requests(t, branchesPath+" 200", pullsPath+" 200")
	// An idle cycle is free.
	s.poll(t, "pool refs/heads/main a1a1\npool refs/heads/release/1 b2b2\n")
	s.requests(t, branchesPath+" 304", pullsPath+" 304")

	// A push and a forced push look the same.
	s.f.SetBranch("acme/pool", "main", hubtest.SHA("d4"))
	s.f.DeleteBranch("acme/pool", "scratch")
	s.poll(t, "pool refs/heads/main d4d4 changed\npool refs/heads/release/1 b2b2\n")
	s.requests(t, branchesPath+" 200", pullsPath+" 304")

	own := s.f.OpenPull("acme/pool", hubtest.Pull{Head: "fix", SHA: hubtest.SHA("e5")})
	s.f.OpenPull("acme/pool", hubtest.Pull{Head: "main", SHA: hubtest.SHA("f6"), From: "eve/pool"})
	gone := s.f.OpenPull("acme/pool", hubtest.Pull{Head: "patch", SHA: hubtest.SHA("07"), From: "deleted"})
	draft := s.f.OpenPull("acme/pool", hubtest.Pull{Head: "wip", SHA: hubtest.SHA("18"), Draft: true})
	branches := "pool refs/heads/main d4d4\npool refs/heads/release/1 b2b2\n"
	s.poll(t, branches+
		"pool refs/pull/1/head e5e5 fix->main@d4d4 changed\npool refs/pull/2/head f6f6 main->main@d4d4 fork changed\n"+
		"pool refs/pull/3/head 0707 patch->main@d4d4 fork changed\npool refs/pull/4/head 1818 wip->main@d4d4 draft changed\n")
	s.repo.PullRequests = intake.PullRequestsNone
	s.poll(t, branches)
	s.repo.PullRequests = intake.PullRequestsAll

	// Another base is another comparison, though the head is the same; a new title or
	// leaving the draft state is not.
	s.f.ChangePull("acme/pool", own, func(p *hubtest.Pull) { p.Base = "release/1" })
	s.f.ChangePull("acme/pool", draft, func(p *hubtest.Pull) { p.Draft, p.Title = false, "ready" })
	s.f.ChangePull("acme/pool", gone, func(p *hubtest.Pull) { p.Closed = true })
	s.f.ChangePull("acme/pool", 2, func(p *hubtest.Pull) { p.SHA = hubtest.SHA("29") })
	s.poll(t, branches+
		"pool refs/pull/1/head e5e5 fix->release/1@b2b2 changed\npool refs/pull/2/head 2929 main->main@d4d4 fork changed\n"+
		"pool refs/pull/4/head 1818 wip->main@d4d4\n")
}

// What is not recorded with a run comes again: a crash loses no head.
func TestAtLeastOnce(t *testing.T) {
	s := start(t)
	s.repo.Branches = []string{"main"}
	want := "pool refs/heads/main a1a1 changed\n"
	for range 2 {
		heads, err := intake.Poll(t.Context(), s.c, s.repo, s.m, s.m)
		if err != nil || show(heads) != want {
			t.Fatalf("heads %s, %v", show(heads), err)
		}
	}
}

func TestManyPages(t *testing.T) {
	s := start(t)
	s.repo.Branches = []string{"**"}
	s.repo.PullRequests = intake.PullRequestsNone
	for i := range 250 {
		s.f.SetBranch("acme/pool", fmt.Sprintf("team/%03d", i), hubtest.SHA("b2"))
	}
	count := func() int {
		heads, err := intake.Poll(t.Context(), s.c, s.repo, s.m, s.m)
		if err != nil {
			t.Fatal(err)
		}
		return len(heads)
	}
	// A 304 has no Link header: that there are more pages must come from the store.
	for range 2 {
		if n := count(); n != 251 {
			t.Errorf("%d heads, want 251", n)
		}
	}
	if got := s.f.Requests(); len(got) != 6 || !strings.HasSuffix(got[5], "page=3 304") {
		t.Errorf("requests:\n%s", strings.Join(got, "\n"))
	}
	// Only the page that changed is sent again.
	s.f.Forget()
	s.f.SetBranch("acme/pool", "team/150", hubtest.SHA("c3"))
	if n := count(); n != 251 {
		t.Errorf("%d heads, want 251", n)
	}
	p := "GET /repos/acme/pool/branches?per_page=100&page="
	s.requests(t, p+"1 304", p+"2 200", p+"3 304")
}

// pollAll polls several repositories on one client, as the loops of an agent do.
func pollAll(ctx context.Context, c *hub.Client, repos []intake.Repository, etags intake.ETagStore, marks intake.HeadStore) ([]intake.Head, error) {
	var heads []intake.Head
	var errs []error
	for _, r := range repos {
		h, err := intake.Poll(ctx, c, r, etags, marks)
		heads = append(heads, h...)
		if err != nil {
			errs = append(errs, fmt.Errorf("poll %s: %w", r.Name, err))
		}
	}
	return heads, errors.Join(errs...)
}

// One repository in trouble does not keep the others from being polled, and no half list
// passes for a list.
func TestTroubleOfOne(t *testing.T) {
	s := start(t)
	s.f.AddRepo("acme/other", hubtest.SHA("b2"))
	other := intake.Repository{Name: "other", GitHub: "acme/other", Branches: []string{"main"}}
	repos := []intake.Repository{{Name: "pool", GitHub: "acme/pool", Branches: []string{"main"}}, other}
	for _, ft := range []hubtest.Fault{
		{Kind: hubtest.FailTruncated},
		{Kind: hubtest.FailHTML},
		{Kind: hubtest.FailStatus, Code: 502},
		{Kind: hubtest.FailStatus, Code: 404},
		{Kind: hubtest.FailReset},
		{Kind: hubtest.FailRedirect, To: "http://127.0.0.1:1/"},
	} {
		ft.Path, ft.Times = "acme/pool", -1
		s.f.Fail(ft)
		heads, err := pollAll(t.Context(), s.c, repos, s.m, s.m)
		if err == nil || !strings.Contains(err.Error(), "poll pool: ") || strings.Contains(err.Error(), "poll other") {
			t.Errorf("%s: error %v, want one about pool alone", ft.Kind, err)
		}
		if got := show(heads); got != "other refs/heads/main b2b2 changed\n" {
			t.Errorf("%s: heads\n%s", ft.Kind, got)
		}
		s.f.Heal()
	}
	heads, err := pollAll(t.Context(), s.c, repos, s.m, s.m)
	if err != nil || len(heads) != 2 {
		t.Errorf("afterwards: %s%v", show(heads), err)
	}
}

func TestHalfOfIt(t *testing.T) {
	s := start(t)
	s.f.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Path: "/pulls", Code: 500})
	heads, err := intake.Poll(t.Context(), s.c, s.repo, s.m, s.m)
	if show(heads) != "pool refs/heads/main a1a1 changed\n" || err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("heads %s, %v; want the branches, and an error about the pull requests", show(heads), err)
	}
	// The second page is missing: half the branches are not the branches.
	for i := range 150 {
		s.f.SetBranch("acme/pool", fmt.Sprintf("release/%d", i), hubtest.SHA("b2"))
	}
	s.f.Fail(hubtest.Fault{Kind: hubtest.FailTruncated, Path: "page=2"})
	heads, err = intake.Poll(t.Context(), s.c, s.repo, s.m, s.m)
	if len(heads) != 0 || err == nil {
		t.Errorf("%d heads, %v; want none, and an error", len(heads), err)
	}
}

func TestSaidNotHidden(t *testing.T) {
	s := start(t)
	s.repo.Branches = []string{"mian", "main"}
	heads, err := intake.Poll(t.Context(), s.c, s.repo, s.m, s.m)
	var none *intake.NoMatchError
	if len(heads) != 1 || !errors.As(err, &none) || none.Pattern != "mian" {
		t.Errorf("misspelt pattern: %s%v", show(heads), err)
	}
	s.repo.Branches = []string{"main"}
	s.f.Move("acme/pool", "acme/basin")
	heads, err = intake.Poll(t.Context(), s.c, s.repo, s.m, s.m)
	var moved *intake.MovedError
	if len(heads) != 1 || !errors.As(err, &moved) || moved.From != "acme/pool" {
		t.Errorf("moved repository: %s%v", show(heads), err)
	}
	if strings.Count(err.Error(), "has moved") != 1 {
		t.Errorf("said more than once: %v", err)
	}
}

func TestHostileNames(t *testing.T) {
	s := start(t)
	s.repo.Branches = []string{"**"}
	for _, name := range []string{"-delete", "--upload-pack=x", "a..b", "x y", "tab\there", "new\nline", "a//b", ".hidden", "x.lock", strings.Repeat("n", 300), "*", "HEAD~1"} {
		s.f.SetBranch("acme/pool", name, hubtest.SHA("b2"))
	}
	s.f.SetBranch("acme/pool", "short", "b2b2")
	s.f.SetBranch("acme/pool", "upper", strings.ToUpper(hubtest.SHA("b2")))
	s.f.SetBranch("acme/pool", "fine/ünï", hubtest.SHA("c3"))
	for range 2 { // the second time from the store
		heads, err := intake.Poll(t.Context(), s.c, s.repo, s.m, s.m)
		if got := show(heads); got != "pool refs/heads/fine/ünï c3c3 changed\npool refs/heads/main a1a1 changed\n" {
			t.Errorf("heads:\n%s", got)
		}
		if err == nil || strings.Count(err.Error(), "\n") != 13 || strings.ContainsAny(err.Error(), "\t\r") {
			t.Errorf("want 14 lines of error, one for each bad branch, got\n%v", err)
		}
	}
}

func TestDamagedStore(t *testing.T) {
	s := start(t)
	s.repo.PullRequests = intake.PullRequestsNone
	s.repo.Branches = []string{"main"}
	s.poll(t, "pool refs/heads/main a1a1 changed\n")
	for url := range maps.Clone(s.m.value) {
		s.m.value[url] = []byte(`{"entries": [{"bra`)
	}
	s.f.Forget()
	s.poll(t, "pool refs/heads/main a1a1\n")
	s.requests(t, branchesPath+" 200")

	s.m.err = errors.New("disk full")
	if heads, err := intake.Poll(t.Context(), s.c, s.repo, s.m, s.m); err == nil || len(heads) != 0 {
		t.Errorf("with a broken store: %s%v", show(heads), err)
	}
}

func TestLimitStopsGitHubOnly(t *testing.T) {
	s := start(t)
	s.f.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Code: 429})
	remote := intake.Repository{
		Name: "local", Branches: []string{"main", "dev*"},
		LsRemote: func(context.Context) (map[string]string, error) {
			return map[string]string{
				"HEAD": hubtest.SHA("b2"), "refs/heads/main": hubtest.SHA("b2"), "refs/heads/dev1": hubtest.SHA("c3"),
				"refs/heads/topic": hubtest.SHA("d4"), "refs/tags/main": hubtest.SHA("e5"), "refs/pull/1/head": hubtest.SHA("f6"),
				"refs/heads/dev-bad": "nothex",
			}, nil
		},
	}
	heads, err := pollAll(t.Context(), s.c, []intake.Repository{s.repo, remote}, s.m, s.m)
	if got := show(heads); got != "local refs/heads/dev1 c3c3 changed\nlocal refs/heads/main b2b2 changed\n" {
		t.Errorf("heads:\n%s", got)
	}
	var lim *hub.LimitError
	if !errors.As(err, &lim) || !strings.Contains(err.Error(), "dev-bad") {
		t.Errorf("error: %v", err)
	}
	if n := len(s.f.Requests()); n != 1 {
		t.Errorf("%d requests after a limit, want 1:\n%v", n, s.f.Requests())
	}
}

func TestBadConfiguration(t *testing.T) {
	s := start(t)
	for _, r := range []intake.Repository{
		{Name: "x"},
		{Name: "x", GitHub: "acme"},
		{Name: "x", GitHub: "acme/pool/../../user"},
		{Name: "x", GitHub: "../pool"},
		{Name: "x", GitHub: "acme/po ol"},
		{Name: "x", GitHub: "acme/pool", PullRequests: "some"},
	} {
		if _, err := intake.Poll(t.Context(), s.c, r, s.m, s.m); err == nil {
			t.Errorf("Poll(%+v): no error", r)
		}
	}
	if got := s.f.Requests(); len(got) != 0 {
		t.Errorf("requests: %q", got)
	}
}

func TestCancelled(t *testing.T) {
	s := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pollAll(ctx, s.c, []intake.Repository{s.repo, s.repo}, s.m, s.m)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}
