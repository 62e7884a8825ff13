package metal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/metal/gate"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// kernelTurns is the built-in harness with the kernel of the base and that of the head.
type kernelTurns struct {
	ws     *runner.Workspace // of the head
	name   string
	prober *prober
	kernel [2]*harness.Source // by side
	turns  *harness.Turns
	alone  func(context.Context) (*harness.Report, error) // measures the head without a base
	first  *harness.Report                                // of the head, once there is a repetition
}

// kernels prepares the turns of a repository's kernel. It is nil where there is none, where
// the head's cannot be had, which measuring the head alone tells, and where the base has
// none to compare with: untold says why that could not be told, fresh why the head's is new.
func (s *Stage) kernels(ctx context.Context, ws *runner.Workspace, c Config, g *gate.Gate) (k *kernelTurns, untold, fresh string) {
	head, err := c.kernel(ws.Dir)
	if err != nil || head == nil {
		return nil, "", ""
	}
	base, err := c.kernel(ws.Beside.Dir)
	switch {
	case errors.Is(err, errNoFile):
		return nil, "", "the base has no " + c.Kernel
	case err != nil:
		return nil, "the base: " + err.Error(), ""
	case !base.Mentions():
		return nil, "", fmt.Sprintf("%s of the base has no kernel %s", c.Kernel, c.Function)
	}
	first := c
	first.Rounds = 2 * looksOf(c.Rounds, c.Looks)[0]
	if deadline, limited := ctx.Deadline(); limited && time.Until(deadline) < 2*first.Estimate() {
		return nil, fmt.Sprintf("in turns with the base it takes about %s, and there are %s left: raise limit in [bench], or ask for fewer threads and depths",
			about(2*first.Estimate()), about(time.Until(deadline))), ""
	}
	p, err := s.prober(ws, c)
	if err != nil {
		return nil, "", ""
	}
	h := c.harness()
	h.Kernel.Source = head
	h.Progress, h.Conditions = s.progress(ws), g.Conditions
	k = &kernelTurns{
		ws: ws, name: c.source(), prober: p, kernel: [2]*harness.Source{harness.Head: head, harness.Base: base},
		alone: func(ctx context.Context) (*harness.Report, error) { return s.device(ctx, ws, c, g) },
	}
	k.turns, err = harness.NewTurns(func(ctx context.Context, side harness.Side, scenario string) (harness.Probe, error) {
		of := h.Kernel
		of.Source = k.kernel[side]
		if side == harness.Base {
			return p.open(ctx, ws.Beside, of, scenario)
		}
		return p.open(ctx, ws, of, scenario)
	}, h)
	if err != nil {
		return nil, "", ""
	}
	return k, "", ""
}

func (k *kernelTurns) source() string { return k.name }

func (k *kernelTurns) block(ctx context.Context, _ *rand.Rand) error {
	defer k.ws.Measure()()
	return k.turns.Block(ctx)
}

func (k *kernelTurns) narrow(ctx context.Context, keys []string) error {
	defer k.ws.Measure()()
	return k.turns.Narrow(ctx, keys)
}

func (k *kernelTurns) takes(keys []string) time.Duration { return k.turns.Takes(keys) }

func (k *kernelTurns) told() (base, head []runner.Sample, unsettled map[string][]int) {
	b, h := k.turns.Report(harness.Base), k.turns.Report(harness.Head)
	unsettled = map[string][]int{}
	for _, o := range slices.Concat(b.Origins, h.Origins) {
		for _, i := range o.Unsettled {
			unsettled[o.Sample] = append(unsettled[o.Sample], i/2)
		}
	}
	for key, blocks := range unsettled {
		slices.Sort(blocks)
		unsettled[key] = slices.Compact(blocks)
	}
	return b.Samples, h.Samples, unsettled
}

func (k *kernelTurns) anew(ctx context.Context, keys []string) (err error) {
	k.first, err = k.report(ctx)
	k.turns.Anew(keys)
	return err
}

// report ends a measurement, and tells what it gave of the head.
func (k *kernelTurns) report(ctx context.Context) (*harness.Report, error) {
	err := k.turns.End(ctx)
	rep := k.turns.Report(harness.Head)
	for side, s := range k.kernel {
		rep.Settings["kernel of the "+harness.Side(side).String()] = fmt.Sprintf("sha256 %.12x", sha256.Sum256([]byte(s.Text)))
	}
	k.prober.tell(rep)
	return rep, err
}

// finish measures the head alone where there was no base to compare with from the start.
func (k *kernelTurns) finish(ctx context.Context, in *pair, out *measured) {
	var unfit *harness.UnfitError
	switch {
	case in.untold != "" && k.first == nil:
		k.turns.Close()
		out.device, out.err = k.alone(ctx)
		return
	case errors.As(in.broken, &unfit):
		out.err = &harness.ConditionsError{Last: unfit.Reason}
	case in.broken != nil:
		out.err = k.blame(ctx, in.broken)
	case ctx.Err() != nil:
		out.err = context.Cause(ctx)
	case k.first != nil:
		out.device = k.first
	default:
		if out.device, out.err = k.report(ctx); out.err != nil {
			out.device, out.err = nil, k.blame(ctx, out.err)
		}
	}
	k.turns.Close()
}

// guiltyError says that the change made a kernel one that cannot be measured.
type guiltyError struct {
	err   error
	times int
}

func (e *guiltyError) Error() string {
	return fmt.Sprintf("%v; so it was again in %d of %d fresh processes, and in none of %d with the kernel of the base", e.err, e.times, e.times, e.times)
}
func (e *guiltyError) Unwrap() error { return e.err }

// blameTrials is how often each side goes through what the head failed in. If both sides
// fail alike, all of the head's and none of the base's do so in at most 4^−4 of cases,
// whatever the chance of a fault is: p⁴(1−p)⁴ is greatest at ½.
const blameTrials = 4

// blame finds out whether the change is to blame for a fault of the head: both sides go
// through it again in turns, in fresh processes. Whatever fails on the base as well, or not
// again, is an error as it would be without a base.
func (k *kernelTurns) blame(ctx context.Context, err error) error {
	var of *harness.SideError
	if !errors.As(err, &of) || of.Side != harness.Head {
		return err
	}
	k.ws.Report(runner.StageBench, "%s: the head failed (%v): trying base and head in turns", k.name, of.Err)
	defer k.ws.Measure()()
	for range blameTrials {
		if base := k.turns.Try(ctx, of, harness.Base); base != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%w; and so it is with the kernel of the base: %v", of.Err, base)
		}
		if again := k.turns.Try(ctx, of, harness.Head); again == nil {
			return fmt.Errorf("%w; it was not so again in a fresh process", of.Err)
		} else if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return &guiltyError{of.Err, blameTrials}
}
