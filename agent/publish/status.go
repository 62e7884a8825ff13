package publish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/agent/hub"
)

// state says what is known of a commit: by a check run if the message has one and the
// credential may create it, else by a commit status. Where it may in the middle of a run no
// more, or from then on, neither is left behind as pending.
func (p *post) state(ctx context.Context) (string, error) {
	if p.m.Check == nil {
		return p.status(ctx)
	}
	repo := strings.ToLower(p.m.Repo)
	may := p.leftOpen() || time.Now().After(p.g.noChecks[repo])
	if may {
		var err error
		if may, err = p.g.c.MayCheck(ctx, p.m.Repo); err != nil {
			return "", err
		}
	}
	if !may {
		return p.instead(ctx)
	}
	id, err := p.checkRun(ctx)
	var st *hub.StatusError
	if errors.As(hub.Explain(err), &st) && st.Code == http.StatusForbidden {
		if p.g.noChecks == nil {
			p.g.noChecks = map[string]time.Time{}
		}
		p.g.noChecks[repo] = time.Now().Add(refusalLife)
		return p.instead(ctx)
	}
	pending := p.known(pendingID)
	switch {
	case err != nil || pending == 0:
		return id, err
	case p.m.Check.Status != checkCompleted:
		return id + " " + format(pendingID, pending), nil
	}
	_, err = p.status(ctx)
	return id, err
}

// leftOpen reports whether there may be a check run of this commit and context that says
// something is still to come.
func (p *post) leftOpen() bool {
	return p.known(openID) != 0 || p.m.hold != nil && p.m.hold.item.Begun > 0
}

// instead posts a commit status in the place of a check run. A check run that was made
// when that was still allowed cannot be changed now, and would be pending for ever: the
// message stays in the outbox until it can be concluded.
func (p *post) instead(ctx context.Context) (string, error) {
	id, err := p.status(ctx)
	switch {
	case err != nil:
		return "", err
	case p.m.Check.Status != checkCompleted:
		return strings.TrimSpace(format(openID, p.known(openID)) + " " + pendingID + id), nil
	case !p.leftOpen():
		return id, nil
	}
	return "", &RetryError{After: tokenWait, Keep: true, Err: fmt.Errorf(
		"said by a commit status; the check run %s on %.10s that was begun earlier stays open until the App has the permission checks: write again", p.m.Context, p.m.SHA)}
}

// refusalLife is how long a refused check run is taken for a missing permission before
// it is tried again.
const refusalLife = time.Hour

// status posts a commit status unless the newest one of its context says the same already.
// GitHub keeps every status ever posted, a thousand for a commit and context, so looking
// first also covers the post whose answer was lost.
func (p *post) status(ctx context.Context) (string, error) {
	want := &github.RepoStatus{
		State: &p.m.State, Context: &p.m.Context, Description: github.String(Description(p.m.Description)),
	}
	if p.m.TargetURL != "" {
		want.TargetURL = &p.m.TargetURL
	}
	have, err := p.newest(ctx)
	if err != nil {
		return "", err
	}
	if have != nil && have.GetState() == StatePending && (p.m.Live || p.m.queued() && have.GetDescription() == Announced) {
		return format("", have.GetID()), nil // a commit status has no room for progress
	}
	if have != nil && p.upToDate(have.GetID()) && have.GetState() == want.GetState() && have.GetDescription() == want.GetDescription() && have.GetTargetURL() == want.GetTargetURL() {
		return format("", have.GetID()), nil
	}
	if h := p.m.hold; h != nil && p.m.State == StatePending && p.known(pendingID) != unknown {
		// Whoever concludes it has to know of it, also if its answer is lost.
		others := slices.DeleteFunc(strings.Fields(p.m.RemoteID), func(s string) bool { return strings.HasPrefix(s, pendingID) })
		if err := h.box.Remember(ctx, h.item, strings.Join(append(others, format(pendingID, unknown)), " ")); err != nil {
			return "", fmt.Errorf("record what is begun: %w", err)
		}
	}
	var id int64
	err = p.change(ctx, func() error {
		got, _, err := p.api.Repositories.CreateStatus(ctx, p.owner, p.name, p.m.SHA, want)
		id = got.GetID()
		return err
	})
	return format("", id), err
}

// unknown stands for the number of a pending status of which it is not known whether it was
// posted.
const unknown = 1

// upToDate reports whether a list whose newest status has a number shows what we posted
// last. One that lags behind may show a conclusion that a pending status has replaced.
func (p *post) upToDate(newest int64) bool {
	pending := p.known(pendingID)
	return pending != unknown && newest >= max(pending, p.known(""))
}

// newest finds the newest status of the message's context, nil if there is none. Contexts
// are not case-sensitive; the list has the newest first.
func (p *post) newest(ctx context.Context) (*github.RepoStatus, error) {
	opt := &github.ListOptions{PerPage: perPage, Page: 1}
	for opt.Page != 0 && opt.Page <= maxPages {
		list, resp, err := p.api.Repositories.ListStatuses(ctx, p.owner, p.name, p.m.SHA, opt)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if strings.EqualFold(s.GetContext(), p.m.Context) {
				return s, nil
			}
		}
		opt.Page = resp.NextPage
	}
	return nil, nil
}
