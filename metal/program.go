package metal

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/metal/format"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// Formats of a program's output.
const (
	FormatGo     = "go"               // the Go benchmark format
	FormatGoogle = "google-benchmark" // JSON of Google Benchmark; "google" is the same
	FormatRegexp = "regexp"           // Pattern on every line
)

// Program is a benchmark of the watched repository. Its samples come from standard
// output. It runs without a shell.
type Program struct {
	Name    string
	Build   []string      // run once before the rounds; empty for none
	Command []string      // run once a round
	Dir     string        // relative to the checkout; "" is the checkout
	Limit   time.Duration // of one call; default 10 minutes
	Rounds  int           // default 5
	Format  string        // default FormatGo
	Pattern string        // of FormatRegexp: named groups value, name, unit; others become Config
	Unit    string        // of FormatRegexp, if Pattern has no group unit
	Env     []string      // "NAME=value", added to the workspace's environment
}

const (
	defaultProgramLimit  = 10 * time.Minute
	defaultProgramRounds = 5
	// maxOutput is how much of standard output is read, in bytes.
	maxOutput = 16 << 20
)

func (p Program) filled() Program {
	orDefault(&p.Limit, defaultProgramLimit)
	orDefault(&p.Rounds, defaultProgramRounds)
	orDefault(&p.Format, FormatGo)
	if p.Format == "google" {
		p.Format = FormatGoogle
	}
	return p
}

func (p Program) check() error {
	errorf := func(format string, args ...any) error {
		return fmt.Errorf("benchmark program %q: "+format, append([]any{p.Name}, args...)...)
	}
	switch {
	case p.Name == "":
		return errorf("it has no name")
	case len(p.Command) == 0 || p.Command[0] == "":
		return errorf("it has no command")
	case p.Dir != "" && !filepath.IsLocal(p.Dir):
		return errorf("dir %q is outside the checkout", p.Dir)
	case p.Limit < 0:
		return errorf("limit %s is negative", p.Limit)
	case p.Rounds < 1 || p.Rounds > 1000:
		return errorf("rounds: %d is outside 1 … 1000", p.Rounds)
	case p.Format != FormatGo && p.Format != FormatGoogle && p.Format != FormatRegexp:
		return errorf("no format %q: there are %s, %s and %s", p.Format, FormatGo, FormatGoogle, FormatRegexp)
	case p.Format != FormatRegexp && p.Pattern != "":
		return errorf("a pattern needs format %q", FormatRegexp)
	}
	for _, e := range p.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return errorf("environment %q is not NAME=value", e)
		}
	}
	if p.Format == FormatRegexp {
		if _, err := format.NewPattern(p.Pattern, p.Name, p.Unit); err != nil {
			return errorf("%w", err)
		}
	}
	return nil
}

// log is the first part of the names of the program's logs: the name as a file name.
func (p Program) log() string {
	return "bench-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, p.Name[:min(len(p.Name), 100)])
}

// read parses one output.
func (p Program) read(text []byte) format.Output {
	switch p.Format {
	case FormatGoogle:
		return format.GoogleBenchmark(text)
	case FormatRegexp:
		pattern, err := format.NewPattern(p.Pattern, p.Name, p.Unit)
		if err != nil {
			return format.Output{Errors: []*format.SyntaxError{{Msg: err.Error()}}}
		}
		return pattern.Read(text)
	}
	return format.Go(text)
}

// runProgram builds the program, runs it once a round and returns one sample for each
// benchmark and unit. Every round must give the same benchmarks; a benchmark that one
// output has several times gives several values a round.
func runProgram(ctx context.Context, ws *runner.Workspace, p Program) (samples []runner.Sample, warnings []string, err error) {
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	wrap := func(err error) error { return fmt.Errorf("benchmark program %s: %w", p.Name, err) }
	cmd := proc.Cmd{Args: p.Build, Dir: filepath.Join(ws.Dir, p.Dir), Env: append(slices.Clone(ws.Env), p.Env...), Limit: p.Limit}
	if len(p.Build) > 0 {
		ws.Report(runner.StageBench, "%s: building", p.Name)
		exit, err := ws.Exec(ctx, p.log()+"-build", cmd)
		if err == nil {
			err = ended(ctx, exit)
		}
		if err != nil {
			return nil, nil, wrap(fmt.Errorf("build: %w", err))
		}
	}
	cmd.Args = p.Command
	collected := newCollection(p.Name)
	begin := time.Now()
	for round := 1; round <= p.Rounds; round++ {
		if round == 1 {
			ws.Report(runner.StageBench, "%s: round 1 of %d", p.Name, p.Rounds)
		} else {
			spent := time.Since(begin)
			left := spent / time.Duration(round-1) * time.Duration(p.Rounds-round+1)
			ws.Report(runner.StageBench, "%s: round %d of %d, %s elapsed, about %s left",
				p.Name, round, p.Rounds, spent.Round(time.Second/10), left.Round(time.Second/10))
		}
		out := &capped{}
		cmd.Stdout = out
		exit, err := ws.Exec(ctx, fmt.Sprintf("%s-%d", p.log(), round), cmd)
		if err == nil {
			err = ended(ctx, exit)
		}
		if err != nil {
			return nil, nil, wrap(fmt.Errorf("round %d: %w", round, err))
		}
		if out.over {
			return nil, nil, wrap(fmt.Errorf("round %d: more than %d MiB on standard output", round, maxOutput>>20))
		}
		if err := collected.add(p.read(out.Bytes())); err != nil {
			return nil, nil, wrap(fmt.Errorf("round %d: %w", round, err))
		}
	}
	return collected.samples, collected.warnings, nil
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
	bytes.Buffer
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	room := maxOutput - c.Len()
	if len(p) > room {
		c.over = true
		c.Buffer.Write(p[:room])
		return len(p), nil
	}
	return c.Buffer.Write(p)
}

// collection gathers the measurements of several rounds into samples.
type collection struct {
	source   string
	samples  []runner.Sample
	index    map[string]int // by Sample.Key
	warnings []string
	rounds   int
}

func newCollection(source string) *collection {
	return &collection{source: source, index: map[string]int{}}
}

// add takes one round. Anything that was not measured is an error: half a result is
// none.
func (c *collection) add(o format.Output) error {
	if len(o.Errors) > 0 {
		if len(o.Errors) == 1 {
			return fmt.Errorf("output: %w", o.Errors[0])
		}
		return fmt.Errorf("output: %w (and %d more)", o.Errors[0], len(o.Errors)-1)
	}
	if len(o.Measurements) == 0 {
		return fmt.Errorf("no samples in the output")
	}
	for _, w := range o.Warnings {
		if w = c.source + ": " + w; !slices.Contains(c.warnings, w) {
			c.warnings = append(c.warnings, w)
		}
	}
	seen := map[string]bool{}
	for _, m := range o.Measurements {
		s := runner.Sample{Name: m.Name, Unit: m.Unit, Config: maps.Clone(m.Config), Better: m.Better, Source: c.source}
		key := s.Key()
		i, ok := c.index[key]
		switch {
		case !ok && c.rounds > 0:
			return fmt.Errorf("%s was not in the rounds before", key)
		case !ok:
			i = len(c.samples)
			c.index[key] = i
			c.samples = append(c.samples, s)
		}
		seen[key] = true
		c.samples[i].Values = append(c.samples[i].Values, m.Value)
	}
	for _, s := range c.samples {
		if !seen[s.Key()] {
			return fmt.Errorf("%s is missing, earlier rounds had it", s.Key())
		}
	}
	c.rounds++
	return nil
}
