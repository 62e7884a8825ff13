package baseline

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchfmt"

	"github.com/holdfast-ci/holdfast/runner"
)

// BenchFile is what a file in the Go benchmark format holds.
type BenchFile struct {
	Series []BenchSeries // in order of appearance
	// Problems are lines that could not be taken, each with its place, at most 20.
	Problems []string
	// Machine is what the file says of goos, goarch and cpu, "" for what it does not say or
	// says in several ways.
	Machine map[string]string
}

// BenchSeries is all values of one benchmark in one unit, in the order of the file.
type BenchSeries struct {
	Package string // of the "pkg" line
	Name    string // with sub-benchmarks and the GOMAXPROCS suffix, without "Benchmark"
	Unit    string // base unit: "sec/op", "B/op"
	Better  string // runner.HigherIsBetter, runner.LowerIsBetter; "" if not known
	Values  []float64
}

const maxProblems = 20

// ReadBenchFile reads the Go benchmark format (golang.org/design/14313-benchmark-format).
// Lines that are not of the format are skipped, as it asks for; those that are but cannot
// be read are Problems, and what was read beside them is kept. file is its name in messages.
func ReadBenchFile(text []byte, file string) BenchFile {
	out := BenchFile{Machine: map[string]string{}}
	type key struct{ pkg, name, unit string }
	at := map[key]int{}
	problem := func(line int, format string, args ...any) {
		if len(out.Problems) < maxProblems {
			out.Problems = append(out.Problems, fmt.Sprintf("%s:%d: ", file, line)+fmt.Sprintf(format, args...))
		}
	}
	mixed := map[string]bool{}
	r := benchfmt.NewReader(bytes.NewReader(text), file)
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			problem(rec.Line, "%s", rec.Msg)
		case *benchfmt.Result:
			_, line := rec.Pos()
			for _, k := range machineKeys {
				v := rec.GetConfig(k)
				if old, seen := out.Machine[k]; seen && old != v || mixed[k] {
					mixed[k], v = true, ""
				}
				out.Machine[k] = v
			}
			pkg := rec.GetConfig("pkg")
			for _, v := range rec.Values {
				if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
					problem(line, "%s: %v %s is not a finite number", rec.Name, v.Value, v.Unit)
					continue
				}
				k := key{pkg, string(rec.Name), v.Unit}
				i, ok := at[k]
				if !ok {
					i = len(out.Series)
					at[k] = i
					out.Series = append(out.Series, BenchSeries{Package: pkg, Name: k.name, Unit: k.unit})
				}
				out.Series[i].Values = append(out.Series[i].Values, v.Value)
			}
		}
	}
	for i := range out.Series {
		switch r.Units().GetBetter(out.Series[i].Unit) {
		case 1:
			out.Series[i].Better = runner.HigherIsBetter
		case -1:
			out.Series[i].Better = runner.LowerIsBetter
		}
	}
	if err := r.Err(); err != nil && len(out.Problems) <= maxProblems {
		out.Problems = append(out.Problems, fmt.Sprintf("%s: %v", file, err))
	}
	return out
}

var machineKeys = []string{"cpu", "goarch", "goos"}

// Pair lines the benchmarks of two files up by package, name and unit: those of the base in
// their order, then those that only the head has. Where one name stands in several packages,
// its package is put before it. better gives the direction of a unit where neither file does.
func Pair(base, head BenchFile, better func(unit string) string) []SidePair {
	type key struct{ pkg, name, unit string }
	var out []SidePair
	var keys []key
	at := map[key]int{}
	packages := map[string][]string{}
	add := func(s BenchSeries) *SidePair {
		k := key{s.Package, s.Name, s.Unit}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			keys = append(keys, k)
			out = append(out, SidePair{Name: s.Name, Unit: s.Unit})
			if !slices.Contains(packages[s.Name], s.Package) {
				packages[s.Name] = append(packages[s.Name], s.Package)
			}
		}
		p := &out[i]
		if p.Better == "" {
			p.Better = s.Better
		}
		return p
	}
	for _, s := range base.Series {
		add(s).Base = s.Values
	}
	for _, s := range head.Series {
		add(s).Head = s.Values
	}
	var differ []string
	for _, k := range machineKeys {
		if b, h := base.Machine[k], head.Machine[k]; b != h && b != "" && h != "" {
			differ = append(differ, fmt.Sprintf("measured on different machines: %s is %q in the base and %q in the head", k, b, h))
		}
	}
	for i := range out {
		if b := better(out[i].Unit); b != "" {
			out[i].Better = b
		}
		if k := keys[i]; k.pkg != "" && len(packages[k.name]) > 1 {
			out[i].Name = k.pkg + "." + k.name
		}
		out[i].Warnings = slices.Clone(differ)
	}
	return out
}
