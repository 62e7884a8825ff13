package baseline

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/holdfast-ci/holdfast/runner"
)

// Outcome is what comparing two sides tells.
type Outcome string

// Outcomes. Unchanged is shown, never assumed: whatever is neither a change nor shown to be
// none is Inconclusive.
const (
	Regressed    Outcome = "regressed"
	Improved     Outcome = "improved"
	Unchanged    Outcome = "unchanged"
	Inconclusive Outcome = "inconclusive"
)

// Defaults of [SideOptions].
const (
	DefaultAlpha     = 0.005
	DefaultMinEffect = 0.015
)

const (
	// rankSize is the number of values a side from which on ranks decide: with fewer, a rank
	// test cannot reach small levels, and nothing else is left than to assume a shape.
	rankSize = 12
	// huberTuning is how many standard deviations a value may lie off before it counts less.
	huberTuning = 2.5
	// mdePower is the chance with which an effect of size MDE is found.
	mdePower = 0.8
	// practical is the most values a side that are advised.
	practical = 1000
	// levelSize is the number of values of a benchmark, both sides together, up to which
	// Alpha is the level; four a side are what people measure.
	levelSize = 8
)

// SideOptions say what counts as a change. The zero value of a field means its default.
type SideOptions struct {
	Alpha     float64 // level of the two-sided test with 8 values or fewer, see [SideOptions.level]; 0 < Alpha < 0.5
	MinEffect float64 // threshold: the smallest effect worth reporting, above 0; 0.015 is 1.5 %
	Holm      bool    // correct the p-values for the number of comparisons
}

func (o SideOptions) filled() SideOptions {
	if o.Alpha == 0 {
		o.Alpha = DefaultAlpha
	}
	if o.MinEffect == 0 {
		o.MinEffect = DefaultMinEffect
	}
	return o
}

// level is the level of the test and the interval of n values, both sides together:
// Alpha, and with more than 8 values Alpha·√(8/n). At a fixed level more values call
// smaller and smaller differences, until what they call is that no two builds are alike;
// the same p is less evidence against equality the more values it comes from, by about √n
// (Good, Standardized tail-area probabilities, J. Statist. Comput. Simul. 16, 1982).
func (o SideOptions) level(n int) float64 {
	return o.Alpha * min(1, math.Sqrt(levelSize/float64(n)))
}

// SidePair is one benchmark measured on two sides. Nil values mean that a side lacks it.
type SidePair struct {
	Name, Unit string
	Better     string // runner.HigherIsBetter, runner.LowerIsBetter, "" if not known
	Base, Head []float64
	Warnings   []string // known before comparing
}

// SideResult compares two sides. Effect is the ratio of the medians − 1, [Lo, Hi] bounds it
// at 1 − Level and contains it; NaN where there is none. P is two-sided, after correction if
// there was any. MDE is the smallest effect that this comparison would find in four of five
// cases. In JSON what does not exist is null.
type SideResult struct {
	Name, Unit string
	Verdict    Outcome
	Effect     float64
	Lo, Hi     float64
	P          float64
	NBase      int
	NHead      int
	MDE        float64
	Level      float64  // what P is held against: Alpha, or less with more than 8 values
	Warnings   []string // what weakens the result, and for Inconclusive what it would take

	BaseMedian, HeadMedian float64
	Ranks                  bool // decided by ranks; else by the t statistic
	Exact                  bool // both sides are constant and one is 0: a fact, no estimate

	better            string
	log, logLo, logHi float64 // ln(1 + …) of Effect, Lo and Hi
	shift             float64 // in ln; what the interval is about: log, or the shift of the M-estimates
	spread, df        float64 // se = spread·√(1/NBase + 1/NHead)
}

// MarshalJSON writes the keys name, unit, verdict, effect, lo, hi, p, n_base, n_head, mde,
// level and, if there are any, warnings.
func (r SideResult) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name     string   `json:"name"`
		Unit     string   `json:"unit"`
		Verdict  Outcome  `json:"verdict"`
		Effect   *float64 `json:"effect"`
		Lo       *float64 `json:"lo"`
		Hi       *float64 `json:"hi"`
		P        *float64 `json:"p"`
		NBase    int      `json:"n_base"`
		NHead    int      `json:"n_head"`
		MDE      *float64 `json:"mde"`
		Level    float64  `json:"level"`
		Warnings []string `json:"warnings,omitempty"`
	}{
		r.Name, r.Unit, r.Verdict, nullable(r.Effect), nullable(r.Lo), nullable(r.Hi), nullable(r.P),
		r.NBase, r.NHead, nullable(r.MDE), r.Level, r.Warnings,
	})
}

// CompareSides compares two sides of every benchmark, in the order given. No argument is
// changed.
//
// With 12 values or more on both sides, p is the Mann–Whitney test's (normal limit with
// ties and continuity corrected; Hollander, Wolfe and Chicken, Nonparametric Statistical
// Methods, 4.1), and the interval is that of the ratio of medians ([ratioOfMedians]).
// It assumes that values are independent; where their order shows that they are not, both
// are widened and a warning says so.
//
// With fewer, no rank test could be significant. The values are then taken to be
// log-normal, but for outliers, with the same spread on both sides: Huber's M-estimates of
// location on ln with a common scale (Huber and Ronchetti, Robust Statistics, proposal 2,
// k = 2.5) take the place of means and pooled standard deviation in Student's t. The
// spread is at least 0.3 %: three values that agree to the last digit are luck.
//
// A change is Regressed or Improved if p ≤ [SideOptions.level], the interval leaves out 0,
// and both the effect and the shift that the interval is about are at least MinEffect;
// Unchanged if the whole interval lies within ± MinEffect (two one-sided tests, Schuirmann
// 1987).
func CompareSides(pairs []SidePair, o SideOptions) []SideResult {
	o = o.filled()
	out := make([]SideResult, len(pairs))
	var ps []float64
	for i, p := range pairs {
		out[i] = compareSides(p, o)
		ps = append(ps, out[i].P)
	}
	if o.Holm {
		for i, p := range holm(ps) {
			out[i].P = p
		}
	}
	for i := range out {
		out[i].conclude(o)
	}
	return out
}

func compareSides(p SidePair, o SideOptions) SideResult {
	nan := math.NaN()
	r := SideResult{
		Name: p.Name, Unit: p.Unit, Verdict: Inconclusive, NBase: len(p.Base), NHead: len(p.Head), better: p.Better,
		Level:  o.level(len(p.Base) + len(p.Head)),
		Effect: nan, Lo: nan, Hi: nan, P: nan, MDE: nan, BaseMedian: nan, HeadMedian: nan, Warnings: slices.Clone(p.Warnings),
		log: nan, logLo: nan, logHi: nan,
	}
	base, badBase := finite(p.Base)
	head, badHead := finite(p.Head)
	if badBase == 0 && len(base) > 0 {
		r.BaseMedian = median(base)
	}
	if badHead == 0 && len(head) > 0 {
		r.HeadMedian = median(head)
	}
	switch {
	case r.NBase == 0 && r.NHead == 0:
		return r.warn("no values")
	case r.NHead == 0:
		return r.warn("only the base has it")
	case r.NBase == 0:
		return r.warn("only the head has it")
	case badBase+badHead > 0:
		return r.warn("%d of %d values are not finite numbers", badBase+badHead, r.NBase+r.NHead)
	}
	if base[0] <= 0 || head[0] <= 0 {
		return r.withoutRatio(base, head)
	}
	lb, lh := logs(base), logs(head)
	r.log = median(lh) - median(lb)
	r.Effect = math.Expm1(r.log)
	if r.NBase < 2 || r.NHead < 2 {
		return r.warn("one value on a side tells nothing of its noise: an interval needs 2, better 4")
	}
	if min(r.NBase, r.NHead) >= rankSize && medianRankAt(min(r.NBase, r.NHead), r.Level/2) > 0 {
		r.byRanks(p, lb, lh)
	} else {
		r.byStudent(lb, lh)
	}
	r.Lo, r.Hi = math.Expm1(r.logLo), math.Expm1(r.logHi)
	r.MDE = math.Expm1(r.detectable(o))
	return r
}

func (r SideResult) warn(format string, args ...any) SideResult {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
	return r
}

// withoutRatio decides where a value is 0 or less and there is no ratio of all of them:
// counters that are constant on both sides are facts, anything else cannot be told.
func (r SideResult) withoutRatio(base, head []float64) SideResult {
	constant := base[0] == base[len(base)-1] && head[0] == head[len(head)-1]
	switch {
	case !constant || base[0] < 0 || head[0] < 0:
		return r.warn("a ratio needs values above 0, and there are some of %s", plain(min(base[0], head[0])))
	case base[0] == head[0]:
		r.Effect, r.Lo, r.Hi, r.P, r.Exact, r.log = 0, 0, 0, 1, true, 0
		return r
	case min(r.NBase, r.NHead) < 2:
		return r.warn("one value on a side, and one side is 0: needs 1 more sample a side to be a constant")
	}
	r.P, r.Exact = 0, true
	r.log = math.Inf(1)
	if head[0] == 0 {
		r.Effect, r.Lo, r.Hi, r.log = -1, -1, -1, math.Inf(-1)
	}
	return r.warn("every value of the base is %s and every one of the head %s: taken as a fact, not as an estimate", plain(base[0]), plain(head[0]))
}

func logs(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = math.Log(x)
	}
	return out
}

func (r *SideResult) byStudent(base, head []float64) {
	locs, s := huber(base, head)
	mb, mh := locs[0], locs[1]
	r.spread, r.df = s, float64(len(base)+len(head)-2)
	r.shift = mh - mb
	d, se := r.shift, r.se()
	r.P = min(1, 2*studentTail(math.Abs(d)/se, r.df))
	w := studentQuantile(r.Level/2, r.df) * se
	// The interval is that of the shift of the whole distribution. Medians are a rougher
	// estimate of it and may, with very skewed values, lie outside.
	r.logLo, r.logHi = min(d-w, r.log), max(d+w, r.log)
	if outlying(base, mb, s) || outlying(head, mh, s) {
		*r = r.warn("a value lies more than 5 standard deviations off and counts less")
	}
}

func outlying(xs []float64, m, s float64) bool {
	return m-xs[0] > 5*s || xs[len(xs)-1]-m > 5*s
}

func (r *SideResult) byRanks(p SidePair, base, head []float64) {
	r.Ranks = true
	z := mannWhitney(base, head)
	widen := 1.0
	if c := max(autocorrelation(p.Base), autocorrelation(p.Head)); c > 0 {
		widen = math.Sqrt((1 + c) / (1 - c))
		*r = r.warn("consecutive values resemble each other (lag-1 correlation %.2f): the interval is widened by %.1f; measure base and head in turns", c, widen)
	}
	r.P = math.Erfc(z / widen / math.Sqrt2)
	lo, hi := ratioOfMedians(base, head, r.Level)
	r.shift = r.log
	r.logLo, r.logHi = r.log-widen*(r.log-lo), r.log+widen*(hi-r.log)
	se := max(r.logHi-r.logLo, logFloor*1e-3) / 2 / normalQuantile(1-r.Level/2)
	r.df = float64(len(base) + len(head) - 2)
	r.spread = se / math.Sqrt(1/float64(r.NBase)+1/float64(r.NHead))
}

func (r *SideResult) se() float64 {
	return r.spread * math.Sqrt(1/float64(r.NBase)+1/float64(r.NHead))
}

// detectable is the MDE in ln: the t test must reach its level, and the estimate the
// threshold, with chance mdePower (Lehr's rule with t quantiles in place of normal ones).
// With few values the spread is a guess as well, here as in the comparison that would have to
// find the effect: Z + c·u − t·u' is above 0 with chance mdePower, u and u' being the two
// estimates of the standard error over the true one, taken as normal around
// 1 − 1/4df with the variance 1/2df. Intervals of ranks are wide enough without that.
func (r *SideResult) detectable(o SideOptions) float64 {
	se, critical := r.se(), studentQuantile(r.Level/2, r.df)
	luck := studentQuantile(1-mdePower, r.df)
	c := critical + luck
	if !r.Ranks {
		luck *= math.Sqrt(math.Pi / 2) // the threshold is on the ratio of medians, a rougher estimate
		for range 50 {
			c = critical + normalQuantile(mdePower)*math.Sqrt(1+(c*c+critical*critical)/(2*r.df))/(1-1/(4*r.df))
		}
	}
	return max(c*se, math.Log1p(o.MinEffect)+luck*se)
}

// conclude gives the verdict from the effect, its interval and P.
func (r *SideResult) conclude(o SideOptions) {
	if math.IsNaN(r.P) {
		return
	}
	far := min(math.Abs(r.Effect), math.Abs(math.Expm1(r.shift))) >= o.MinEffect || math.IsInf(r.log, 0)
	changed := r.P <= r.Level && far && (r.Exact || r.logLo > 0 || r.logHi < 0)
	switch {
	case changed && r.better == "":
		*r = r.warn("changed, but which direction of %q is better is not known", r.Unit)
	case changed && (r.log < 0) == (r.better == runner.LowerIsBetter):
		r.Verdict = Improved
	case changed:
		r.Verdict = Regressed
	case r.Exact && r.log == 0, r.Lo > -o.MinEffect && r.Hi < o.MinEffect:
		r.Verdict = Unchanged
	default:
		*r = r.warn("%s", r.missing(o))
	}
}

// missing says how many more values a side it would take, so that in about four of five cases
// it is told, if the effect and the noise are what they seem. An effect seems larger than it
// is where it is little more than noise: it is taken as shrunk towards 0 (the positive part of
// James and Stein's estimate, 1961).
func (r *SideResult) missing(o SideOptions) string {
	n := max(r.NBase, r.NHead)
	d, bound := math.Abs(r.log), math.Log1p(o.MinEffect)
	correction := 1.0
	if d >= bound && r.P > r.Level && r.logLo*r.logHi > 0 { // only the correction is in the way
		correction = math.Max(1, r.P/(2*studentTail(math.Abs(r.log)/r.se(), r.df)))
	} else if d > 0 {
		d *= max(0, 1-math.Pow(r.se()/d, 2))
	}
	tells := func(k int) bool {
		df, se := float64(2*k-2), r.spread*math.Sqrt(2/float64(k))
		if !r.Ranks && k >= rankSize { // the interval is one of medians then
			se *= math.Sqrt(math.Pi / 2)
		}
		w, luck := studentQuantile(o.level(2*k)/2/correction, df)*se, studentQuantile(1-mdePower, df)*se
		if d < bound { // either side of the interval may be unlucky
			return d+w+studentQuantile((1-mdePower)/2, df)*se < bound
		}
		return w+luck < d && bound+luck < d
	}
	// Fewer values may tell more: it gets easier with their number up to rankSize, and again
	// from there on.
	for _, span := range [][2]int{{n + 1, rankSize - 1}, {max(n+1, rankSize), practical}} {
		if span[0] <= span[1] && tells(span[1]) {
			k := span[0] + sort.Search(span[1]-span[0], func(i int) bool { return tells(span[0] + i) })
			return fmt.Sprintf("needs about %s a side", count(k-n, "more sample"))
		}
	}
	if d = 0; !tells(practical) {
		return fmt.Sprintf("needs more samples than are practical: values vary by about %s, and the threshold is %s", percent(math.Expm1(r.spread)), percent(o.MinEffect))
	}
	return fmt.Sprintf("needs more samples than are practical: the effect lies near the threshold of %s", percent(o.MinEffect))
}

// percent is a threshold for people: "1.5%", also where it is tiny.
func percent(v float64) string { return strconv.FormatFloat(100*v, 'g', 3, 64) + "%" }
