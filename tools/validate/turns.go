package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// spoken is a device for which the source of a kernel says how many iterations of the
// built-in one it is, so that the stage has kernels of a repository to compare.
type spoken struct{ harness.Backend }

var iterations = regexp.MustCompile(`iterations (\d+)`)

func (s spoken) Compile(k harness.Kernel) (harness.Program, error) {
	if k.Source != nil {
		m := iterations.FindStringSubmatch(k.Source.Text)
		if m == nil {
			return nil, errors.New("the kernel does not say its iterations")
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		k = harness.Kernel{Elements: k.Elements, Iterations: n}
	}
	return s.Backend.Compile(k)
}

// inBase is the threshold that the heads are judged by.
const inBase = "ops/s >= base - 1%"

// paired is one head that was judged against its base.
type paired struct {
	Iterations int               `json:"iterations"` // of the head
	Metrics    []baseline.Metric `json:"metrics"`
	Turns      []runner.Turns    `json:"turns"`
	Warnings   []string          `json:"warnings"`
}

// inTurns lets the bench stage measure pairs of kernels in turns: the same one under another
// text, and a slowed one, several times each.
func inTurns(ctx context.Context, w io.Writer, s settings, slower float64) ([]paired, error) {
	threshold, err := baseline.ParseThreshold(inBase)
	if err != nil {
		return nil, err
	}
	thresholds := []baseline.Threshold{threshold}
	slowed := int(math.Round(float64(s.Iterations) * (1 + slower)))
	if slowed == s.Iterations {
		return nil, fmt.Errorf("%d iterations slowed by %g are as many", s.Iterations, slower)
	}
	var out []paired
	for i := range 2 * tries {
		kernel, n := "the same", s.Iterations
		if i%2 == 1 {
			kernel, n = "slowed", slowed
		}
		begin := time.Now()
		res, err := s.beside(ctx, uint64(i+1), n, thresholds)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			fmt.Fprintf(w, "%s\n\n%d elements, %d iterations, slowed %d; windows of %s; %s\n\n", res.Bench.Device, s.Elements, s.Iterations, slowed, s.Window, threshold)
			fmt.Fprintln(w, "| kernel | load | blocks | change | verdict |\n|---|---|--:|--:|---|")
		}
		fmt.Fprintf(os.Stderr, "pair %d of %d done in %s\n", i+1, 2*tries, time.Since(begin).Round(time.Second))
		p := paired{n, baseline.JudgeBench(res.Bench, nil, thresholds).Metrics, res.Bench.Turns, res.Warnings}
		for _, m := range p.Metrics {
			if m.Threshold == "" {
				continue
			}
			for _, r := range p.Turns {
				if r.Key() == m.Key() {
					fmt.Fprintf(w, "| %s | %s | %s | %+.2f %% (%+.2f … %+.2f) | %s |\n", kernel, m.Key(), blocksOf(r), 100*m.Change, 100*m.ChangeLo, 100*m.ChangeHi, m.Verdict)
				}
			}
		}
		out = append(out, p)
	}
	return out, nil
}

func blocksOf(r runner.Turns) string {
	text := strconv.Itoa(len(r.Base) / 2)
	if n := len(r.BaseAgain) / 2; n > 0 {
		text += " + " + strconv.Itoa(n)
	}
	return text
}

// beside is one run of the bench stage on a head and its base.
func (s settings) beside(ctx context.Context, seed uint64, head int, thresholds []baseline.Threshold) (runner.Result, error) {
	dir, err := os.MkdirTemp("", "validate-")
	if err != nil {
		return runner.Result{}, err
	}
	defer os.RemoveAll(dir)
	lay := func(side string, n int) *runner.Workspace {
		at := filepath.Join(dir, side)
		ws := &runner.Workspace{
			Dir: at, Cache: at, Scratch: at, Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + at},
			Commit: runner.Commit{SHA: strings.Repeat(side[:1], 40)},
		}
		err = errors.Join(err, os.Mkdir(at, 0o755),
			os.WriteFile(filepath.Join(at, "k.metal"), []byte(fmt.Sprintf("// the %s: iterations %d\nkernel void spin() {}\n", side, n)), 0o644))
		return ws
	}
	ws := lay("head", head)
	ws.Beside = lay("base", s.Iterations)
	if err != nil {
		return runner.Result{}, err
	}
	conditions := metal.ConditionsTell
	if s.Require {
		conditions = metal.ConditionsRequire
	}
	stage := metal.New(metal.Config{
		Conditions: conditions, Backend: metal.BackendOwn, Kernel: "k.metal", Function: "spin", Threads: []int{1}, Depths: []int{1, 8, 32},
		Rounds: s.Rounds, Window: s.Window, Warmup: s.Warmup, Hang: hang, Processes: s.Processes, Looks: 2,
		Elements: s.Elements, Iterations: s.Iterations, Seed: seed,
		Steps: func(t []runner.Turns) []runner.Step { return baseline.Steps(t, thresholds) },
	})
	res := runner.Execute(ctx, stage, ws, time.Hour)
	if res.Verdict != runner.Success {
		return res, errors.New(res.Reason)
	}
	return res, nil
}
