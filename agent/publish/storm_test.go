package publish_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// storm is an agent that posts about run after run of one commit while everything goes
// wrong that can.
type storm struct {
	f      *hubtest.Fake
	in     int64 // installation; 0 with a token
	o      *outbox
	c      *clock
	g      *publish.GitHub
	poster func() *publish.GitHub
	run    *runner.Run
}

func newStorm(t *testing.T, app bool) *storm {
	s := &storm{o: &outbox{}, c: newClock()}
	if app {
		s.f, s.in = startApp(t)
		s.poster = func() *publish.GitHub { return appPoster(t, s.f) }
	} else {
		s.f, _ = start(t)
		s.poster = func() *publish.GitHub { return poster(t, s.f) }
	}
	s.restart()
	s.say(queued(1))
	return s
}

// say puts what is said about a run as it is now.
func (s *storm) say(r *runner.Run) {
	s.run = r
	s.o.add(all(r, fmt.Sprintf("# Run %d", r.Number))...)
}

// restart is what a new process does: it knows what the outbox knows.
func (s *storm) restart() {
	s.g = s.poster()
	for _, r := range s.o.rows {
		if r.reason == "" {
			r.next = time.Time{}
		}
	}
}

func (s *storm) pass(d time.Duration) {
	s.c.t = s.c.t.Add(d)
	s.f.SetSkew(s.c.t.Sub(newClock().t))
}

func (s *storm) step(t *rapid.T) {
	switch rapid.SampledFrom([]string{"fault", "fault", "go on", "go on", "deliver", "deliver", "die", "time", "delete", "lag", "permit"}).Draw(t, "step") {
	case "fault":
		ft := hubtest.Fault{
			Kind:   rapid.SampledFrom([]string{hubtest.FailStatus, hubtest.FailReset, hubtest.FailTruncated, hubtest.FailPrimary, hubtest.FailSecondary, hubtest.FailHTML}).Draw(t, "kind"),
			Method: rapid.SampledFrom([]string{"", "GET", "POST", "PATCH"}).Draw(t, "method"),
			Skip:   rapid.IntRange(0, 5).Draw(t, "skip"), Times: rapid.IntRange(1, 3).Draw(t, "times"),
			After: rapid.Bool().Draw(t, "after"),
		}
		switch ft.Kind {
		case hubtest.FailPrimary, hubtest.FailSecondary:
			ft.After, ft.Code = false, rapid.SampledFrom([]int{403, 429}).Draw(t, "code")
		case hubtest.FailStatus:
			ft.Code = rapid.SampledFrom([]int{500, 502, 503}).Draw(t, "code")
		}
		s.f.Fail(ft)
	case "go on":
		r := *s.run
		switch r.State {
		case runner.StateQueued:
			s.say(run(r.Number))
		case runner.StateRunning:
			s.say(finish(run(r.Number)))
		default:
			s.say(queued(r.Number + 1))
		}
	case "deliver":
		_, _ = publish.Deliver(context.Background(), s.o, s.g, s.c.now, nil)
	case "die":
		_, _ = publish.Deliver(context.Background(), &mortal{outbox: s.o, left: rapid.IntRange(1, 6).Draw(t, "posts")}, s.g, s.c.now, nil)
		s.restart()
	case "time":
		s.pass(rapid.SampledFrom([]time.Duration{5 * time.Second, time.Minute, 20 * time.Minute, 2 * time.Hour}).Draw(t, "time"))
	case "delete":
		for _, r := range s.o.rows {
			var id int64
			if _, err := fmt.Sscan(r.RemoteID, &id); err == nil && r.Kind == publish.KindComment {
				s.f.DeleteComment(slug, id)
			}
		}
	case "lag":
		s.f.Lag(rapid.SampledFrom([]time.Duration{0, 20 * time.Second, 100 * time.Second}).Draw(t, "lag"))
	case "permit":
		if s.in != 0 {
			s.f.Permit(s.in, "checks", rapid.SampledFrom([]string{"read", "write"}).Draw(t, "checks"))
			s.restart() // what an App may is believed for ten minutes
		}
	}
}

// calm lets everything work again, and delivers what waits.
func (s *storm) calm(t *rapid.T) {
	s.f.Heal()
	if s.in != 0 {
		s.f.Permit(s.in, "checks", "write")
	}
	r := finish(run(s.run.Number))
	if s.run.State == runner.StateDone {
		r = finish(run(s.run.Number + 1))
	}
	s.say(r)
	for range 200 {
		s.restart()
		d, err := publish.Deliver(context.Background(), s.o, s.g, s.c.now, nil)
		if err != nil || d.Dropped > 0 {
			t.Fatalf("%+v, %v", d, err)
		}
		if !strings.Contains(s.o.states(), "pending") {
			return
		}
		s.pass(time.Minute)
	}
	t.Fatalf("something is never posted:\n%s\n%s", s.o.states(), s.o.reasons())
}

var inAll = regexp.MustCompile(`\((\d+) in all`)

// Whatever goes wrong, in whatever order: once everything works again each object is there
// exactly once and says what was said last, none is missing, and none says that something
// is to come.
func TestStorm(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStorm(t, rapid.Bool().Draw(rt, "app"))
		defer s.f.Close()
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			s.step(rt)
		}
		s.calm(rt)
		dump := s.f.Dump()
		for _, bad := range []string{" pending ", "in_progress", " queued "} {
			if strings.Contains(dump, bad) {
				rt.Fatalf("%q is left:\n%s", bad, dump)
			}
		}
		last := fmt.Sprintf("| # Run %d\n", s.run.Number)
		if strings.Count(dump, "comment by") != 1 || strings.Count(dump, "  issue ") != 1 || strings.Count(dump, last) != 2 {
			rt.Fatalf("not exactly once, or not what was said last:\n%s", dump)
		}
		kind := "status"
		if s.in != 0 {
			kind = "check"
		}
		for context, state := range map[string]string{"": "failure", "/proofs": "success", "/checks": "failure"} {
			if strings.Count(dump, kind+" holdfast"+context+" "+state+" ") != 1 {
				rt.Fatalf("%s holdfast%s is not %s:\n%s", kind, context, state, dump)
			}
		}
		for line := range strings.Lines(dump) {
			var n int64
			if m := inAll.FindStringSubmatch(line); m != nil && strings.Contains(line, "check holdfast") {
				if _, err := fmt.Sscan(m[1], &n); err != nil || n > s.run.Number || !strings.Contains(line, " 0 open") {
					rt.Fatalf("more check runs than runs, or an open one:\n%s", dump)
				}
			}
		}
	})
}
