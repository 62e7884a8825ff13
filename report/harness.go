package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// Most columns and rows of the two tables, so that a hostile benchmark program cannot
// make them large.
const (
	maxColumns = 12
	maxModes   = 12
)

// series are the metrics of one mode of the harness.
type series struct {
	mode string
	at   map[int]baseline.Metric // by threads (multi-queue, scaling) or depth (async)
	gain *baseline.Metric        // async only
	crit []baseline.Metric       // every judged threshold on the gain
}

// tables are the metrics of the built-in harness, by what is drawn from them.
type tables struct {
	queue, scaling, async []*series
}

// harness picks the metrics of the built-in scenarios out of all.
func harness(all []baseline.Metric) tables {
	var t tables
	get := func(list *[]*series, mode string) *series {
		for _, s := range *list {
			if s.mode == mode {
				return s
			}
		}
		if len(*list) == maxModes {
			return nil
		}
		s := &series{mode: mode, at: map[int]baseline.Metric{}}
		*list = append(*list, s)
		return s
	}
	put := func(list *[]*series, m baseline.Metric, mode, by string) {
		n, err := strconv.Atoi(m.Config[by])
		if err != nil || m.N == 0 {
			return
		}
		if s := get(list, m.Config[mode]); s != nil {
			s.at[n] = m
		}
	}
	for _, m := range all {
		switch {
		case m.Name == "multi-queue" && m.Unit == "ops/s":
			put(&t.queue, m, "queue", "threads")
		case m.Name == "scaling" && m.Unit == "x":
			put(&t.scaling, m, "queue", "threads")
		case m.Name == "async-pipeline" && m.Unit == "ops/s":
			put(&t.async, m, "mode", "depth")
		case m.Name == "async-gain" && m.Unit == "ratio" && m.N > 0:
			if s := get(&t.async, m.Config["mode"]); s != nil {
				s.gain = &m
				if m.Threshold != "" {
					s.crit = append(s.crit, m)
				}
			}
		}
	}
	for _, list := range [][]*series{t.queue, t.scaling, t.async} {
		slices.SortFunc(list, func(a, b *series) int {
			// "shared" before "per-thread" and "single" before "multi": the plain one first.
			return cmp.Or(-cmp.Compare(a.mode, b.mode))
		})
	}
	return t
}

func (s *series) keys() []int { return slices.Sorted(maps.Keys(s.at)) }

// top is the largest median.
func (s *series) top() (key int, m baseline.Metric, ok bool) {
	for _, k := range s.keys() {
		if v := s.at[k]; !math.IsNaN(v.Median) && (!ok || v.Median > m.Median) {
			key, m, ok = k, v, true
		}
	}
	return key, m, ok
}

func (t *tables) scalingOf(mode string) *series {
	for _, s := range t.scaling {
		if s.mode == mode {
			return s
		}
	}
	return nil
}

// interval is "[lo, hi]", or what is missing for one.
func interval(m baseline.Metric) string {
	if math.IsNaN(m.Lo) {
		return "(no interval from " + plural(m.N, "round") + ")"
	}
	return "[" + baseline.Format(m.Lo, m.Unit) + ", " + baseline.Format(m.Hi, m.Unit) + "]"
}

// medians says over how many rounds: "medians of 8 rounds".
func medians(list []*series) string {
	lo, hi := math.MaxInt, 0
	for _, s := range list {
		for _, m := range s.at {
			lo, hi = min(lo, m.N), max(hi, m.N)
		}
	}
	switch {
	case hi == 0:
		return "medians"
	case lo == hi:
		return "medians of " + plural(hi, "round")
	}
	return fmt.Sprintf("medians of %d to %s", lo, plural(hi, "round"))
}

func queues(t tables) section {
	if len(t.queue) == 0 {
		return section{}
	}
	var cols []int
	for _, s := range t.queue {
		cols = append(cols, s.keys()...)
	}
	slices.Sort(cols)
	cols = slices.Compact(cols)
	if len(cols) > maxColumns {
		cols = cols[:maxColumns]
	}
	var b strings.Builder
	b.WriteString("**Multi-queue**, ops/s by threads, " + medians(t.queue) + "\n\n| Queue |")
	for _, c := range cols {
		fmt.Fprintf(&b, " %d |", c)
	}
	b.WriteString(" Max scaling |\n|---|" + strings.Repeat("---:|", len(cols)+1) + "\n")
	for _, s := range t.queue {
		b.WriteString("| " + orUnknown(s.mode, prose) + " |")
		for _, c := range cols {
			cell := "–"
			if m, ok := s.at[c]; ok {
				cell = strings.TrimSuffix(baseline.Format(m.Median, m.Unit), " ops/s")
			}
			b.WriteString(" " + cell + " |")
		}
		cell := "–"
		if sc := t.scalingOf(s.mode); sc != nil {
			if n, m, ok := sc.top(); ok {
				cell = fmt.Sprintf("%s at %s", baseline.Format(m.Median, "x"), plural(n, "thread"))
			}
		}
		b.WriteString(" " + cell + " |\n")
	}
	b.WriteString("\n")
	return section{keep: 75, what: "the multi-queue table", head: b.String()}
}

func pipelines(t tables, set map[string]string) section {
	if len(t.async) == 0 {
		return section{}
	}
	var b strings.Builder
	b.WriteString("**Async pipeline**, ops/s, " + medians(t.async) + "\n\n| Mode | Baseline (depth 1) | Best | Depth | Gain | Criterion | Verdict |\n|---|---:|---:|---:|---:|---|---|\n")
	for _, s := range t.async {
		one, best, depth := "–", "–", "–"
		if m, ok := s.at[1]; ok {
			one = strings.TrimSuffix(baseline.Format(m.Median, m.Unit), " ops/s")
		}
		if d, m, ok := s.best(set); ok {
			best, depth = strings.TrimSuffix(baseline.Format(m.Median, m.Unit), " ops/s"), strconv.Itoa(d)
		}
		gain := "–"
		if s.gain != nil {
			gain = baseline.Format(s.gain.Median, s.gain.Unit)
			if !math.IsNaN(s.gain.Lo) {
				gain += " " + escape(interval(*s.gain))
			}
		}
		criterion, verdict := "none", "not judged"
		if len(s.crit) > 0 {
			var texts []string
			var vs []runner.Verdict
			for _, m := range s.crit[:min(len(s.crit), 4)] {
				texts = append(texts, code(m.Asked()))
			}
			for _, m := range s.crit {
				vs = append(vs, m.Verdict)
			}
			v := runner.Worst(vs...)
			criterion, verdict = strings.Join(texts, ", "), icon(v)+" "+word(v)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", modeName(s), one, best, depth, gain, criterion, verdict)
	}
	b.WriteString("\n")
	return section{keep: 75, what: "the async table", head: b.String()}
}

func modeName(s *series) string {
	name := orUnknown(s.mode, prose)
	if s.gain != nil {
		if n, err := strconv.Atoi(s.gain.Config["threads"]); err == nil {
			name += ", " + plural(n, "thread")
		}
	}
	return name
}

// best is the depth that the harness chose, or else the fastest beyond 1.
func (s *series) best(set map[string]string) (int, baseline.Metric, bool) {
	if d, err := strconv.Atoi(set["async-best-depth mode="+s.mode]); err == nil {
		if m, ok := s.at[d]; ok {
			return d, m, true
		}
	}
	rest := series{at: maps.Clone(s.at)}
	delete(rest.at, 1)
	return rest.top()
}

// interpretation says in sentences what the numbers mean; nothing is claimed that the
// intervals do not carry. The sentences are plain text and not escaped.
func interpretation(t tables) []string {
	var out []string
	for _, s := range t.scaling {
		n, m, ok := s.top()
		if !ok {
			continue
		}
		ks := s.keys()
		most := ks[len(ks)-1]
		name := "queue mode " + orUnknown(s.mode, visible)
		switch s.mode {
		case "shared":
			name = "one shared queue"
		case "per-thread":
			name = "one queue per thread"
		}
		how := "reaches"
		switch {
		case math.IsNaN(m.Lo):
			how = "measured, with too few rounds to tell,"
		case m.Hi < 1:
			how = "is slower with more threads than with one: at best"
		case m.Lo <= 1:
			how = "does not measurably scale: at best"
		}
		text := fmt.Sprintf("%s %s %s %s at %s", name, how, baseline.Format(m.Median, "x"), interval(m), plural(n, "thread"))
		if last := s.at[most]; n < most && !math.IsNaN(last.Hi) && last.Hi < m.Lo {
			text += fmt.Sprintf(" and falls to %s at %d", baseline.Format(last.Median, "x"), most)
		}
		out = append(out, text)
	}
	for _, s := range t.async {
		g := s.gain
		if g == nil || math.IsNaN(g.Median) {
			continue
		}
		with := "in mode " + orUnknown(s.mode, visible)
		if n, err := strconv.Atoi(g.Config["threads"]); err == nil {
			with = "with " + plural(n, "thread")
		}
		num := baseline.Percent(g.Median) + " " + interval(*g)
		switch {
		case math.IsNaN(g.Lo):
			out = append(out, fmt.Sprintf("pipelining %s measured %s, with too few rounds to tell", with, num))
		case g.Lo > 0:
			out = append(out, fmt.Sprintf("pipelining %s gains %s over depth 1", with, num))
		case g.Hi < 0:
			out = append(out, fmt.Sprintf("pipelining %s costs: %s against depth 1", with, num))
		default:
			out = append(out, fmt.Sprintf("pipelining %s has no gain that these samples can tell: %s", with, num))
		}
	}
	return out
}
