package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestWorst(t *testing.T) {
	for _, tt := range []struct {
		in   []Verdict
		want Verdict
	}{
		{nil, Error},
		{[]Verdict{""}, Error},
		{[]Verdict{"green"}, Error},
		{[]Verdict{Neutral}, Neutral},
		{[]Verdict{Neutral, Success}, Success},
		{[]Verdict{Success, Error}, Error},
		{[]Verdict{Success, Error, Failure}, Failure},
	} {
		if got := Worst(tt.in...); got != tt.want {
			t.Errorf("Worst(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

// Order never matters, and nothing that is not a success can hide.
func TestWorstProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := []Verdict{Success, Failure, Error, Neutral, "", "passed"}
		vs := rapid.SliceOfN(rapid.SampledFrom(all), 1, 6).Draw(t, "verdicts")
		got := Worst(vs...)
		if shuffled := Worst(rapid.Permutation(vs).Draw(t, "shuffled")...); shuffled != got {
			t.Fatalf("%q: %s, in another order %s", vs, got, shuffled)
		}
		if got != Success {
			return
		}
		for _, v := range vs {
			if v != Success && v != Neutral {
				t.Fatalf("%q became success", vs)
			}
		}
	})
}

type stageFunc func(context.Context, *Workspace) (Result, error)

func (stageFunc) Name() string { return StageChecks }
func (f stageFunc) Run(ctx context.Context, ws *Workspace) (Result, error) {
	return f(ctx, ws)
}

func TestExecute(t *testing.T) {
	hang := func(ctx context.Context, _ *Workspace) (Result, error) {
		<-ctx.Done()
		return Result{Verdict: Success}, nil // a stage that does not notice must not pass
	}
	for _, tt := range []struct {
		name    string
		stage   stageFunc
		cancel  error
		verdict Verdict
		reason  string
		hint    string
	}{
		{
			name:    "success",
			stage:   func(context.Context, *Workspace) (Result, error) { return Result{Verdict: Success}, nil },
			verdict: Success,
		},
		{
			name: "error with hint",
			stage: func(context.Context, *Workspace) (Result, error) {
				return Result{Verdict: Success}, WithHint(errors.New("no Lean"), "install it")
			},
			verdict: Error, reason: "no Lean", hint: "install it",
		},
		{
			name:    "no verdict",
			stage:   func(context.Context, *Workspace) (Result, error) { return Result{}, nil },
			verdict: Error, reason: "the checks stage gave no verdict",
		},
		{
			name:    "panic",
			stage:   func(context.Context, *Workspace) (Result, error) { panic("index out of range") },
			verdict: Error, reason: "bug in the checks stage: index out of range",
		},
		{
			name: "limit", stage: hang,
			verdict: Error, reason: "checks stage stopped after its limit of 1m0s", hint: "raise checks.limit in agent.toml",
		},
		{name: "cancelled", stage: hang, cancel: ErrCancelled, verdict: Error, reason: "cancelled"},
		{name: "superseded", stage: hang, cancel: ErrSuperseded, verdict: Error, reason: "superseded by a newer head"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				if tt.cancel != nil {
					time.AfterFunc(time.Second, func() { cancel(tt.cancel) })
				}
				res := Execute(ctx, tt.stage, &Workspace{}, time.Minute)
				cancel(nil)
				if res.Verdict != tt.verdict || res.Reason != tt.reason || res.Hint != tt.hint || res.Stage != StageChecks || res.TimedOut != (tt.name == "limit") {
					t.Errorf("got %+v", res)
				}
			})
		})
	}
}

// Overlapping children count once; time outside them is Holdfast's own.
func TestExecuteBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res := Execute(t.Context(), stageFunc(func(_ context.Context, ws *Workspace) (Result, error) {
			time.Sleep(time.Second)
			a := ws.Measure()
			time.Sleep(2 * time.Second)
			b := ws.Measure()
			time.Sleep(3 * time.Second)
			a()
			time.Sleep(4 * time.Second)
			b()
			return Result{Verdict: Success}, nil
		}), &Workspace{}, time.Minute)
		if res.Seconds != 10 || res.Busy != 9 {
			t.Errorf("seconds %v, busy %v; want 10, 9", res.Seconds, res.Busy)
		}
	})
}

func TestSampleKey(t *testing.T) {
	s := Sample{Name: "multi-queue", Unit: "ops/s", Config: map[string]string{"threads": "8", "queue": "shared"}}
	if got, want := s.Key(), "multi-queue/queue=shared/threads=8 ops/s"; got != want {
		t.Errorf("Key() = %q, want %q", got, want)
	}
}

func TestCommitShort(t *testing.T) {
	for sha, want := range map[string]string{"": "", "abc": "abc", strings.Repeat("a", 40): "aaaaaaaaaa"} {
		if got := (Commit{SHA: sha}).Short(); got != want {
			t.Errorf("Short of %q = %q, want %q", sha, got, want)
		}
	}
}
