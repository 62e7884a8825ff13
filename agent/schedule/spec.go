// Package schedule turns cron expressions into ticks and hands each tick over once.
//
// A tick is an instant at which a schedule is due. [Spec] knows the instants, [Due]
// (pure) finds the newest one that is due, and [Loop] wakes at least every 30 seconds,
// reads the wall clock and offers what became due to a function. Remembering which
// tick was taken, so that two agents or a restart do not take it twice, is left to the
// store: a tick is unique by schedule name and instant.
//
// # Daylight saving
//
// A schedule whose hour field is a plain "*" runs at every instant whose wall clock
// matches, in the repeated hour of autumn as well: "every 10 minutes" means that. Any
// other schedule names times of a day and runs once for each:
//
//   - A time that a clock skips in spring (02:30 in New York on the second Sunday of
//     March) is due at the first instant after the gap. Several times inside one gap
//     are one tick.
//   - A time that comes twice in autumn is due at its first occurrence only.
//
// Vixie cron draws the same line (cron(8), "Local time changes").
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Spec is a parsed cron expression in a time zone. The zero value never fires.
type Spec struct {
	expr     string
	loc      *time.Location
	fields   cron.SpecSchedule
	every    time.Duration // for "@every": ticks at multiples of it since 1970
	anyHour  bool
	nonEmpty bool
}

// allHours has a bit for each hour of a day, as [cron.SpecSchedule] keeps them.
const allHours = 1<<24 - 1

// Parse reads a cron expression of five fields (minute, hour, day of month, month, day
// of week) or one of the descriptors @yearly, @monthly, @weekly, @daily, @hourly and
// "@every DURATION". loc is its time zone; nil means UTC. An expression that never
// fires, such as 31 February, is an error. A TZ= prefix is refused: the zone is a
// setting of its own.
func Parse(expr string, loc *time.Location) (Spec, error) {
	if loc == nil {
		loc = time.UTC
	}
	expr = strings.TrimSpace(expr)
	if expr == "" {
		return Spec{}, errors.New("empty cron expression")
	}
	if strings.HasPrefix(expr, "TZ=") || strings.HasPrefix(expr, "CRON_TZ=") {
		return Spec{}, errors.New("a time zone inside the expression is not supported; use the timezone key")
	}
	s := Spec{expr: expr, loc: loc, nonEmpty: true}
	switch parsed, err := parse(expr); p := parsed.(type) {
	case *cron.SpecSchedule:
		s.fields = *p
		s.fields.Location = time.UTC
		s.anyHour = p.Hour&allHours == allHours
	case cron.ConstantDelaySchedule:
		if p.Delay < time.Minute {
			return Spec{}, fmt.Errorf("@every %s is more often than once a minute", p.Delay)
		}
		s.every = p.Delay
	default:
		if err == nil {
			err = errors.New("not a cron expression")
		}
		return Spec{}, err
	}
	if s.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Spec{}, errors.New("never fires: no such day in the calendar")
	}
	return s, nil
}

// parse calls the cron parser, which panics on some texts (v3.0.1: "TZ=0").
func parse(expr string) (s cron.Schedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, errors.New("not a cron expression")
		}
	}()
	return cron.ParseStandard(expr)
}

// String is the expression as written.
func (s Spec) String() string { return s.expr }

// Location is the time zone, UTC for the zero value.
func (s Spec) Location() *time.Location {
	if s.loc == nil {
		return time.UTC
	}
	return s.loc
}

// Next returns the first tick after t, in the time zone of the schedule. It is zero if
// there is none within about five years.
func (s Spec) Next(t time.Time) time.Time {
	switch {
	case !s.nonEmpty:
		return time.Time{}
	case s.every > 0:
		return s.nextEvery(t)
	case s.anyHour:
		return s.nextInstant(t)
	}
	return s.nextWall(t)
}

// nextEvery gives multiples of the interval since 1970, so that the ticks are the same
// after a restart and on another machine.
func (s Spec) nextEvery(t time.Time) time.Time {
	ms := s.every.Milliseconds()
	n := t.UnixMilli() / ms
	if t.UnixMilli() < 0 && t.UnixMilli()%ms != 0 {
		n-- // round down, not towards 1970
	}
	return time.UnixMilli((n + 1) * ms).In(s.loc)
}

// nextInstant finds the next instant whose wall clock matches. It goes from one stretch
// of constant offset to the next: inside one the arithmetic is exact.
func (s Spec) nextInstant(t time.Time) time.Time {
	end := t.AddDate(6, 0, 0)
	for t.Before(end) {
		t = t.In(s.loc)
		name, offset := t.Zone()
		_, change := t.ZoneBounds()
		fixed := s.fields
		fixed.Location = time.FixedZone(name, offset)
		next := fixed.Next(t.In(fixed.Location))
		if change.IsZero() || (!next.IsZero() && next.Before(change)) {
			if next.IsZero() {
				return time.Time{}
			}
			return next.In(s.loc)
		}
		// The change itself may be a tick, and Next looks strictly after its argument.
		if _, offset := change.In(s.loc).Zone(); s.matches(change, offset) {
			return change.In(s.loc)
		}
		t = change
	}
	return time.Time{}
}

// matches reports whether the wall clock at offset shows a tick at t.
func (s Spec) matches(t time.Time, offset int) bool {
	w := wall(t, offset)
	return s.fields.Next(w.Add(-time.Nanosecond)).Equal(w)
}

// nextWall finds the next wall clock reading and the one instant that stands for it.
func (s Spec) nextWall(t time.Time) time.Time {
	_, offset := t.In(s.loc).Zone()
	w := wall(t, offset)
	for {
		w = s.fields.Next(w)
		if w.IsZero() {
			return time.Time{}
		}
		if u := instant(w, s.loc); u.After(t) {
			return u
		}
	}
}

// wall is the reading of a wall clock offset seconds east of UTC, as if it were UTC.
func wall(t time.Time, offset int) time.Time {
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instant is when a wall clock in loc first shows w; if it never does, the first
// instant after the gap. time.Date leaves the choice open in both cases.
func instant(w time.Time, loc *time.Location) time.Time {
	u := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), w.Nanosecond(), loc)
	_, offset := u.Zone()
	start, end := u.ZoneBounds()
	switch shown := wall(u, offset); {
	case shown.After(w): // u lies behind the gap
		return start.In(loc)
	case shown.Before(w):
		return end.In(loc)
	}
	if start.IsZero() {
		return u
	}
	_, before := start.Add(-time.Nanosecond).In(loc).Zone()
	if first := w.Add(-time.Duration(before) * time.Second); first.Before(start) {
		return first.In(loc)
	}
	return u
}
