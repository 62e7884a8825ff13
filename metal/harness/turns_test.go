package harness_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ci/holdfast/metal/cpu"
	"github.com/holdfast-ci/holdfast/metal/harness"
)

// bench is two sides of a script: what is called and by whom.
type sides struct {
	calls []string // "measure base LOAD"
	open  int
	fail  func(call string) error
	rate  func(side harness.Side, l harness.Load) float64
	loose harness.Side // whose warm-ups do not settle, from process looseAt; -1 for none
	from  int
	made  map[string]int
	lasts map[string]time.Duration // by what is called
}

func (s *sides) Open(_ context.Context, side harness.Side, scenario string) (harness.Probe, error) {
	if s.made == nil {
		s.made = map[string]int{}
	}
	s.made[side.String()+scenario]++
	p := &sided{s: s, side: side, n: s.made[side.String()+scenario]}
	s.open++
	return p, s.call("open", side, scenario)
}

func (s *sides) call(what string, side harness.Side, load string) error {
	call := what + " " + side.String() + " " + load
	s.calls = append(s.calls, call)
	time.Sleep(s.lasts[what]) // in virtual time
	if s.fail != nil {
		return s.fail(call)
	}
	return nil
}

type sided struct {
	s    *sides
	side harness.Side
	n    int
}

func (p *sided) Ready(_ context.Context, loads []harness.Load) (harness.Setup, error) {
	return harness.Setup{Device: harness.Device{Backend: "script", Text: "a script"}, Spans: true}, p.s.call("ready", p.side, loads[0].Scenario)
}

func (p *sided) Warm(_ context.Context, l harness.Load, _ time.Duration) (harness.Warmth, error) {
	return harness.Warmth{Settled: p.side != p.s.loose || p.n < p.s.from}, p.s.call("warm", p.side, l.String())
}

func (p *sided) Measure(_ context.Context, l harness.Load, _ time.Duration) (harness.Reading, error) {
	rate := 1000.0
	if p.s.rate != nil {
		rate = p.s.rate(p.side, l)
	}
	return harness.Reading{Rate: rate, Counts: harness.Counts{Completed: 7}}, p.s.call("measure", p.side, l.String())
}

func (p *sided) Spans(_ context.Context, l harness.Load, _ time.Duration) (harness.Spans, error) {
	return harness.Spans{Ops: 4}, p.s.call("spans", p.side, l.String())
}

func (p *sided) Close() error { p.s.open--; return nil }

func inTurns(t *testing.T, s *sides, c harness.Config) *harness.Turns {
	t.Helper()
	turns, err := harness.NewTurns(s.Open, c)
	if err != nil {
		t.Fatal(err)
	}
	return turns
}

// TestTurnsOrder: every load is measured in four windows in a row, whose sides are balanced,
// which begins is drawn, and all four processes are replaced together.
func TestTurnsOrder(t *testing.T) {
	s := &sides{loose: -1}
	c := scenarios()
	turns := inTurns(t, s, c)
	const blocks = 6
	for range blocks {
		if err := turns.Block(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := turns.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	var windows []string
	spans := 0
	for _, call := range s.calls {
		if w, ok := strings.CutPrefix(call, "measure "); ok {
			windows = append(windows, w)
		}
		if strings.HasPrefix(call, "spans base") {
			t.Errorf("%s: the report has no room for it", call)
		}
		if strings.HasPrefix(call, "spans head") {
			spans++
		}
	}
	loads := len(c.Loads())
	if len(windows) != 4*loads*blocks || spans != 3*loads {
		t.Fatalf("%d windows, %d passes of device times", len(windows), spans)
	}
	begins := map[string]int{}
	for i := 0; i < len(windows); i += 4 {
		order := ""
		_, load, _ := strings.Cut(windows[i], " ")
		for _, w := range windows[i : i+4] {
			side, l, _ := strings.Cut(w, " ")
			if order += side[:1]; l != load {
				t.Fatalf("windows %q", windows[i:i+4])
			}
		}
		if order != "bhhb" && order != "hbbh" {
			t.Fatalf("order %s of %s", order, load)
		}
		begins[order]++
	}
	if n := begins["bhhb"]; n < loads*blocks/4 || n > loads*blocks*3/4 {
		t.Errorf("begins %v", begins)
	}
	// Six rounds a side in three processes, then twice as many.
	for who, n := range s.made {
		if n != 6 {
			t.Errorf("%d processes of %s", n, who)
		}
	}
	for _, side := range []harness.Side{harness.Base, harness.Head} {
		rep := turns.Report(side)
		for i, o := range rep.Origins {
			if rep.Samples[i].Derived {
				continue
			}
			if len(rep.Samples[i].Values) != 2*blocks || o.Rounds[0] != 1 || o.Rounds[11] != 12 || !slices.Equal(o.Processes, []int{1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6}) ||
				(o.Device != nil) != (side == harness.Head) || o.Unsettled != nil {
				t.Errorf("%s %s: %+v", side, o.Sample, o)
			}
		}
		if rep.Rounds != 2*blocks || rep.Settings["rounds"] != "12" || rep.Settings["processes"] != "6" || rep.Counts.Completed != uint64(7*2*blocks*loads) {
			t.Errorf("%s: %d rounds, %+v, settings %v", side, rep.Rounds, rep.Counts, rep.Settings)
		}
	}
	turns.Close()
	if s.open != 0 {
		t.Errorf("%d probes are left open", s.open)
	}
}

// TestTurnsSides: each side has its own values, also what is derived, and a repetition
// begins with nothing of what was before.
func TestTurnsSides(t *testing.T) {
	s := &sides{loose: -1, rate: func(side harness.Side, l harness.Load) float64 {
		if side == harness.Base {
			return 1000 * float64(l.Depth) // a gain of depth − 1
		}
		return 500
	}}
	turns := inTurns(t, s, scenarios())
	defer turns.Close()
	check := func(blocks int) {
		t.Helper()
		for side, want := range map[harness.Side]float64{harness.Base: 1, harness.Head: 0} {
			found := false
			for _, x := range turns.Report(side).Samples {
				if x.Name == "async-gain" {
					found = true
					if len(x.Values) != 2*blocks || slices.Min(x.Values) != want || slices.Max(x.Values) != want {
						t.Errorf("%s: %v", side, x.Values)
					}
				}
			}
			if !found {
				t.Errorf("%s has no gain", side)
			}
		}
	}
	for range 3 {
		if err := turns.Block(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check(3)
	made := s.made["headasync-pipeline"]
	turns.Anew([]string{"async-gain/mode=single/threads=1 ratio"})
	if err := turns.Block(t.Context()); err != nil || turns.Blocks() != 1 || s.made["headasync-pipeline"] != made+1 {
		t.Errorf("%v, %d blocks, %d processes after %d", err, turns.Blocks(), s.made["headasync-pipeline"], made)
	}
	check(1)
}

// TestTurnsFault: the error names the side, at any point, and nothing more is measured.
func TestTurnsFault(t *testing.T) {
	boom := errors.New("boom")
	for _, side := range []harness.Side{harness.Base, harness.Head} {
		for _, what := range []string{"open", "ready", "warm", "measure"} {
			s := &sides{loose: -1}
			s.fail = func(call string) error {
				if strings.HasPrefix(call, fmt.Sprintf("%s %s async-pipeline", what, side)) {
					return boom
				}
				return nil
			}
			turns := inTurns(t, s, scenarios())
			err := turns.Block(t.Context())
			var of *harness.SideError
			if !errors.As(err, &of) || of.Side != side || !errors.Is(err, boom) || turns.Blocks() != 0 {
				t.Errorf("%s of %s: error %v", what, side, err)
			}
			if last := s.calls[len(s.calls)-1]; !strings.HasPrefix(last, what+" "+side.String()) {
				t.Errorf("%s of %s: then %s", what, side, last)
			}
			turns.Close()
			if s.open != 0 && what != "open" {
				t.Errorf("%s of %s: %d probes are left open", what, side, s.open)
			}
		}
	}
}

// TestTurnsConditions: a spoilt window takes its three neighbours with it, so that each
// block stays balanced; a machine that is never fit ends it.
func TestTurnsConditions(t *testing.T) {
	s := &sides{loose: -1}
	c := scenarios()
	windows := 0
	c.Conditions = func(_ context.Context, o harness.Occasion) error {
		if o.Moment == harness.AfterWindow {
			if windows++; windows == 3 {
				return harness.Unfit("hot")
			}
		}
		return nil
	}
	turns := inTurns(t, s, c)
	if err := turns.Block(t.Context()); err != nil {
		t.Fatal(err)
	}
	loads := len(c.Loads())
	if windows != 4*loads+3 || turns.Report(harness.Head).Observed["values dropped for conditions"] != "1" {
		t.Errorf("%d windows, observed %v", windows, turns.Report(harness.Head).Observed)
	}
	first, again := s.calls, 0
	for _, call := range first {
		if strings.HasPrefix(call, "measure") && strings.HasSuffix(call, strings.SplitN(first[len(first)-1], " ", 3)[2]) {
			again++
		}
	}
	if again != 7 {
		t.Errorf("the spoilt load was measured in %d windows, want 3 and then 4", again)
	}
	turns.Close()

	c.Conditions = func(_ context.Context, o harness.Occasion) error {
		if o.Moment == harness.AfterWindow {
			return harness.Unfit("hot")
		}
		return nil
	}
	turns = inTurns(t, &sides{loose: -1}, c)
	var conditions *harness.ConditionsError
	if err := turns.Block(t.Context()); !errors.As(err, &conditions) || conditions.Last != "hot" {
		t.Errorf("error %v", err)
	}
	turns.Close()
}

// TestTurnsUnsettled: values of a process that did not settle are told, on its side only,
// and what is derived from them is as well.
func TestTurnsUnsettled(t *testing.T) {
	s := &sides{loose: harness.Base, from: 2}
	turns := inTurns(t, s, scenarios()) // a process for each block
	defer turns.Close()
	for range 3 {
		if err := turns.Block(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for side, want := range map[harness.Side]string{harness.Base: "[2 3 4 5]", harness.Head: "[]"} {
		rep := turns.Report(side)
		for _, o := range rep.Origins {
			if fmt.Sprint(o.Unsettled) != want {
				t.Errorf("%s %s: %v", side, o.Sample, o.Unsettled)
			}
		}
		if told := strings.Contains(strings.Join(rep.Warnings, "\n"), "the warm-up did not settle"); told != (side == harness.Base) {
			t.Errorf("%s: warnings %q", side, rep.Warnings)
		}
	}
}

// TestTurnsModel: two kernels on the modelled device in virtual time, where the rates of
// both are known exactly.
func TestTurnsModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small()
		c.Window = 20 * time.Millisecond
		var devices []*cpu.Backend
		turns, err := harness.NewTurns(func(_ context.Context, side harness.Side, _ string) (harness.Probe, error) {
			m := virtual
			if side == harness.Head {
				m.Execute += 20 * us
			}
			b := open(t, m)
			devices = append(devices, b)
			return harness.NewLocal(b, c.Kernel, c.Hang), nil
		}, c)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := turns.Block(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for side, latency := range map[harness.Side]float64{harness.Base: 280e-6, harness.Head: 300e-6} {
			rep := turns.Report(side)
			want := map[string]float64{
				"multi-queue/queue=shared/threads=1 ops/s":           1 / latency,
				"async-pipeline/depth=2/mode=single/threads=1 ops/s": 2 / latency,
				"async-gain/mode=single/threads=1 ratio":             1,
				"scaling/queue=per-thread/threads=4 x":               4,
				"async-pipeline/depth=2/mode=multi/threads=2 ops/s":  4 / latency,
				"multi-queue/queue=per-thread/threads=4 ops/s":       4 / latency,
				"multi-queue/queue=shared/threads=4 ops/s":           4 / latency,
				"async-pipeline/depth=1/mode=single/threads=1 ops/s": 1 / latency,
			}
			for _, x := range rep.Samples {
				w, ok := want[x.Key()]
				if !ok {
					continue
				}
				delete(want, x.Key())
				for _, v := range x.Values {
					if v < w*0.97 || v > w*1.03 {
						t.Errorf("%s %s: %v, want %v", side, x.Key(), v, w)
					}
				}
			}
			if len(want) > 0 {
				t.Errorf("%s lacks %v", side, want)
			}
		}
		turns.Close()
		for _, b := range devices {
			b.Close()
		}
	})
}

// TestTurnsNarrow: what nothing open is computed from is left out of the blocks to come, of
// fresh processes and of the repetition; what was measured of it stays, with the device's
// times, and nothing is derived from a part of what it takes.
func TestTurnsNarrow(t *testing.T) {
	s := &sides{loose: -1}
	c := scenarios()
	turns := inTurns(t, s, c)
	defer turns.Close()
	blocks := func(n int) (measured map[string]int) {
		t.Helper()
		s.calls = nil
		for range n {
			if err := turns.Block(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		measured = map[string]int{}
		for _, call := range s.calls {
			if l, ok := strings.CutPrefix(call, "measure "); ok {
				measured[l]++
			}
		}
		return measured
	}
	narrow := func(keys ...string) {
		t.Helper()
		if err := turns.Narrow(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
	}
	const gain, deep = "async-gain/mode=single/threads=1 ratio", "async-pipeline/depth=2/mode=single/threads=1 ops/s"
	blocks(2)
	all := turns.Report(harness.Head)
	narrow(gain)
	if s.open != 2 {
		t.Errorf("%d processes are left of two scenarios and two sides, one is of use", s.open)
	}
	made := s.made["headmulti-queue"]
	got := blocks(2) // a process for each block
	if len(got) != 4 || got["head "+"async-pipeline mode=single threads=1 depth=2"] != 4 || got["base async-pipeline mode=single threads=1 depth=1"] != 4 {
		t.Errorf("measured %v", got)
	}
	if s.made["headmulti-queue"] != made {
		t.Error("a process without anything to measure was started")
	}
	if !slices.Contains(s.calls, "warm head async-pipeline mode=single threads=1 depth=2") {
		t.Errorf("a fresh process warms up with what it measures: %q", s.calls)
	}
	for _, side := range []harness.Side{harness.Head, harness.Base} {
		rep := turns.Report(side)
		if len(rep.Samples) != len(all.Samples) || rep.Loads != all.Loads || len(rep.Origins) != len(rep.Samples) {
			t.Errorf("%s: %d samples of %d loads, were %d of %d", side, len(rep.Samples), rep.Loads, len(all.Samples), all.Loads)
		}
		for i, x := range rep.Samples {
			want := 4
			if x.Name == "async-gain" && x.Config["mode"] == "single" || x.Name == "async-pipeline" && x.Config["mode"] == "single" {
				want = 8
			}
			o := rep.Origins[i]
			if len(x.Values) != want || o.Sample != x.Key() || !x.Derived && (len(o.Rounds) != want || o.Rounds[want-1] != want) {
				t.Errorf("%s: %s has %d values, want %d; %+v", side, x.Key(), len(x.Values), want, o)
			}
		}
	}
	narrow(deep)
	narrow(gain) // not any more
	if got := blocks(1); len(got) != 2 || got["head async-pipeline mode=single threads=1 depth=2"] != 2 {
		t.Errorf("measured %v", got)
	}
	if err := turns.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := map[string]int{}
	for _, o := range turns.Report(harness.Head).Origins {
		if o.Device != nil {
			spans[fmt.Sprint(o.Device.Ops)]++
		}
	}
	if len(spans) != 1 || spans["12"] != all.Loads { // three passes of four operations, whenever it was left out
		t.Errorf("device times by operations: %v of %d loads", spans, all.Loads)
	}

	turns.Anew([]string{deep})
	if got := blocks(3); len(got) != 2 || got["head async-pipeline mode=single threads=1 depth=2"] != 6 {
		t.Errorf("the repetition measured %v", got)
	}
	var keys []string
	for _, x := range turns.Report(harness.Base).Samples {
		keys = append(keys, x.Key())
	}
	if fmt.Sprint(keys) != fmt.Sprint([]string{deep}) {
		t.Errorf("the repetition has %q: a gain of one depth is none", keys)
	}
}

// TestTurnsAnew: a repetition may need what was left out of the first measurement.
func TestTurnsAnew(t *testing.T) {
	s := &sides{loose: -1}
	turns := inTurns(t, s, scenarios())
	defer turns.Close()
	block := func() {
		t.Helper()
		if err := turns.Block(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	block()
	if err := turns.Narrow(t.Context(), []string{"async-pipeline/depth=2/mode=single/threads=1 ops/s"}); err != nil {
		t.Fatal(err)
	}
	block()
	turns.Anew([]string{"scaling/queue=shared/threads=4 x"})
	block()
	var keys []string
	for _, x := range turns.Report(harness.Head).Samples {
		keys = append(keys, fmt.Sprint(x.Key(), len(x.Values)))
	}
	want := []string{"multi-queue/queue=shared/threads=1 ops/s2", "multi-queue/queue=shared/threads=4 ops/s2", "scaling/queue=shared/threads=4 x2"}
	if !slices.Equal(keys, want) || s.open != 2 {
		t.Errorf("%d processes, %q", s.open, keys)
	}
}

// TestTurnsTakes: processes cost what they cost, windows by their number.
func TestTurnsTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sides{loose: -1, lasts: map[string]time.Duration{"open": 2 * time.Second, "measure": time.Second}}
		c := scenarios()
		turns := inTurns(t, s, c)
		defer turns.Close()
		if got := turns.Takes(nil); got != 0 {
			t.Errorf("%s before the first block", got)
		}
		for range 2 { // a process for each
			if err := turns.Block(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for key, want := range map[string]time.Duration{
			"async-pipeline/depth=2/mode=single/threads=1 ops/s": 8*time.Second + 4*time.Second,
			"async-gain/mode=single/threads=1 ratio":             8*time.Second + 8*time.Second,
		} {
			if got := turns.Takes([]string{key}); got != want {
				t.Errorf("%s takes %s, want %s", key, got, want)
			}
		}
	})
}

// TestTurnsNarrowFault: a side that fails while it tells its times is named.
func TestTurnsNarrowFault(t *testing.T) {
	boom := errors.New("boom")
	s := &sides{loose: -1}
	turns := inTurns(t, s, scenarios())
	defer turns.Close()
	if err := turns.Block(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.fail = func(call string) error {
		if strings.HasPrefix(call, "spans head") {
			return boom
		}
		return nil
	}
	var of *harness.SideError
	if err := turns.Narrow(t.Context(), []string{"async-gain/mode=single/threads=1 ratio"}); !errors.As(err, &of) || of.Side != harness.Head || !errors.Is(err, boom) {
		t.Errorf("error %v", err)
	}
}
