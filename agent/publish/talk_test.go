package publish_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/publish"
)

// A note is a comment of its own on the issue that another message keeps, there once
// however often it is posted, and also when the answer to the first post was lost.
func TestNote(t *testing.T) {
	f, g := start(t)
	must(t, g, issue("newest state"))
	note := publish.Message{Key: "note/acme/pool/pool/7", Kind: publish.KindNote, Repo: slug, On: issue("").Key, Body: "checks turned"}
	f.Fail(hubtest.Fault{Kind: hubtest.FailReset, Method: "POST", Path: "/comments", After: true})
	if _, err := g.Post(t.Context(), note); err == nil {
		t.Error("a lost answer is no error")
	}
	must(t, poster(t, f), note)
	must(t, g, note)
	wantDump(t, f, "| checks turned", "| newest state")
	note.Key, note.Number = "note/acme/pool/pool/8", 1
	must(t, g, note)
	if dump := f.Dump(); strings.Count(dump, "checks turned") != 2 || !strings.Contains(dump, "pull 1 open") {
		t.Errorf("not on the pull request:\n%s", dump)
	}
	lost := note
	lost.Number, lost.On = 0, "issue/acme/pool/other"
	if _, err := g.Post(t.Context(), lost); err == nil {
		t.Error("a note on no issue")
	}
}

func TestReaction(t *testing.T) {
	f, g := start(t)
	id := f.Comment(slug, 1, "mara", "/holdfast run")
	m := publish.Message{Key: "reaction/acme/pool/1", Kind: publish.KindReaction, Repo: slug, Comment: id, Content: "eyes"}
	f.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Method: "POST", After: true})
	if _, err := g.Post(t.Context(), m); err == nil {
		t.Error("a 500 is no error")
	}
	must(t, g, m)
	must(t, g, m)
	wantDump(t, f, "comment by mara, holdfast-bot eyes\n")
	f.DeleteComment(slug, id)
	if _, err := g.Post(t.Context(), m); err == nil {
		t.Error("a reaction to a comment that is gone")
	}
}

// What is fine creates nothing, and edits what is there.
func TestIfExists(t *testing.T) {
	f, g := start(t)
	fine := comment("✅ nothing regressed")
	fine.IfExists = true
	must(t, g, fine)
	if strings.Contains(f.Dump(), "comment by") {
		t.Errorf("a comment nobody needs:\n%s", f.Dump())
	}
	must(t, g, comment("❌ bad"))
	must(t, g, fine)
	wantDump(t, f, "| ✅ nothing regressed")
	if strings.Contains(f.Dump(), "bad") {
		t.Error(f.Dump())
	}
}

// An issue that is done with is edited and closed, once; one that a person closed stays so.
func TestCloseIssue(t *testing.T) {
	f, g := start(t)
	must(t, g, issue("lost"))
	done := issue("found again")
	done.Close, done.IfExists = true, true
	f.Fail(hubtest.Fault{Kind: hubtest.FailReset, Method: "PATCH", Skip: 1, After: true})
	if _, err := g.Post(t.Context(), done); err == nil {
		t.Error("a lost answer is no error")
	}
	f.Forget()
	must(t, g, done)
	for _, r := range f.Requests() {
		if strings.HasPrefix(r, "PATCH") {
			t.Errorf("changed again: %s", r)
		}
	}
	wantDump(t, f, `issue 2 closed "Maintenance"`, "| found again")
	other := done
	other.Key = "issue/acme/pool/other"
	must(t, g, other)
	if n := strings.Count(f.Dump(), "  issue "); n != 1 {
		t.Errorf("%d issues:\n%s", n, f.Dump())
	}
	var b bytes.Buffer
	must(t, publish.NewDryRun(&b), done)
	if !strings.Contains(b.String(), "and close it") {
		t.Error(b.String())
	}
}
