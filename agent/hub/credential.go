package hub

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// A TokenSource gives the token to send. It is asked for each request, so that a token
// that expires can be renewed; it must be safe for concurrent use.
type TokenSource interface {
	// Token is for requests about repo, "owner/name"; "" for those that are about none.
	Token(ctx context.Context, repo string) (string, error)
}

// StaticToken is a personal access token, or one that Actions gave. The empty one sends no
// Authorization header.
type StaticToken string

// Token returns the token.
func (t StaticToken) Token(context.Context, string) (string, error) { return string(t), nil }

// Kind is what sort of credential a client has.
type Kind string

// Kinds of credential.
const (
	Anonymous    Kind = "anonymous"
	Classic      Kind = "classic personal access token"
	FineGrained  Kind = "fine-grained personal access token"
	OAuth        Kind = "OAuth token"
	UserToServer Kind = "user token of a GitHub App"
	Installation Kind = "installation token"
	AppKey       Kind = "GitHub App"
	Unknown      Kind = "token of a kind that its prefix does not tell"
)

// KindOf tells the kind of a token by its prefix, which GitHub documents.
func KindOf(token string) Kind {
	for prefix, k := range map[string]Kind{
		"ghp_": Classic, "github_pat_": FineGrained, "gho_": OAuth, "ghu_": UserToServer, "ghs_": Installation,
	} {
		if strings.HasPrefix(token, prefix) {
			return k
		}
	}
	switch {
	case token == "":
		return Anonymous
	case len(token) == 40 && strings.Trim(token, "0123456789abcdef") == "":
		return Classic // of the time before prefixes
	}
	return Unknown
}

// Kind tells the kind of the client's credential.
func (c *Client) Kind(ctx context.Context) Kind {
	if c.app != nil {
		return AppKey
	}
	t, err := c.o.Token.Token(ctx, "")
	if err != nil {
		return Unknown
	}
	return KindOf(t)
}

// ActionsLogin is who the token is that Actions gives to a job.
const ActionsLogin = "github-actions[bot]"

// Login returns whose credential it is, as the author of what it posts: a user's login, or
// "name[bot]" of an App. An installation token cannot ask: [Options] must say it.
func (c *Client) Login(ctx context.Context) (string, error) {
	c.who.mu.Lock()
	defer c.who.mu.Unlock()
	if c.o.Login != "" {
		return c.o.Login, nil
	}
	// A token that was replaced may be somebody else's.
	token, err := c.o.Token.Token(ctx, "")
	if err == nil && c.who.login != "" && c.who.token == token {
		return c.who.login, nil
	}
	login, err := c.askLogin(ctx)
	if err != nil {
		return "", fmt.Errorf("ask whose token it is: %w", Explain(err))
	}
	if now, err := c.o.Token.Token(ctx, ""); err == nil && now == token {
		c.who.login, c.who.token = login, token
	}
	return login, nil
}

func (c *Client) askLogin(ctx context.Context) (string, error) {
	if c.app != nil {
		return c.app.login(ctx)
	}
	u, _, err := c.api.Users.Get(ctx, "")
	if err != nil {
		if st, ok := Explain(err).(*StatusError); ok && st.Code == http.StatusForbidden && c.Kind(ctx) == Installation {
			return "", runner.WithHint(st, `an installation token cannot ask: set github.login in agent.toml, "NAME[bot]" for the App called NAME`)
		}
		return "", err
	}
	if u.GetLogin() == "" {
		return "", fmt.Errorf("no login in the answer")
	}
	return u.GetLogin(), nil
}

// MayCheck reports whether the credential can create check runs on a repository. Only Apps
// can, and so can the token of Actions, which is an App's. What an installation token that
// somebody else made may do is not told anywhere: true then means that it is worth trying.
func (c *Client) MayCheck(ctx context.Context, repo string) (bool, error) {
	if c.app != nil {
		in, err := c.app.installation(ctx, repo)
		return err == nil && in.Permissions["checks"] == "write", Explain(err)
	}
	return c.Kind(ctx) == Installation, nil
}

// InstallationOf tells of the installation through which an App sees a repository; false
// if the credential is no App.
func (c *Client) InstallationOf(ctx context.Context, repo string) (in InstallationInfo, ok bool, err error) {
	if c.app == nil {
		return InstallationInfo{}, false, nil
	}
	in, err = c.app.installation(ctx, repo)
	return in, true, Explain(err)
}

// GitToken gives a token for fetching a repository with git: of an App one that can read
// the contents of that repository and nothing else, otherwise the only token there is.
func (c *Client) GitToken(ctx context.Context, repo string) (string, error) {
	if c.app != nil {
		t, err := c.app.gitToken(ctx, repo)
		return t, Explain(err)
	}
	return c.o.Token.Token(ctx, repo)
}
