package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/metal/format"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// maxBenchFile is how much of a file is read, in bytes.
const maxBenchFile = 1 << 30

// directions is the flag --better: unit=higher or unit=lower, repeatable.
type directions map[string]string

func (d directions) String() string { return "" }

func (d directions) Set(text string) error {
	i := strings.LastIndexByte(text, '=')
	if i <= 0 {
		return errors.New("write UNIT=higher or UNIT=lower")
	}
	switch unit, way := text[:i], text[i+1:]; way {
	case "higher":
		d[baseline.BaseUnit(unit)] = runner.HigherIsBetter
	case "lower":
		d[baseline.BaseUnit(unit)] = runner.LowerIsBetter
	default:
		return fmt.Errorf("%q is neither higher nor lower", way)
	}
	return nil
}

func cmdCompare(_ context.Context, e *env, args []string) error {
	fs := flags(e, "compare", "[flags] BASE HEAD")
	asJSON := fs.Bool("json", false, "print JSON, one benchmark a line")
	alpha := fs.Float64("alpha", baseline.DefaultAlpha, "`LEVEL` of the two-sided test and the intervals with up to 8 values of a benchmark; with n values LEVEL·√(8/n)")
	effect := fs.Float64("min-effect", baseline.DefaultMinEffect, "smallest `EFFECT` worth reporting, a fraction: 0.015 is 1.5 %")
	correct := fs.String("correct", "none", "`METHOD` to correct p-values for the number of benchmarks: none or holm")
	strict := fs.Bool("strict", false, "exit 3 if anything is inconclusive and nothing regressed")
	better := directions{}
	fs.Var(better, "better", "direction of a unit, before what the files or its name say: `UNIT=higher` or UNIT=lower; repeatable")
	if err := parse(fs, args, 2); err != nil {
		return err
	}
	const hint = "holdfast compare -h tells the usage"
	switch {
	case fs.NArg() != 2:
		return &usageError{"two files are needed: BASE and HEAD", hint}
	case fs.Arg(0) == "-" && fs.Arg(1) == "-":
		return &usageError{"standard input cannot be both BASE and HEAD", "write one of them to a file"}
	case !(*alpha > 0 && *alpha < 0.5):
		return &usageError{fmt.Sprintf("--alpha %v is outside 0 … 0.5", *alpha), "0.005 is at most one false alarm in 200 comparisons"}
	case !(*effect > 0 && *effect < 1):
		return &usageError{fmt.Sprintf("--min-effect %v is outside 0 … 1", *effect), "a fraction: 0.015 is 1.5 %"}
	case *correct != "none" && *correct != "holm":
		return &usageError{fmt.Sprintf("--correct %q", *correct), "none or holm"}
	}
	var files [2]baseline.BenchFile
	for i, side := range []string{"base", "head"} {
		f, err := readBenchFile(e, fs.Arg(i), side)
		if err != nil {
			return err
		}
		for _, p := range f.Problems {
			fmt.Fprintf(e.stderr, "warning: %s\n", p)
		}
		files[i] = f
	}
	pairs := baseline.Pair(files[0], files[1], format.Better)
	for unit, way := range better {
		for i := range pairs {
			if pairs[i].Unit == unit {
				pairs[i].Better = way
			}
		}
		if !slices.ContainsFunc(pairs, func(p baseline.SidePair) bool { return p.Unit == unit }) {
			return &usageError{fmt.Sprintf("--better %s: nothing is measured in it", unit), "units in these files: " + strings.Join(units(pairs), ", ")}
		}
	}
	o := baseline.SideOptions{Alpha: *alpha, MinEffect: *effect, Holm: *correct == "holm"}
	results := baseline.CompareSides(pairs, o)
	var err error
	if *asJSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		for _, r := range results {
			if err = enc.Encode(r); err != nil {
				return err
			}
		}
	} else if err = printComparison(e.stdout, results, o); err != nil {
		return err
	}
	var worst runner.Verdict = runner.Success
	for _, r := range results {
		switch {
		case r.Verdict == baseline.Regressed:
			worst = runner.Failure
		case r.Verdict == baseline.Inconclusive && *strict && worst == runner.Success:
			worst = runner.Error
		}
	}
	return asError(worst)
}

// units are those of some benchmarks, each once.
func units(pairs []baseline.SidePair) []string {
	var out []string
	for _, p := range pairs {
		if u := report.Line(p.Unit); !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out
}

// readBenchFile reads one side. A file without benchmarks is an error: comparing nothing
// must not look like a comparison without a finding.
func readBenchFile(e *env, name, side string) (baseline.BenchFile, error) {
	text, err := readAll(e, name)
	if err != nil {
		return baseline.BenchFile{}, fmt.Errorf("read the %s: %w", side, err)
	}
	f := baseline.ReadBenchFile(text, name)
	if len(f.Series) == 0 {
		why := "no benchmark in it"
		if len(f.Problems) > 0 {
			why = f.Problems[0]
		}
		return f, runner.WithHint(fmt.Errorf("read the %s %s: %s", side, name, why),
			"the Go benchmark format is expected: BenchmarkName 1 VALUE UNIT, a line for each sample")
	}
	return f, nil
}

// readAll reads a file as a whole, or standard input if its name is "-".
func readAll(e *env, name string) ([]byte, error) {
	from := e.stdin
	if name != "-" || from == nil {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxBenchFile+1))
	if err == nil && len(text) > maxBenchFile {
		err = fmt.Errorf("%s is larger than %d MiB", name, maxBenchFile>>20)
	}
	return text, err
}

func printComparison(w io.Writer, results []baseline.SideResult, o baseline.SideOptions) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BENCHMARK\tBASE\tHEAD\tEFFECT\tINTERVAL\tP\tN\tVERDICT")
	counts, students, ranks := map[baseline.Outcome]int{}, 0, 0
	for _, r := range results {
		counts[r.Verdict]++
		interval, p := "-", "-"
		if !math.IsNaN(r.Lo) {
			interval = fmt.Sprintf("[%s, %s]", baseline.Percent(r.Lo), baseline.Percent(r.Hi))
		}
		if !math.IsNaN(r.P) {
			if p = fmt.Sprintf("%.4f", r.P); r.P < 0.0001 {
				p = "<0.0001"
			}
			switch {
			case r.Ranks:
				ranks++
			case !r.Exact:
				students++
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d+%d\t%s\n", report.Line(r.Name+" "+r.Unit), report.Line(baseline.Format(r.BaseMedian, r.Unit)), report.Line(baseline.Format(r.HeadMedian, r.Unit)),
			baseline.Percent(r.Effect), interval, p, r.NBase, r.NHead, r.Verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	var b strings.Builder
	for _, r := range results {
		for _, text := range r.Warnings {
			fmt.Fprintf(&b, "%s\n", report.Line(r.Name+" "+r.Unit+": "+text))
		}
	}
	if b.Len() > 0 {
		fmt.Fprintf(w, "%s\n", b.String())
	}
	fmt.Fprintf(w, "%d regressed, %d improved, %d unchanged, %d inconclusive; threshold %g%%, tests and intervals at a level of %g %%, smaller with more than 8 values\n",
		counts[baseline.Regressed], counts[baseline.Improved], counts[baseline.Unchanged], counts[baseline.Inconclusive], rounded(100*o.MinEffect), rounded(100*o.Alpha))
	if students > 0 {
		fmt.Fprintf(w, "%d with fewer than 12 values on a side: taken to be log-normal, but for outliers, and equally spread on both sides\n", students)
	}
	if n := students + ranks; n > 1 && !o.Holm {
		fmt.Fprintf(w, "p-values are not corrected for %d comparisons: --correct holm does that\n", n)
	}
	return nil
}

// rounded takes what binary fractions add to a decimal one away.
func rounded(v float64) float64 { return math.Round(v*1e9) / 1e9 }
