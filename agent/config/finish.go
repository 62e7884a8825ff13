package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/schedule"
)

// finish fills in the defaults that depend on other settings, makes paths absolute and
// checks what spans several settings.
func (d *decoder) finish(c *Config, at place) {
	root := path("")
	if c.Agent.Name == "" {
		c.Agent.Name = at.host
	}
	if c.Agent.State == "" {
		c.Agent.State = "~/.local/state/holdfast"
		if at.goos == "darwin" {
			c.Agent.State = "~/Library/Application Support/Holdfast"
		}
	}
	for i := range c.Repositories {
		d.repository(c, i)
	}
	d.paths(root, reflect.ValueOf(c).Elem(), at)
	d.engine(c)
	d.github(c, at)
	d.checks(root.key("checks"), c.Checks)
	d.bench(root.key("bench"), c.Bench)
	for i, r := range c.Repositories {
		p := root.key("repositories").index(i)
		d.checks(p.key("checks"), r.Checks)
		d.bench(p.key("bench"), r.Bench)
	}
	for i, r := range c.Repositories {
		if r.Name != "" || r.Path == "" {
			continue
		}
		c.Repositories[i].Name = filepath.Base(r.Path)
		if base := filepath.Base(r.Path); base == "." || base == string(filepath.Separator) {
			c.Repositories[i].Name = "repository"
		}
	}
	d.unique("repositories", "repository", len(c.Repositories), func(i int) string { return c.Repositories[i].Name })
	d.unique("schedules", "schedule", len(c.Schedules), func(i int) string { return c.Schedules[i].Name })
	for i := range c.Schedules {
		d.schedule(c, i)
	}
	d.truth(c)
}

func (d *decoder) engine(c *Config) {
	p := path("").key("engine")
	if d.set[p.key("sqlite")] && d.set[p.key("postgres")] {
		d.key(p.key("postgres"), "keep one of the two", "engine: both sqlite and postgres are set")
	}
	if c.Engine.SQLite == "" && c.Engine.Postgres.IsZero() {
		c.Engine.SQLite = filepath.Join(c.Agent.State, "holdfast.db")
	}
}

func (d *decoder) github(c *Config, at place) {
	p := path("").key("github")
	if !d.set[p.key("api")] && at.api != "" {
		c.GitHub.API = at.api
	}
	app, key, token := d.set[p.key("app")], d.set[p.key("key")], d.set[p.key("token")]
	switch {
	case app && token:
		d.key(p.key("app"), "keep one of the two", "github: both token and app are set")
	case app && !key:
		d.key(p.key("app"), `add: key = "file:~/.config/holdfast/app.pem"`, "github.app needs github.key, the private key of the App")
	case key && !app:
		d.key(p.key("key"), `add: app = "123456", the App ID`, "github.key has no effect without github.app")
	case app && d.set[p.key("login")]:
		d.key(p.key("login"), "remove it: an App knows its name", "github.login has no effect with github.app")
	}
	hook, secret := d.set[p.key("webhook")], d.set[p.key("webhook_secret")]
	switch {
	case hook && !secret:
		d.key(p.key("webhook"), `add: webhook_secret = "env:HOLDFAST_WEBHOOK_SECRET"`, "github.webhook needs github.webhook_secret: without it anybody could wake the agent")
	case secret && !hook:
		d.key(p.key("webhook_secret"), `add: webhook = "127.0.0.1:8723"`, "github.webhook_secret has no effect without github.webhook")
	}
	if _, port, err := net.SplitHostPort(c.GitHub.Webhook); hook && d.clean(p.key("webhook")) && (err != nil || port == "") {
		d.value(p.key("webhook"), `for example "127.0.0.1:8723"`, "%s: %s is not an address with a port", p.key("webhook"), quote(c.GitHub.Webhook))
	}
	if !c.GitHub.Post {
		return
	}
	if !token && !app {
		d.value(p.key("post"), `add: token = "env:GITHUB_TOKEN", or app and key of a GitHub App`, "github.post needs github.token or github.app")
	}
	if !slices.ContainsFunc(c.Repositories, func(r Repository) bool { return r.GitHub != "" }) {
		d.value(p.key("post"), `say where: github = "owner/name" in [[repositories]]`, "github.post is set, but no repository is on GitHub")
	}
}

var (
	ownerName = regexp.MustCompile(`\A[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/[A-Za-z0-9._-]+\z`)
	githubURL = regexp.MustCompile(`\A(?:(?:https|ssh|git)://(?:git@)?github\.com/|git@github\.com:)([^/]+/[^/]+?)(?:\.git)?/?\z`)
	scpLike   = regexp.MustCompile(`\A[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^:]+\z`)
)

func (d *decoder) repository(c *Config, i int) {
	r := &c.Repositories[i]
	p := path("").key("repositories").index(i)
	given := d.set[p.key("url")] || d.set[p.key("path")]
	switch {
	case r.URL == "" && r.Path == "" && !given:
		d.key(p, `add url = "https://…" or path = "…"`, "[[repositories]] needs a url or a path")
	case d.set[p.key("url")] && d.set[p.key("path")]:
		d.key(p.key("path"), "keep one of the two", "[[repositories]] has both url and path")
	case d.set[p.key("url")]:
		d.url(p.key("url"), r.URL)
	}
	if r.URL != "" {
		if m := githubURL.FindStringSubmatch(r.URL); m != nil && r.GitHub == "" && ownerName.MatchString(m[1]) {
			r.GitHub = m[1]
		}
		if r.Name == "" {
			last := r.URL[strings.LastIndexAny(strings.TrimRight(r.URL, "/"), "/:")+1:]
			r.Name = strings.TrimSuffix(strings.TrimRight(last, "/"), ".git")
		}
	}
	if d.set[p.key("github")] && !ownerName.MatchString(r.GitHub) {
		d.value(p.key("github"), `for example "octocat/hello-world"`, "%s: %s is not owner/name", p.key("github"), quote(r.GitHub))
	}
	if len(r.Branches) == 0 {
		d.value(p.key("branches"), `to watch pull requests only, name a branch that does not exist`, "%s is empty", p.key("branches"))
	}
	if r.TrackingIssue > 0 && r.Report != ReportIssue {
		d.key(p.key("tracking_issue"), `add report = "issue"`, "tracking_issue has no effect when report is %q", r.Report)
	}
}

// url checks a clone address. Options and helper programs of git (ext::) must not get
// in, and neither may a password.
func (d *decoder) url(p path, s string) {
	const hint = "https://host/owner/name, ssh://git@host/path, git@host:path or file:///path"
	if strings.HasPrefix(s, "-") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		d.value(p, hint, "%s: %s is not a repository address", p, quote(s))
		return
	}
	if scpLike.MatchString(s) {
		return
	}
	u, err := url.Parse(s)
	if err != nil || !slices.Contains([]string{"https", "http", "ssh", "file"}, u.Scheme) || strings.Contains(s, "::") ||
		u.Host == "" && u.Scheme != "file" || strings.Trim(u.Path, "/") == "" {
		if err == nil && u.User != nil {
			d.masked(p, "not a repository address", hint)
			return
		}
		d.value(p, hint, "%s: %s is not a repository address", p, quote(s))
		return
	}
	_, password := u.User.Password()
	if password || u.User != nil && u.Scheme != "ssh" {
		d.masked(p, "credentials inside an address", "remove them; a git credential helper or an ssh key belongs to the user that runs the agent")
	}
}

// unique reports names that come twice in a list of tables.
func (d *decoder) unique(table, noun string, n int, name func(int) string) {
	seen := map[string]int{}
	for i := range n {
		at := path("").key(table).index(i)
		first, twice := seen[name(i)]
		if name(i) == "" {
			continue
		}
		if !twice {
			seen[name(i)] = i
			continue
		}
		line, _, _ := locate(d.text, d.where(d.pos.keys, path("").key(table).index(first)).start)
		hint := fmt.Sprintf("the first is at line %d; give this one another name", line)
		if d.set[at.key("name")] {
			d.value(at.key("name"), hint, "%s %s comes twice", noun, quote(name(i)))
		} else {
			d.key(at, hint, "%s %s comes twice", noun, quote(name(i)))
		}
	}
}

func (d *decoder) schedule(c *Config, i int) {
	s := &c.Schedules[i]
	p := path("").key("schedules").index(i)
	s.Spec = d.spec(p, s.Cron, &s.Timezone)
	var known []string
	for _, r := range c.Repositories {
		known = append(known, r.Name)
	}
	for j, name := range s.Repositories {
		if !slices.Contains(known, name) {
			hint := "known: " + strings.Join(known, ", ")
			if near := nearest(name, known); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			d.value(p.key("repositories").index(j), hint, "no repository is called %s", quote(name))
		}
	}
}

// truth reads the schedule of [truth].
func (d *decoder) truth(c *Config) {
	p := path("").key("truth")
	if c.Truth.Cron == "" {
		if d.set[p.key("timezone")] {
			d.key(p.key("timezone"), "add cron, or leave it out", "truth.timezone has no effect without truth.cron")
		}
		return
	}
	spec := d.spec(p, c.Truth.Cron, &c.Truth.Timezone)
	c.Truth.Spec = &spec
}

// spec reads the cron expression of the table at p. An empty time zone becomes UTC.
func (d *decoder) spec(p path, cron string, zone *string) (spec schedule.Spec) {
	loc := time.UTC
	if *zone != "" {
		var err error
		// "Local" would make the meaning of the file depend on the machine.
		if loc, err = time.LoadLocation(*zone); err != nil || *zone == "Local" {
			d.value(p.key("timezone"), `an IANA name such as "Europe/Berlin" or "America/New_York"`, "%s: unknown time zone %s", p.key("timezone"), quote(*zone))
			loc = time.UTC
		}
	} else {
		*zone = "UTC"
	}
	if cron == "" {
		return spec
	}
	spec, err := schedule.Parse(cron, loc)
	if err != nil {
		d.value(p.key("cron"), "minute hour day-of-month month day-of-week, for example \"30 2 * * *\"", "%s: %s: %s", p.key("cron"), quote(cron), printable(err.Error()))
	}
	return spec
}

// paths makes every path absolute.
func (d *decoder) paths(p path, v reflect.Value, at place) {
	fix := func(p path, v reflect.Value) {
		if v.String() == "" {
			return
		}
		abs, err := absolute(v.String(), at.dir, at.home)
		if err != nil {
			d.value(p, "write an absolute path", "%s: %v", p, err)
			return
		}
		v.SetString(abs)
	}
	for i := range v.NumField() {
		field, f := v.Type().Field(i), v.Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		isPath := slices.Contains(rules(field.Tag.Get("is")), "path")
		switch at1 := p.key(tag); {
		case isPath && f.Kind() == reflect.String:
			fix(at1, f)
		case isPath:
			fresh := reflect.MakeSlice(f.Type(), f.Len(), f.Len()) // repositories share the lists of the defaults
			reflect.Copy(fresh, f)
			for j := range fresh.Len() {
				fix(at1.index(j), fresh.Index(j))
			}
			f.Set(fresh)
		case f.Type() == secretType:
			s := f.Addr().Interface().(*Secret)
			if s.scheme == "file" {
				fix(at1, reflect.ValueOf(&s.value).Elem())
			}
		case f.Kind() == reflect.Struct:
			d.paths(at1, f, at)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			for j := range f.Len() {
				d.paths(at1.index(j), f.Index(j), at)
			}
		}
	}
}

// DefaultBranch is the branch that a schedule without one examines: the first of
// Branches that is not a pattern, else "main".
func (r Repository) DefaultBranch() string {
	for _, b := range r.Branches {
		if !strings.ContainsAny(b, `*?[\`) {
			return b
		}
	}
	return "main"
}
