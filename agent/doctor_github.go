package agent

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/publish"
)

// github looks at the credential and at what it can and cannot do for each repository.
func (d *doctor) github(ctx context.Context, e *env, cfg *config.Config, offline, probe bool) {
	d.section("GitHub")
	g := cfg.GitHub
	onGitHub := slices.ContainsFunc(cfg.Repositories, func(r config.Repository) bool { return r.GitHub != "" })
	if !onGitHub {
		d.say(gradeSkip, "GitHub", "no repository is on GitHub")
		d.remotes(ctx, e, cfg, nil, offline)
		return
	}
	if g.Post {
		d.say(gradeOK, "posting", "on: github.post = true")
	} else {
		d.say(gradeNote, "posting", "off: what would be posted is printed (github.post)")
	}
	d.webhook(ctx, e, g)
	o, err := credential(ctx, e, g)
	if err != nil {
		d.fail(gradeFail, "credential", err)
		return
	}
	c, err := hub.New(o)
	if err != nil {
		d.fail(gradeFail, "API", err)
		return
	}
	kind := c.Kind(ctx)
	source := g.Token.String()
	if kind == hub.AppKey {
		source = fmt.Sprintf("App %s, key %s", g.App, g.Key)
	}
	switch {
	case kind == hub.Anonymous && g.Post:
		d.hint(gradeFail, "credential", "none, and github.post = true", `token = "env:GITHUB_TOKEN", or app and key`)
	case kind == hub.Anonymous:
		d.hint(gradeWarn, "credential", "none: 60 requests an hour, public repositories only", `token = "env:GITHUB_TOKEN", or app and key`)
	default:
		d.say(gradeOK, "credential", "%s (%s)", kind, source)
	}
	if offline {
		d.say(gradeSkip, "API", "%s was not asked (--offline)", c.BaseURL())
		return
	}
	if d.account(ctx, c, kind, cfg) {
		for i := range cfg.Repositories {
			if r := &cfg.Repositories[i]; r.GitHub != "" {
				d.repository(ctx, c, kind, r, g.Post, probe)
			}
		}
	}
	d.remotes(ctx, e, cfg, c, offline)
}

func (d *doctor) webhook(ctx context.Context, e *env, g config.GitHub) {
	if g.Webhook == "" {
		d.say(gradeSkip, "webhook", "none: repositories are polled every %s", g.Poll)
		return
	}
	if _, err := g.WebhookSecret.Resolve(ctx, e.environ); err != nil {
		d.fail(gradeFail, "webhook", fmt.Errorf("github.webhook_secret: %w", err))
		return
	}
	d.say(gradeOK, "webhook", "received on %s, secret %s", g.Webhook, g.WebhookSecret)
}

// account tells of the credential itself; false if GitHub cannot be reached or refuses it.
func (d *doctor) account(ctx context.Context, c *hub.Client, kind hub.Kind, cfg *config.Config) bool {
	var a hub.Account
	var err error
	var took time.Duration
	var not *hub.NotInstalledError
	for _, r := range cfg.Repositories {
		if r.GitHub == "" {
			continue
		}
		asked := time.Now()
		a, err = c.Account(ctx, r.GitHub)
		took = time.Since(asked)
		if !errors.As(err, &not) {
			break // an App is asked about through a repository that it is installed on
		}
	}
	skew, known := c.Skew()
	switch {
	case !known:
		d.fail(gradeFail, "API", fmt.Errorf("%s: %w", c.BaseURL(), err))
		return false
	case skew.Abs() > time.Minute:
		d.hint(gradeWarn, "clock", fmt.Sprintf("this machine's is %s %s GitHub's", skew.Abs().Round(time.Second), map[bool]string{true: "behind", false: "ahead of"}[skew > 0]),
			"set it by the network: schedules and reports show its time")
	default:
		d.say(gradeOK, "clock", "within %s of GitHub's", max(time.Second, skew.Abs().Round(time.Second)))
	}
	if errors.As(err, &not) {
		return true // each repository tells
	}
	if err != nil {
		d.fail(gradeFail, "API", err)
		return false
	}
	d.say(gradeOK, "API", "%s answers in %d ms", c.BaseURL(), took.Milliseconds())
	if kind != hub.Anonymous {
		if login, err := c.Login(ctx); err != nil {
			d.fail(gradeFail, "login", err)
		} else {
			d.say(gradeOK, "login", "posts as %s", login)
		}
	}
	if kind == hub.Classic {
		d.say(gradeOK, "scopes", "%s", cmpOr(strings.Join(a.Scopes, ", "), "none"))
	}
	switch left := time.Until(a.Expires); {
	case a.Expires.IsZero():
	case left < 14*24*time.Hour:
		d.hint(gradeWarn, "expiry", "the token ends on "+a.Expires.Format(time.DateOnly), "make a new one in time; an App's key does not end")
	default:
		d.say(gradeOK, "expiry", "the token ends on %s", a.Expires.Format(time.DateOnly))
	}
	switch {
	case a.Limit == 0:
		d.say(gradeNote, "rate limit", "none")
	case a.Remaining*10 < a.Limit:
		d.hint(gradeWarn, "rate limit", fmt.Sprintf("%d of %d left for %s", a.Remaining, a.Limit, a.Reset.Round(time.Minute)),
			"something else uses the same credential: an idle agent spends nothing")
	default:
		d.say(gradeOK, "rate limit", "%d of %d left", a.Remaining, a.Limit)
	}
	return true
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Permissions that an installation needs, by what for.
var (
	toRead    = map[string]string{"metadata": "read", "contents": "read", "pull_requests": "read"}
	toCheck   = map[string]string{"checks": "write"}
	toState   = map[string]string{"statuses": "write"}
	toComment = map[string]string{"pull_requests": "write"}
	toReport  = map[string]string{"issues": "write"}
)

// repository tells what the credential can do for a repository, and what of that the
// configuration asks for.
func (d *doctor) repository(ctx context.Context, c *hub.Client, kind hub.Kind, r *config.Repository, post, probe bool) {
	d.section("GitHub: " + r.GitHub)
	acc, err := c.Access(ctx, r.GitHub)
	if err != nil {
		d.fail(gradeFail, "read", err)
		return
	}
	if !strings.EqualFold(acc.Name, r.GitHub) {
		d.hint(gradeWarn, "name", "it is called "+acc.Name+" now", "write the new name into agent.toml")
	}
	text := "public"
	if acc.Private {
		text = "private"
	}
	if acc.Role != "" && kind != hub.AppKey && kind != hub.Installation {
		text += ", role " + acc.Role
	}
	d.say(gradeOK, "read", "%s", text)
	need := func(on bool) string { // how bad it is when something is not possible
		if post && on {
			return gradeFail
		}
		return gradeNote
	}
	if acc.Archived {
		d.hint(need(true), "posting", "the repository is archived: nothing can be posted", "remove it from agent.toml")
		return
	}
	if r.Report == config.ReportIssue && !acc.Issues {
		d.hint(need(true), "tracking issue", "issues are switched off", `set report = "none" or "commit"`)
	}
	able := d.able(ctx, c, kind, acc, r.GitHub, probe)
	for _, x := range []struct {
		what    string
		on      bool
		can     ability
		instead string
	}{
		{"check runs", false, able.check, "commit statuses are used instead"},
		{"commit statuses", !able.check.yes, able.state, "nothing is said on commits"},
		{"comments", r.PullRequests != config.PullRequestsNone, able.comment, "pull requests get no comment"},
		{"issues", r.Report == config.ReportIssue, able.report, "there is no tracking issue"},
	} {
		switch {
		case x.can.yes:
			d.say(gradeOK, x.what, "can be written (%s)", x.can.why)
		case x.can.dark:
			d.hint(gradeDark, x.what, x.can.why, "%s", x.can.hint)
		case x.can.hint != "" && x.on:
			d.hint(need(x.on), x.what, x.can.why+": "+x.instead, "%s", x.can.hint)
		default:
			d.say(need(x.on), x.what, "%s: %s", x.can.why, x.instead)
		}
	}
}

// ability is whether something can be done, and how that is known.
type ability struct {
	yes, dark bool // dark: GitHub does not tell
	why, hint string
}

type abilities struct{ check, state, comment, report ability }

func (d *doctor) able(ctx context.Context, c *hub.Client, kind hub.Kind, acc hub.Access, repo string, probe bool) abilities {
	no := func(why, hint string) ability { return ability{why: why, hint: hint} }
	onlyApps := no("only a GitHub App or the token of Actions can create them", "")
	switch kind {
	case hub.AppKey:
		in, _, err := c.InstallationOf(ctx, repo)
		if err != nil {
			x := no(err.Error(), hintOf(err))
			return abilities{x, x, x, x}
		}
		if missing := hub.Needs(in.Permissions, toRead); len(missing) > 0 {
			d.hint(gradeFail, "permissions", "the App lacks "+strings.Join(missing, ", "), "add them in the settings of the App, then accept them for the installation on %s", in.Account)
		}
		by := func(need map[string]string) ability {
			if missing := hub.Needs(in.Permissions, need); len(missing) > 0 {
				return no("the App lacks "+strings.Join(missing, ", "), "add it in the settings of the App, then accept it for the installation on "+in.Account)
			}
			return ability{yes: true, why: "permission of the App"}
		}
		return abilities{by(toCheck), by(toState), by(toComment), by(toReport)}
	case hub.Anonymous:
		x := no("there is no credential", "")
		return abilities{onlyApps, x, x, x}
	case hub.Classic, hub.OAuth:
		if acc.Role == "read" {
			x := no("the user may only read the repository", "give the user write access, or use an App")
			return abilities{onlyApps, x, x, x}
		}
		a, err := c.Account(ctx, repo)
		if err != nil {
			x := ability{dark: true, why: err.Error()}
			return abilities{onlyApps, x, x, x}
		}
		by := func(scopes ...string) ability {
			for _, s := range scopes {
				if slices.Contains(a.Scopes, s) {
					return ability{yes: true, why: "scope " + s}
				}
			}
			return no("the token has none of the scopes "+strings.Join(scopes, ", "), "make a token with the scope "+scopes[0])
		}
		if acc.Private {
			return abilities{onlyApps, by("repo", "repo:status"), by("repo"), by("repo")}
		}
		return abilities{onlyApps, by("public_repo", "repo", "repo:status"), by("public_repo", "repo"), by("public_repo", "repo")}
	}
	// Fine-grained, and tokens of installations: GitHub tells nowhere what they may do.
	dark := ability{dark: true, why: "GitHub does not tell what such a token may do", hint: "holdfast doctor --probe tries it on a commit that does not exist"}
	out := abilities{onlyApps, dark, dark, dark}
	if kind == hub.Installation {
		out.check = dark
	}
	if acc.Role == "read" && kind == hub.FineGrained {
		x := no("the user may only read the repository", "give the user write access, or use an App")
		return abilities{onlyApps, x, x, x}
	}
	if !probe {
		return out
	}
	tried := func(need string, err error, may bool) ability {
		switch {
		case err != nil:
			return ability{dark: true, why: err.Error(), hint: hintOf(err)}
		case may:
			return ability{yes: true, why: "tried"}
		}
		return no("refused when tried", "give the token the permission "+need)
	}
	may, err := publish.ProbeStatus(ctx, c, repo)
	out.state = tried("commit statuses: write", err, may)
	if kind == hub.Installation {
		may, err = publish.ProbeCheck(ctx, c, repo)
		out.check = tried("checks: write", err, may)
	}
	notTried := ability{dark: true, why: "not told, and it cannot be tried without a trace", hint: "it needs pull requests: write; issues: write for a tracking issue"}
	out.comment, out.report = notTried, notTried
	return out
}

// remotes asks each repository for its branches, as a fetch would.
func (d *doctor) remotes(ctx context.Context, e *env, cfg *config.Config, c *hub.Client, offline bool) {
	d.section("git")
	x := &examiner{cfg: cfg, environ: e.environ}
	if c != nil && c.Kind(ctx) != hub.Anonymous {
		x.token = c.GitToken
	}
	for i := range cfg.Repositories {
		r := &cfg.Repositories[i]
		if offline && r.Path == "" {
			d.say(gradeSkip, r.Name, "was not asked (--offline)")
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		refs, err := x.mirror(r).Remote.List(ctx)
		cancel()
		if err != nil {
			d.fail(gradeFail, r.Name, err)
			continue
		}
		branches := 0
		for ref := range refs {
			if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok && r.MatchBranch(name) {
				branches++
			}
		}
		where := r.Path
		if where == "" {
			where = r.URL
			if u, err := url.Parse(where); err == nil {
				where = u.Redacted()
			}
		}
		if branches == 0 {
			d.hint(gradeWarn, r.Name, fmt.Sprintf("%s: no branch matches %s", where, strings.Join(r.Branches, ", ")), "correct branches of this repository in agent.toml")
			continue
		}
		d.say(gradeOK, r.Name, "%s, %s watched", where, plural(branches, "branch", "branches"))
	}
}
