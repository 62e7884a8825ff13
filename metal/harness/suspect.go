package harness

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	// drifting is the change of the rate within windows from which on it is told, if nearly
	// all windows change the same way.
	drifting = 0.03
	// signed is the chance with which windows that do not drift may agree in sign.
	signed = 0.002
	// apart is how far two groups of values must be apart to be told as two: the distance
	// of their means in standard deviations, Ashman's D. Splitting one bell at its best
	// place gives 3 to 5 with ten values; a test holds this to its false alarms.
	apart = 12
	// apartLeast is the smallest difference of two groups that is told.
	apartLeast = 0.02
	// expensive is the share of an operation's time from which on the harness's own price
	// is told.
	expensive = 0.05
	// studentized is the range of the means of processes in standard errors from which on
	// it is told: the studentized range (Tukey 1949), far beyond what chance gives with two
	// values in each of five processes. A test holds it to its false alarms.
	studentized = 25
)

// suspect says in words what the median of a load does not: one warning for each kind.
func (r *run) suspect() {
	kinds := []struct {
		what string
		test func(t *track) string
		seen []string
	}{
		{"the rate changes within the window, so the warm-up was short or the clocks fall: the median is of no steady state", testDrift, nil},
		{"the values fall into two groups, and a median describes neither", testModes, nil},
		{"the processes differ by more than the rounds of one do: what is settled once in a process's life moves the figure", testProcesses, nil},
		{"the harness's own work is a noticeable part of an operation: compare these figures with themselves only", testOverhead, nil},
		{"garbage was collected within a window", testCollections, nil},
		{"threads were kept from submitting, by a busy machine or by others because a lock is not fair", testStarved, nil},
	}
	for i, t := range slices.DeleteFunc(slices.Clone(r.tracks), func(t *track) bool { return len(t.values) == 0 }) {
		for k := range kinds {
			if text := kinds[k].test(t); text != "" {
				kinds[k].seen = append(kinds[k].seen, t.load.String()+" "+text)
				o := &r.rep.Origins[i]
				o.Notes = append(o.Notes, kinds[k].what+": "+text)
			}
		}
	}
	for _, k := range kinds {
		if n := len(k.seen); n > 3 {
			r.warn("%s: %s, and %d more", k.what, strings.Join(k.seen[:3], ", "), n-3)
		} else if n > 0 {
			r.warn("%s: %s", k.what, strings.Join(k.seen, ", "))
		}
	}
}

// drifts are, of each window, the rate of its second half against its first, minus 1.
func (t *track) drifts() []float64 {
	var out []float64
	for _, v := range t.values {
		if len(v.Slices) == 0 {
			continue
		}
		half := len(v.Slices) / 2
		var a, b float64
		for _, x := range v.Slices[:half] {
			a += x
		}
		for _, x := range v.Slices[len(v.Slices)-half:] {
			b += x
		}
		out = append(out, b/a-1)
	}
	return out
}

func testDrift(t *track) string {
	d := t.drifts()
	m := median(d)
	if len(d) == 0 || math.Abs(m) < drifting || !agree(d) {
		return ""
	}
	return fmt.Sprintf("(%+.1f %% from the first to the second half)", m*100)
}

func testStarved(t *track) string {
	windows, most := 0, 0
	for _, v := range t.values {
		if v.Starved > 0 {
			windows++
			most = max(most, v.Starved)
		}
	}
	if windows == 0 {
		return ""
	}
	return fmt.Sprintf("(up to %d of %d threads in %d of %d windows)", most, t.load.Threads, windows, len(t.values))
}

// agree reports whether so many have one sign that chance is no explanation: a two-sided
// sign test at [signed].
func agree(d []float64) bool {
	up := 0
	for _, x := range d {
		if x > 0 {
			up++
		}
	}
	n := len(d)
	few := min(up, n-up)
	// P(B <= few) for B binomial with n trials of chance 1/2.
	p, sum := math.Exp2(-float64(n)), 0.0
	for k := 0; k <= few; k++ {
		sum += p
		p *= float64(n-k) / float64(k+1)
	}
	return 2*sum <= signed
}

func testModes(t *track) string {
	lo, hi, ok := modes(t.rates())
	if !ok {
		return ""
	}
	return fmt.Sprintf("(%d values about %.4g ops/s and %d about %.4g)", len(lo), median(lo), len(hi), median(hi))
}

// modes splits values where the two sides are furthest apart in terms of their own
// deviation. ok says that they are so far apart that the values have two modes. Each has
// at least three values, and a fifth of all: fewer are outliers.
func modes(values []float64) (lo, hi []float64, ok bool) {
	s := slices.Sorted(slices.Values(values))
	least := max(3, (len(s)+4)/5)
	top := 0.0
	for k := least; k <= len(s)-least; k++ {
		m1, v1 := meanVar(s[:k])
		m2, v2 := meanVar(s[k:])
		// Values that agree to the last bit, as modelled ones do, are not infinitely far apart.
		sd := max(math.Sqrt((v1+v2)/2), apartLeast/apart*m1)
		if d := (m2 - m1) / sd; d > top {
			top, lo, hi = d, s[:k], s[k:]
		}
	}
	return lo, hi, top > apart
}

func meanVar(v []float64) (mean, variance float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		variance += (x - mean) * (x - mean) / float64(len(v)-1)
	}
	return mean, variance
}

func testProcesses(t *track) string {
	var groups [][]float64
	last := 0
	for _, v := range t.values {
		if v.process != last {
			groups, last = append(groups, nil), v.process
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], v.Rate)
	}
	between, q := spread(groups)
	if q < studentized || between < apartLeast {
		return ""
	}
	return fmt.Sprintf("(%d processes, %.1f %% between the slowest and the fastest)", len(groups), between*100)
}

// spread is how far the means of groups are apart: relative to the smallest, and in
// standard errors by the deviation within the groups. Both are 0 where that is not known.
func spread(groups [][]float64) (between, q float64) {
	lo, hi, ss, n := math.Inf(1), math.Inf(-1), 0.0, 0
	for _, g := range groups {
		m := 0.0
		for _, x := range g {
			m += x / float64(len(g))
		}
		for _, x := range g {
			ss += (x - m) * (x - m)
		}
		lo, hi, n = min(lo, m), max(hi, m), n+len(g)
	}
	free := n - len(groups)
	if len(groups) < 2 || free < 4 { // the deviation is not worth much before
		return 0, 0
	}
	each := float64(n) / float64(len(groups))
	se := max(math.Sqrt(ss/float64(free)/each), apartLeast/studentized*lo/10)
	return hi/lo - 1, (hi - lo) / se
}

func testOverhead(t *track) string {
	if o := t.overhead(); o > expensive {
		return fmt.Sprintf("(%.0f %%)", o*100)
	}
	return ""
}

func testCollections(t *track) string {
	n := uint64(0)
	for _, v := range t.values {
		n += v.Collections
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("(%d times)", n)
}
