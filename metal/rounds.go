package metal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/metal/gate"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// programRun is one program on its way through the rounds.
type programRun struct {
	Program
	cmd       proc.Cmd
	collected *collection
	err       error         // why it was not measured; nothing of it counts then
	count     int           // how often it ran before these rounds
	first     effort        // of the first look
	spent     time.Duration // on rounds so far
	taken     []int         // values of each sample that were taken already
}

// effort is how often something was measured, and how long that took.
type effort struct {
	rounds int
	took   time.Duration
}

// further makes the next rounds so many more.
func (r *programRun) further(rounds int) {
	r.Rounds, r.count = rounds, max(r.count, r.collected.rounds)
}

// runPrograms builds all programs and then runs them in rounds: in each every program
// that still has to be measured takes one turn, in an order drawn anew. A machine that
// warms up or slows down in between so hits all alike, where one program after the other
// would lay it on the last. Programs with fewer rounds than others are spread over them.
// What one program does wrong takes only that one out.
//
// A turn counts only if g finds the machine fit before and after it; else it is taken
// again, a few times.
func runPrograms(ctx context.Context, ws *runner.Workspace, programs []Program, seed uint64, g *gate.Gate) []*programRun {
	runs := buildPrograms(ctx, ws, programs)
	runRounds(ctx, ws, runs, seed, g)
	return runs
}

// buildPrograms builds all programs.
func buildPrograms(ctx context.Context, ws *runner.Workspace, programs []Program) []*programRun {
	var runs []*programRun
	for _, p := range programs {
		r := &programRun{Program: p, collected: newCollection(p.Name)}
		runs = append(runs, r)
		if r.err = r.check(); r.err == nil && ctx.Err() == nil {
			r.build(ctx, ws)
		}
	}
	return runs
}

// runRounds runs what was built.
func runRounds(ctx context.Context, ws *runner.Workspace, runs []*programRun, seed uint64, g *gate.Gate) {
	most := 0
	var programs []Program
	for _, r := range runs {
		programs = append(programs, r.Program)
		most = max(most, r.Rounds)
	}
	if most > 0 {
		if err := g.Conditions(ctx, harness.Occasion{Moment: harness.BeforeRun}); err != nil {
			for _, r := range runs {
				r.fail("conditions", err)
			}
		}
	}
	rng := rand.New(rand.NewPCG(seed, 0x70726f6772616d73))
	order := slices.Clone(runs)
	begin := time.Now()
	for round := 1; round <= most && ctx.Err() == nil; round++ {
		ws.Report(runner.StageBench, "%s", programProgress(programs, round, most, time.Since(begin)))
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, r := range order {
			// Of most rounds it takes part in Rounds, evenly spread, the last among them.
			if turn := round * r.Rounds / most; r.err == nil && turn > (round-1)*r.Rounds/most && ctx.Err() == nil {
				r.round(ctx, ws, r.count+turn, g)
			}
		}
	}
}

func programProgress(programs []Program, round, rounds int, spent time.Duration) string {
	what := programs[0].Name
	if len(programs) > 1 {
		what = fmt.Sprintf("%d programs", len(programs))
	}
	s := fmt.Sprintf("%s: round %d of %d", what, round, rounds)
	if round > 1 {
		left := spent / time.Duration(round-1) * time.Duration(rounds-round+1)
		s += fmt.Sprintf(", %s elapsed, about %s left", spent.Round(time.Second/10), left.Round(time.Second/10))
	}
	return s
}

// fail says why the program was not measured, and what it was doing.
func (r *programRun) fail(doing string, err error) {
	if err != nil {
		r.err = fmt.Errorf("benchmark program %s: %s: %w", r.Name, doing, err)
	}
}

func (r *programRun) build(ctx context.Context, ws *runner.Workspace) {
	r.cmd = proc.Cmd{Args: r.Build, Dir: filepath.Join(ws.Dir, r.Dir), Env: append(slices.Clone(ws.Env), r.Env...), Limit: r.Limit}
	if len(r.Build) == 0 {
		return
	}
	ws.Report(runner.StageBench, "%s: building", r.Name)
	exit, err := ws.Exec(ctx, r.log()+"-build", r.cmd)
	if err == nil {
		err = ended(ctx, exit)
	}
	r.fail("build", err)
}

// maxTurns is how often a turn is taken until the machine was fit throughout it.
const maxTurns = 3

// round runs the program once and keeps what it measured.
func (r *programRun) round(ctx context.Context, ws *runner.Workspace, turn int, g *gate.Gate) {
	begin := time.Now()
	defer func() { r.spent += time.Since(begin) }()
	doing, name := fmt.Sprintf("round %d", turn), fmt.Sprintf("%s-%d", r.log(), turn)
	for try := 1; ; try++ {
		text, err := r.turn(ctx, ws, name, g)
		var unfit *harness.UnfitError
		switch {
		case err == nil:
			r.fail(doing, r.collected.add(r.read(text)))
			return
		case !errors.As(err, &unfit) || try == maxTurns:
			if unfit != nil {
				err = fmt.Errorf("conditions: %w", err)
			}
			r.fail(doing, err)
			return
		}
		name = fmt.Sprintf("%s-%d-again%d", r.log(), turn, try)
	}
}

// turn runs the program once, under conditions, and returns its output.
func (r *programRun) turn(ctx context.Context, ws *runner.Workspace, name string, g *gate.Gate) ([]byte, error) {
	if err := g.Conditions(ctx, harness.Occasion{Moment: harness.BeforeWindow}); err != nil {
		return nil, err
	}
	out := &capped{}
	cmd := r.cmd
	cmd.Args = r.Command
	if r.Output == "" {
		cmd.Stdout = out
	} else if err := r.age(ws); err != nil {
		return nil, err
	}
	exit, err := ws.Exec(ctx, name, cmd)
	if err == nil {
		err = ended(ctx, exit)
	}
	if err == nil && r.Output != "" {
		err = r.readFile(ws, out)
	}
	if err != nil {
		return nil, err
	}
	if out.over {
		where := "on standard output"
		if r.Output != "" {
			where = "in " + r.Output
		}
		return nil, fmt.Errorf("more than %d MiB %s", maxOutput>>20, where)
	}
	return out.text, g.Conditions(ctx, harness.Occasion{Moment: harness.AfterWindow})
}

// aged is the time of a file that no round has written yet.
var aged = time.Unix(1, 0)

// age makes a file of an earlier round, or of the checkout, known as such. It is not
// removed: it may be somebody's in a working tree.
func (r *programRun) age(ws *runner.Workspace) error {
	root, err := os.OpenRoot(ws.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Chtimes(filepath.Join(r.Dir, r.Output), aged, aged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("output %s: %w", r.Output, err)
	}
	return nil
}

// readFile reads the file that the program wrote. The program is hostile: the file may
// be a link out of the checkout, a pipe, or endless.
func (r *programRun) readFile(ws *runner.Workspace, out io.Writer) error {
	root, err := os.OpenRoot(ws.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.OpenFile(filepath.Join(r.Dir, r.Output), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it did not write %s", r.Output)
	}
	if err != nil {
		return fmt.Errorf("output %s: %w", r.Output, err)
	}
	defer f.Close()
	switch fi, err := f.Stat(); {
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return fmt.Errorf("output %s is not a regular file", r.Output)
	case fi.ModTime().Equal(aged):
		return fmt.Errorf("it did not write %s: the file there is older", r.Output)
	}
	_, err = io.Copy(out, io.LimitReader(f, maxOutput+1))
	return err
}

// ended turns the end of a child that did not succeed into an error with its last line.
func ended(ctx context.Context, e proc.Exit) error {
	switch {
	case e.OK():
		return nil
	case e.Stopped && ctx.Err() != nil:
		return context.Cause(ctx)
	}
	last := e.Stderr.LastLine()
	if last == "" {
		last = e.Stdout.LastLine()
	}
	if last == "" {
		return fmt.Errorf("%s, no output", e)
	}
	return fmt.Errorf("%s, last line: %.200q", e, last)
}

// capped keeps what is written up to maxOutput.
type capped struct {
	text []byte
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	room := maxOutput - len(c.text)
	c.over = c.over || len(p) > room
	c.text = append(c.text, p[:min(room, len(p))]...)
	return len(p), nil
}
