package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
	"github.com/holdfast-ci/holdfast/runner"
)

// Machines fall asleep and wake up at any moment, with jobs and messages in their hands, and
// go on where they stopped. Whatever the order: each stage has one result, from whoever had
// its last attempt; a message is held by one machine at a time; nobody who beats is lost; and
// once those that are awake have worked on for a while nothing is left to do.
func TestFleetStorm(t *testing.T) {
	if storetest.Race {
		t.Skip("one goroutine: nothing for the race detector, and slow under it")
	}
	type machine struct {
		s     *store.Store
		name  string
		awake bool
		beats bool // awake, and had the time to say so
		jobs  []store.Job
		held  []publish.Item
	}
	f := newFleet(t, storetest.SQLite())
	var ms []*machine
	for _, name := range []string{"a", "b", "c"} {
		ms = append(ms, &machine{s: f.machine(name, "M1", "build"), name: name + "/1"})
	}
	now := time.Now()
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		ctx := t.Context()
		now = now.Add(time.Hour)
		for _, m := range ms {
			m.awake, m.beats, m.jobs, m.held = true, false, nil, nil
		}
		pick := func(awake bool) *machine {
			var list []*machine
			for _, m := range ms {
				if m.awake || !awake {
					list = append(list, m)
				}
			}
			if len(list) == 0 {
				return nil
			}
			return list[rapid.IntRange(0, len(list)-1).Draw(rt, "machine")]
		}
		run, _, err := ms[0].s.CreateRun(ctx, newRun(fmt.Sprint(round), "aaa"))
		if err != nil {
			rt.Fatal(err)
		}
		key := fmt.Sprint("message ", round)
		if err := ms[0].s.PutMessages(ctx, run, publish.Message{Key: key}); err != nil {
			rt.Fatal(err)
		}
		results, posted := 0, 0
		claim := func(m *machine) {
			attempt, err := m.s.Count(ctx, "select attempt from job where run = $1", run)
			if err != nil {
				rt.Fatal(err)
			}
			job, _, ok, err := m.s.Claim(ctx, run, runner.StageProofs, int(attempt))
			if err != nil {
				rt.Fatal(err)
			}
			if ok {
				m.jobs = append(m.jobs, job)
			}
		}
		finish := func(m *machine) {
			for _, j := range m.jobs {
				switch _, err := m.s.Finish(ctx, j, runner.Result{Verdict: runner.Success}); {
				case err == nil:
					results++
				case !errors.Is(err, store.ErrStale):
					rt.Fatal(err)
				}
			}
			m.jobs = nil
		}
		take := func(m *machine) {
			items, err := m.s.Pending(ctx, time.Now().Add(time.Duration(rapid.IntRange(-3, 3).Draw(rt, "hours apart"))*time.Hour))
			if err != nil {
				rt.Fatal(err)
			}
			for _, it := range items {
				if it.Key == key {
					m.held = append(m.held, it)
				}
			}
			for _, o := range ms {
				if len(items) > 0 && o != m && o.awake && len(o.held) > 0 {
					if ok, err := o.s.Current(ctx, o.held[len(o.held)-1]); ok || err != nil {
						rt.Fatalf("two machines that are awake hold one message: %v", err)
					}
				}
			}
		}
		post := func(m *machine) {
			for _, it := range m.held {
				ok, err := m.s.Begin(ctx, it)
				if err != nil {
					rt.Fatal(err)
				}
				if ok {
					posted++
					if err := m.s.MarkPosted(ctx, it, "1", time.Now()); err != nil {
						rt.Fatal(err)
					}
				}
			}
			m.held = nil
		}
		pass := func(steps int) {
			for range steps {
				now = now.Add(store.BeatEvery)
				for _, m := range ms {
					if !m.awake {
						continue
					}
					lost, err := m.s.Beat(ctx, now)
					if err != nil {
						rt.Fatal(err)
					}
					m.beats = true
					for _, l := range lost {
						for _, o := range ms {
							if o.beats && l == o.name {
								rt.Fatalf("%s was taken for lost, and beats", l)
							}
						}
					}
				}
			}
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			m := pick(true)
			switch step := rapid.SampledFrom([]string{"claim", "finish", "take", "post", "sleep", "wake", "time", "time"}).Draw(rt, "step"); {
			case step == "time":
				pass(rapid.IntRange(1, 12).Draw(rt, "beats"))
			case step == "wake":
				// It goes on where it stopped, before its next beat or after.
				if m := pick(false); !m.awake {
					m.awake = true
					if rapid.Bool().Draw(rt, "at once") {
						finish(m)
						post(m)
					}
				}
			case m == nil:
			case step == "claim":
				claim(m)
			case step == "finish":
				finish(m)
			case step == "take":
				take(m)
			case step == "post":
				post(m)
			case step == "sleep":
				m.awake, m.beats = false, false
			}
		}
		if pick(true) == nil {
			ms[0].awake = true
		}
		for range 2 { // a machine that is still asleep is lost by then
			pass(10)
			for _, m := range ms {
				if m.awake {
					claim(m)
					finish(m)
					take(m)
					post(m)
				}
			}
		}
		rec, err := ms[0].s.Run(ctx, run)
		if err != nil || rec.Open != 0 || len(rec.Run.Stages) != 1 {
			rt.Fatalf("in the end: %+v, %v", rec, err)
		}
		want := 1
		if rec.Run.Stages[0].Verdict == runner.Error { // given up after three losses
			want = 0
		}
		if results != want || posted != 1 {
			rt.Fatalf("%d results (%s), posted %d times", results, rec.Run.Stages[0].Verdict, posted)
		}
		for _, m := range ms { // what comes later changes nothing
			finish(m)
			post(m)
		}
		if results != want || posted != 1 {
			rt.Fatalf("late: %d results, posted %d times", results, posted)
		}
	})
}
