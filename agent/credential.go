package agent

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// credential says how to reach GitHub, with the secrets that the configuration refers to.
func credential(ctx context.Context, e *env, g config.GitHub) (hub.Options, error) {
	o := hub.Options{BaseURL: g.API, Login: g.Login, UserAgent: "holdfast"}
	if g.App != "" {
		text, err := g.Key.ResolveKey(ctx, e.environ)
		if err != nil {
			return o, fmt.Errorf("github.key: %w", err)
		}
		key, err := hub.ParseKey(text)
		if err != nil {
			return o, fmt.Errorf("github.key: %w", err)
		}
		o.App = &hub.App{ID: g.App, Key: key}
		return o, nil
	}
	if g.Token.IsZero() {
		return o, nil
	}
	token, err := g.Token.Resolve(ctx, e.environ)
	if err != nil {
		return o, fmt.Errorf("github.token: %w", err)
	}
	o.Token = hub.StaticToken(token)
	if g.Token.Replaceable() {
		o.Token = hub.NewPlacedToken(token, func(ctx context.Context) (string, error) { return g.Token.Resolve(ctx, e.environ) })
	}
	// The token of a job cannot ask whose it is.
	if o.Login == "" && hub.KindOf(token) == hub.Installation && proc.Getenv(e.environ, "GITHUB_ACTIONS") == "true" {
		o.Login = hub.ActionsLogin
	}
	return o, nil
}

// sameHost reports whether a clone address is at the GitHub whose API is given, so that
// git may send the token there.
func sameHost(clone, api string) bool {
	c, err := url.Parse(clone)
	if err != nil || c.Scheme != "https" {
		return false
	}
	a, err := url.Parse(api)
	return err == nil && (strings.EqualFold(c.Host, a.Host) || strings.EqualFold("api."+c.Host, a.Host))
}
