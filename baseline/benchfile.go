package baseline

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"slices"
	"unicode"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"github.com/holdfast-ci/holdfast/runner"
)

// BenchFile is what a file in the Go benchmark format holds.
type BenchFile struct {
	Series []BenchSeries // in order of appearance
	// Problems are lines that could not be taken, each with its place: at most 20, and how many
	// there are beyond.
	Problems []string
	// Unread counts the lines of a benchmark that could not be taken, by its name.
	Unread map[string]int
	// Machine is what the file says of goos, goarch and cpu, "" for what it does not say or
	// says in several ways.
	Machine map[string]string
}

// BenchSeries is all values of one benchmark in one unit, in the order of the file.
type BenchSeries struct {
	Package string    // of the "pkg" line
	Name    string    // with sub-benchmarks and the GOMAXPROCS suffix, without "Benchmark"
	Unit    string    // base unit: "sec/op", "B/op"
	Better  string    // runner.HigherIsBetter, runner.LowerIsBetter; "" if not known
	Values  []float64 // finite
	Skipped int       // values left out because they are not
}

// maxLine is how long a line of the format may be, in bytes.
const maxLine = bufio.MaxScanTokenSize - 1

// ReadBenchFile reads the Go benchmark format (golang.org/design/14313-benchmark-format).
// Lines that are not of the format are skipped, as it asks for; those that are but cannot
// be read are Problems, and what was read beside them is kept. file is its name in messages.
func ReadBenchFile(text []byte, file string) BenchFile {
	out := BenchFile{Machine: map[string]string{}, Unread: map[string]int{}}
	type key struct{ pkg, name, unit string }
	at := map[key]int{}
	bad := problems{file: file}
	unread := func(line int, name string, format string, args ...any) {
		bad.add(line, format, args...)
		if name != "" {
			out.Unread[name]++
		}
	}
	text = withoutLong(bytes.TrimPrefix(text, byteOrderMark), func(line int, start []byte) {
		if name := benchmarkName(start); name != "" {
			unread(line, name, "longer than %d bytes", maxLine)
		}
	})
	cursor := lineCursor{rest: text}
	mixed := map[string]bool{}
	r := benchfmt.NewReader(bytes.NewReader(text), file)
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			unread(rec.Line, benchmarkName(cursor.line(rec.Line)), "%s", rec.Msg)
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
				if v.OrigUnit == "" { // benchfmt leaves the unit of 0 as it is, since its value is the same in any
					v.Value, v.Unit = benchunit.Tidy(v.Value, v.Unit)
				}
				k := key{pkg, string(rec.Name), v.Unit}
				i, ok := at[k]
				if !ok {
					i = len(out.Series)
					at[k] = i
					out.Series = append(out.Series, BenchSeries{Package: pkg, Name: k.name, Unit: k.unit})
				}
				if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
					bad.add(line, "%s: %v %s is not a finite number", rec.Name, v.Value, v.Unit)
					out.Series[i].Skipped++
					continue
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
	if err := r.Err(); err != nil {
		bad.add(0, "%v", err)
	}
	out.Problems = bad.list()
	return out
}

// BaseUnit is the unit in which values of a unit are kept: "sec/op" for "ns/op".
func BaseUnit(unit string) string {
	_, base := benchunit.Tidy(1, unit)
	return base
}

// withoutLong empties the lines that are longer than maxLine, at which benchfmt would stop
// for good, and tells the number and the start of each.
func withoutLong(text []byte, tell func(line int, start []byte)) []byte {
	var out []byte // nil while nothing was left out
	for n, from := 1, 0; from < len(text); n++ {
		size := bytes.IndexByte(text[from:], '\n')
		if size < 0 {
			size = len(text) - from
		}
		end := min(from+size+1, len(text))
		switch {
		case size > maxLine:
			tell(n, text[from:from+maxLine])
			if out == nil {
				out = append(make([]byte, 0, len(text)), text[:from]...)
			}
			out = append(out, '\n')
		case out != nil:
			out = append(out, text[from:end]...)
		}
		from = end
	}
	if out == nil {
		return text
	}
	return out
}

// lineCursor finds lines by numbers that only grow.
type lineCursor struct {
	rest []byte
	gone int // lines before rest
}

func (c *lineCursor) line(n int) []byte {
	for ; c.gone < n-1; c.gone++ {
		_, c.rest, _ = bytes.Cut(c.rest, []byte("\n"))
	}
	line, _, _ := bytes.Cut(c.rest, []byte("\n"))
	return line
}

// benchmarkName is the name in a line of the format, "" if it is none of a benchmark.
func benchmarkName(line []byte) string {
	line, ok := bytes.CutPrefix(line, []byte("Benchmark"))
	if !ok {
		return ""
	}
	if i := bytes.IndexFunc(line, unicode.IsSpace); i >= 0 {
		line = line[:i]
	}
	return string(line)
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
		p := add(s)
		p.Base = s.Values
		p.Warnings = append(p.Warnings, base.left("base", s)...)
	}
	for _, s := range head.Series {
		p := add(s)
		p.Head = s.Values
		p.Warnings = append(p.Warnings, head.left("head", s)...)
		if s.Better != "" && s.Better != p.Better {
			p.Warnings = append(p.Warnings, fmt.Sprintf("the files differ in which direction of %q is better: the base says %s", s.Unit, p.Better))
		}
	}
	var differ []string
	for _, k := range machineKeys {
		if b, h := base.Machine[k], head.Machine[k]; b != h && b != "" && h != "" {
			differ = append(differ, fmt.Sprintf("measured on different machines: %s is %q in the base and %q in the head", k, b, h))
		}
	}
	for i := range out {
		if out[i].Better == "" {
			out[i].Better = better(out[i].Unit)
		}
		if k := keys[i]; k.pkg != "" && len(packages[k.name]) > 1 {
			out[i].Name = k.pkg + "." + k.name
		}
		out[i].Warnings = append(out[i].Warnings, differ...)
	}
	return out
}

// left says what of a series is not among its values.
func (f *BenchFile) left(side string, s BenchSeries) (warnings []string) {
	if s.Skipped > 0 {
		warnings = append(warnings, fmt.Sprintf("%s of the %s left out: not finite", count(s.Skipped, "value"), side))
	}
	if n := f.Unread[s.Name]; n > 0 {
		warnings = append(warnings, fmt.Sprintf("%s of the %s could not be read", count(n, "line"), side))
	}
	return warnings
}
