package hubtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
)

// ask sends one request as a strict client would and returns status, headers and body.
func ask(t *testing.T, f *hubtest.Fake, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+hubtest.Token)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	req.Header.Set("User-Agent", "test")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// The fake must refuse what GitHub refuses, or the tests against it prove nothing.
func TestRefusals(t *testing.T) {
	f := hubtest.Start(t)
	sha := hubtest.SHA("a1")
	f.AddRepo("acme/pool", sha)
	f.AddRepo("acme/old", sha)
	f.SetArchived("acme/old")
	f.AddRepo("acme/quiet", sha)
	f.DisableIssues("acme/quiet")
	f.OpenPull("acme/pool", hubtest.Pull{Head: "x", SHA: hubtest.SHA("b2")})
	f.OpenPull("acme/pool", hubtest.Pull{Head: "y", SHA: hubtest.SHA("c3")})
	f.Lock("acme/pool", 2)
	theirs := f.Comment("acme/pool", 1, "alice", "hello")

	text := func(n int) string { return strings.Repeat("é", n) }
	status := func(d string) string { return fmt.Sprintf(`{"state":"success","description":%q}`, d) }
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{"GET", "user", "", 200},
		{"GET", "repos/acme/none/branches", "", 404},
		{"GET", "repos/acme/pool/nonsense", "", 404},
		{"POST", "repos/acme/pool/statuses/" + sha, status("fine"), 201},
		{"POST", "repos/ACME/Pool/statuses/" + sha, status(text(140)), 201},
		{"POST", "repos/acme/pool/statuses/" + sha, status(text(141)), 422},
		{"POST", "repos/acme/pool/statuses/" + hubtest.SHA("ff"), status("fine"), 422},
		{"POST", "repos/acme/pool/statuses/" + sha, `{"state":"neutral"}`, 422},
		{"POST", "repos/acme/pool/statuses/" + sha, `{"state":"success","descripton":"typo"}`, 422},
		{"POST", "repos/acme/pool/statuses/" + sha, `{"state":`, 400},
		{"POST", "repos/acme/pool/statuses/" + sha, `{"state":"success","target_url":"file:///x"}`, 422},
		{"POST", "repos/acme/old/statuses/" + sha, status("fine"), 403},
		{"POST", "repos/acme/pool/issues/1/comments", fmt.Sprintf(`{"body":%q}`, text(65536)), 201},
		{"POST", "repos/acme/pool/issues/1/comments", fmt.Sprintf(`{"body":%q}`, text(65537)), 422},
		{"POST", "repos/acme/pool/issues/1/comments", `{"body":" "}`, 422},
		{"POST", "repos/acme/pool/issues/2/comments", `{"body":"x"}`, 403},
		{"POST", "repos/acme/pool/issues/9/comments", `{"body":"x"}`, 404},
		{"PATCH", fmt.Sprintf("repos/acme/pool/issues/comments/%d", theirs), `{"body":"x"}`, 403},
		{"PATCH", "repos/acme/pool/issues/comments/1", `{"body":"x"}`, 404},
		{"POST", "repos/acme/pool/issues", `{"body":"no title"}`, 422},
		{"POST", "repos/acme/quiet/issues", `{"title":"x"}`, 410},
		{"POST", "repos/acme/pool/commits/" + sha + "/comments", `{"body":"x"}`, 201},
		{"GET", "repos/acme/pool/commits/" + sha + "/status", "", 200},
	} {
		if resp, body := ask(t, f, c.method, c.path, c.body); resp.StatusCode != c.code {
			t.Errorf("%s %s %.80s: %d %.200s, want %d", c.method, c.path, c.body, resp.StatusCode, body, c.code)
		}
	}

	for name, breakIt := range map[string]func(*http.Request){
		"no user agent": func(r *http.Request) { r.Header.Set("User-Agent", "") },
		"no accept":     func(r *http.Request) { r.Header.Del("Accept") },
		"wrong token":   func(r *http.Request) { r.Header.Set("Authorization", "Bearer no") },
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", f.URL()+"user", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+hubtest.Token)
		req.Header.Set("Accept", "application/vnd.github+json")
		req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
		req.Header.Set("User-Agent", "test")
		breakIt(req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("%s: %d, want a refusal", name, resp.StatusCode)
		}
	}
}

func TestPermissions(t *testing.T) {
	f := hubtest.Start(t)
	sha := hubtest.SHA("a1")
	f.AddRepo("acme/pool", sha)
	f.Revoke(hubtest.Token)
	f.Grant(hubtest.Token, "someone", "issues")
	resp, _ := ask(t, f, "POST", "repos/acme/pool/statuses/"+sha, `{"state":"success"}`)
	if resp.StatusCode != 403 || resp.Header.Get("X-Accepted-GitHub-Permissions") != "statuses=write" {
		t.Errorf("status without the permission: %d, permissions %q", resp.StatusCode, resp.Header.Get("X-Accepted-GitHub-Permissions"))
	}
	if resp, _ := ask(t, f, "POST", "repos/acme/pool/issues", `{"title":"x"}`); resp.StatusCode != 201 {
		t.Errorf("issue with the permission: %d", resp.StatusCode)
	}
}

func TestPages(t *testing.T) {
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	for i := range 250 {
		f.SetBranch("acme/pool", fmt.Sprintf("b%03d", i), hubtest.SHA("a1"))
	}
	total := 0
	for n := 1; n <= 3; n++ {
		resp, body := ask(t, f, "GET", fmt.Sprintf("repos/acme/pool/branches?per_page=100&page=%d", n), "")
		var list []any
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		total += len(list)
		next := fmt.Sprintf(`page=%d&per_page=100>; rel="next"`, n+1)
		if strings.Contains(resp.Header.Get("Link"), next) != (n < 3) {
			t.Errorf("page %d has the link %q", n, resp.Header.Get("Link"))
		}
	}
	if total != 251 {
		t.Errorf("%d branches on three pages, want 251", total)
	}
}

func TestScript(t *testing.T) {
	f := hubtest.Start(t)
	sha := hubtest.SHA("a1")
	for _, line := range []string{
		"repo acme/pool " + sha,
		"branch acme/pool dev " + hubtest.SHA("b2"),
		"pull acme/pool fix " + hubtest.SHA("c3") + " from=eve/pool title=Faster draft=true",
		"comment acme/pool 1 alice looks good",
		"retarget acme/pool 1 dev",
		"close acme/pool 1",
		"fail status code=502 path=/user after=true",
	} {
		if out, err := f.Script(strings.Fields(line)...); err != nil {
			t.Errorf("%s: %s %v", line, out, err)
		}
	}
	for _, line := range []string{"", "paint it black", "branch acme/pool", "close acme/pool x", "close acme/none 1", "fail status colour=red"} {
		if out, err := f.Script(strings.Fields(line)...); err == nil {
			t.Errorf("%q: %q, want an error", line, out)
		}
	}
	if resp, _ := ask(t, f, "GET", "user", ""); resp.StatusCode != 502 {
		t.Errorf("fault: %d, want 502", resp.StatusCode)
	}
	want := `repository acme/pool
  branch dev b2b2b2b2b2
  branch main a1a1a1a1a1
  pull 1 closed "Faster" by alice fix@c3c3c3c3c3 -> dev
    comment by alice
      | looks good
`
	if got, err := f.Script("dump"); err != nil || got != want {
		t.Errorf("dump:\n%s%v\nwant:\n%s", got, err, want)
	}
	if got, _ := f.Script("requests"); got != "GET /user 502\n" {
		t.Errorf("requests: %q", got)
	}
	if got, _ := f.Script("requests"); got != "" {
		t.Errorf("requests are not forgotten: %q", got)
	}
}

// What GitHub's description does not have is refused: a misspelt field or parameter would
// be ignored there, and nobody would know.
func TestUndocumented(t *testing.T) {
	f := hubtest.Start(t)
	sha := hubtest.SHA("a1")
	f.AddRepo("acme/pool", sha)
	f.OpenPull("acme/pool", hubtest.Pull{Head: "x", SHA: sha})
	f.GrantActions("ghs_x", "acme/pool", "checks=write")
	for _, c := range []struct {
		method, path, body, want string
	}{
		{"GET", "repos/acme/pool/branches?per_page=100", "", ""},
		{"GET", "repos/acme/pool/branches?perpage=100", "", `no parameter "perpage"`},
		{"GET", "repos/acme/pool/branches?page=x", "", "not a number"},
		{"GET", "repos/acme/pool/pulls?state=opened", "", "not one of"},
		{"POST", "repos/acme/pool/issues/1/comments", `{"body":"x"}`, ""},
		{"POST", "repos/acme/pool/issues/1/comments", `{"text":"x"}`, `lacks "body"`},
		{"POST", "repos/acme/pool/issues/1/comments", `{"body":7}`, "not string"},
		{"POST", "repos/acme/pool/statuses/" + sha, `{"state":"success","sha":"x"}`, `no field "sha"`},
		{"POST", "repos/acme/pool/check-runs", `{"name":"x"}`, `lacks "head_sha"`},
		{"POST", "repos/acme/pool/check-runs", `{"name":"x","head_sha":"` + sha + `","output":{"title":"x","summary":"` + strings.Repeat("x", 65536) + `"}}`, "more than 65535"},
		{"POST", "repos/acme/pool/check-runs", `{"name":"x","head_sha":"` + sha + `","output":{"title":"x","summary":"x","annotations":[{"path":"a","start_line":1,"end_line":1,"annotation_level":"error","message":"x"}]}}`, "annotation_level is error"},
	} {
		resp, body := ask(t, f, c.method, c.path, c.body)
		if got := strings.Contains(body, "not in GitHub's description"); got != (c.want != "") || !strings.Contains(body, strings.ReplaceAll(c.want, `"`, `\"`)) {
			t.Errorf("%s %s %.80s: %d %.300s, want %q", c.method, c.path, c.body, resp.StatusCode, body, c.want)
		}
	}
}
