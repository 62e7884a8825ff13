package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// timed is a proofs stage without Lean that builds one module, in as many seconds as a file
// says. It is up to date where it was built like that before; from nothing, beside all
// others, it takes half as long again.
type timed struct {
	mu    sync.Mutex
	built map[string]bool
	fresh int
}

func (*timed) Name() string { return runner.StageProofs }

func (s *timed) Run(_ context.Context, ws *runner.Workspace) (runner.Result, error) {
	text, err := os.ReadFile(filepath.Join(ws.Dir, "seconds"))
	if err != nil {
		return runner.Result{}, err
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	if err != nil {
		return runner.Result{Verdict: runner.Error, Reason: "it does not build", Proofs: &runner.Proofs{}}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := runner.Module{Name: "a", Verdict: runner.Success, Seconds: seconds, Reused: s.built[string(text)] && !ws.Fresh}
	if ws.Fresh {
		s.fresh++
		m.Seconds *= 1.5
	}
	if m.Reused {
		m.Seconds = 0
	}
	s.built[string(text)] = true
	return runner.Result{Verdict: runner.Success, Proofs: &runner.Proofs{Complete: true, Fresh: ws.Fresh, Authority: true, Modules: []runner.Module{m}}}, nil
}

// The first commit at which a module takes longer is found although a module that is up to
// date takes no time, and a build from nothing is slower than the bound at both ends.
func TestSlowBuildIsFound(t *testing.T) {
	c := newCulpritTest(t)
	stage := &timed{built: map[string]bool{}}
	c.app.x.make = func(*config.Repository, string) (runner.Stage, time.Duration, error) { return stage, time.Hour, nil }
	c.repo.Proofs.Enabled = true
	bound, err := baseline.ParseThreshold("lean-build module=a <= 14s")
	if err != nil {
		t.Fatal(err)
	}
	c.repo.Thresholds.Require = []baseline.Threshold{bound}
	stop := c.serve()
	defer stop()
	c.examined(c.add("good", "seconds", "10"), runner.Success)
	for i, seconds := range []string{"10", "10.5", "what", "9.5", "20", "20.5", "19.5", "20"} {
		c.add(fmt.Sprint(i), "seconds", seconds)
	}
	c.examined(c.add("head", "seconds", "21"), runner.Failure)
	b := c.bisected(1)
	if b.Result != found(5) {
		t.Errorf("%+v after %s: %+v", b.Result, c.probesOf(b), b.Probes)
	}
	if want := "proofs: lean-build module=a <= 14s, told by lean-build module=a <= base + 44.9%"; b.Question.String() != want {
		t.Errorf("asked %q, want %q", b.Question, want)
	}
	if stage.fresh != len(b.Probes) {
		t.Errorf("%d of %d probes were built from nothing", stage.fresh, len(b.Probes))
	}
	for _, p := range b.Probes {
		if p.Outcome == bisect.Bad && !strings.Contains(p.Reason, "against 15.00 s at the good end, both built from nothing") {
			t.Errorf("reason %q", p.Reason)
		}
	}
	c.issue("proofs", "First bad commit: `"+c.shas[5][:10])
}
