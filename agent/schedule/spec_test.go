package schedule

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func spec(t testing.TB, expr, tz string) Spec {
	t.Helper()
	s, err := Parse(expr, zone(t, tz))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ticks lists the ticks in (from, to], in UTC.
func ticks(s Spec, from, to time.Time) []string {
	var list []string
	for t := s.Next(from); !t.IsZero() && !t.After(to); t = s.Next(t) {
		list = append(list, t.UTC().Format("01-02 15:04"))
	}
	return list
}

func TestDaylightSaving(t *testing.T) {
	// New York 2026: 8 March 02:00 EST → 03:00 EDT (07:00 UTC); 1 November 02:00 EDT →
	// 01:00 EST (06:00 UTC). Lord Howe moves by half an hour: 4 October 02:00 → 02:30
	// (15:30 UTC the day before). Apia had no 30 December 2011. Casablanca is one hour
	// back during Ramadan: 15 February 2026 03:00 → 02:00 (02:00 UTC).
	for _, c := range []struct {
		name, expr, tz, from, to, want string
	}{
		{"spring: a lost time is due at the end of the gap", "30 2 * * *", "America/New_York", "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z", "03-07 07:30, 03-08 07:00, 03-09 06:30"},
		{"spring: two lost times are one tick", "0,30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z", "03-08 07:00"},
		{"spring: the first instant after the gap itself", "0 3 * * *", "America/New_York", "2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z", "03-08 07:00"},
		{"autumn: a repeated time is due once", "30 1 * * *", "America/New_York", "2026-10-31T00:00:00Z", "2026-11-03T00:00:00Z", "10-31 05:30, 11-01 05:30, 11-02 06:30"},
		{"autumn: starting inside the second pass", "30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", "2026-11-02T23:00:00Z", "11-02 06:30"},
		{"autumn: every half hour runs through both passes", "*/30 * * * *", "America/New_York", "2026-11-01T04:59:00Z", "2026-11-01T07:00:00Z", "11-01 05:00, 11-01 05:30, 11-01 06:00, 11-01 06:30, 11-01 07:00"},
		{"spring: hourly has no gap", "0 * * * *", "America/New_York", "2026-03-08T05:30:00Z", "2026-03-08T09:00:00Z", "03-08 06:00, 03-08 07:00, 03-08 08:00, 03-08 09:00"},
		{"half-hour gap, lost time", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-04T20:00:00Z", "10-03 15:30, 10-04 15:15"},
		{"half-hour gap, hourly", "0 * * * *", "Australia/Lord_Howe", "2026-10-03T14:00:00Z", "2026-10-03T17:30:00Z", "10-03 14:30, 10-03 16:00, 10-03 17:00"},
		{"a day that never was", "0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z", "12-29 22:00, 12-30 10:00, 12-30 22:00, 12-31 22:00"},
		{"utc", "30 2 * * 1", "UTC", "2026-03-01T00:00:00Z", "2026-03-16T00:00:00Z", "03-02 02:30, 03-09 02:30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, _ := time.Parse(time.RFC3339, c.from)
			to, _ := time.Parse(time.RFC3339, c.to)
			if got := strings.Join(ticks(spec(t, c.expr, c.tz), from, to), ", "); got != c.want {
				t.Errorf("%s in %s\n got %s\nwant %s", c.expr, c.tz, got, c.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, expr := range []string{
		"", "   ", "* * * *", "* * * * * *", "61 * * * *", "* 24 * * *", "0 3 31 2 *", "0 0 30 2 *", "TZ=0", "TZ=UTC 0 0 * * *",
		"CRON_TZ=UTC 0 0 * * *", "@often", "@every 5s", "@every", "a b c d e", "*/0 * * * *", "5-1 * * * *", "\x00", "- - - - -",
	} {
		if s, err := Parse(expr, nil); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", expr, s)
		}
	}
	for _, expr := range []string{"* * * * *", "0 0 29 2 *", "@daily", "@every 90m", "30 2 * * mon-fri", "0 0 1 JAN *", "0 9 1 * 1"} {
		if _, err := Parse(expr, nil); err != nil {
			t.Errorf("Parse(%q): %v", expr, err)
		}
	}
	if !(Spec{}).Next(time.Now()).IsZero() {
		t.Error("the zero value fires")
	}
}

func TestEveryIsTheSameOnEachMachine(t *testing.T) {
	s := spec(t, "@every 90m", "UTC")
	from := time.Date(2026, 1, 1, 0, 10, 0, 0, time.UTC)
	a := s.Next(from)
	if b := s.Next(from.Add(7 * time.Minute)); !a.Equal(b) || a.Sub(from) > 90*time.Minute {
		t.Errorf("ticks %v and %v differ", a, b)
	}
}

// TestNextProperties holds what every schedule must keep in every zone: ticks rise, none
// lies between t and Next(t), and the wall clock at a tick shows the minute asked for
// unless that time was lost in a gap.
func TestNextProperties(t *testing.T) {
	zones := []string{"UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata", "Pacific/Apia"}
	exprs := []string{"30 2 * * *", "*/7 * * * *", "0 */2 * * *", "15 1 * * 0", "59 23 31 * *", "0 0 * 3,10,11 *", "*/30 0-3 * * *", "@hourly"}
	rapid.Check(t, func(rt *rapid.T) {
		s := spec(t, rapid.SampledFrom(exprs).Draw(rt, "expr"), rapid.SampledFrom(zones).Draw(rt, "zone"))
		from := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(rt, "from"), rapid.Int64Range(0, 999_999_999).Draw(rt, "ns"))
		next := s.Next(from)
		if !next.After(from) {
			rt.Fatalf("Next(%v) = %v is not after it", from, next)
		}
		middle := from.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(from))-1).Draw(rt, "middle")))
		if again := s.Next(middle); !again.Equal(next) {
			rt.Fatalf("Next(%v) = %v, but Next(%v) = %v", from, next, middle, again)
		}
		if _, off := next.Zone(); !s.matches(next, off) {
			if start, _ := next.ZoneBounds(); !start.Equal(next) {
				rt.Fatalf("%v is not a time of %s and no gap ends there", next, s)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "TZ=0", "TZ=UTC 1 2 3 4 5", "@every 1h", "0 3 31 2 *", "1-5/2,7 * ? * MON"} {
		f.Add(s)
	}
	from := time.Date(2026, 3, 8, 6, 59, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, expr string) {
		s, err := Parse(expr, time.UTC)
		if err != nil {
			return
		}
		if next := s.Next(from); !next.IsZero() && !next.After(from) {
			t.Errorf("%q: Next(%v) = %v", expr, from, next)
		}
		again, err := Parse(s.String(), time.UTC)
		if err != nil || !again.Next(from).Equal(s.Next(from)) {
			t.Errorf("%q does not read back: %v", s, err)
		}
	})
}
