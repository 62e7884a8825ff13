package hubtest

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (c *call) listIssues(_ []string) {
	if c.repo.noIssues {
		c.fail(http.StatusGone, "Issues are disabled for this repo")
		return
	}
	q := c.r.URL.Query()
	list := []any{}
	for _, i := range c.repo.issues {
		st := q.Get("state")
		if st == "" {
			st = "open"
		}
		if st != "all" && st != state(i) || q.Get("creator") != "" && !strings.EqualFold(q.Get("creator"), i.author) {
			continue
		}
		list = append(list, c.issueJSON(i))
	}
	if q.Get("direction") != "asc" { // the newest first is the default
		for a, b := 0, len(list)-1; a < b; a, b = a+1, b-1 {
			list[a], list[b] = list[b], list[a]
		}
	}
	page(c, list)
}

func (c *call) issueJSON(i *issue) map[string]any {
	m := map[string]any{
		"id": i.id, "number": i.number, "title": i.title, "body": i.body, "state": state(i), "locked": i.locked,
		"user": user(i.author), "created_at": i.created, "comments": len(i.comments),
	}
	if i.pull != nil {
		m["pull_request"] = map[string]any{"url": c.f.URL() + "repos/" + c.repo.slug + "/pulls/" + strconv.Itoa(i.number)}
	}
	return m
}

func (c *call) getIssue(args []string) {
	i := c.issue(args[0])
	switch {
	case i == nil:
		c.fail(http.StatusNotFound, "Not Found")
	case c.repo.noIssues && i.pull == nil:
		c.fail(http.StatusGone, "Issues are disabled for this repo")
	default:
		c.ok(http.StatusOK, c.issueJSON(i))
	}
}

func (c *call) createIssue(_ []string) {
	switch {
	case !c.may("issues") || !c.only("title", "body"):
	case c.repo.noIssues:
		c.fail(http.StatusGone, "Issues are disabled for this repo")
	case strings.TrimSpace(c.text("title")) == "" || utf8.RuneCountInString(c.text("title")) > 256:
		c.invalid("Issue", "title", "title is missing or too long (maximum is 256 characters)")
	case !c.goodBody("Issue", false):
	default:
		i := &issue{id: c.f.id(), number: len(c.repo.issues) + 1, title: c.text("title"), body: c.text("body"), author: c.who.login, created: c.f.now()}
		c.repo.issues = append(c.repo.issues, i)
		c.ok(http.StatusCreated, c.issueJSON(i))
	}
}

func (c *call) editIssue(args []string) {
	i := c.issue(args[0])
	switch {
	case !c.may("issues") || !c.only("title", "body", "state", "state_reason"):
	case i == nil:
		c.fail(http.StatusNotFound, "Not Found")
	case c.repo.noIssues && i.pull == nil:
		c.fail(http.StatusGone, "Issues are disabled for this repo")
	case !c.goodBody("Issue", false):
	default:
		if _, ok := c.fields["body"]; ok {
			i.body = c.text("body")
		}
		if t := c.text("title"); t != "" {
			i.title = t
		}
		if s := c.text("state"); s != "" {
			i.closed = s == "closed"
		}
		i.edits++
		c.ok(http.StatusOK, c.issueJSON(i))
	}
}

func (c *call) listComments(args []string) {
	i := c.issue(args[0])
	if i == nil {
		c.fail(http.StatusNotFound, "Not Found")
		return
	}
	list := []any{}
	for _, k := range i.comments {
		list = append(list, c.commentJSON(i, k))
	}
	page(c, list)
}

func (c *call) commentJSON(i *issue, k *comment) map[string]any {
	m := map[string]any{"id": k.id, "body": k.body, "user": user(k.author), "created_at": k.created, "updated_at": k.changed()}
	if i != nil {
		m["issue_url"] = c.f.URL() + "repos/" + c.repo.slug + "/issues/" + strconv.Itoa(i.number)
	} else {
		m["commit_id"] = k.sha
	}
	return m
}

func (c *call) createComment(args []string) {
	i := c.issue(args[0])
	switch {
	case i == nil:
		c.fail(http.StatusNotFound, "Not Found")
	case !c.mayTalk(i) || !c.only("body"):
	case !c.goodBody("IssueComment", true):
	default:
		k := &comment{id: c.f.id(), author: c.who.login, body: c.text("body"), created: c.f.now()}
		i.comments = append(i.comments, k)
		c.ok(http.StatusCreated, c.commentJSON(i, k))
	}
}

// mayTalk checks permission and lock of a conversation.
func (c *call) mayTalk(i *issue) bool {
	need := "issues"
	if i.pull != nil {
		need = "pull_requests"
	}
	if !c.may(need) {
		return false
	}
	if i.locked {
		c.fail(http.StatusForbidden, "Unable to create comment because issue is locked.")
		return false
	}
	return true
}

func (c *call) found(arg string) (*issue, *comment) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err == nil {
		if i, k := c.repo.comment(id); k != nil {
			return i, k
		}
	}
	c.fail(http.StatusNotFound, "Not Found")
	return nil, nil
}

func (c *call) getComment(args []string) {
	if i, k := c.found(args[0]); k != nil {
		c.ok(http.StatusOK, c.commentJSON(i, k))
	}
}

func (c *call) editComment(args []string) {
	i, k := c.found(args[0])
	if k == nil || !c.mayTalk(i) || !c.only("body") || !c.goodBody("IssueComment", true) {
		return
	}
	if k.author != c.who.login {
		c.fail(http.StatusForbidden, "hubtest: %s edits a comment of %s", c.who.login, k.author)
		return
	}
	k.body, k.updated = c.text("body"), c.f.now()
	k.edits++
	c.ok(http.StatusOK, c.commentJSON(i, k))
}

func (c *call) removeComment(args []string) {
	i, k := c.found(args[0])
	if k == nil || !c.mayTalk(i) {
		return
	}
	c.repo.deleteComment(k.id)
	c.ok(http.StatusNoContent, nil)
}

func (c *call) listCommitComments(args []string) {
	if !c.repo.commits[args[0]] {
		c.fail(http.StatusUnprocessableEntity, "No commit found for SHA: %s", args[0])
		return
	}
	list := []any{}
	for _, k := range c.repo.onCommits {
		if k.sha == args[0] {
			list = append(list, c.commentJSON(nil, k))
		}
	}
	page(c, list)
}

func (c *call) createCommitComment(args []string) {
	switch {
	case !c.may("contents") || !c.only("body"):
	case !c.repo.commits[args[0]]:
		c.fail(http.StatusUnprocessableEntity, "No commit found for SHA: %s", args[0])
	case !c.goodBody("CommitComment", true):
	default:
		k := &comment{id: c.f.id(), sha: args[0], author: c.who.login, body: c.text("body"), created: c.f.now()}
		c.repo.onCommits = append(c.repo.onCommits, k)
		c.ok(http.StatusCreated, c.commentJSON(nil, k))
	}
}

func (c *call) foundOnCommit(arg string) *comment {
	for _, k := range c.repo.onCommits {
		if strconv.FormatInt(k.id, 10) == arg {
			return k
		}
	}
	c.fail(http.StatusNotFound, "Not Found")
	return nil
}

func (c *call) getCommitComment(args []string) {
	if k := c.foundOnCommit(args[0]); k != nil {
		c.ok(http.StatusOK, c.commentJSON(nil, k))
	}
}

func (c *call) editCommitComment(args []string) {
	k := c.foundOnCommit(args[0])
	if k == nil || !c.may("contents") || !c.only("body") || !c.goodBody("CommitComment", true) {
		return
	}
	if k.author != c.who.login {
		c.fail(http.StatusForbidden, "hubtest: %s edits a comment of %s", c.who.login, k.author)
		return
	}
	k.body = c.text("body")
	k.edits++
	c.ok(http.StatusOK, c.commentJSON(nil, k))
}

// goodBody checks the length of a body, in characters.
func (c *call) goodBody(resource string, needed bool) bool {
	body := c.text("body")
	if needed && strings.TrimSpace(body) == "" {
		c.invalid(resource, "body", "body can't be blank")
		return false
	}
	if utf8.RuneCountInString(body) > maxText {
		c.invalid(resource, "body", "body is too long (maximum is 65536 characters)")
		return false
	}
	return true
}
