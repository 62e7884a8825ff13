package metal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/metal/gate"
	"github.com/holdfast-ci/holdfast/runner"
)

// course is one run of the stage on its way through its measurements: everything once, more
// of what is not decided, and once more what misses a threshold.
type course struct {
	*Stage
	ws    *runner.Workspace
	c     Config
	gate  *gate.Gate
	begin time.Time

	bench        *runner.Bench
	harness      effort // what the built-in harness measured of the head so far
	harnessFirst effort // and for the first look
	got          measured
	weak         warnings
	errs         []error
	guilty       *guiltyError // the first of errs that makes a failure
	findings     []runner.Finding
}

// run takes all measurements.
func (m *course) run(ctx context.Context) (runner.Result, error) {
	m.begin = time.Now()
	if m.c.Seed == 0 {
		m.c.Seed = seed(m.ws.Commit.SHA)
	}
	m.first(ctx)
	if m.c.Next != nil && len(m.errs) == 0 {
		m.more(ctx)
	}
	res := runner.Result{Stage: runner.StageBench, Bench: m.bench, Reason: m.text()}
	if m.c.Next != nil && ctx.Err() == nil {
		m.again(ctx)
	}
	res.Findings, res.Warnings = m.findings, m.weak.list()
	switch {
	case ctx.Err() != nil:
		return res, context.Cause(ctx)
	case m.guilty != nil:
		res.Verdict, res.Reason = runner.Failure, m.guilty.Error()
		return res, nil
	case len(m.errs) == 1:
		return res, m.errs[0]
	case len(m.errs) > 1:
		return res, &partialError{m.errs}
	case len(m.bench.Samples) == 0 && len(m.bench.Unaffected) > 0:
		res.Verdict = runner.Neutral
		return res, nil
	case len(m.bench.Samples) == 0:
		return res, errors.New("nothing was measured")
	}
	res.Verdict = runner.Success
	return res, nil
}

func (m *course) fail(err error) {
	err = hinted(err)
	m.errs = append(m.errs, err)
	v := runner.Error
	if errors.As(err, &m.guilty) {
		v = runner.Failure
	}
	m.findings = append(m.findings, runner.Finding{Verdict: v, Rule: runner.StageBench, Text: err.Error()})
}

// first measures everything once: on base and head in turns where there is a base.
func (m *course) first(ctx context.Context) {
	b := &runner.Bench{Settings: map[string]string{}, Observed: map[string]string{}, Confirms: m.c.Next != nil}
	m.bench = b
	measure := m.alone
	if m.ws.Beside != nil {
		b.Base = m.ws.Beside.Commit.SHA
		measure = m.beside
	}
	m.got = measure(ctx, m.ws, m.c, m.gate)
	b.Turns, b.Untold, b.New, b.Unaffected = m.got.turns, m.got.untold, m.got.fresh, m.got.unaffected
	m.weak.add(m.got.warnings)
	if rep := m.got.device; rep != nil {
		b.Backend, b.Device = rep.Device.Backend, rep.Device.Text
		b.Settings, b.Observed, b.Samples, b.Origins = rep.Settings, rep.Observed, rep.Samples, rep.Origins
		m.weak.add(rep.Warnings)
	}
	if several, ok := m.got.err.(interface{ Unwrap() []error }); ok {
		for _, err := range several.Unwrap() {
			m.fail(err)
		}
	} else if m.got.err != nil {
		m.fail(m.got.err)
	}
	for _, r := range m.got.runs {
		if ctx.Err() != nil {
			return
		}
		m.weak.add(r.collected.warnings)
		if r.err != nil {
			m.fail(r.err)
			continue
		}
		b.Samples = append(b.Samples, r.collected.samples...)
	}
	m.took()
}

// took notes how often the sources were measured for the first look, and how long that took,
// what was done for a base left out.
func (m *course) took() {
	all := time.Since(m.begin) - m.got.base
	for _, r := range m.got.runs {
		r.first = effort{r.collected.rounds, r.spent}
		all -= r.spent
	}
	for _, s := range m.bench.Samples {
		// Beside a base some loads have more than all of them took part in: only so many
		// rounds of everything are known to fit into that time.
		if n := len(s.Values); m.program(s.Source) == nil && (m.harness.rounds == 0 || n < m.harness.rounds) {
			m.harness.rounds = n
		}
	}
	m.harness.took = all // what was built and waited for is in it
	m.harnessFirst = m.harness
}

// takes is how long it takes to measure these sources as often as they were so far, and as
// often as for the first look.
func (m *course) takes(device bool, runs []*programRun) (all, first time.Duration) {
	if device {
		all, first = m.harness.took, m.harnessFirst.took
	}
	for _, r := range runs {
		all, first = all+r.spent, first+r.first.took
	}
	return all, first
}

// text says what was measured, in a sentence, and notes it of every program in the settings.
func (m *course) text() string {
	var told []string
	if rep := m.got.device; rep != nil {
		rounds := count(rep.Rounds, "round")
		if least := m.harness.rounds; least > 0 && least < rep.Rounds { // what was decided has fewer
			rounds = fmt.Sprintf("%d to %s", least, rounds)
		}
		told = append(told, fmt.Sprintf("measured %s in %s on %s", count(rep.Loads, "configuration"), rounds, rep.Device.Text))
	}
	for _, name := range slices.Sorted(maps.Keys(m.got.fresh)) {
		told = append(told, fmt.Sprintf("%s is new: %s", name, m.got.fresh[name]))
	}
	for _, u := range m.bench.Unaffected {
		told = append(told, fmt.Sprintf("%s is unaffected and was not run (%s)", u.Program, u.Reason))
	}
	for _, r := range m.got.runs {
		rounds := count(max(r.Rounds, r.collected.rounds), "round")
		m.bench.Settings["program "+r.Name] = fmt.Sprintf("%s, format %s", rounds, r.Format)
		if r.err == nil {
			told = append(told, fmt.Sprintf("%s gave %s in %s", r.Name, count(len(r.collected.samples), "sample"), rounds))
		}
	}
	return strings.Join(told, "; ")
}

// program is the one whose samples have that source; nil for those of the built-in harness.
func (m *course) program(source string) *programRun {
	if i := slices.IndexFunc(m.got.runs, func(r *programRun) bool { return r.Name == source }); i >= 0 {
		return m.got.runs[i]
	}
	return nil
}

// wanting is what has a sample of which that is to be done next. What one source measures goes
// together: the built-in harness as a whole, and each program.
func (m *course) wanting(step runner.Step) (device bool, runs []*programRun) {
	for i, next := range m.c.Next(m.bench) {
		if next != step {
			continue
		}
		if r := m.program(m.bench.Samples[i].Source); r == nil {
			device = true
		} else if r.err == nil && !slices.Contains(runs, r) {
			runs = append(runs, r)
		}
	}
	return device, runs
}

// named are these sources in words.
func (m *course) named(device bool, runs []*programRun) string {
	var names []string
	if device {
		names = append(names, m.c.source())
	}
	for _, r := range runs {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}

// affords reports whether there is that much time left, and a little more.
func affords(ctx context.Context, need time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() == nil && (!limited || time.Until(deadline) > need*11/10)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
