package hub_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
)

func client(t *testing.T, f *hubtest.Fake) *hub.Client {
	t.Helper()
	c, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken(hubtest.Token)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBaseURL(t *testing.T) {
	for url, want := range map[string]string{
		"":                                 "",
		"https://github.example/api/v3":    "",
		"https://github.example/api/v3/":   "",
		"http://127.0.0.1:8080/":           "",
		"http://[::1]:8080/":               "",
		"http://localhost/":                "",
		"http://github.example/":           "unencrypted",
		"github.example":                   "not an http URL",
		"ftp://github.example/":            "not an http URL",
		"https://user:pw@github.example/":  "user name",
		"https://github.example/?x=1":      "query",
		"https://github.example/%zz":       "base URL",
		"http://127.0.0.1.evil.example/":   "unencrypted",
		"https://github.example/a#section": "fragment",
	} {
		c, err := hub.New(hub.Options{BaseURL: url})
		switch {
		case want == "" && err != nil:
			t.Errorf("New(%q): %v", url, err)
		case want == "" && !strings.HasSuffix(c.BaseURL(), "/"):
			t.Errorf("New(%q) has base URL %q, want a slash at its end", url, c.BaseURL())
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("New(%q): error %v, want one with %q", url, err, want)
		case err != nil && strings.Contains(err.Error(), "pw"):
			t.Errorf("New(%q): password in error %v", url, err)
		}
	}
}

func TestConditionalGet(t *testing.T) {
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	c := client(t, f)
	ctx := t.Context()

	first, err := c.Get(ctx, "repos/acme/pool/branches?per_page=100", "")
	if err != nil || first.NotModified || first.ETag == "" || len(first.Body) == 0 {
		t.Fatalf("first Get = %+v, %v", first, err)
	}
	second, err := c.Get(ctx, "repos/acme/pool/branches?per_page=100", first.ETag)
	if err != nil || !second.NotModified || second.ETag != first.ETag {
		t.Fatalf("second Get = %+v, %v, want not modified", second, err)
	}
	f.SetBranch("acme/pool", "main", hubtest.SHA("b2"))
	third, err := c.Get(ctx, "repos/acme/pool/branches?per_page=100", first.ETag)
	if err != nil || third.NotModified || third.ETag == first.ETag {
		t.Fatalf("Get after a push = %+v, %v, want a new page", third, err)
	}
	want := []string{
		"GET /repos/acme/pool/branches?per_page=100 200",
		"GET /repos/acme/pool/branches?per_page=100 304",
		"GET /repos/acme/pool/branches?per_page=100 200",
	}
	if got := f.Requests(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("requests:\n%s", strings.Join(got, "\n"))
	}
}

func TestReadOnly(t *testing.T) {
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	c := client(t, f)
	state := "success"
	post := func(c *hub.Client) error {
		_, _, err := c.API().Repositories.CreateStatus(t.Context(), "acme", "pool", hubtest.SHA("a1"), &github.RepoStatus{State: &state})
		return hub.Explain(err)
	}
	var ro *hub.ReadOnlyError
	if err := post(c); !errors.As(err, &ro) {
		t.Errorf("posting through a reading client: %v, want a ReadOnlyError", err)
	}
	if got := f.Requests(); len(got) != 0 {
		t.Errorf("it sent %q", got)
	}
	if err := post(c.Writable()); err != nil {
		t.Errorf("posting through a writable client: %v", err)
	}
	if err := post(c); !errors.As(err, &ro) {
		t.Errorf("making a writable client made the reading one writable: %v", err)
	}
}

// A redirect must not carry the token to another host, nor turn a POST into a GET whose
// answer reads like success.
func TestRedirects(t *testing.T) {
	var stolen []string
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stolen = append(stolen, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, "[]")
	}))
	defer thief.Close()
	f := hubtest.Start(t)
	sha := hubtest.SHA("a1")
	f.AddRepo("acme/pool", sha)
	c := client(t, f)
	var redirect *hub.RedirectError

	f.Fail(hubtest.Fault{Kind: hubtest.FailRedirect, To: thief.URL + "/x"})
	if _, err := c.Get(t.Context(), "repos/acme/pool/branches", ""); !errors.As(err, &redirect) {
		t.Errorf("redirect to another host: %v, want a RedirectError", err)
	}
	if _, err := c.Get(t.Context(), thief.URL+"/x", ""); !errors.As(err, &redirect) {
		t.Errorf("a URL of another host: %v, want a RedirectError", err)
	}
	if len(stolen) != 0 {
		t.Errorf("the other host was asked, with %q", stolen)
	}

	state := "success"
	post := func() error {
		_, _, err := c.Writable().API().Repositories.CreateStatus(t.Context(), "acme", "pool", sha, &github.RepoStatus{State: &state})
		return hub.Explain(err)
	}
	f.Fail(hubtest.Fault{Kind: hubtest.FailRedirect, Method: "POST", Code: 301, To: f.URL() + "repos/acme/pool/branches"})
	if err := post(); !errors.As(err, &redirect) {
		t.Errorf("POST answered 301: %v, want a RedirectError", err)
	}
	f.Fail(hubtest.Fault{Kind: hubtest.FailRedirect, Times: -1, To: f.URL() + "repos/acme/pool/branches"})
	if _, err := c.Get(t.Context(), "repos/acme/pool/branches", ""); !errors.As(err, &redirect) {
		t.Errorf("a loop of redirects: %v, want a RedirectError", err)
	}
	f.Heal()

	f.Move("acme/pool", "acme/basin")
	page, err := c.Get(t.Context(), "repos/acme/pool/branches", "")
	if err != nil || page.Moved == "" {
		t.Errorf("Get of a moved repository = %+v, %v, want its branches and where they came from", page, err)
	}
	if err := post(); err != nil {
		t.Errorf("POST to a moved repository, answered 307: %v", err)
	}
	if !strings.Contains(f.Dump(), "success") {
		t.Errorf("the status did not arrive:\n%s", f.Dump())
	}
}

func TestBadAnswers(t *testing.T) {
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	for _, kind := range []string{hubtest.FailTruncated, hubtest.FailHTML, hubtest.FailReset, hubtest.FailStatus, hubtest.FailSlow} {
		c, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken(hubtest.Token), Timeout: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		f.Fail(hubtest.Fault{Kind: kind, Times: -1})
		if page, err := c.Get(t.Context(), "repos/acme/pool/branches", ""); err == nil {
			t.Errorf("%s: Get = %+v, want an error", kind, page)
		}
		f.Heal()
	}
}

// Whatever goes wrong, the token is in no error.
func TestNoTokenInErrors(t *testing.T) {
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	c := client(t, f)
	for _, ft := range []hubtest.Fault{
		{Kind: hubtest.FailEcho},
		{Kind: hubtest.FailEcho, Code: 403},
		{Kind: hubtest.FailEcho, Code: 422},
		{Kind: hubtest.FailRedirect, To: "https://elsewhere.example/?token=" + hubtest.Token},
		{Kind: hubtest.FailRedirect, To: "http://" + hubtest.Token + "@[::bad"},
		{Kind: hubtest.FailReset, Times: -1},
	} {
		f.Fail(ft)
		_, err := c.Get(t.Context(), "repos/acme/pool/branches", "")
		if err == nil {
			t.Errorf("%+v: no error", ft)
		} else if strings.Contains(err.Error(), hubtest.Token) {
			t.Errorf("%+v: the token is in %q", ft, err)
		}
		f.Heal()
	}
	_, err := c.Get(t.Context(), "repos/acme/pool/nothing", "")
	var st *hub.StatusError
	if !errors.As(err, &st) || st.Code != 404 || st.Hint() == "" {
		t.Errorf("Get of nothing: %v, want a StatusError 404 with a hint", err)
	}
}

// After a limit nothing is sent until it is over, through any client of the same token.
func TestHoldBack(t *testing.T) {
	for _, ft := range []hubtest.Fault{
		{Kind: hubtest.FailPrimary},
		{Kind: hubtest.FailPrimary, Code: 429},
		{Kind: hubtest.FailSecondary},
		{Kind: hubtest.FailSecondary, Code: 429, RetryAfter: 90},
		{Kind: hubtest.FailStatus, Code: 429},
	} {
		f := hubtest.Start(t)
		f.AddRepo("acme/pool", hubtest.SHA("a1"))
		c := client(t, f)
		f.Fail(ft)
		var lim *hub.LimitError
		if _, err := c.Get(t.Context(), "repos/acme/pool/branches", ""); !errors.As(err, &lim) {
			t.Errorf("%+v: %v, want a LimitError", ft, err)
			continue
		}
		want := time.Minute
		if ft.Kind == hubtest.FailPrimary {
			want = time.Hour
		}
		if ft.RetryAfter > 0 {
			want = 90 * time.Second
		}
		if lim.After < want-5*time.Second || lim.After > want+want/5+5*time.Second {
			t.Errorf("%+v: wait %s, want about %s", ft, lim.After, want)
		}
		if _, err := c.Writable().Get(t.Context(), "repos/acme/pool/branches", ""); !errors.As(err, &lim) {
			t.Errorf("%+v: the next request: %v, want a LimitError", ft, err)
		}
		if n := len(f.Requests()); n != 1 {
			t.Errorf("%+v: %d requests were sent, want 1", ft, n)
		}
	}
}

func TestLastRequestOfTheHour(t *testing.T) {
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	f.SetRemaining(1)
	c := client(t, f)
	// The header tells what was left before this request was counted, so a second one goes
	// out and its answer is the limit.
	var lim *hub.LimitError
	for range 3 {
		if _, err := c.Get(t.Context(), "repos/acme/pool/branches", ""); err != nil && !errors.As(err, &lim) {
			t.Fatal(err)
		}
	}
	if lim == nil || c.Hold(time.Now(), "acme/pool") <= 0 {
		t.Fatal("no limit after the last request")
	}
	if n := len(f.Requests()); n > 2 {
		t.Errorf("%d requests were sent, want at most 2", n)
	}
}

type brokenToken struct{}

func (brokenToken) Token(context.Context, string) (string, error) {
	return "", errors.New("keychain is locked")
}

func TestNoToken(t *testing.T) {
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	f.AddRepo("acme/secret", hubtest.SHA("a1"))
	f.SetPrivate("acme/secret")
	anonymous, err := hub.New(hub.Options{BaseURL: f.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := anonymous.Get(t.Context(), "repos/acme/pool/branches", ""); err != nil {
		t.Errorf("anonymous Get of a public repository: %v", err)
	}
	var st *hub.StatusError
	if _, err := anonymous.Get(t.Context(), "repos/acme/secret/branches", ""); !errors.As(err, &st) || st.Code != 404 {
		t.Errorf("anonymous Get of a private repository: %v, want 404", err)
	}
	wrong, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken("ghp_expired")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.Get(t.Context(), "repos/acme/pool/branches", ""); !errors.As(err, &st) || st.Code != 401 || !strings.Contains(st.Hint(), "token") {
		t.Errorf("Get with a wrong token: %v, want 401 with a hint", err)
	}
	f.Forget()
	locked, err := hub.New(hub.Options{BaseURL: f.URL(), Token: brokenToken{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locked.Get(t.Context(), "repos/acme/pool/branches", ""); err == nil || !strings.Contains(err.Error(), "keychain is locked") {
		t.Errorf("Get without a token to be had: %v", err)
	}
	if n := len(f.Requests()); n != 0 {
		t.Errorf("%d requests went out without the token", n)
	}
}
