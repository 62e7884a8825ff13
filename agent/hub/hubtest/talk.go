package hubtest

import (
	"net/http"
	"slices"
	"sort"
	"strings"
)

// reactions that GitHub knows.
var reactions = []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}

// Collaborator says what a person may do in a repository: "admin", "write" or "read".
func (f *Fake) Collaborator(slug, login, role string) {
	f.change(slug, func(r *Repo) {
		if r.roles == nil {
			r.roles = map[string]string{}
		}
		r.roles[strings.ToLower(login)] = role
	})
}

// EditComment changes a comment on an issue or pull request, as its author can.
func (f *Fake) EditComment(slug string, id int64, body string) {
	f.change(slug, func(r *Repo) {
		_, k := r.comment(id)
		if k == nil {
			panic("hubtest: no such comment")
		}
		k.body, k.updated = body, f.now()
		k.edits++
	})
}

func (k *comment) changed() string {
	if k.updated != "" {
		return k.updated
	}
	return k.created
}

// permission is what a person may do; strangers read what is public.
func (c *call) permission(args []string) {
	if c.who == nil {
		c.fail(http.StatusUnauthorized, "Requires authentication")
		return
	}
	role := c.repo.roles[strings.ToLower(args[0])]
	if role == "" {
		role = "read"
		if c.repo.private {
			role = "none"
		}
	}
	c.ok(http.StatusOK, map[string]any{"permission": role, "role_name": role, "user": user(args[0])})
}

// allComments lists the comments of all issues and pull requests, the oldest first unless
// asked otherwise; since counts from the last change.
func (c *call) allComments(_ []string) {
	q := c.r.URL.Query()
	type entry struct {
		i *issue
		k *comment
	}
	var all []entry
	for _, i := range c.repo.issues {
		for _, k := range i.comments {
			if k.changed() >= q.Get("since") { // RFC 3339 in UTC sorts as text
				all = append(all, entry{i, k})
			}
		}
	}
	sort.SliceStable(all, func(a, b int) bool {
		x, y := all[a].k, all[b].k
		if q.Get("sort") == "updated" {
			return x.changed() < y.changed()
		}
		return x.created < y.created
	})
	if q.Get("direction") == "desc" {
		slices.Reverse(all)
	}
	list := []any{}
	for _, e := range all {
		list = append(list, c.commentJSON(e.i, e.k))
	}
	page(c, list)
}

// createReaction adds a reaction; one that is there already is given back.
func (c *call) createReaction(args []string) {
	i, k := c.found(args[0])
	if k == nil || !c.mayTalk(i) || !c.only("content") {
		return
	}
	if !slices.Contains(reactions, c.text("content")) {
		c.invalid("Reaction", "content", "content is not included in the list")
		return
	}
	what, code := c.who.login+" "+c.text("content"), http.StatusOK
	if !slices.Contains(k.by, what) {
		k.by, code = append(k.by, what), http.StatusCreated
	}
	c.ok(code, map[string]any{"id": k.id*100 + int64(len(k.by)), "content": c.text("content"), "user": user(c.who.login)})
}
