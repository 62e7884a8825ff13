package hub_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
)

var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

var appMay = []string{"checks=write", "statuses=write", "contents=read", "metadata=read"}

// appClient is a client of an App that is installed on acme and on beta.
func appClient(t *testing.T) (*hubtest.Fake, *hub.Client, [2]int64) {
	t.Helper()
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	f.AddRepo("beta/lake", hubtest.SHA("b1"))
	f.AddRepo("beta/pond", hubtest.SHA("c1"))
	for _, r := range []string{"acme/pool", "beta/lake", "beta/pond"} {
		f.SetPrivate(r)
	}
	f.AddApp(4711, "holdfast", &appKey().PublicKey)
	ids := [2]int64{f.Install("holdfast", "acme", appMay), f.Install("holdfast", "beta", appMay, "beta/lake")}
	c, err := hub.New(hub.Options{BaseURL: f.URL(), App: &hub.App{ID: "4711", Key: appKey()}})
	if err != nil {
		t.Fatal(err)
	}
	return f, c, ids
}

func read(t *testing.T, c *hub.Client, repo string) error {
	t.Helper()
	_, err := c.Get(t.Context(), "repos/"+repo+"/branches", "")
	return err
}

func count(f *hubtest.Fake, part string) int {
	n := 0
	for _, r := range f.Requests() {
		if strings.Contains(r, part) {
			n++
		}
	}
	return n
}

// One App, several accounts: each repository is asked for with the token of its own
// installation, and one token serves until it is about to end.
func TestInstallations(t *testing.T) {
	f, c, _ := appClient(t)
	for range 3 {
		for _, repo := range []string{"acme/pool", "beta/lake"} {
			if err := read(t, c, repo); err != nil {
				t.Errorf("%s: %v", repo, err)
			}
		}
	}
	if n := count(f, "access_tokens"); n != 2 {
		t.Errorf("%d tokens were asked for, want one for each installation:\n%s", n, strings.Join(f.Requests(), "\n"))
	}
	var not *hub.NotInstalledError
	if err := read(t, c, "beta/pond"); !errors.As(err, &not) || not.Repo != "beta/pond" || not.Hint() == "" {
		t.Errorf("a repository that the installation leaves out: %v, want a NotInstalledError", err)
	}
	if login, err := c.Login(t.Context()); err != nil || login != "holdfast[bot]" {
		t.Errorf("login %q, %v", login, err)
	}
	if c.Kind(t.Context()) != hub.AppKey {
		t.Errorf("kind %q", c.Kind(t.Context()))
	}
	for repo, want := range map[string]bool{"acme/pool": true, "beta/pond": false} {
		if got, _ := c.MayCheck(t.Context(), repo); got != want {
			t.Errorf("MayCheck(%s) = %v", repo, got)
		}
	}
}

// A token that is about to end is renewed before it does; one that ended early, after it
// was refused. Neither is noticed by who asks.
func TestTokensAreRenewed(t *testing.T) {
	f, c, _ := appClient(t)
	f.SetTokenLife(4 * time.Minute) // less than what is left when a new one is asked for
	for range 3 {
		if err := read(t, c, "acme/pool"); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(f, "access_tokens"); n != 3 {
		t.Errorf("%d tokens, want a new one each time", n)
	}
	f.SetTokenLife(time.Hour)
	f.Forget()
	state := "success"
	post := func() error {
		_, _, err := c.Writable().API().Repositories.CreateStatus(t.Context(), "acme", "pool", hubtest.SHA("a1"), &github.RepoStatus{State: &state})
		return hub.Explain(err)
	}
	if err := post(); err != nil {
		t.Fatal(err)
	}
	f.ExpireTokens()
	if err := post(); err != nil {
		t.Errorf("with a token that has ended: %v", err)
	}
	if n := count(f, "statuses/"); n != 3 {
		t.Errorf("%d posts, want a good one, a refused one and its repetition:\n%s", n, strings.Join(f.Requests(), "\n"))
	}
	if !strings.Contains(f.Dump(), "(2 in all)") {
		t.Errorf("the statuses are\n%s", f.Dump())
	}
}

// A clock that is wrong by minutes is no reason to be refused.
func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{-26 * time.Hour, -10 * time.Minute, -45 * time.Second, 40 * time.Second, 10 * time.Minute, 26 * time.Hour} {
		f, c, _ := appClient(t)
		f.SetSkew(skew)
		for range 2 {
			if err := read(t, c, "acme/pool"); err != nil {
				t.Errorf("skew of %s: %v", skew, err)
			}
		}
		if n := count(f, "access_tokens"); n != 1 {
			t.Errorf("skew of %s: %d tokens, want 1:\n%s", skew, n, strings.Join(f.Requests(), "\n"))
		}
		if got, ok := c.Skew(); !ok || (got-skew).Abs() > 2*time.Second {
			t.Errorf("skew of %s was measured as %s, %v", skew, got, ok)
		}
	}
}

func TestInstallationChanges(t *testing.T) {
	f, c, ids := appClient(t)
	if err := read(t, c, "acme/pool"); err != nil {
		t.Fatal(err)
	}
	// Installed again, it has another number.
	f.Uninstall(ids[0])
	again := f.Install("holdfast", "acme", appMay)
	if err := read(t, c, "acme/pool"); err != nil {
		t.Errorf("installed again: %v", err)
	}
	f.Suspend(again, true)
	err := read(t, c, "acme/pool")
	var st *hub.StatusError
	if !errors.As(err, &st) || st.Code != http.StatusForbidden {
		t.Errorf("suspended: %v", err)
	}
	f.Suspend(again, false)
	if err := read(t, c, "acme/pool"); err != nil {
		t.Errorf("no longer suspended: %v", err)
	}
}

// Git gets a token that can read one repository and nothing else.
func TestGitToken(t *testing.T) {
	f, c, _ := appClient(t)
	token, err := c.GitToken(t.Context(), "acme/pool")
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken(token)})
	if err != nil {
		t.Fatal(err)
	}
	if err := read(t, narrow, "acme/pool"); err != nil {
		t.Errorf("reading with it: %v", err)
	}
	state := "success"
	_, _, err = narrow.Writable().API().Repositories.CreateStatus(t.Context(), "acme", "pool", hubtest.SHA("a1"), &github.RepoStatus{State: &state})
	var st *hub.StatusError
	if !errors.As(hub.Explain(err), &st) || st.Code != http.StatusForbidden {
		t.Errorf("posting with it: %v, want 403", err)
	}
	if got := c.Redact(t.Context(), "remote: "+token); strings.Contains(got, token) {
		t.Errorf("it is not redacted: %q", got)
	}
}

// Whatever is wrong with the key or the App, no error holds any of it.
func TestBadApps(t *testing.T) {
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(appKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		ok   bool
	}{
		"PKCS #1":   {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(appKey())), true},
		"PKCS #8":   {block("PRIVATE KEY", pkcs8), true},
		"public":    {block("PUBLIC KEY", x509.MarshalPKCS1PublicKey(&appKey().PublicKey)), false},
		"cut short": {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(appKey())[:300]), false},
		"no PEM":    {[]byte("ghp_secretsecretsecret"), false},
		"empty":     {nil, false},
	} {
		_, err := hub.ParseKey(c.text)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	f, _, _ := appClient(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c, err := hub.New(hub.Options{BaseURL: f.URL(), App: &hub.App{ID: "4711", Key: other}})
	if err != nil {
		t.Fatal(err)
	}
	f.Fail(hubtest.Fault{Kind: hubtest.FailEcho, Code: 401, Times: -1})
	err = read(t, c, "acme/pool")
	var st *hub.StatusError
	if !errors.As(err, &st) || st.Code != http.StatusUnauthorized || strings.Contains(err.Error(), "eyJ") {
		t.Errorf("a key that is not the App's: %v", err)
	}
}
