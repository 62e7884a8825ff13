package publish

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/runner"
)

// place is where one text of ours is kept up to date: the comments of a conversation, of a
// commit, or the issues of a repository.
type place struct {
	get    func(ctx context.Context, id int64) (*text, error) // nil: it is somewhere else
	list   func(ctx context.Context, page int) (texts []text, next int, err error)
	create func(ctx context.Context, body string) (id int64, err error)
	edit   func(ctx context.Context, id int64, body string) error
	remove func(ctx context.Context, id int64) error // nil: what is there twice stays
}

// text is a body with its author.
type text struct {
	id           int64
	author, body string
}

// sticky makes the text of ours in a place say the message's body, and returns its number.
// The text is ours if it begins with our marker and we wrote it: anyone can copy a marker.
// Known is tried first; if that is gone, all pages are searched, and of several the first
// is kept and the others are removed; if there is none, one is created, unless the message
// is only for one that exists.
func (p *post) sticky(ctx context.Context, at place, known int64) (int64, error) {
	self, err := p.g.self(ctx)
	if err != nil {
		return 0, err
	}
	body := markedBody(p.m.Key, p.m.Body)
	ours := func(t text) bool {
		key, ok := ParseMarker(t.body)
		return ok && key == p.m.Key && sameLogin(t.author, self)
	}
	if known != 0 {
		t, err := at.get(ctx, known)
		if err != nil && !gone(err) {
			return 0, err
		}
		if err == nil && t != nil && ours(*t) {
			if done, err := p.set(ctx, at, *t, body); done || err != nil {
				return t.id, err
			}
		}
	}
	var kept int64
	for page := 1; page != 0 && (kept == 0 || page <= maxPages); {
		if page > maxPages {
			return 0, &PermanentError{Err: runner.WithHint(fmt.Errorf("no text with marker %s in %d pages", Marker(p.m.Key), maxPages),
				"lock this conversation and start another: it is too long to search")}
		}
		texts, next, err := at.list(ctx, page)
		if err != nil {
			return 0, err
		}
		for _, t := range texts {
			if !ours(t) {
				continue
			}
			if kept != 0 {
				if err := p.change(ctx, func() error { return at.remove(ctx, t.id) }); err != nil && !gone(err) {
					return 0, err
				}
				continue
			}
			done, err := p.set(ctx, at, t, body)
			if err != nil || done && at.remove == nil {
				return t.id, err
			}
			if done {
				kept = t.id
			}
		}
		page = next
	}
	if kept != 0 {
		return kept, nil
	}
	if err := p.unseen(); err != nil {
		return 0, err
	}
	if p.m.IfExists {
		return 0, nil
	}
	var id int64
	err = p.create(ctx, func() (err error) {
		id, err = at.create(ctx, body)
		return err
	})
	return id, err
}

// set edits a text unless it says the same already. False without error means that it was
// deleted in between.
func (p *post) set(ctx context.Context, at place, t text, body string) (bool, error) {
	if same(t.body, body) {
		return true, nil
	}
	err := p.change(ctx, func() error { return at.edit(ctx, t.id, body) })
	if gone(err) {
		return false, nil
	}
	return err == nil, err
}

// comments is the conversation of an issue or a pull request.
func (p *post) comments(number int) place {
	return place{
		get: func(ctx context.Context, id int64) (*text, error) {
			c, _, err := p.api.Issues.GetComment(ctx, p.owner, p.name, id)
			if err != nil || !strings.HasSuffix(c.GetIssueURL(), fmt.Sprintf("/issues/%d", number)) {
				return nil, err
			}
			return &text{c.GetID(), c.GetUser().GetLogin(), c.GetBody()}, nil
		},
		list: func(ctx context.Context, page int) ([]text, int, error) {
			list, resp, err := p.api.Issues.ListComments(ctx, p.owner, p.name, number,
				&github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: perPage, Page: page}})
			if err != nil {
				return nil, 0, err
			}
			texts := make([]text, len(list))
			for i, c := range list {
				texts[i] = text{c.GetID(), c.GetUser().GetLogin(), c.GetBody()}
			}
			return texts, resp.NextPage, nil
		},
		create: func(ctx context.Context, body string) (int64, error) {
			c, _, err := p.api.Issues.CreateComment(ctx, p.owner, p.name, number, &github.IssueComment{Body: &body})
			return c.GetID(), err
		},
		edit: func(ctx context.Context, id int64, body string) error {
			_, _, err := p.api.Issues.EditComment(ctx, p.owner, p.name, id, &github.IssueComment{Body: &body})
			return err
		},
		remove: func(ctx context.Context, id int64) error {
			_, err := p.api.Issues.DeleteComment(ctx, p.owner, p.name, id)
			return err
		},
	}
}

// commitComments are the comments on the message's commit.
func (p *post) commitComments() place {
	return place{
		get: func(ctx context.Context, id int64) (*text, error) {
			c, _, err := p.api.Repositories.GetComment(ctx, p.owner, p.name, id)
			if err != nil || c.GetCommitID() != p.m.SHA {
				return nil, err
			}
			return &text{c.GetID(), c.GetUser().GetLogin(), c.GetBody()}, nil
		},
		list: func(ctx context.Context, page int) ([]text, int, error) {
			list, resp, err := p.api.Repositories.ListCommitComments(ctx, p.owner, p.name, p.m.SHA,
				&github.ListOptions{PerPage: perPage, Page: page})
			if err != nil {
				return nil, 0, err
			}
			texts := make([]text, len(list))
			for i, c := range list {
				texts[i] = text{c.GetID(), c.GetUser().GetLogin(), c.GetBody()}
			}
			return texts, resp.NextPage, nil
		},
		create: func(ctx context.Context, body string) (int64, error) {
			c, _, err := p.api.Repositories.CreateComment(ctx, p.owner, p.name, p.m.SHA, &github.RepositoryComment{Body: &body})
			return c.GetID(), err
		},
		edit: func(ctx context.Context, id int64, body string) error {
			_, _, err := p.api.Repositories.UpdateComment(ctx, p.owner, p.name, id, &github.RepositoryComment{Body: &body})
			return err
		},
	}
}

// sameLogin compares two logins: GitHub's are not case-sensitive.
func sameLogin(a, b string) bool { return strings.EqualFold(a, b) }
