package publish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
)

// settled is how long after it was begun something that is on none of GitHub's lists is
// taken for not created. Its replicas are seconds behind.
const settled = 2 * time.Minute

// firstLook is how long the second look at the lists waits; each of the next waits for as
// long as it all took so far.
const firstLook = 5 * time.Second

// noteFor is how long it may take to note what GitHub answered when the agent stops.
const noteFor = 10 * time.Second

// hold is what the poster of an item asks the outbox.
type hold struct {
	box  Outbox
	item Item
}

// errOvertaken says that a message is not the poster's to post any more.
var errOvertaken = errors.New("overtaken by a newer message, or by another agent")

// unsettledError says that it has to be seen what came of an earlier attempt to create
// something. Nothing was sent.
type unsettledError struct{ began, after time.Duration }

func (e *unsettledError) Error() string {
	return fmt.Sprintf("begun %s ago without an answer, and not to be seen yet", e.began.Round(time.Second))
}

// unseen is asked when a search found nothing: an error if what is looked for may be there
// all the same.
func (p *post) unseen() error {
	if p.m.hold == nil {
		return nil
	}
	began := p.m.hold.item.Begun
	if began <= 0 || began >= p.g.settled {
		return nil
	}
	return &unsettledError{began, min(max(firstLook, began), p.g.settled-began)}
}

// create is change for what makes something new that GitHub does not recognize as the
// same when it is asked for twice.
func (p *post) create(ctx context.Context, act func() error) error {
	h := p.m.hold
	if h == nil {
		return p.change(ctx, act)
	}
	return p.turn(ctx, func() error {
		if ok, err := h.box.Begin(ctx, h.item); err != nil {
			return fmt.Errorf("record what is begun: %w", err)
		} else if !ok {
			return errOvertaken
		}
		err := act()
		if refused(err) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteFor)
			defer cancel()
			if err := h.box.Refused(ctx, h.item); err != nil {
				p.g.log.Warn("record that nothing was created", "key", p.m.Key, "error", err)
			}
		}
		return err
	})
}

// refused reports whether GitHub answered that it did not do what was asked.
func refused(err error) bool {
	var lim *hub.LimitError
	var st *hub.StatusError
	explained := hub.Explain(err)
	switch {
	case err == nil:
		return false
	case errors.As(explained, &lim):
		return true
	case errors.As(explained, &st):
		return st.Code >= 400 && st.Code < 500 && st.Code != http.StatusRequestTimeout
	}
	return false
}
