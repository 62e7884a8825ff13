package baseline

import (
	"math"
	"strconv"

	"github.com/holdfast-ci/holdfast/runner"
)

// Halfway is the threshold that tells a sample's two levels apart where the second one is
// change away from the first (0.2 for a fifth more): in turns with a commit of the first
// level, a commit that goes beyond the geometric mean of both is of the second. Either level
// is then as far from the bound as it can be, so that a commit is told apart with the fewest
// measurements; at the bound of the threshold that was missed one of them may lie. ok is
// false if there is no such bound, or the levels are nearer to each other than 1 %.
func Halfway(s runner.Sample, change float64) (t Threshold, ok bool) {
	d := math.Log1p(change)
	if s.Name == "" || math.IsNaN(d) || math.IsInf(d, 0) || math.Abs(d) < leastChange {
		return Threshold{}, false
	}
	// Three digits: the bound is for people, too.
	v, err := strconv.ParseFloat(strconv.FormatFloat(100*math.Expm1(d/2), 'g', 3, 64), 64)
	if err != nil {
		return Threshold{}, false
	}
	t = Threshold{Metric: s.Name, Config: s.Config, Op: AtMost, Relative: true, Base: true, Value: v, Suffix: "%"}
	if change < 0 {
		t.Op = AtLeast
	}
	// A name that the syntax cannot hold cannot be asked for.
	if back, err := ParseThreshold(t.String()); err != nil || !back.Match(s) {
		return Threshold{}, false
	}
	return t, true
}
