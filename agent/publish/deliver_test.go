package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// outbox keeps to the contract of [publish.Outbox] in memory: it gives four messages at a
// time, and withholds them for five minutes.
type outbox struct {
	rows   []*row
	calls  []string
	broken string // method that fails
	now    time.Time
}

type row struct {
	publish.Item
	state  string // pending, posted, failed
	reason string
	next   time.Time
	begun  time.Time // when creating it was begun
}

// is reports whether the row has not changed since it was handed out.
func (r *row) is(it publish.Item) bool { return r.Seq == it.Seq && r.Body == it.Body }

func (o *outbox) add(msgs ...publish.Message) {
	for _, m := range msgs {
		i := slices.IndexFunc(o.rows, func(r *row) bool { return r.Key == m.Key })
		switch {
		case i < 0:
			o.rows = append(o.rows, &row{Item: publish.Item{ID: int64(len(o.rows) + 1), Message: m}, state: "pending"})
		case m.Seq > o.rows[i].Seq || m.Seq == o.rows[i].Seq && m.Body != o.rows[i].Body:
			m.RemoteID = o.rows[i].RemoteID
			*o.rows[i] = row{Item: publish.Item{ID: o.rows[i].ID, Message: m}, state: "pending", begun: o.rows[i].begun}
		}
	}
}

func (o *outbox) fail(method string) error {
	o.calls = append(o.calls, method)
	if o.broken == method {
		return errors.New("database is locked")
	}
	return nil
}

func (o *outbox) Pending(_ context.Context, now time.Time) ([]publish.Item, error) {
	var list []publish.Item
	o.now = now
	for _, r := range o.rows {
		r.Begun = 0
		if !r.begun.IsZero() {
			r.Begun = max(1, now.Sub(r.begun))
		}
		if r.state == "pending" && !r.next.After(now) && len(list) < 4 {
			list = append(list, r.Item)
			r.next = now.Add(5 * time.Minute)
		}
	}
	return list, o.fail("Pending")
}

func (o *outbox) Current(_ context.Context, it publish.Item) (bool, error) {
	return o.rows[it.ID-1].is(it), nil
}

func (o *outbox) Begin(ctx context.Context, it publish.Item) (bool, error) {
	ok, _ := o.Current(ctx, it)
	if ok {
		o.rows[it.ID-1].begun = o.now
	}
	return ok, nil
}

func (o *outbox) Remember(_ context.Context, it publish.Item, id string) error {
	o.rows[it.ID-1].RemoteID = id
	return nil
}

func (o *outbox) Refused(_ context.Context, it publish.Item) error {
	o.rows[it.ID-1].begun = time.Time{}
	return nil
}

func (o *outbox) Delay(_ context.Context, items []publish.Item, until time.Time) error {
	for _, it := range items {
		if r := o.rows[it.ID-1]; r.is(it) {
			r.next = until
		}
	}
	return o.fail("Delay")
}

func (o *outbox) MarkPosted(_ context.Context, it publish.Item, id string, _ time.Time) error {
	if err := o.fail("MarkPosted"); err != nil {
		return err
	}
	r := o.rows[it.ID-1]
	r.begun = time.Time{}
	if id != "" {
		r.RemoteID = id
	}
	if r.is(it) {
		r.state = "posted"
	}
	return nil
}

func (o *outbox) MarkFailed(_ context.Context, it publish.Item, reason string, next time.Time) error {
	r := o.rows[it.ID-1]
	if r.is(it) {
		r.reason, r.next, r.Tries = reason, next, r.Tries+1
		if next.IsZero() {
			r.state = "failed"
		}
	}
	return o.fail("MarkFailed")
}

// states prints what is left, one line for each row.
func (o *outbox) states() string {
	var b strings.Builder
	for _, r := range o.rows {
		fmt.Fprintf(&b, "%s %s\n", r.Key, r.state)
	}
	return b.String()
}

// reasons are why rows are not posted.
func (o *outbox) reasons() string {
	var b strings.Builder
	for _, r := range o.rows {
		if r.reason != "" {
			fmt.Fprintf(&b, "%s %s: %s\n", r.Key, r.state, r.reason)
		}
	}
	return b.String()
}

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func run(number int64) *runner.Run {
	return &runner.Run{
		Number: number, Repo: "pool", Commit: runner.Commit{SHA: sha}, PullRequest: 1, State: runner.StateRunning,
	}
}

// finish ends a run with a good proofs stage and a bad checks stage.
func finish(r *runner.Run) *runner.Run {
	r.State, r.Verdict, r.Reason = runner.StateDone, runner.Failure, "1 rule fails"
	r.Stages = []runner.Result{
		{Stage: "proofs", Verdict: runner.Success, Proofs: &runner.Proofs{Authority: true, Modules: make([]runner.Module, 6), Theorems: make([]runner.Theorem, 12)}},
		{Stage: "checks", Verdict: runner.Failure, Reason: "1 rule fails"},
		{Stage: "bench", Verdict: runner.Neutral, Reason: "no benchmarks are configured"},
	}
	return r
}

var target = publish.Target{Repo: slug, Report: publish.ReportIssue}

// all is everything that is said about a run.
func all(r *runner.Run, body string) []publish.Message {
	msgs := publish.Statuses(target, r, runner.Stages)
	if r.State == runner.StateDone {
		if m, ok := publish.Comment(target, r, body); ok {
			msgs = append(msgs, m)
		}
		if m, ok := publish.Maintenance(target, r, body); ok {
			msgs = append(msgs, m)
		}
	}
	return msgs
}

func deliver(t *testing.T, o *outbox, p publish.Poster, c *clock) publish.Delivery {
	t.Helper()
	d, err := publish.Deliver(t.Context(), o, p, c.now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const finalState = `repository acme/pool
  branch main a1a1a1a1a1
  commit a1a1a1a1a1
    status holdfast failure "1 rule fails" by holdfast-bot (2 in all)
    status holdfast/bench success "does not apply: no benchmarks are configured" by holdfast-bot (2 in all)
    status holdfast/checks failure "1 rule fails" by holdfast-bot (2 in all)
    status holdfast/proofs success "6 modules, 12 theorems" by holdfast-bot (2 in all)
  pull 1 open "Faster" by alice fix@b2b2b2b2b2 -> main
    comment by holdfast-bot
      | <!-- holdfast:comment/acme/pool/1 -->
      | # Run 1
  issue 2 open "Holdfast: maintenance report for pool" by holdfast-bot
      | <!-- holdfast:issue/acme/pool/pool -->
      | # Run 1
`

// One run from pending to its end, then everything once more, with and without what the
// first time remembered: nothing changes.
func TestWholeRunTwice(t *testing.T) {
	f, g := start(t)
	o, c := &outbox{}, newClock()
	o.add(all(run(1), "")...)
	deliver(t, o, g, c)
	if dump := f.Dump(); strings.Count(dump, " pending ") != 4 {
		t.Errorf("while running:\n%s", dump)
	}
	o.add(all(finish(run(1)), "# Run 1")...)
	if d := deliver(t, o, g, c); d.Posted != 6 || d.Dropped+d.Waiting != 0 || !d.Next.IsZero() {
		t.Errorf("delivery %+v", d)
	}
	if got := f.Dump(); got != finalState {
		t.Errorf("state:\n%s\nwant:\n%s", got, finalState)
	}

	for _, lost := range []bool{false, true} {
		f.Forget()
		for _, r := range o.rows {
			r.state, r.next = "pending", time.Time{}
			if lost {
				r.RemoteID = ""
			}
		}
		deliver(t, o, poster(t, f), c)
		if got := f.Dump(); got != finalState {
			t.Errorf("state after posting again (numbers lost: %v):\n%s", lost, got)
		}
		for _, r := range f.Requests() {
			if !strings.HasPrefix(r, "GET ") {
				t.Errorf("posting again did %s", r)
			}
		}
	}
}

// The process dies after each post, before it is recorded; the next one finishes it. However
// often that happens, the state is the one of an undisturbed delivery.
func TestCrashAnywhere(t *testing.T) {
	for crash := 1; ; crash++ {
		f, g := start(t)
		o, c := &outbox{}, newClock()
		o.add(all(run(1), "")...)
		deliver(t, o, g, c)
		o.add(all(finish(run(1)), "# Run 1")...)
		dying := &mortal{outbox: o, left: crash}
		_, err := publish.Deliver(t.Context(), dying, g, c.now, nil)
		if err == nil {
			if crash != 7 {
				t.Fatalf("%d messages were posted, want 6", crash-1)
			}
			return // no such point any more
		}
		c.t = c.t.Add(5 * time.Minute)
		deliver(t, o, poster(t, f), c)
		if got := f.Dump(); got != finalState {
			t.Fatalf("after a crash at post %d:\n%s", crash, got)
		}
		if strings.Contains(o.states(), "pending") {
			t.Errorf("after a crash at post %d something is left:\n%s", crash, o.states())
		}
	}
}

var errDied = errors.New("power cut")

// mortal loses power before it has recorded the post with number left.
type mortal struct {
	*outbox
	left int
}

func (m *mortal) MarkPosted(ctx context.Context, it publish.Item, id string, now time.Time) error {
	if m.left--; m.left <= 0 {
		return errDied
	}
	return m.outbox.MarkPosted(ctx, it, id, now)
}

// An older state never replaces a newer one, not even when it was delayed.
func TestNewestWins(t *testing.T) {
	f, g := start(t)
	o, c := &outbox{}, newClock()
	o.add(all(finish(run(1)), "# Run 1")...)
	f.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Method: "POST", Code: 502, Times: -1})
	if d := deliver(t, o, g, c); d.Waiting != 6 || d.Posted != 0 {
		t.Errorf("delivery %+v", d)
	}
	f.Heal()
	o.add(all(finish(run(2)), "# Run 2")...)
	o.add(all(run(1), "")...) // late and out of date
	o.add(all(run(2), "")...)
	c.t = c.t.Add(2 * time.Hour)
	deliver(t, o, g, c)
	dump := f.Dump()
	if strings.Contains(dump, "Run 1") || strings.Contains(dump, "pending") || strings.Count(dump, "(1 in all)") != 4 || strings.Count(dump, "| # Run 2\n") != 2 {
		t.Errorf("state:\n%s", dump)
	}
}

// A newer state that comes while the older one is being posted is posted next.
func TestNewerWhilePosting(t *testing.T) {
	f, g := start(t)
	o, c := &outbox{}, newClock()
	o.add(publish.Statuses(target, run(1), nil)...)
	late := &late{outbox: o, asked: 2, add: func() { o.add(publish.Statuses(target, finish(run(1)), nil)...) }}
	if d, err := publish.Deliver(t.Context(), late, g, c.now, nil); d.Posted != 2 || err != nil {
		t.Errorf("delivery %+v, %v", d, err)
	}
	wantDump(t, f, `status holdfast failure "1 rule fails" by holdfast-bot (2 in all)`)
}

// What becomes known about the same run while its message is being posted, or waits for its
// turn, is posted next, and not only when it could be taken for forgotten.
func TestMoreKnownWhilePosting(t *testing.T) {
	for asked := 1; asked <= 2; asked++ {
		f, g := start(t)
		o, c := &outbox{}, newClock()
		first := publish.Statuses(target, finish(run(1)), nil)[0]
		o.add(first, publish.Regression(target, finish(run(1)), "regression/a", "it regressed", "searching", false))
		late := &late{outbox: o, asked: asked, add: func() {
			o.add(publish.Regression(target, finish(run(1)), "regression/a", "it regressed", "the culprit", false))
		}}
		if _, err := publish.Deliver(t.Context(), late, g, c.now, nil); err != nil {
			t.Error(err)
		}
		if !strings.Contains(f.Dump(), "| the culprit\n") {
			t.Errorf("asked %d times:\n%s%s", asked, o.states(), f.Dump())
		}
	}
}

// late adds something right after it was asked for the last time whether a message is
// current: while that is being sent.
type late struct {
	*outbox
	asked int
	add   func()
}

func (l *late) Current(ctx context.Context, it publish.Item) (bool, error) {
	ok, err := l.outbox.Current(ctx, it)
	if l.asked--; l.asked == 0 {
		l.add()
	}
	return ok, err
}

type hook struct {
	publish.Poster
	before func()
}

func (h *hook) Post(ctx context.Context, m publish.Message) (string, error) {
	if h.before != nil {
		h.before()
	}
	return h.Poster.Post(ctx, m)
}

// A limit stops the delivery at once and loses nothing.
func TestLimitStopsDelivery(t *testing.T) {
	f, g := start(t)
	o, c := &outbox{}, newClock()
	o.add(all(finish(run(1)), "# Run 1")...)
	f.Fail(hubtest.Fault{Kind: hubtest.FailSecondary, Method: "POST", Code: 429, RetryAfter: 77})
	d := deliver(t, o, g, c)
	if d.Waiting != 6 || !d.Next.Equal(c.t.Add(77*time.Second)) {
		t.Errorf("delivery %+v, want all messages waiting for 77 s", d)
	}
	if n := len(f.Requests()); n != 2 {
		t.Errorf("%d requests, want 2:\n%s", n, strings.Join(f.Requests(), "\n"))
	}
	// The next process has no hold-back any more, since the time is over.
	c.t = c.t.Add(78 * time.Second)
	if d := deliver(t, o, poster(t, f), c); d.Posted != 6 {
		t.Errorf("delivery %+v", d)
	}
}

// An hour that is used up for one owner keeps back that owner's messages only.
func TestLimitOfOneOwner(t *testing.T) {
	o, c := &outbox{}, newClock()
	for _, repo := range []string{"acme/pool", "beta/lake", "acme/pond", "beta/sea"} {
		m := status("success", "x")
		m.Repo, m.Key = repo, "status/"+repo
		o.add(m)
	}
	p := posting(func(m publish.Message) error {
		if m.Repo == "acme/pond" {
			t.Error("acme/pond was tried")
		}
		if m.Repo == "acme/pool" {
			return &publish.RetryError{After: time.Hour, All: true, Payer: "acme", Err: errors.New("used up")}
		}
		return nil
	})
	if d := deliver(t, o, p, c); d.Posted != 2 || d.Waiting != 2 || !d.Next.Equal(c.t.Add(time.Hour)) {
		t.Errorf("delivery %+v", d)
	}
}

// A message whose place a newer one took before its turn came is not sent.
func TestSupersededIsNotSent(t *testing.T) {
	f, g := start(t)
	o, c := &outbox{}, newClock()
	o.add(all(run(1), "")...)
	first := true
	h := &hook{Poster: g}
	h.before = func() {
		if first {
			first = false
			o.add(all(finish(run(1)), "# Run 1")...)
		}
	}
	deliver(t, o, h, c)
	c.t = c.t.Add(time.Hour)
	deliver(t, o, h, c)
	if got := strings.Count(strings.Join(f.Requests(), "\n"), `state="pending"`); got != 0 {
		t.Errorf("%d pending statuses were sent:\n%s", got, strings.Join(f.Requests(), "\n"))
	}
	wantDump(t, f, `status holdfast failure "1 rule fails" by holdfast-bot (1 in all)`)
	wantDump(t, f, `status holdfast/checks failure "1 rule fails" by holdfast-bot (1 in all)`)
}

type posting func(publish.Message) error

func (p posting) Post(_ context.Context, m publish.Message) (string, error) { return "", p(m) }

// One message that can never be posted does not keep the others.
func TestPermanentIsDropped(t *testing.T) {
	f, g := start(t)
	f.Lock(slug, 1)
	o, c := &outbox{}, newClock()
	o.add(all(finish(run(1)), "# Run 1")...)
	var log bytes.Buffer
	d, err := publish.Deliver(t.Context(), o, g, c.now, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || d.Posted != 5 || d.Dropped != 1 || d.Waiting != 0 {
		t.Errorf("delivery %+v, %v", d, err)
	}
	if !strings.Contains(log.String(), "issue is locked") || !strings.Contains(log.String(), "key=comment/acme/pool/1") || strings.Contains(log.String(), hubtest.Token) {
		t.Errorf("log:\n%s", log.String())
	}
	f.Forget()
	if d := deliver(t, o, g, c); d != (publish.Delivery{}) || len(f.Requests()) != 0 {
		t.Errorf("the next delivery: %+v, %q", d, f.Requests())
	}
}

type failing struct{ err error }

func (f failing) Post(context.Context, publish.Message) (string, error) { return "", f.err }

func TestBackoffAndGivingUp(t *testing.T) {
	o, c := &outbox{}, newClock()
	o.add(status("success", "x"))
	p := failing{&publish.RetryError{After: time.Minute, Err: errors.New("502")}}
	var waits []time.Duration
	for o.rows[0].state == "pending" {
		d := deliver(t, o, p, c)
		if d.Waiting == 1 {
			waits = append(waits, d.Next.Sub(c.t))
			c.t = d.Next
		}
	}
	for i, n := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if w := n * time.Minute; waits[i] < w || waits[i] > w+w/5 {
			t.Errorf("wait %d is %s, want %s to a fifth more", i, waits[i], w)
		}
	}
	if len(waits) != 339 || waits[6] == waits[7] {
		t.Errorf("%d waits, want 339 that differ: %v", len(waits), waits)
	}
	if r := o.rows[0]; r.state != "failed" || !strings.Contains(r.reason, "gave up after 340 attempts") {
		t.Errorf("in the end %s: %s", r.state, r.reason)
	}

	// A refused token is waited out however long it takes.
	o = &outbox{}
	o.add(status("success", "x"))
	o.rows[0].Tries = 1000
	p = failing{&publish.RetryError{After: 15 * time.Minute, All: true, Err: errors.New("401")}}
	if d := deliver(t, o, p, c); d.Waiting != 1 || d.Next.Sub(c.t) != 15*time.Minute {
		t.Errorf("delivery %+v", d)
	}
}

func TestBrokenOutbox(t *testing.T) {
	for _, method := range []string{"Pending", "MarkPosted", "MarkFailed"} {
		f, g := start(t)
		o := &outbox{broken: method}
		o.add(status("success", "x"))
		if method == "MarkFailed" {
			f.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Method: "POST"})
		}
		if _, err := publish.Deliver(t.Context(), o, g, newClock().now, nil); err == nil || !strings.Contains(err.Error(), "database is locked") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestDeliverCancelled(t *testing.T) {
	_, g := start(t)
	o := &outbox{}
	o.add(all(finish(run(1)), "# Run 1")...)
	ctx, cancel := context.WithCancel(t.Context())
	p := &hook{Poster: g, before: cancel}
	d, err := publish.Deliver(ctx, o, p, newClock().now, nil)
	if !errors.Is(err, context.Canceled) || d.Posted != 0 {
		t.Errorf("delivery %+v, %v", d, err)
	}
	if slices.Contains(o.calls, "MarkFailed") {
		t.Error("being stopped counted as a failure to post")
	}
}

func TestDryRunDelivers(t *testing.T) {
	var out bytes.Buffer
	o := &outbox{}
	o.add(all(finish(run(1)), "# Run 1")...)
	if d := deliver(t, o, publish.NewDryRun(&out), newClock()); d.Posted != 6 || strings.Count(out.String(), "would post ") != 6 {
		t.Errorf("%+v\n%s", d, out.String())
	}
}
