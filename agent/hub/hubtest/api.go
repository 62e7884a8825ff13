package hubtest

import (
	"net/http"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxText = 65536 // characters of a body

func (c *call) getRepo(_ []string) {
	m := map[string]any{
		"id": c.repo.id, "full_name": c.repo.slug, "private": c.repo.private, "archived": c.repo.archived, "has_issues": !c.repo.noIssues,
	}
	if c.who != nil {
		write := c.who.in != nil || c.who.may == nil || len(c.who.may) > 0 && !c.who.may["read"]
		m["permissions"] = map[string]any{"admin": false, "push": write, "pull": true}
	}
	c.ok(http.StatusOK, m)
}

func (c *call) listBranches(_ []string) {
	names := make([]string, 0, len(c.repo.branches))
	for n := range c.repo.branches {
		names = append(names, n)
	}
	sort.Strings(names)
	list := make([]any, 0, len(names))
	for _, n := range names {
		list = append(list, map[string]any{
			"name": n, "protected": false,
			"commit": map[string]any{"sha": c.repo.branches[n], "url": c.f.URL() + "repos/" + c.repo.slug + "/commits/" + c.repo.branches[n]},
		})
	}
	page(c, list)
}

func (c *call) listPulls(_ []string) {
	state := c.r.URL.Query().Get("state")
	list := []any{}
	for _, i := range c.repo.issues {
		if i.pull != nil && (state == "all" || i.closed == (state == "closed")) {
			list = append(list, c.pull(i))
		}
	}
	page(c, list)
}

func (c *call) getPull(args []string) {
	if i := c.issue(args[0]); i != nil && i.pull != nil {
		c.ok(http.StatusOK, c.pull(i))
		return
	}
	c.fail(http.StatusNotFound, "Not Found")
}

func (c *call) pull(i *issue) map[string]any {
	p := i.pull
	var from any = map[string]any{"full_name": c.repo.slug, "id": c.repo.id, "fork": false}
	switch p.From {
	case "", c.repo.slug:
	case "deleted":
		from = nil
	default:
		from = map[string]any{"full_name": p.From, "id": 7, "fork": true}
	}
	labels := []any{}
	for _, l := range p.Labels {
		labels = append(labels, map[string]any{"name": l})
	}
	base := p.BaseSHA
	if base == "" {
		base = c.repo.branches[p.Base]
	}
	return map[string]any{
		"id": i.id, "number": i.number, "state": state(i), "title": i.title, "draft": p.Draft, "locked": i.locked,
		"user": user(i.author), "mergeable": nil, "created_at": i.created, "labels": labels,
		"head": map[string]any{"ref": p.Head, "sha": p.SHA, "repo": from},
		"base": map[string]any{"ref": p.Base, "sha": base, "repo": map[string]any{"full_name": c.repo.slug, "id": c.repo.id}},
	}
}

func (c *call) createStatus(args []string) {
	if !c.may("statuses") || !c.only("state", "target_url", "description", "context") {
		return
	}
	s := &status{sha: args[0], state: c.text("state"), context: c.text("context"), text: c.text("description"), url: c.text("target_url"), who: c.who.login}
	if s.context == "" {
		s.context = "default"
	}
	n := 0
	for _, o := range c.repo.statuses {
		if o.sha == s.sha && strings.EqualFold(o.context, s.context) {
			n++
		}
	}
	switch {
	case !c.repo.commits[s.sha]:
		c.fail(http.StatusUnprocessableEntity, "No commit found for SHA: %s", s.sha)
	case s.state != "pending" && s.state != "success" && s.state != "failure" && s.state != "error":
		c.invalid("Status", "state", "state is not included in the list")
	case utf8.RuneCountInString(s.text) > 140:
		c.invalid("Status", "description", "description is too long (maximum is 140 characters)")
	case utf8.RuneCountInString(s.context) > 255:
		c.invalid("Status", "context", "context is too long (maximum is 255 characters)")
	case s.url != "" && !strings.HasPrefix(s.url, "http://") && !strings.HasPrefix(s.url, "https://"):
		c.invalid("Status", "target_url", "target_url must use http(s) scheme")
	case n >= 1000:
		c.fail(http.StatusUnprocessableEntity, "This SHA and context has reached the maximum number of statuses.")
	default:
		s.id, s.created = c.f.id(), c.f.now()
		c.repo.statuses = append(c.repo.statuses, s)
		c.ok(http.StatusCreated, s.json())
	}
}

func (s *status) json() map[string]any {
	return map[string]any{
		"id": s.id, "state": s.state, "context": s.context, "description": s.text, "target_url": s.url,
		"creator": user(s.who), "created_at": s.created, "updated_at": s.created,
	}
}

// listStatuses gives the newest first.
func (c *call) listStatuses(args []string) {
	list := []any{}
	for i := len(c.repo.statuses) - 1; i >= 0; i-- {
		if s := c.repo.statuses[i]; s.sha == args[0] {
			list = append(list, s.json())
		}
	}
	page(c, list)
}

func (c *call) combinedStatus(args []string) {
	latest := c.repo.latest(args[0])
	list, state := []any{}, "success"
	for _, s := range latest {
		list = append(list, s.json())
		switch {
		case s.state == "failure" || s.state == "error":
			state = "failure"
		case s.state == "pending" && state == "success":
			state = "pending"
		}
	}
	if len(list) == 0 {
		state = "pending"
	}
	c.ok(http.StatusOK, map[string]any{"state": state, "sha": args[0], "total_count": len(list), "statuses": list})
}

// latest returns the newest status of each context of a commit, by context.
func (r *Repo) latest(sha string) []*status {
	m := map[string]*status{}
	for _, s := range r.statuses {
		if s.sha == sha {
			m[strings.ToLower(s.context)] = s
		}
	}
	list := make([]*status, 0, len(m))
	for _, s := range m {
		list = append(list, s)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].context < list[j].context })
	return list
}

func state(i *issue) string {
	if i.closed {
		return "closed"
	}
	return "open"
}

func (c *call) issue(number string) *issue {
	n, err := strconv.Atoi(number)
	if err != nil {
		return nil
	}
	return c.repo.issue(n)
}
