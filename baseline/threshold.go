// Package baseline judges benchmark samples against thresholds and history.
//
// It is pure: raw samples ([runner.Sample]), earlier runs ([Past]) and thresholds go
// in, a [Judgement] comes out, and the same input always gives the same output. Which
// earlier runs may be compared at all (same repository, machine class and benchmark
// configuration) is the caller's choice; measuring, storing and rendering are left to
// others.
//
// The rule behind every verdict: failure only when the whole interval lies beyond the
// threshold, success only when the whole interval clears it, and otherwise "could not
// tell", which is an error and never a green. [Judge] says which interval is used.
package baseline

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/holdfast-ci/holdfast/runner"
)

// Op compares a measured value (left) with a bound (right).
type Op string

// The four operators of a threshold.
const (
	AtLeast Op = ">="
	AtMost  Op = "<="
	Above   Op = ">"
	Below   Op = "<"
)

// lower reports whether the bound is a lower one: values must stay above it.
func (o Op) lower() bool { return o == AtLeast || o == Above }

// holds reports whether v satisfies the bound.
func (o Op) holds(v, bound float64) bool {
	switch o {
	case AtLeast:
		return v >= bound
	case AtMost:
		return v <= bound
	case Above:
		return v > bound
	case Below:
		return v < bound
	}
	return false
}

// Threshold is one requirement on one or more samples, as written in agent.toml:
//
//	async-gain mode=single >= 10%
//	scaling queue=per-thread threads=8 >= 2x
//	ops/s >= baseline - 5%
//	sec/op <= base + 5%
//
// The zero value matches nothing; make one with [ParseThreshold].
type Threshold struct {
	// Metric is compared with Sample.Name and with Sample.Unit.
	Metric string
	// Config restricts the samples to those with these settings. Nil for no restriction.
	Config map[string]string
	Op     Op
	// Relative says that the bound is the baseline's median changed by Value percent.
	Relative bool
	// Base says that a relative bound goes by the base that was measured in turns with the
	// commit, not by the history.
	Base bool
	// Value is the number as written: 10 for "10%", 6 for "6x", -5 for "baseline - 5%".
	Value float64
	// Suffix is what follows the number: "", "%", "x" or "s". It is "%" if Relative.
	Suffix string
}

// Match reports whether the threshold speaks about the sample.
func (t Threshold) Match(s runner.Sample) bool {
	if t.Metric == "" || t.Metric != s.Name && t.Metric != s.Unit {
		return false
	}
	for k, v := range t.Config {
		if have, ok := s.Config[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// bound is the absolute bound in the sample's unit. A percentage is a fraction against
// unit "ratio" (10% is 0.10) and itself against unit "%".
func (t Threshold) bound(unit string) (float64, error) {
	switch t.Suffix {
	case "":
		return t.Value, nil
	case "%":
		switch unit {
		case "ratio":
			return t.Value / 100, nil
		case "%":
			return t.Value, nil
		}
	case "x":
		if unit == "x" {
			return t.Value, nil
		}
	case "s":
		switch unit {
		case "sec", "s", "sec/op":
			return t.Value, nil
		}
	}
	return 0, fmt.Errorf("the bound is in %q and the sample in %q", t.Suffix, unit)
}

// String writes the threshold in canonical form: settings sorted by key, one space
// between the parts, quotes only where needed. [ParseThreshold] reads it back to an
// equal value. The zero value gives "".
func (t Threshold) String() string {
	if t.Metric == "" && t.Op == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(quote(t.Metric))
	for _, k := range slices.Sorted(maps.Keys(t.Config)) {
		b.WriteString(" " + quote(k) + "=" + quote(t.Config[k]))
	}
	b.WriteString(" " + string(t.Op) + " ")
	num, to := strconv.FormatFloat(t.Value, 'g', -1, 64), "baseline"
	if t.Base {
		to = "base"
	}
	switch {
	case t.Relative && t.Value < 0:
		b.WriteString(to + " - " + num[1:] + "%")
	case t.Relative:
		b.WriteString(to + " + " + num + "%")
	default:
		b.WriteString(num + t.Suffix)
	}
	return b.String()
}

// Worse is the direction in which the threshold is missed: 1 if what is too large misses it,
// -1 if what is too small does.
func (t Threshold) Worse() int {
	if t.Op.lower() {
		return -1
	}
	return 1
}

// quote puts a word in Go quotes if the scanner would not read it back bare.
func quote(s string) string {
	bare := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune(`<>="!≥≤≠`, r) || r == unicode.ReplacementChar
	}) < 0
	if bare {
		return s
	}
	return strconv.Quote(s)
}

// MarshalText is [Threshold.String].
func (t Threshold) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is [ParseThreshold].
func (t *Threshold) UnmarshalText(text []byte) error {
	p, err := ParseThreshold(string(text))
	if err != nil {
		return err
	}
	*t = p
	return nil
}
