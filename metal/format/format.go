// Package format reads what benchmark programs print: the Go benchmark format, the JSON
// of Google Benchmark, hyperfine, JMH and Bencher, Catch2's XML, and anything else
// through a regular expression with named groups.
//
// The text comes from the watched repository and is hostile. A parser reports a bad
// line and keeps reading; whoever calls it decides what a bad line means (for a verdict
// it means that something was not measured). Values come out in base units, finite and
// not negative.
package format

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/runner"
)

// Measurement is one value of one benchmark in one unit.
type Measurement struct {
	Name   string
	Config map[string]string // nil if there is none
	Unit   string            // base unit: "sec/op", "B/s"
	Better string            // runner.HigherIsBetter, runner.LowerIsBetter, or "" if not known
	Value  float64           // finite, ≥ 0
}

// Output is all that was read from one run of a program.
type Output struct {
	Measurements []Measurement // in order of appearance
	Errors       []*SyntaxError
	Warnings     []string // said by the output itself: a debug build
}

// SyntaxError is one line, or one JSON value, that could not be taken.
type SyntaxError struct {
	Line int // 1-based; 0 if not known
	Msg  string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Msg
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
}

const (
	// maxMeasurements and maxErrors bound what one output can make us keep.
	maxMeasurements = 100_000
	maxErrors       = 20
	// maxName bounds a name, a unit, and each key and value of a configuration, in bytes.
	maxName = 300
)

func (o *Output) errorf(line int, format string, args ...any) {
	if len(o.Errors) < maxErrors {
		o.Errors = append(o.Errors, &SyntaxError{line, fmt.Sprintf(format, args...)})
	}
}

// add takes one value in any unit. Better may be "" to go by the unit.
func (o *Output) add(line int, m Measurement) { o.take(line, m, false) }

// take is add, which also takes a time or a throughput of 0 if zero is set.
func (o *Output) take(line int, m Measurement, zero bool) {
	for _, s := range append([]string{m.Name, m.Unit}, flatten(m.Config)...) {
		if err := Clean(s); err != nil {
			o.errorf(line, "%v", err)
			return
		}
	}
	if m.Name == "" {
		o.errorf(line, "a benchmark without a name")
		return
	}
	m.Value, m.Unit = Tidy(m.Value, m.Unit)
	if m.Better == "" {
		m.Better = Better(m.Unit)
	}
	switch {
	case math.IsNaN(m.Value) || math.IsInf(m.Value, 0):
		o.errorf(line, "%s: %v %s is not a finite number", m.Name, m.Value, m.Unit)
	case m.Value < 0:
		o.errorf(line, "%s: %v %s is negative", m.Name, m.Value, m.Unit)
	case m.Value == 0 && !zero && (isTime(m.Unit) || m.Better == runner.HigherIsBetter):
		// Zero bytes or allocations are a result; no time at all, and no throughput at
		// all, are a benchmark that did nothing.
		o.errorf(line, "%s: 0 %s: nothing was measured", m.Name, m.Unit)
	case len(o.Measurements) == maxMeasurements:
		o.errorf(line, "more than %d values", maxMeasurements)
	case len(o.Measurements) > maxMeasurements:
	default:
		m.Value += 0 // −0 is 0
		o.Measurements = append(o.Measurements, m)
	}
}

func flatten(m map[string]string) []string {
	var s []string
	for k, v := range m {
		s = append(s, k, v)
	}
	return s
}

// Clean rejects text that could not be shown, or be told from other text, in a report.
func Clean(s string) error {
	if len(s) > maxName {
		return fmt.Errorf("name, unit or setting longer than %d bytes", maxName)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("name, unit or setting %q is not UTF-8", s)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("name, unit or setting %q has unprintable characters", s)
	}
	return nil
}

// scales are prefixed units, as numerators, and how many of the base unit they are:
// times a factor, or a fraction of it. Powers of ten are exact in a float and their
// inverses are not, so dividing keeps "7 ns" at 7e-9.
var scales = map[string]struct {
	unit    string
	times   float64
	divided float64
}{
	"ns": {"sec", 1, 1e9}, "us": {"sec", 1, 1e6}, "µs": {"sec", 1, 1e6}, "μs": {"sec", 1, 1e6},
	"ms": {"sec", 1, 1e3}, "s": {"sec", 1, 1},
	"kB": {"B", 1e3, 1}, "KB": {"B", 1e3, 1}, "MB": {"B", 1e6, 1}, "GB": {"B", 1e9, 1},
	"KiB": {"B", 1 << 10, 1}, "MiB": {"B", 1 << 20, 1}, "GiB": {"B", 1 << 30, 1},
	"min": {"sec", 60, 1}, "hr": {"sec", 3600, 1},
}

// rates are prefixed units of time below a stroke, and how many of them are in a second.
var rates = map[string]struct{ times, divided float64 }{
	"ns": {1e9, 1}, "us": {1e6, 1}, "µs": {1e6, 1}, "μs": {1e6, 1}, "ms": {1e3, 1}, "s": {1, 1}, "sec": {1, 1},
	"min": {1, 60}, "hr": {1, 3600},
}

// Tidy converts a value to the base unit: "ns/op" to "sec/op", "MB/s" and "MB/sec" to
// "B/s", "ops/us" to "ops/s", "ms" to "sec". Units it does not know stay as they are. It
// is idempotent.
func Tidy(v float64, unit string) (float64, string) {
	head, rest, per := strings.Cut(unit, "/")
	if s, ok := scales[head]; ok {
		v, head = v*s.times/s.divided, s.unit
	}
	if !per {
		return v, head
	}
	if r, ok := rates[rest]; ok {
		v, rest = v*r.times/r.divided, "s"
	}
	return v, head + "/" + rest
}

func isTime(unit string) bool {
	return unit == "sec" || strings.HasPrefix(unit, "sec/") || strings.HasSuffix(unit, "-sec/op")
}

// Better is the direction in which a base unit gets better, "" if it is not known.
func Better(unit string) string {
	switch {
	case isTime(unit), unit == "B/op", unit == "allocs/op", unit == "B":
		return runner.LowerIsBetter
	case strings.HasSuffix(unit, "/s"), unit == "x", unit == "ratio":
		return runner.HigherIsBetter
	}
	return ""
}
