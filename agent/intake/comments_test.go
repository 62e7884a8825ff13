package intake_test

import (
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/intake"
)

// Comments that were there before are left alone, new ones come until they are dealt with,
// and a look without any costs nothing.
func TestComments(t *testing.T) {
	s := start(t)
	n := s.f.OpenPull("acme/pool", hubtest.Pull{Head: "fix", SHA: hubtest.SHA("e5")})
	old := s.f.Comment("acme/pool", n, "mara", "/holdfast old")
	read := func(deal bool) []string {
		t.Helper()
		list, done, err := intake.Comments(t.Context(), s.c, s.repo, s.m)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, k := range list {
			what := k.Author + ": " + k.Body
			if k.Bot {
				what += " (bot)"
			}
			if !k.Updated.Equal(k.Created) {
				what += " (edited)"
			}
			out = append(out, what)
			if k.Number != n {
				t.Errorf("on %d", k.Number)
			}
		}
		if deal {
			if err := done(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	want := func(got []string, list ...string) {
		t.Helper()
		if strings.Join(got, "\n") != strings.Join(list, "\n") {
			t.Errorf("%q, want %q", got, list)
		}
	}
	want(read(true))
	want(read(true))
	first := s.f.Comment("acme/pool", n, "mara", "first")
	s.f.EditComment("acme/pool", old, "/holdfast run")
	want(read(false), "mara: first")
	want(read(false), "mara: first") // whoever read them died
	want(read(true), "mara: first")
	s.f.Comment("acme/pool", n, "helper[bot]", "second")
	s.f.EditComment("acme/pool", first, "else")
	want(read(true), "helper[bot]: second (bot)", "mara: else (edited)")
	want(read(true), "helper[bot]: second (bot)", "mara: else (edited)") // a list may lag, so the last minutes come again
	s.f.Forget()
	want(read(true))
	want(read(true))
	for _, r := range s.f.Requests() {
		if !strings.HasSuffix(r, " 304") {
			t.Errorf("a look without anything new: %s", r)
		}
	}
	// More than a page at once.
	for range 150 {
		s.f.Comment("acme/pool", n, "ada", "x")
	}
	if got := read(true); len(got) < 150 {
		t.Errorf("%d comments", len(got))
	}
}

// A repository without any comments yet loses none of the first ones.
func TestFirstComment(t *testing.T) {
	s := start(t)
	n := s.f.OpenPull("acme/pool", hubtest.Pull{Head: "fix", SHA: hubtest.SHA("e5")})
	for i, want := range []int{0, 0, 1} {
		if i == 2 {
			s.f.Comment("acme/pool", n, "mara", "hello")
		}
		list, done, err := intake.Comments(t.Context(), s.c, s.repo, s.m)
		if err != nil || len(list) != want {
			t.Fatalf("look %d: %v, %v", i, list, err)
		}
		if err := done(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMayWrite(t *testing.T) {
	s := start(t)
	s.f.Collaborator("acme/pool", "ada", "admin")
	s.f.Collaborator("acme/pool", "mara", "write")
	s.f.Collaborator("acme/pool", "rob", "read")
	for who, want := range map[string]bool{"ada": true, "mara": true, "MARA": true, "rob": false, "eve": false, "": false, "../x": false, "a/b": false, "mara%2f": false} {
		if got, err := intake.MayWrite(t.Context(), s.c, "acme/pool", who); err != nil || got != want {
			t.Errorf("%q: %v, %v", who, got, err)
		}
	}
	s.f.Fail(hubtest.Fault{Kind: hubtest.FailStatus})
	if got, err := intake.MayWrite(t.Context(), s.c, "acme/pool", "mara"); err == nil || got {
		t.Errorf("without an answer: %v, %v", got, err)
	}
	if _, ok, err := intake.PullRequest(t.Context(), s.c, s.repo, 99); ok || err != nil {
		t.Errorf("a pull request that is none: %v, %v", ok, err)
	}
}
