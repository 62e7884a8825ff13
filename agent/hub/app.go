package hub

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/runner"
)

const (
	// jwtBack and jwtAhead: GitHub refuses a JWT from the future and one that lasts more than
	// ten minutes, so it is dated back by the minute that clocks may differ.
	jwtBack  = 60 * time.Second
	jwtAhead = 8 * time.Minute
	// renewBefore is how long before its end an installation token is renewed: longer than
	// any request or fetch that starts with the old one needs to be accepted.
	renewBefore = 5 * time.Minute
	// installationLife is how long what was learnt about an installation is believed: its
	// permissions and repositories can be changed at any time.
	installationLife = 10 * time.Minute
	// skewed is a difference of clocks that is corrected instead of hoped away.
	skewed = 30 * time.Second
)

// App is the credential of a GitHub App.
type App struct {
	ID  string // App ID or client ID
	Key *rsa.PrivateKey
}

// ParseKey reads the private key of an App as GitHub hands it out: PEM, PKCS #1, or
// PKCS #8. No error holds any of it.
func ParseKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, runner.WithHint(errors.New("the private key of the App is not PEM"),
			"use the .pem file that GitHub gave when the key was made")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		err = fmt.Errorf("it is a %.40q", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the private key of the App cannot be read: %w", err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private key of the App is not an RSA key")
	}
	if rsaKey.N.BitLen() < 2048 {
		return nil, fmt.Errorf("the private key of the App has %d bits, GitHub's have 2048 or more", rsaKey.N.BitLen())
	}
	return rsaKey, nil
}

// JWT makes the token by which an App says who it is (RFC 7519, RS256).
func (a App) JWT(now time.Time) (string, error) {
	enc := base64.RawURLEncoding
	claims, err := json.Marshal(map[string]any{"iat": now.Add(-jwtBack).Unix(), "exp": now.Add(jwtAhead).Unix(), "iss": a.ID})
	if err != nil {
		return "", err
	}
	text := enc.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, a.Key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign as the App: %w", err)
	}
	return text + "." + enc.EncodeToString(sig), nil
}

// InstallationInfo is what GitHub tells about an App on one account.
type InstallationInfo struct {
	ID          int64
	Account     string
	Permissions map[string]string // "checks": "write"
	Selected    bool              // on selected repositories only
	Suspended   bool
}

// NotInstalledError says that the App cannot see a repository.
type NotInstalledError struct{ Repo, App string }

func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("the App is not installed on %s", e.Repo)
}

// Hint tells where to install it.
func (e *NotInstalledError) Hint() string {
	if e.App == "" {
		return "install it on that repository: settings of the App, Install App"
	}
	return fmt.Sprintf("install %s on that repository: settings of the App, Install App", e.App)
}

// SuspendedError says that an installation was suspended.
type SuspendedError struct{ Account string }

func (e *SuspendedError) Error() string {
	return fmt.Sprintf("the installation of the App on %s is suspended", e.Account)
}

// Hint tells who can lift it.
func (e *SuspendedError) Hint() string {
	return "an owner of " + e.Account + " can unsuspend it under Settings, Installed GitHub Apps"
}

// apps finds the installation for each repository and keeps its tokens fresh. It is the
// [TokenSource] of a client with an [App].
type apps struct {
	app   App
	api   *github.Client // sends the JWT
	clock *skewClock

	mu    sync.Mutex
	name  string                // of the App, once asked
	repos map[string]*installed // by lower-case "owner/name"
	held  map[string]*issued    // by what it is for
}

type installed struct {
	InstallationInfo
	asked time.Time
	doubt time.Time // when it was last asked whether it is still this one
}

// issued is one installation token. Both clocks are asked, since the monotonic one stands
// still while a Mac sleeps and the other can be set back.
type issued struct {
	fetch sync.Mutex // held while a new one is fetched

	mu    sync.Mutex
	text  string
	until time.Time // renew from then on
}

// get returns the token, "" if it is about to end.
func (t *issued) get(now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.until) && now.Round(0).Before(t.until.Round(0)) {
		return t.text
	}
	return ""
}

// set keeps a token.
func (t *issued) set(text string, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text, t.until = text, until
}

// forget drops a token if it is that one.
func (t *issued) forget(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text != text {
		return false
	}
	t.text = ""
	return true
}

func newApps(app App, o Options, tr *transport) *apps {
	a := &apps{app: app, clock: tr.clock, repos: map[string]*installed{}, held: map[string]*issued{}}
	own := *tr
	own.token, own.limits = jwtSource{a}, &limits{}
	own.exchange = true
	a.api = build(o, &own).api
	return a
}

// jwtSource sends the JWT itself.
type jwtSource struct{ a *apps }

func (s jwtSource) Token(context.Context, string) (string, error) {
	return s.a.app.JWT(s.a.clock.github(time.Now()))
}

// Token implements [TokenSource]. What is about no repository is asked with the token of
// none.
func (a *apps) Token(ctx context.Context, repo string) (string, error) {
	if repo == "" {
		return "", nil
	}
	return a.token(ctx, repo, "", nil)
}

// gitToken is narrower: it goes to a child process.
func (a *apps) gitToken(ctx context.Context, repo string) (string, error) {
	_, name, _ := strings.Cut(repo, "/")
	return a.token(ctx, repo, "git "+strings.ToLower(repo), &github.InstallationTokenOptions{
		Repositories: []string{name}, Permissions: &github.InstallationPermissions{Contents: github.String("read")},
	})
}

func (a *apps) token(ctx context.Context, repo, purpose string, narrow *github.InstallationTokenOptions) (string, error) {
	for try := 1; ; try++ {
		in, err := a.find(ctx, repo, 0)
		if err != nil {
			return "", err
		}
		if in.Suspended {
			a.forgetRepo(repo) // it may be lifted
			return "", &SuspendedError{Account: in.Account}
		}
		t := a.entry(fmt.Sprintf("%d %s", in.ID, purpose))
		text, err := a.fresh(ctx, t, in, narrow)
		if try == 1 && isStatus(err, http.StatusNotFound) {
			a.forgetRepo(repo) // uninstalled and installed again: another number
			continue
		}
		return text, err
	}
}

func (a *apps) entry(key string) *issued {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.held[key]
	if t == nil {
		t = &issued{}
		a.held[key] = t
	}
	return t
}

// fresh returns the token, a new one if it is about to end. Others who need it wait.
func (a *apps) fresh(ctx context.Context, t *issued, in InstallationInfo, narrow *github.InstallationTokenOptions) (string, error) {
	t.fetch.Lock()
	defer t.fetch.Unlock()
	if text := t.get(time.Now()); text != "" {
		return text, nil
	}
	var got *github.InstallationToken
	err := a.ask(func() (err error) {
		got, _, err = a.api.Apps.CreateInstallationToken(ctx, in.ID, narrow)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("get a token for the installation on %s: %w", in.Account, err)
	}
	if got.GetToken() == "" {
		return "", fmt.Errorf("get a token for the installation on %s: none in the answer", in.Account)
	}
	// By GitHub's clock, of which ours may be a day off.
	now := time.Now()
	life := got.GetExpiresAt().Sub(a.clock.github(now))
	t.set(got.GetToken(), now.Add(min(life, time.Hour)-renewBefore))
	return got.GetToken(), nil
}

// refused forgets a token that GitHub does not take any more, and reports whether there
// was one.
func (a *apps) refused(_ context.Context, token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.held {
		if t.forget(token) {
			return true
		}
	}
	return false
}

// askAgain is how often what GitHub does not find makes it worth asking whether a repository
// belongs to another installation by now.
const askAgain = time.Minute

// elsewhere reports whether a repository belongs to another installation than was believed:
// it was given to another owner, and is not found with the token of the old one.
func (a *apps) elsewhere(ctx context.Context, repo string) bool {
	a.mu.Lock()
	in := a.repos[strings.ToLower(repo)]
	if in == nil || time.Since(in.doubt) < askAgain {
		a.mu.Unlock()
		return false
	}
	in.doubt = time.Now()
	was := in.ID
	a.mu.Unlock()
	now, err := a.find(ctx, repo, 1)
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if in := a.repos[strings.ToLower(repo)]; in != nil {
		in.doubt = time.Now()
	}
	return now.ID != was
}

func (a *apps) forgetRepo(repo string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.repos, strings.ToLower(repo))
}

// secrets lists the tokens that exist now.
func (a *apps) secrets() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for _, t := range a.held {
		t.mu.Lock()
		list = append(list, t.text)
		t.mu.Unlock()
	}
	return list
}

// installation finds the installation for a repository, as it is.
func (a *apps) installation(ctx context.Context, repo string) (InstallationInfo, error) {
	return a.find(ctx, repo, installationLife)
}

// find finds the installation for a repository; what was learnt is believed for a time,
// and for 0 until it turns out to be wrong: its number hardly ever changes.
func (a *apps) find(ctx context.Context, repo string, life time.Duration) (InstallationInfo, error) {
	key := strings.ToLower(repo)
	a.mu.Lock()
	in := a.repos[key]
	a.mu.Unlock()
	if in != nil && (life == 0 || time.Since(in.asked) < life) {
		return in.InstallationInfo, nil
	}
	owner, name, _ := strings.Cut(repo, "/")
	var got *github.Installation
	err := a.ask(func() (err error) {
		got, _, err = a.api.Apps.FindRepositoryInstallation(ctx, owner, name)
		return err
	})
	if isStatus(err, http.StatusNotFound) {
		a.mu.Lock()
		defer a.mu.Unlock()
		return InstallationInfo{}, &NotInstalledError{Repo: repo, App: a.name}
	}
	if err != nil {
		return InstallationInfo{}, fmt.Errorf("find the installation of the App on %s: %w", repo, err)
	}
	in = &installed{asked: time.Now()}
	in.ID, in.Account = got.GetID(), got.GetAccount().GetLogin()
	in.Selected, in.Suspended = got.GetRepositorySelection() == "selected", !got.GetSuspendedAt().IsZero()
	in.Permissions = permissions(got.GetPermissions())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.repos[key] = in
	return in.InstallationInfo, nil
}

// permissions turns the fields of go-github into GitHub's names.
func permissions(p *github.InstallationPermissions) map[string]string {
	m := map[string]string{}
	text, err := json.Marshal(p)
	if err == nil {
		_ = json.Unmarshal(text, &m) // a field that is not text is none we know
	}
	return m
}

// login is "NAME[bot]".
func (a *apps) login(ctx context.Context) (string, error) {
	a.mu.Lock()
	name := a.name
	a.mu.Unlock()
	if name == "" {
		var got *github.App
		err := a.ask(func() (err error) {
			got, _, err = a.api.Apps.Get(ctx, "")
			return err
		})
		if err != nil {
			return "", err
		}
		if name = got.GetSlug(); name == "" {
			return "", errors.New("no name of the App in the answer")
		}
		a.mu.Lock()
		a.name = name
		a.mu.Unlock()
	}
	return name + "[bot]", nil
}

// ask sends a request with the JWT, again if it was refused and the answer tells that the
// clocks differ. A clock that is only learnt to be wrong by that is put right for us alone.
func (a *apps) ask(request func() error) error {
	before := a.clock.offset()
	err := request()
	if isStatus(err, http.StatusUnauthorized) && a.clock.offset() != before {
		err = request()
	}
	return err
}

func isStatus(err error, code int) bool {
	st, ok := Explain(err).(*StatusError)
	return ok && st.Code == code
}

// skewClock knows by how much GitHub's clock differs from ours, from the Date of answers.
type skewClock struct {
	mu   sync.Mutex
	seen time.Duration // GitHub's minus ours
	ok   bool
}

// learn takes the Date header of an answer to a request sent at a time. Half a second,
// since Date cuts off fractions.
func (c *skewClock) learn(h http.Header, sent, now time.Time) {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil || now.Sub(sent) > skewed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen, c.ok = t.Add(500*time.Millisecond).Sub(sent.Add(now.Sub(sent)/2)), true
}

// offset is the correction that is worth making, to whole seconds.
func (c *skewClock) offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen.Abs() < skewed {
		return 0
	}
	return c.seen.Round(10 * time.Second)
}

func (c *skewClock) github(now time.Time) time.Time { return now.Add(c.offset()) }
