package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/baseline"
)

// The drawing of a history, in units of its view box.
const (
	chartWidth, chartHeight = 480, 120
	chartLeft, chartRight   = 6, 6
	chartTop, chartBottom   = 18, 6

	// chartPoints is from how many readings on they are drawn column by column, as the range
	// that each spans: a page of many histories stays small.
	chartPoints = 240
	// leastSpan is the least range of the axis, of the middle value: noise of a tenth of a
	// percent must not look like mountains.
	leastSpan = 0.04
)

// chart draws a history as SVG: readings, levels, and a line at each change of level. Text is
// left to the page around it, but for the description.
type chart struct {
	h      *baseline.History
	shifts []baseline.Shift
	lo, hi float64
	b      strings.Builder
}

// drawChart is the SVG of a history and the range of its axis. label is what is read out in
// its place.
func drawChart(h *baseline.History, shifts []baseline.Shift, label string) (svg string, lo, hi float64) {
	c := chart{h: h, shifts: shifts}
	c.scale()
	fmt.Fprintf(&c.b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, chartHeight, markup(label, maxProse))
	c.levels()
	c.readings()
	c.marks()
	c.b.WriteString("</svg>")
	return c.b.String(), c.lo, c.hi
}

// scale chooses the range of the axis: what all readings but a hundredth on either side span,
// and every level.
func (c *chart) scale() {
	var values []float64
	for _, r := range c.h.Readings {
		values = append(values, r.Median)
	}
	slices.Sort(values)
	if len(values) == 0 {
		c.hi = 1
		return
	}
	cut := 0
	if len(values) >= 50 {
		cut = len(values) / 100
	}
	c.lo, c.hi = values[cut], values[len(values)-1-cut]
	_, medians := baseline.Levels(c.h.Readings, c.shifts)
	for _, m := range medians {
		c.lo, c.hi = min(c.lo, m), max(c.hi, m)
	}
	middle := values[len(values)/2]
	if least := leastSpan * math.Abs(middle); c.hi-c.lo < least {
		middle = c.lo/2 + c.hi/2
		c.lo, c.hi = middle-least/2, middle+least/2
	}
	if !(c.hi > c.lo) || math.IsInf(c.hi-c.lo, 0) { // all 0, or too far apart to subtract
		c.lo, c.hi = c.lo-1, c.hi+1
	}
	pad := (c.hi - c.lo) / 20
	if !math.IsInf(c.hi-c.lo+2*pad, 0) {
		c.lo, c.hi = c.lo-pad, c.hi+pad
	}
}

// x is the place of the i-th reading; one alone is in the middle.
func (c *chart) x(i float64) float64 {
	n := len(c.h.Readings) - 1
	if n < 1 {
		i, n = i+0.5, 1
	}
	return chartLeft + i/float64(n)*(chartWidth-chartLeft-chartRight)
}

// y is the place of a value; out tells that it lies beyond the axis, where it is drawn at its
// edge.
func (c *chart) y(v float64) (y float64, out bool) {
	share := (v - c.lo) / (c.hi - c.lo)
	if math.IsNaN(share) || math.IsInf(share, 0) {
		share = 0.5
	}
	out = share < 0 || share > 1
	return chartTop + (1-min(max(share, 0), 1))*(chartHeight-chartTop-chartBottom), out
}

func coordinate(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func (c *chart) levels() {
	starts, medians := baseline.Levels(c.h.Readings, c.shifts)
	for i, from := range starts {
		to := len(c.h.Readings)
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		if to <= from {
			continue
		}
		y, _ := c.y(medians[i])
		left, right := max(c.x(float64(from)-0.5), 0), min(c.x(float64(to)-0.5), chartWidth)
		fmt.Fprintf(&c.b, `<path class="level" d="M%s %sH%s"/>`, coordinate(left), coordinate(y), coordinate(right))
	}
}

func (c *chart) readings() {
	n := len(c.h.Readings)
	if n > chartPoints {
		c.columns()
		return
	}
	var far []string
	c.b.WriteString(`<path class="reading" d="`)
	for i, r := range c.h.Readings {
		y, out := c.y(r.Median)
		at := coordinate(c.x(float64(i))) + " " + coordinate(y)
		if out {
			far = append(far, at)
			continue
		}
		c.b.WriteString("M" + at + "h0") // a dot, by the line's round ends
	}
	c.b.WriteString(`"/>`)
	c.far(far)
}

// columns draws more readings than can be told apart as what each column of the chart spans.
func (c *chart) columns() {
	n := len(c.h.Readings)
	var far []string
	c.b.WriteString(`<path class="column" d="`)
	for k := range chartPoints {
		lo, hi := math.Inf(1), math.Inf(-1)
		beyond := ""
		for _, r := range c.h.Readings[k*n/chartPoints : (k+1)*n/chartPoints] {
			y, out := c.y(r.Median)
			if out {
				beyond = coordinate(y)
				continue
			}
			lo, hi = min(lo, y), max(hi, y)
		}
		x := coordinate(c.x((float64(k) + 0.5) * float64(n-1) / chartPoints))
		if beyond != "" {
			far = append(far, x+" "+beyond)
		}
		if lo <= hi {
			c.b.WriteString("M" + x + " " + coordinate(lo) + "v" + coordinate(hi-lo))
		}
	}
	c.b.WriteString(`"/>`)
	c.far(far)
}

// far are readings beyond the axis.
func (c *chart) far(at []string) {
	if len(at) > 0 {
		c.b.WriteString(`<path class="far" d="M` + strings.Join(at, "h0M") + `h0"/>`)
	}
}

// marks are lines where the level changed, numbered as the list below the chart is.
func (c *chart) marks() {
	for i := range c.shifts {
		s := &c.shifts[i]
		class := map[int]string{1: "worse", -1: "better"}[s.Worse(c.h.Metric.Better)]
		x := c.x(float64(s.Index) - 0.5)
		fmt.Fprintf(&c.b, `<g class="shift %s"><path d="M%s %dV%d"/><text x="%s" y="11">%d</text></g>`,
			class, coordinate(x), chartTop-2, chartHeight-chartBottom, coordinate(min(max(x, chartLeft+4), chartWidth-chartRight-4)), i+1)
	}
}
