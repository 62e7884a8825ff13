package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// BenchTables renders the two tables of the built-in harness for a terminal, every figure
// with its interval, and what the run cannot resolve; then what programs measured. "" if
// nothing was.
func BenchTables(in Input) string {
	b := in.bench()
	if b == nil {
		return ""
	}
	t := harness(in.metrics())
	origins := originsOf(b)
	var out strings.Builder
	if len(t.queue) > 0 {
		grid := table{{"queue", "threads", "ops/s", "95% interval", "scaling", "95% interval", "on device", "busy"}}
		for _, s := range t.queue {
			scaling := t.scalingOf(s.mode)
			for _, n := range s.keys() {
				m := s.at[n]
				x, xs := "", ""
				if scaling != nil {
					if sc, ok := scaling.at[n]; ok {
						x, xs = baseline.Format(sc.Median, "x"), bounds(sc)
					}
				}
				took, busy := device(origins[m.Key()])
				grid = append(grid, []string{short(s.mode), strconv.Itoa(n), rate(m), bounds(m), x, xs, took, busy})
			}
		}
		out.WriteString("multi-queue: every thread waits for each operation, " + medians(t.queue) + "\n")
		grid.write(&out, 1)
	}
	if len(t.async) > 0 {
		grid := table{{"mode", "threads", "depth", "ops/s", "95% interval", "on device", "busy"}}
		for _, s := range t.async {
			for _, d := range s.keys() {
				m := s.at[d]
				took, busy := device(origins[m.Key()])
				grid = append(grid, []string{short(s.mode), short(m.Config["threads"]), strconv.Itoa(d), rate(m), bounds(m), took, busy})
			}
		}
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		out.WriteString("async-pipeline: every thread keeps so many operations in flight, " + medians(t.async) + "\n")
		grid.write(&out, 1)
		for _, s := range t.async {
			if s.gain != nil {
				d, _, _ := s.best(observed(b))
				fmt.Fprintf(&out, "  %s: gain %s %s over depth 1, best depth %d\n", line(s.mode), baseline.Format(s.gain.Median, s.gain.Unit), interval(*s.gain), d)
			}
		}
	}
	if out.Len() > 0 {
		out.WriteString("\n")
		if few(t.queue) || few(t.async) {
			fmt.Fprintf(&out, "intervals need %s\n", plural(baseline.MinRounds, "round"))
		}
		if f := floor(b, in.metrics()); f != "" {
			out.WriteString(f + "\n")
		}
		if c := ownCost(b); c != "" {
			out.WriteString(c + "\n")
		}
	}
	programs(&out, b, in.metrics())
	return out.String()
}

// maxProgramRows bounds the table of programs on a terminal; reports have all.
const maxProgramRows = 40

// programs adds the table of what the programs of the repository measured.
func programs(out *strings.Builder, b *runner.Bench, all []baseline.Metric) {
	metrics := map[string]baseline.Metric{}
	for _, m := range all {
		metrics[m.Key()] = m
	}
	grid := table{{"program", "benchmark", "values", "median", "95% interval"}}
	more := 0
	for _, s := range b.Samples {
		m, ok := metrics[s.Key()]
		if strings.HasPrefix(s.Source, "harness ") || s.Source == "" || !ok {
			continue
		}
		if len(grid) > maxProgramRows {
			more++
			continue
		}
		grid = append(grid, []string{
			short(s.Source), clip(visible(m.Label()), 60), strconv.Itoa(len(s.Values)),
			clip(visible(baseline.Format(m.Median, m.Unit)), 30), clip(visible(interval(m)), 60),
		})
	}
	if len(grid) == 1 {
		return
	}
	if out.Len() > 0 {
		out.WriteString("\n")
	}
	out.WriteString("programs of the repository\n")
	grid.write(out, 2)
	if more > 0 {
		fmt.Fprintf(out, "  and %s more\n", plural(more, "benchmark"))
	}
}

// floor says what the run cannot resolve, by what it measured twice. "" if it did not.
func floor(b *runner.Bench, all []baseline.Metric) string {
	f, ok := observed(b)["noise floor"]
	if !ok {
		return ""
	}
	var pairs []string
	for _, p := range []struct{ pair, text string }{
		{"queue", "one thread on a shared and on its own queue"},
		{"process", "the processes of the two scenarios"},
	} {
		i := slices.IndexFunc(all, func(m baseline.Metric) bool {
			return m.Name == "same-work" && m.Config["pair"] == p.pair && !math.IsNaN(m.Median)
		})
		if i < 0 {
			continue
		}
		text := fmt.Sprintf("%+.2f %%", all[i].Median)
		if !math.IsNaN(all[i].Lo) {
			text += fmt.Sprintf(" [%+.2f, %+.2f]", all[i].Lo, all[i].Hi)
		}
		pairs = append(pairs, text+" between "+p.text)
	}
	text := "noise floor " + line(f) + ": the same work, measured as if it were two"
	if len(pairs) > 0 {
		text += ", differs by " + strings.Join(pairs, " and ")
	}
	return text
}

// ownCost says what measuring itself costs an operation. "" if that is not known.
func ownCost(b *runner.Bench) string {
	noticed := observed(b)
	own, ok := noticed["harness, an operation"]
	if !ok {
		return ""
	}
	text := "measuring costs " + line(own) + " an operation in the harness's own loop"
	for _, k := range slices.Sorted(maps.Keys(noticed)) {
		if what, ok := strings.CutPrefix(k, "cost of "); ok {
			text += ", " + line(noticed[k]) + " for " + line(what)
		}
	}
	return text
}

// few reports whether there are too few values for an interval.
func few(list []*series) bool {
	return slices.ContainsFunc(list, func(s *series) bool {
		for _, m := range s.at {
			if math.IsNaN(m.Lo) {
				return true
			}
		}
		return false
	})
}

func rate(m baseline.Metric) string {
	return strings.TrimSuffix(baseline.Format(m.Median, m.Unit), " ops/s")
}

// short is hostile text for a cell.
func short(s string) string { return clip(visible(s), 24) }

// bounds is the interval of a rate without its unit, which the column has.
func bounds(m baseline.Metric) string {
	if math.IsNaN(m.Lo) {
		return "–"
	}
	return strings.ReplaceAll(interval(m), " ops/s", "")
}

func originsOf(b *runner.Bench) map[string]*runner.Origin {
	out := make(map[string]*runner.Origin, len(b.Origins))
	for i := range b.Origins {
		out[b.Origins[i].Sample] = &b.Origins[i]
	}
	return out
}

// device is what the device said of its own execution of an operation.
func device(o *runner.Origin) (took, busy string) {
	if o == nil || o.Device == nil {
		return "", ""
	}
	return baseline.Format(o.Device.Execution, "sec"), fmt.Sprintf("%.0f%%", o.Device.Busy*100)
}

// table is rows of cells, the first of them the head.
type table [][]string

// write aligns the columns: the first ones to the left, all numbers to the right. Columns
// without a cell are left out.
func (t table) write(b *strings.Builder, left int) {
	width := make([]int, len(t[0]))
	empty := make([]bool, len(t[0]))
	for c := range t[0] {
		empty[c] = len(t) > 1
		for i, row := range t {
			width[c] = max(width[c], utf8.RuneCountInString(row[c]))
			empty[c] = empty[c] && (i == 0 || row[c] == "")
		}
	}
	for _, row := range t {
		var text strings.Builder
		for c, cell := range row {
			if empty[c] {
				continue
			}
			pad := strings.Repeat(" ", width[c]-utf8.RuneCountInString(cell))
			if c < left {
				text.WriteString("  " + cell + pad)
			} else {
				text.WriteString("  " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
}

// Explain tells how every figure of the built-in harness came about: each value with its
// round, its place in the random order, its process, and the operations counted over which
// time; what is derived from what; and what weakens it. "" if nothing is known.
func Explain(in Input) string {
	b := in.bench()
	if b == nil || len(b.Origins) == 0 {
		return ""
	}
	metrics := map[string]baseline.Metric{}
	for _, m := range in.metrics() {
		metrics[m.Key()] = m
	}
	samples := map[string]*runner.Sample{}
	for i := range b.Samples {
		samples[b.Samples[i].Key()] = &b.Samples[i]
	}
	var out strings.Builder
	out.WriteString("How it was measured\n")
	for _, k := range slices.Sorted(maps.Keys(b.Settings)) {
		fmt.Fprintf(&out, "  %s: %s\n", line(k), line(b.Settings[k]))
	}
	if len(b.Observed) > 0 {
		out.WriteString("\nNoticed while measuring\n")
	}
	for _, k := range slices.Sorted(maps.Keys(b.Observed)) {
		fmt.Fprintf(&out, "  %s: %s\n", line(k), line(b.Observed[k]))
	}
	for i := range b.Origins {
		o := &b.Origins[i]
		s, m := samples[o.Sample], metrics[o.Sample]
		if s == nil {
			continue
		}
		fmt.Fprintf(&out, "\n%s\n", line(m.Label()))
		fmt.Fprintf(&out, "  %s %s: the median of %s, and an order-statistic interval that covers it at 95%%\n", line(baseline.Format(m.Median, m.Unit)), line(interval(m)), plural(len(s.Values), "value"))
		if o.Formula != "" {
			fmt.Fprintf(&out, "  %s\n", line(o.Formula))
		}
		values(&out, s, o)
		if o.Drift != nil {
			fmt.Fprintf(&out, "  within windows the rate changes by %+.1f %% from the first to the second half (median)\n", *o.Drift*100)
		}
		if o.Overhead > 0 {
			fmt.Fprintf(&out, "  the harness's own loop takes %s of a thread's time\n", share(o.Overhead))
		}
		if d := o.Device; d != nil {
			fmt.Fprintf(&out, "  on the device: %s an operation (quartiles %s … %s), busy %s of the time, %.2f at once; asked in windows of their own, %s\n",
				baseline.Format(d.Execution, "sec"), baseline.Format(d.Low, "sec"), baseline.Format(d.High, "sec"), share(d.Busy), d.Parallel, plural(d.Ops, "operation"))
		}
		for _, n := range o.Notes {
			fmt.Fprintf(&out, "  note: %s\n", line(n))
		}
	}
	return out.String()
}

func share(x float64) string {
	if x > 0 && x < 0.001 {
		return "less than 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", x*100)
}

// values lists the values of a sample, with what is known of each.
func values(out *strings.Builder, s *runner.Sample, o *runner.Origin) {
	n := len(s.Values)
	if len(o.Rounds) != n || len(o.Positions) != n || len(o.Processes) != n || len(o.Ops) != n || len(o.Seconds) != n {
		var list []string
		for _, v := range s.Values {
			list = append(list, short(baseline.Format(v, s.Unit)))
		}
		fmt.Fprintf(out, "  values: %s\n", strings.Join(list, ", "))
		return
	}
	grid := table{{"round", "place", "process", "operations", "seconds", short(s.Unit)}}
	for i, v := range s.Values {
		grid = append(grid, []string{
			strconv.Itoa(o.Rounds[i]), strconv.Itoa(o.Positions[i]), strconv.Itoa(o.Processes[i]),
			strconv.FormatUint(o.Ops[i], 10), strconv.FormatFloat(o.Seconds[i], 'f', 4, 64), short(strings.TrimSuffix(baseline.Format(v, s.Unit), " "+s.Unit)),
		})
	}
	grid.write(out, 0)
}
