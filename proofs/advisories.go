package proofs

import (
	_ "embed"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

//go:embed advisories.tsv
var advisoryTable string

// leanVersion is the number of a Lean version, comparable by order.
type leanVersion struct {
	major, minor, patch int
	// rc is the release candidate, 1, 2, …; final for a release, and 0 for any other
	// build before one ("-pre", "-nightly-2026-08-01").
	rc int
}

const final = math.MaxInt

var leanVersionForm = regexp.MustCompile(`^v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:-(.+))?$`)

func parseLeanVersion(s string) (leanVersion, bool) {
	m := leanVersionForm.FindStringSubmatch(s)
	if m == nil {
		return leanVersion{}, false
	}
	v := leanVersion{rc: final}
	for i, p := range []*int{&v.major, &v.minor, &v.patch} {
		*p, _ = strconv.Atoi(m[i+1])
	}
	if m[4] != "" {
		v.rc = 0
		if n, ok := strings.CutPrefix(m[4], "rc"); ok {
			if k, err := strconv.Atoi(n); err == nil && k > 0 && k < final {
				v.rc = k
			}
		}
	}
	return v, true
}

func (v leanVersion) compare(o leanVersion) int {
	return slices.Compare([]int{v.major, v.minor, v.patch, v.rc}, []int{o.major, o.minor, o.patch, o.rc})
}

// includes reports whether v is known to have what first came with fix.
//
// A release has what any version before it in number has. A build before a release is
// made from a branch of its own, at a time that its number does not tell: 4.33.0-rc1 is
// older than 4.32.1. A candidate has what the release before it started with, any other
// build what came one release earlier; what came later counts as missing.
func (v leanVersion) includes(fix leanVersion) bool {
	switch {
	case v.compare(fix) < 0:
		return false
	case v.rc == final:
		return true
	case v.major == fix.major && v.minor == fix.minor && v.patch == fix.patch:
		return v.rc > 0 && v.rc >= fix.rc
	case v.major != fix.major || v.minor > fix.minor+1:
		return true
	case v.patch > 0: // a build before a patch of a release
		return v.minor == fix.minor && fix.patch < v.patch
	}
	return v.rc > 0 && fix.patch == 0
}

// advisory is a row of the table.
type advisory struct {
	runner.Advisory
	fixed  []leanVersion
	export string // "yes", "no" or "?"
}

// parseAdvisories reads the table, oldest fix first. A bad row is an error of this
// program; the good ones are returned all the same.
func parseAdvisories(table string) ([]advisory, error) {
	var out []advisory
	var first error
	n := 0
	for line := range strings.Lines(table) {
		n++
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		a, err := parseAdvisory(strings.Split(line, "\t"))
		if err != nil {
			if first == nil {
				first = fmt.Errorf("advisories: line %d: %w", n, err)
			}
			continue
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b advisory) int { return a.fixed[0].compare(b.fixed[0]) })
	return out, first
}

func parseAdvisory(f []string) (advisory, error) {
	if len(f) != 4 {
		return advisory{}, fmt.Errorf("%d columns, want 4", len(f))
	}
	a := advisory{export: f[2]}
	for s := range strings.SplitSeq(f[0], ",") {
		v, ok := parseLeanVersion(s)
		if !ok || v.rc == 0 {
			return a, fmt.Errorf("%q is not a version", s)
		}
		a.fixed = append(a.fixed, v)
	}
	first, _, _ := strings.Cut(f[0], ",")
	a.Advisory = runner.Advisory{Fixed: first, Source: f[1], Text: f[3]}
	if a.export != "yes" && a.export != "no" && a.export != "?" {
		return a, fmt.Errorf("affects exports %q, want yes, no or ?", a.export)
	}
	if a.export == "yes" {
		a.Text += " (also of what is exported)"
	}
	return a, nil
}

// advisories are the fixes that a version of Lean is not known to have, oldest first. A
// version that cannot be read has none of them.
func advisories(version string) []runner.Advisory {
	all, _ := parseAdvisories(advisoryTable) // a test holds that it is well-formed
	v, ok := parseLeanVersion(version)
	var out []runner.Advisory
	for _, a := range all {
		if !ok || !slices.ContainsFunc(a.fixed, v.includes) {
			out = append(out, a.Advisory)
		}
	}
	return out
}

// mergeAdvisories adds those of another toolchain, oldest fix first.
func mergeAdvisories(list, more []runner.Advisory) []runner.Advisory {
	for _, a := range more {
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	slices.SortStableFunc(list, func(a, b runner.Advisory) int {
		x, _ := parseLeanVersion(a.Fixed)
		y, _ := parseLeanVersion(b.Fixed)
		return x.compare(y)
	})
	return list
}
