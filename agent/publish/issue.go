package publish

import (
	"context"
	"fmt"

	"github.com/google/go-github/v60/github"
)

// Prefixes of the RemoteID of a tracking issue: its body is ours, or a comment on it.
const (
	issueID   = "issue/"
	commentID = "comment/"
)

// issue keeps the body of a tracking issue. When a number is given and that issue is
// someone else's, its body is not touched: a comment on it is kept instead. A closed issue
// of ours is still edited and stays closed, since a person closed it.
func (p *post) issue(ctx context.Context) (string, error) {
	if p.m.Number > 0 {
		self, err := p.g.self(ctx)
		if err != nil {
			return "", err
		}
		is, _, err := p.api.Issues.Get(ctx, p.owner, p.name, p.m.Number)
		if err != nil {
			return "", err
		}
		key, ok := ParseMarker(is.GetBody())
		if is.IsPullRequest() || is.GetUser().GetLogin() != self || !ok || key != p.m.Key {
			id, err := p.sticky(ctx, p.comments(p.m.Number), p.known(commentID))
			return format(commentID, id), err
		}
		id, err := p.sticky(ctx, p.issues(), int64(p.m.Number))
		return format(issueID, id), err
	}
	id, err := p.sticky(ctx, p.issues(), p.known(issueID))
	if err == nil && id != 0 && p.m.Close {
		err = p.close(ctx, int(id))
	}
	return format(issueID, id), err
}

// close closes an issue of ours, unless somebody did so already.
func (p *post) close(ctx context.Context, number int) error {
	is, _, err := p.api.Issues.Get(ctx, p.owner, p.name, number)
	if err != nil || is.GetState() == "closed" {
		return err
	}
	return p.change(ctx, func() error {
		_, _, err := p.api.Issues.Edit(ctx, p.owner, p.name, number, &github.IssueRequest{State: github.String("closed"), StateReason: github.String("completed")})
		return err
	})
}

// issues are the issues of the repository that we opened, oldest first; numbers are issue
// numbers.
func (p *post) issues() place {
	return place{
		get: func(ctx context.Context, id int64) (*text, error) {
			is, _, err := p.api.Issues.Get(ctx, p.owner, p.name, int(id))
			if err != nil || is.IsPullRequest() {
				return nil, err
			}
			return &text{int64(is.GetNumber()), is.GetUser().GetLogin(), is.GetBody()}, nil
		},
		list: func(ctx context.Context, page int) ([]text, int, error) {
			self, err := p.g.self(ctx)
			if err != nil {
				return nil, 0, err
			}
			list, resp, err := p.api.Issues.ListByRepo(ctx, p.owner, p.name, &github.IssueListByRepoOptions{
				State: "all", Creator: self, Sort: "created", Direction: "asc",
				ListOptions: github.ListOptions{PerPage: perPage, Page: page},
			})
			if err != nil {
				return nil, 0, err
			}
			var texts []text
			for _, is := range list {
				if !is.IsPullRequest() { // the list of issues has them too
					texts = append(texts, text{int64(is.GetNumber()), is.GetUser().GetLogin(), is.GetBody()})
				}
			}
			return texts, resp.NextPage, nil
		},
		create: func(ctx context.Context, body string) (int64, error) {
			if p.m.Title == "" {
				return 0, &PermanentError{Err: fmt.Errorf("no title for a new issue in %s", p.m.Repo)}
			}
			is, _, err := p.api.Issues.Create(ctx, p.owner, p.name, &github.IssueRequest{Title: &p.m.Title, Body: &body})
			return int64(is.GetNumber()), err
		},
		edit: func(ctx context.Context, id int64, body string) error {
			_, _, err := p.api.Issues.Edit(ctx, p.owner, p.name, int(id), &github.IssueRequest{Body: &body})
			return err
		},
	}
}
