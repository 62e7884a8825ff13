package git

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// source is a repository that tests commit to.
type source struct {
	t   *testing.T
	dir string
}

func newSource(t *testing.T) *source {
	s := &source{t, filepath.Join(t.TempDir(), "source repo")}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.git("init", "--quiet", "--initial-branch=main")
	return s
}

func (s *source) git(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=A U Thor", "GIT_COMMITTER_EMAIL=a@example.org", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *source) commit(name, text string) string {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.git("add", "--all")
	s.git("commit", "--quiet", "--message", "change "+name)
	return s.git("rev-parse", "HEAD")
}

func (s *source) mirror() *Mirror {
	return &Mirror{Remote: Remote{URL: s.dir, Environ: os.Environ()}, Dir: filepath.Join(s.t.TempDir(), "mirror.git")}
}

func resolve(t *testing.T, m *Mirror, rev string) runner.Commit {
	t.Helper()
	c, err := m.Resolve(t.Context(), rev)
	if err != nil {
		t.Fatalf("resolve %s: %v", rev, err)
	}
	return c
}

func TestNoSuchRepository(t *testing.T) {
	m := &Mirror{Remote: Remote{URL: filepath.Join(t.TempDir(), "none"), Environ: os.Environ()}, Dir: filepath.Join(t.TempDir(), "m")}
	_, err := m.Resolve(t.Context(), "main")
	var h interface{ Hint() string }
	if err == nil || !errors.As(err, &h) {
		t.Errorf("got %v, want an error with a hint", err)
	}
}

func TestList(t *testing.T) {
	s := newSource(t)
	sha := s.commit("a", "1")
	s.git("update-ref", "refs/pull/7/head", sha)
	refs, err := s.mirror().Remote.List(t.Context())
	if err != nil || refs["refs/heads/main"] != sha || refs["refs/pull/7/head"] != sha || refs["HEAD"] != sha {
		t.Errorf("got %v, %v", refs, err)
	}
	m := s.mirror()
	if err := m.Fetch(t.Context(), "refs/pull/7/head"); err != nil {
		t.Fatal(err)
	}
	if got := resolve(t, m, "refs/pull/7/head").SHA; got != sha {
		t.Errorf("pull request head is %s", got)
	}
	if err := m.Fetch(t.Context(), "refs/heads/*:refs/x/*"); err == nil {
		t.Error("a refspec was taken for a ref")
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(runner.ErrCancelled)
	s := newSource(t)
	if err := s.mirror().Fetch(ctx); !errors.Is(err, runner.ErrCancelled) {
		t.Errorf("got %v", err)
	}
}

func TestTokenNeverShows(t *testing.T) {
	r := Remote{URL: "http://127.0.0.1:1/x.git", Environ: os.Environ(), Token: secretToken}
	_, err := r.List(t.Context())
	if err == nil || strings.Contains(err.Error(), "very-secret") {
		t.Errorf("got %v", err)
	}
}

func secretToken(context.Context) (string, error) { return "very-secret-token", nil }

// The token goes to the host that it is for, not to where that one redirects.
func TestTokenStaysWithItsHost(t *testing.T) {
	seen := map[string]string{}
	handler := func(name, to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			seen[name] = r.Header.Get("Authorization")
			if to != "" {
				http.Redirect(w, r, to+r.URL.RequestURI(), http.StatusFound)
				return
			}
			http.NotFound(w, r)
		}
	}
	other := httptest.NewServer(handler("other", ""))
	defer other.Close()
	home := httptest.NewServer(handler("home", other.URL))
	defer home.Close()
	r := Remote{URL: home.URL + "/x.git", Environ: os.Environ(), Token: secretToken}
	if _, err := r.List(t.Context()); err == nil {
		t.Error("a repository that is not there was listed")
	}
	if seen["home"] == "" || seen["other"] != "" {
		t.Errorf("authorization at home %q, elsewhere %q", seen["home"], seen["other"])
	}
}
