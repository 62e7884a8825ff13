package publish

import (
	"context"
	"fmt"
)

// note keeps one comment on an issue of ours. Like every comment it is found by its marker,
// so that it is there once however often it is posted.
func (p *post) note(ctx context.Context) (string, error) {
	number := p.m.Number
	if number == 0 {
		var err error
		if number, err = p.issueOf(ctx, p.m.On); err != nil {
			return "", err
		}
	}
	id, err := p.sticky(ctx, p.comments(number), p.known(""))
	return format("", id), err
}

// issueOf finds the issue that the messages of a key keep.
func (p *post) issueOf(ctx context.Context, key string) (int, error) {
	self, err := p.g.self(ctx)
	if err != nil {
		return 0, err
	}
	at := p.issues()
	for page := 1; page != 0 && page <= maxPages; {
		texts, next, err := at.list(ctx, page)
		if err != nil {
			return 0, err
		}
		for _, t := range texts {
			if k, ok := ParseMarker(t.body); ok && k == key && sameLogin(t.author, self) {
				return int(t.id), nil
			}
		}
		page = next
	}
	// It is posted before its notes, so somebody has deleted it, or a list lags behind.
	return 0, &RetryError{After: shortWait, Err: fmt.Errorf("no issue with marker %s", Marker(key))}
}

// reaction reacts to a comment. GitHub keeps one reaction of a kind for each person: to
// repeat it changes nothing.
func (p *post) reaction(ctx context.Context) (string, error) {
	var id int64
	err := p.change(ctx, func() error {
		r, _, err := p.api.Reactions.CreateIssueCommentReaction(ctx, p.owner, p.name, p.m.Comment, p.m.Content)
		id = r.GetID()
		return err
	})
	return format("", id), err
}
