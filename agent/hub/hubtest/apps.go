package hubtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// app is a GitHub App.
type app struct {
	id   int64
	slug string
	key  *rsa.PublicKey // nil: that of Actions, whose tokens are not asked for
}

// installation is an App on one account.
type installation struct {
	id        int64
	app       *app
	owner     string
	may       map[string]string // "checks": "write"
	repos     []string          // lower-case "owner/name"; nil is all
	suspended bool
}

// lease is how long an installation token lasts.
const lease = time.Hour

// AddApp adds an App that signs with the private half of a key.
func (f *Fake) AddApp(id int64, slug string, key *rsa.PublicKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.apps = append(f.apps, &app{id: id, slug: slug, key: key})
}

// Install installs an App on an account, for the repositories named or for all, and
// returns the number of the installation. may gives its permissions, "checks=write".
func (f *Fake) Install(slug, owner string, may []string, repos ...string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.apps, func(a *app) bool { return a.slug == slug })
	if i < 0 {
		panic(fmt.Sprintf("hubtest: no App %q", slug))
	}
	in := &installation{id: f.id(), app: f.apps[i], owner: owner, may: map[string]string{}}
	for _, m := range may {
		name, level, _ := strings.Cut(m, "=")
		in.may[name] = level
	}
	for _, r := range repos {
		in.repos = append(in.repos, fold(r))
	}
	f.installations = append(f.installations, in)
	return in.id
}

// Uninstall ends an installation with its tokens.
func (f *Fake) Uninstall(id int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.installations = slices.DeleteFunc(f.installations, func(in *installation) bool { return in.id == id })
	f.dropTokens(id)
}

// Suspend suspends an installation or lifts that.
func (f *Fake) Suspend(id int64, suspended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, in := range f.installations {
		if in.id == id {
			in.suspended = suspended
		}
	}
	f.dropTokens(id)
}

// Permit changes the permissions of an installation; its tokens have them at once.
func (f *Fake) Permit(id int64, name, level string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, in := range f.installations {
		if in.id == id {
			in.may[name] = level
		}
	}
}

// ExpireTokens ends all installation tokens, as an hour does.
func (f *Fake) ExpireTokens() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropTokens(0)
}

// dropTokens forgets the tokens of an installation, 0 for those of all.
func (f *Fake) dropTokens(id int64) {
	for t, a := range f.tokens {
		if a.in != nil && a.in.key() && (id == 0 || a.in.id == id) {
			delete(f.tokens, t)
		}
	}
}

func (in *installation) key() bool { return in.app.key != nil }

// SetTokenLife sets how long installation tokens last.
func (f *Fake) SetTokenLife(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.life = d
}

// SetSkew moves the clock that the fake shows and judges by.
func (f *Fake) SetSkew(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skew = d
}

// GrantActions adds a token as Actions gives it to a job: of the App github-actions, for
// one repository. may gives its permissions, "checks=write".
func (f *Fake) GrantActions(token, slug string, may ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	in := &installation{
		id: f.id(), app: &app{id: 15368, slug: "github-actions"}, repos: []string{fold(slug)}, may: map[string]string{},
	}
	for _, m := range may {
		name, level, _ := strings.Cut(m, "=")
		in.may[name] = level
	}
	f.tokens[token] = &account{login: "github-actions[bot]", in: in}
}

// wall is the clock that the fake judges by.
func (f *Fake) wall() time.Time { return time.Now().Add(f.skew) }

// jwt finds the App that a JWT is of, or what GitHub says of it.
func (f *Fake) jwt(token string) (a *app, refusal string) {
	part := strings.Split(token, ".")
	if len(part) != 3 {
		return nil, "A JSON web token could not be decoded"
	}
	var claims struct {
		Iat, Exp int64
		Iss      string
	}
	text, err := base64.RawURLEncoding.DecodeString(part[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	sig, serr := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil || serr != nil {
		return nil, "A JSON web token could not be decoded"
	}
	i := slices.IndexFunc(f.apps, func(a *app) bool { return strconv.FormatInt(a.id, 10) == claims.Iss })
	if i < 0 {
		return nil, "Integration not found"
	}
	sum := sha256.Sum256([]byte(part[0] + "." + part[1]))
	if rsa.VerifyPKCS1v15(f.apps[i].key, crypto.SHA256, sum[:], sig) != nil {
		return nil, "A JSON web token could not be decoded"
	}
	now := f.wall().Unix()
	switch {
	case claims.Iat > now:
		return nil, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
	case claims.Exp > now+600:
		return nil, "'Expiration time' claim ('exp') is too far in the future"
	case claims.Exp <= now:
		return nil, "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
	}
	return f.apps[i], ""
}

// routeApp answers what is asked with a JWT; false if the path is none of those.
func (c *call) routeApp() bool {
	p := strings.Join(c.path, "/")
	installed := len(c.path) == 4 && c.path[0] == "repos" && c.path[3] == "installation" ||
		len(c.path) == 3 && c.path[0] == "repositories" && c.path[2] == "installation"
	if p != "app" && !strings.HasPrefix(p, "app/") && !installed {
		return false
	}
	token, _ := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	a, refusal := c.f.jwt(token)
	if a == nil {
		c.fail(http.StatusUnauthorized, "%s", refusal)
		return true
	}
	switch {
	case p == "app" && c.r.Method == http.MethodGet:
		c.ok(http.StatusOK, map[string]any{"id": a.id, "slug": a.slug, "name": a.slug, "events": []string{}, "permissions": map[string]any{}})
	case installed && c.r.Method == http.MethodGet:
		slug := fold(c.path[1] + "/" + c.path[2])
		if to, ok := c.f.moved[slug]; ok {
			c.redirect(to, "installation")
			return true
		}
		for name, r := range c.f.repos {
			if c.path[0] == "repositories" && strconv.FormatInt(r.id, 10) == c.path[1] {
				slug = name
			}
		}
		for _, in := range c.f.installations {
			if in.app == a && in.covers(slug) {
				c.ok(http.StatusOK, in.json())
				return true
			}
		}
		c.fail(http.StatusNotFound, "Not Found")
	case len(c.path) == 4 && c.path[3] == "access_tokens" && c.r.Method == http.MethodPost:
		c.accessToken(a)
	default:
		c.fail(http.StatusNotFound, "Not Found")
	}
	return true
}

func (c *call) accessToken(a *app) {
	for _, in := range c.f.installations {
		if in.app != a || strconv.FormatInt(in.id, 10) != c.path[2] {
			continue
		}
		if in.suspended {
			c.fail(http.StatusForbidden, "This installation has been suspended")
			return
		}
		own := in
		if names, ok := c.fields["repositories"].([]any); ok {
			narrow := *in
			narrow.repos = nil
			for _, n := range names {
				slug := fold(in.owner + "/" + fmt.Sprint(n))
				if !in.covers(slug) {
					c.invalid("Installation", "repositories", "There is at least one repository that does not exist or is not accessible to the parent installation.")
					return
				}
				narrow.repos = append(narrow.repos, slug)
			}
			own = &narrow
		}
		if perms, ok := c.fields["permissions"].(map[string]any); ok {
			narrow := *own
			narrow.may = map[string]string{}
			for k, v := range perms {
				if in.may[k] != "write" && in.may[k] != fmt.Sprint(v) {
					c.invalid("Installation", "permissions", "The permissions requested are not granted to this installation.")
					return
				}
				narrow.may[k] = fmt.Sprint(v)
			}
			own = &narrow
		}
		token := fmt.Sprintf("ghs_hubtestInstallation%d", c.f.id())
		until := c.f.wall().Add(c.f.life)
		c.f.tokens[token] = &account{login: a.slug + "[bot]", in: own, until: until}
		c.ok(http.StatusCreated, map[string]any{"token": token, "expires_at": until.UTC().Format(time.RFC3339), "permissions": own.may})
		return
	}
	c.fail(http.StatusNotFound, "Not Found")
}

func (in *installation) covers(slug string) bool {
	if in.repos != nil {
		return slices.Contains(in.repos, slug)
	}
	return strings.HasPrefix(slug, fold(in.owner)+"/")
}

func (in *installation) json() map[string]any {
	m := map[string]any{
		"id": in.id, "app_id": in.app.id, "app_slug": in.app.slug, "account": user(in.owner), "permissions": in.may,
		"repository_selection": "all", "suspended_at": nil,
	}
	if in.repos != nil {
		m["repository_selection"] = "selected"
	}
	if in.suspended {
		m["suspended_at"] = "2026-01-02T03:04:05Z"
	}
	return m
}
