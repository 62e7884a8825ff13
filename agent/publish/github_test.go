package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/publish"
)

const (
	slug = "acme/pool"
	get  = "GET /repos/acme/pool/"
	post = "POST /repos/acme/pool/"
	edit = "PATCH /repos/acme/pool/"
)

var sha = hubtest.SHA("a1")

func start(t *testing.T) (*hubtest.Fake, *publish.GitHub) {
	t.Helper()
	f := hubtest.Start(t)
	f.AddRepo(slug, sha)
	f.OpenPull(slug, hubtest.Pull{Title: "Faster", Head: "fix", SHA: hubtest.SHA("b2")})
	return f, poster(t, f)
}

// poster is what a new process would have: nothing remembered.
func poster(t *testing.T, f *hubtest.Fake) *publish.GitHub {
	t.Helper()
	c, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken(hubtest.Token), Login: hubtest.Login})
	if err != nil {
		t.Fatal(err)
	}
	return publish.NewGitHub(c, publish.Options{Gap: -1})
}

func status(state, description string) publish.Message {
	return publish.Message{
		Key: "status/acme/pool/" + sha + "/holdfast", Kind: publish.KindStatus, Repo: slug, SHA: sha,
		Context: "holdfast", State: state, Description: description,
	}
}

func comment(body string) publish.Message {
	return publish.Message{Key: "comment/acme/pool/1", Kind: publish.KindComment, Repo: slug, Number: 1, Body: body}
}

func commitComment(body string) publish.Message {
	return publish.Message{Key: "commit/acme/pool/" + sha, Kind: publish.KindCommitComment, Repo: slug, SHA: sha, Body: body}
}

func issue(body string) publish.Message {
	return publish.Message{Key: "issue/acme/pool/pool", Kind: publish.KindIssue, Repo: slug, Title: "Maintenance", Body: body}
}

func must(t *testing.T, g publish.Poster, m publish.Message) string {
	t.Helper()
	id, err := g.Post(t.Context(), m)
	if err != nil {
		t.Fatalf("post %s: %v", m.Key, err)
	}
	return id
}

func wantRequests(t *testing.T, f *hubtest.Fake, want ...string) {
	t.Helper()
	got := f.Requests()
	f.Forget()
	if !slices.EqualFunc(got, want, strings.HasPrefix) || len(got) != len(want) {
		t.Errorf("requests:\n%s\nwant (beginnings of):\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func wantDump(t *testing.T, f *hubtest.Fake, want ...string) {
	t.Helper()
	dump := f.Dump()
	for _, w := range want {
		if n := strings.Count(dump, w); n != 1 {
			t.Errorf("%d times %q in\n%s", n, w, dump)
		}
	}
}

func TestStatus(t *testing.T) {
	f, g := start(t)
	list := get + "commits/" + sha + "/statuses?page=1&per_page=100 200"
	must(t, g, status("pending", "run 1 is queued"))
	must(t, g, status("success", "all hold"))
	must(t, g, status("success", "all hold"))
	wantRequests(t, f,
		list, post+`statuses/`+sha+` 201 context="holdfast" description="run 1 is queued" state="pending"`,
		list, post+`statuses/`+sha+` 201 context="holdfast" description="all hold" state="success"`,
		list)
	wantDump(t, f, `status holdfast success "all hold" by holdfast-bot (2 in all)`)
}

// GitHub's contexts are not case-sensitive, and another agent's 150 statuses push ours to
// the second page.
func TestStatusFarDown(t *testing.T) {
	f, g := start(t)
	must(t, g, status("success", "all hold"))
	other := status("pending", "x")
	for i := range 150 {
		other.Context = fmt.Sprintf("other/%d", i)
		must(t, g, other)
	}
	f.Forget()
	m := status("success", "all hold")
	m.Context = "Holdfast"
	must(t, g, m)
	wantRequests(t, f, get+"commits/"+sha+"/statuses?page=1", get+"commits/"+sha+"/statuses?page=2")
}

func TestDescriptionIsCut(t *testing.T) {
	f, g := start(t)
	long := status("failure", strings.Repeat("é\n", 300))
	must(t, g, long)
	must(t, g, long)
	wantDump(t, f, "(1 in all)")
}

// One place for a text: created once, then edited, found again when its number is lost,
// made again when it was deleted. The same for all three kinds of text.
func TestStickyText(t *testing.T) {
	for _, k := range []struct {
		name               string
		msg                func(string) publish.Message
		list, create, edit string
	}{
		{"comment", comment, get + "issues/1/comments?page=1&per_page=100 200", post + "issues/1/comments 201", edit + "issues/comments/"},
		{"commit comment", commitComment, get + "commits/" + sha + "/comments?page=1&per_page=100 200", post + "commits/" + sha + "/comments 201", edit + "comments/"},
		{"issue", issue, get + "issues?creator=holdfast-bot&direction=asc&page=1&per_page=100&sort=created&state=all 200", post + "issues 201", edit + "issues/"},
	} {
		t.Run(k.name, func(t *testing.T) {
			f, g := start(t)
			one := k.msg("run 1")
			id := must(t, g, one)
			if id == "" {
				t.Fatal("no remote ID")
			}
			wantRequests(t, f, k.list, k.create)

			// The crash between creating and storing the number: a new process finds it.
			if again := must(t, poster(t, f), one); again != id {
				t.Errorf("posted again as %s, first as %s", again, id)
			}
			wantRequests(t, f, k.list)
			if again := must(t, g, k.msg("run 2")); again != id {
				t.Errorf("edited as %s, created as %s", again, id)
			}
			wantRequests(t, f, k.list, k.edit)

			// With the number there is nothing to search for.
			three := k.msg("run 3")
			three.RemoteID = id
			must(t, g, three)
			must(t, g, three)
			reqs := f.Requests()
			f.Forget()
			if len(reqs) != 3 || !strings.HasPrefix(reqs[0], "GET") || !strings.HasPrefix(reqs[1], k.edit) || !strings.HasPrefix(reqs[2], "GET") {
				t.Errorf("requests:\n%s", strings.Join(reqs, "\n"))
			}
			wantDump(t, f, "| run 3\n")
			if dump := f.Dump(); strings.Contains(dump, "| run 1\n") || strings.Contains(dump, "| run 2\n") {
				t.Errorf("older text is left:\n%s", dump)
			}
		})
	}
}

func TestCommentDeleted(t *testing.T) {
	f, g := start(t)
	m := comment("run 1")
	m.RemoteID = must(t, g, m)
	var id int64
	if _, err := fmt.Sscan(m.RemoteID, &id); err != nil {
		t.Fatal(err)
	}
	f.DeleteComment(slug, id)
	f.Forget()
	m.Body = "run 2"
	if again := must(t, g, m); again == m.RemoteID {
		t.Errorf("the deleted comment %s is still used", again)
	}
	wantRequests(t, f, get+"issues/comments/"+m.RemoteID+" 404", get+"issues/1/comments?page=1&per_page=100 200", post+"issues/1/comments 201")
	wantDump(t, f, "| run 2\n")
}

// Deleted between our looking and our editing.
func TestCommentDeletedMeanwhile(t *testing.T) {
	f, g := start(t)
	m := comment("run 1")
	m.RemoteID = must(t, g, m)
	f.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Method: "PATCH", Code: 404, Times: 2})
	m.Body = "run 2"
	must(t, g, m)
	wantDump(t, f, "| run 2\n")
}

// Anyone can copy our marker: only our own text is edited, and a marker counts on the
// first line alone.
func TestForgedMarkers(t *testing.T) {
	f, g := start(t)
	marker := publish.Marker("comment/acme/pool/1")
	f.Comment(slug, 1, "eve", marker+"\nforged")
	f.Comment(slug, 1, hubtest.Login, "quoting\n"+marker+"\nold report")
	f.Comment(slug, 1, hubtest.Login, publish.Marker("comment/acme/pool/12")+"\nanother key")
	for i := range 120 {
		f.Comment(slug, 1, "alice", fmt.Sprint("talk ", i))
	}
	mine := f.Comment(slug, 1, hubtest.Login, marker+"\r\nrun 1\r\n")
	if id := must(t, g, comment("run 2")); id != fmt.Sprint(mine) {
		t.Errorf("posted as %s, want %d", id, mine)
	}
	wantRequests(t, f, get+"issues/1/comments?page=1&per_page=100", get+"issues/1/comments?page=2&per_page=100", edit+"issues/comments/")
	wantDump(t, f, "| forged\n", "| old report\n", "| another key\n", "| run 2\n")
}

// Of several of ours the first is kept and the others are removed; what others wrote stays.
func TestDuplicates(t *testing.T) {
	f, g := start(t)
	marker := publish.Marker("comment/acme/pool/1")
	first := f.Comment(slug, 1, hubtest.Login, marker+"\nrun 1")
	f.Comment(slug, 1, hubtest.Login, marker+"\nrun 1 again")
	f.Comment(slug, 1, "eve", marker+"\nhers")
	for range 120 {
		f.Comment(slug, 1, "alice", "talk")
	}
	f.Comment(slug, 1, hubtest.Login, marker+"\nrun 1 once more")
	for range 2 {
		if id := must(t, g, comment("run 2")); id != fmt.Sprint(first) {
			t.Errorf("posted as %s, want %d", id, first)
		}
	}
	wantDump(t, f, "| run 2\n", "| hers\n")
	if dump := f.Dump(); strings.Contains(dump, "run 1") {
		t.Errorf("what was there twice is left:\n%s", dump)
	}
}

// A number that belongs to somewhere else is not believed.
func TestForeignNumber(t *testing.T) {
	f, g := start(t)
	f.OpenPull(slug, hubtest.Pull{Head: "other", SHA: hubtest.SHA("c3")})
	m := comment("on the second")
	m.Number, m.Key = 2, "comment/acme/pool/2"
	id := must(t, g, m)
	first := comment("on the first")
	first.RemoteID = id
	if got := must(t, g, first); got == id {
		t.Errorf("the comment on another pull request was edited")
	}
	eve := comment("ours")
	eve.RemoteID = fmt.Sprint(f.Comment(slug, 1, "eve", "hers"))
	must(t, g, eve)
	wantDump(t, f, "| hers\n", "| ours\n", "| on the second\n")
}

func TestTrackingIssue(t *testing.T) {
	t.Run("pull requests and others' issues are passed over", func(t *testing.T) {
		f, g := start(t)
		marker := publish.Marker("issue/acme/pool/pool")
		f.OpenIssue(slug, "eve", "forged", marker+"\nx")
		f.OpenIssue(slug, hubtest.Login, "something else", "no marker")
		if id := must(t, g, issue("run 1")); id != "issue/4" {
			t.Errorf("posted as %s, want issue/4", id)
		}
		wantDump(t, f, `issue 4 open "Maintenance" by holdfast-bot`)
	})
	t.Run("closed stays closed", func(t *testing.T) {
		f, g := start(t)
		must(t, g, issue("run 1"))
		f.CloseIssue(slug, 2)
		must(t, g, issue("run 2"))
		wantDump(t, f, `issue 2 closed "Maintenance"`, "| run 2\n")
	})
	t.Run("someone's issue gets a comment", func(t *testing.T) {
		f, g := start(t)
		f.OpenIssue(slug, "alice", "Nightly", "please keep")
		m := issue("run 1")
		m.Number = 2
		m.RemoteID = must(t, g, m)
		m.Body = "run 2"
		must(t, g, m)
		must(t, poster(t, f), m)
		wantDump(t, f, "| please keep\n", "comment by holdfast-bot, edited\n", "| run 2\n")
	})
	t.Run("our issue by its number", func(t *testing.T) {
		f, g := start(t)
		must(t, g, issue("run 1"))
		m := issue("run 2")
		m.Number = 2
		if id := must(t, g, m); id != "issue/2" {
			t.Errorf("posted as %s", id)
		}
		if strings.Contains(f.Dump(), "comment") {
			t.Error(f.Dump())
		}
	})
}

// The effect happened, the answer was lost: the same state is reached in the end, and
// nothing is there twice.
func TestLostAnswers(t *testing.T) {
	for _, ft := range []hubtest.Fault{
		{Kind: hubtest.FailReset, After: true},
		{Kind: hubtest.FailReset},
		{Kind: hubtest.FailStatus, Code: 502, After: true},
		{Kind: hubtest.FailStatus, Code: 502},
		{Kind: hubtest.FailTruncated},
		{Kind: hubtest.FailHTML, After: true},
		{Kind: hubtest.FailStatus, Code: 500, After: true, Times: 3},
	} {
		for _, m := range []publish.Message{status("success", "all hold"), comment("run 1"), commitComment("run 1"), issue("run 1")} {
			f, g := start(t)
			ft := ft
			ft.Method = "POST"
			f.Fail(ft)
			tries := 0
			for {
				tries++
				_, err := g.Post(t.Context(), m)
				if err == nil {
					break
				}
				var retry *publish.RetryError
				if !errors.As(err, &retry) || retry.After < time.Minute || retry.All || tries > 5 {
					t.Fatalf("%+v: %s: %v, want a RetryError of this message", ft, m.Kind, err)
				}
			}
			if tries == 1 {
				t.Errorf("%+v: %s: the fault did nothing", ft, m.Kind)
			}
			want := map[publish.Kind]string{
				publish.KindStatus: "(1 in all)", publish.KindComment: "comment by", publish.KindCommitComment: "comment by", publish.KindIssue: "issue 2",
			}[m.Kind]
			if dump := f.Dump(); strings.Count(dump, want) != 1 || strings.Contains(dump, "issue 3") {
				t.Errorf("%+v: %s: not exactly once:\n%s", ft, m.Kind, dump)
			}
		}
	}
}

// The effect happened, the answer was lost, and the list that is looked at next does not show
// it yet: GitHub's replicas are seconds behind. The wait before the next try outlasts them.
func TestReplicationLag(t *testing.T) {
	const lag = 30 * time.Second
	for _, m := range []publish.Message{status("success", "all hold"), comment("run 1"), commitComment("run 1"), issue("run 1")} {
		f, g := start(t)
		f.Lag(lag)
		f.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Method: "POST", Code: 502, After: true})
		_, err := g.Post(t.Context(), m)
		var retry *publish.RetryError
		if !errors.As(err, &retry) || retry.After <= lag {
			t.Fatalf("%s: %v, want a RetryError that waits for longer than %s", m.Kind, err, lag)
		}
		f.SetSkew(retry.After)
		first := must(t, g, m)
		if again := must(t, poster(t, f), m); again != first {
			t.Errorf("%s: posted as %s, then as %s", m.Kind, first, again)
		}
		want := map[publish.Kind]string{
			publish.KindStatus: "(1 in all)", publish.KindComment: "comment by", publish.KindCommitComment: "comment by", publish.KindIssue: "issue 2",
		}[m.Kind]
		if dump := f.Dump(); strings.Count(dump, want) != 1 || strings.Contains(dump, "issue 3") {
			t.Errorf("%s: not exactly once:\n%s", m.Kind, dump)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		ft       hubtest.Fault
		from, to time.Duration
	}{
		{hubtest.Fault{Kind: hubtest.FailStatus, Code: 429}, time.Minute, 72 * time.Second},
		{hubtest.Fault{Kind: hubtest.FailStatus, Code: 429, RetryAfter: 30}, 30 * time.Second, 30 * time.Second},
		{hubtest.Fault{Kind: hubtest.FailSecondary}, time.Minute, 72 * time.Second},
		{hubtest.Fault{Kind: hubtest.FailSecondary, RetryAfter: 120}, 2 * time.Minute, 2 * time.Minute},
		{hubtest.Fault{Kind: hubtest.FailPrimary}, 59 * time.Minute, 61 * time.Minute},
		{hubtest.Fault{Kind: hubtest.FailStatus, Code: 401}, 15 * time.Minute, 15 * time.Minute},
	} {
		f, g := start(t)
		c.ft.Method = "POST"
		f.Fail(c.ft)
		_, err := g.Post(t.Context(), comment("run 1"))
		var retry *publish.RetryError
		if !errors.As(err, &retry) || !retry.All || retry.After < c.from || retry.After > c.to {
			t.Errorf("%+v: %v, want a RetryError for all after %s to %s", c.ft, err, c.from, c.to)
		}
	}
}

func TestPermanent(t *testing.T) {
	f, g := start(t)
	f.AddRepo("acme/quiet", sha)
	f.DisableIssues("acme/quiet")
	f.AddRepo("acme/archived", sha)
	f.SetArchived("acme/archived")
	f.OpenPull(slug, hubtest.Pull{Head: "locked", SHA: hubtest.SHA("c3")})
	f.Lock(slug, 2)
	with := func(m publish.Message, change func(*publish.Message)) publish.Message { change(&m); return m }
	for want, m := range map[string]publish.Message{
		"issue is locked":        with(comment("x"), func(m *publish.Message) { m.Number = 2 }),
		"404":                    with(comment("x"), func(m *publish.Message) { m.Number = 77 }),
		"No commit found":        with(status("success", "x"), func(m *publish.Message) { m.SHA = hubtest.SHA("ff") }),
		"Issues are disabled":    with(issue("x"), func(m *publish.Message) { m.Repo = "acme/quiet" }),
		"Not Found":              with(status("success", "x"), func(m *publish.Message) { m.Repo = "acme/none" }),
		"archived":               with(status("success", "x"), func(m *publish.Message) { m.Repo = "acme/archived" }),
		"state is":               status("neutral", "x"),
		"not a repository":       with(status("success", "x"), func(m *publish.Message) { m.Repo = "acme" }),
		"no message of kind":     {Kind: "telegram", Repo: slug},
		"no title for a new iss": with(issue("x"), func(m *publish.Message) { m.Title = "" }),
	} {
		_, err := g.Post(t.Context(), m)
		var perm *publish.PermanentError
		if !errors.As(err, &perm) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a PermanentError with %q", m.Kind, err, want)
		}
	}

	f.Revoke(hubtest.Token)
	f.Grant(hubtest.Token, hubtest.Login, "issues")
	_, err := g.Post(t.Context(), status("success", "x"))
	var perm *publish.PermanentError
	if !errors.As(err, &perm) || !strings.Contains(err.Error(), "needs statuses=write") {
		t.Errorf("without the permission: %v, want what is needed", err)
	}
}

func TestLoginIsAsked(t *testing.T) {
	f := hubtest.Start(t)
	f.AddRepo(slug, sha)
	f.OpenPull(slug, hubtest.Pull{Head: "fix", SHA: hubtest.SHA("b2")})
	c, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken(hubtest.Token)})
	if err != nil {
		t.Fatal(err)
	}
	g := publish.NewGitHub(c, publish.Options{Gap: -1})
	f.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Path: "/user", Code: 503})
	if _, err := g.Post(t.Context(), comment("x")); err == nil {
		t.Error("posted without knowing whose comments are ours")
	}
	must(t, g, comment("x"))
	must(t, g, comment("y"))
	wantRequests(t, f, "GET /user 503", "GET /user 200", get+"issues/1/comments", post+"issues/1/comments 201", get+"issues/1/comments", edit+"issues/comments/")
}

// The token is in nothing that leaves: neither errors nor bodies.
func TestNoToken(t *testing.T) {
	f, g := start(t)
	for _, kind := range []string{hubtest.FailEcho, hubtest.FailReset, hubtest.FailTruncated} {
		for _, code := range []int{0, 403, 422, 429} {
			f.Fail(hubtest.Fault{Kind: kind, Method: "POST", Code: code})
			_, err := g.Post(t.Context(), comment("x"))
			if err == nil || strings.Contains(err.Error(), hubtest.Token) {
				t.Errorf("%s %d: %v", kind, code, err)
			}
			f.Heal()
			g = poster(t, f)
			if strings.Contains(f.Dump(), "comment by") {
				f, g = start(t)
			}
		}
	}
	must(t, g, comment("log: Authorization: Bearer "+hubtest.Token))
	must(t, g, status("error", "bad token "+hubtest.Token))
	if dump := f.Dump(); strings.Contains(dump, hubtest.Token) || strings.Count(dump, "[redacted]") != 2 {
		t.Errorf("the token was posted:\n%s", dump)
	}
}

func TestTooLongBody(t *testing.T) {
	f, g := start(t)
	m := comment(strings.Repeat("| a row | 𝔸𝔹 |\n", 10000))
	id := must(t, g, m)
	if again := must(t, g, m); again != id || !strings.Contains(f.Dump(), "*Cut here: ") {
		t.Errorf("posted as %s and %s", id, again)
	}
	if n := len(f.Requests()); n != 3 {
		t.Errorf("%d requests, want look, create, look", n)
	}
}

func TestPostCancelled(t *testing.T) {
	f, g := start(t)
	f.Fail(hubtest.Fault{Kind: hubtest.FailSlow, Method: "POST"})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("agent stops"))
	defer cancel()
	_, err := g.Post(ctx, comment("x"))
	var retry *publish.RetryError
	if err == nil || errors.As(err, &retry) || err.Error() != "agent stops" {
		t.Errorf("cancelled while posting: %v, want the cause", err)
	}
}

func TestDryRun(t *testing.T) {
	var out bytes.Buffer
	d := publish.NewDryRun(&out)
	m := status("success", "all\nhold")
	m.TargetURL = "https://ci.example/runs/1"
	numbered := issue("x")
	numbered.Number = 7
	for _, m := range []publish.Message{m, comment("# Run 1\n\n\x1b[2Jred\u202e"), commitComment("one\ntwo\n"), issue("body"), numbered} {
		if id := must(t, d, m); id != "" {
			t.Errorf("%s: remote ID %q", m.Kind, id)
		}
	}
	want := `would post commit status holdfast on acme/pool@` + sha + `
  state: success
  description: all hold
  target: https://ci.example/runs/1
would post comment on acme/pool#1
  | <!-- holdfast:comment/acme/pool/1 -->
  | # Run 1
  | 
  | \x1b[2Jred\u202e
would post comment on commit acme/pool@` + sha + `
  | <!-- holdfast:commit/acme/pool/` + sha + ` -->
  | one
  | two
would post tracking issue of acme/pool
  title if created: Maintenance
  | <!-- holdfast:issue/acme/pool/pool -->
  | body
would post tracking issue acme/pool#7
  | <!-- holdfast:issue/acme/pool/pool -->
  | x
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}
