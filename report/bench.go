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

// bench shows what was measured: an interpretation, the two tables of the built-in
// harness, the judged thresholds, then everything, folded.
func bench(in *Input) []section {
	b := in.bench()
	if b == nil {
		return nil
	}
	var h strings.Builder
	h.WriteString("### Benchmarks\n\n")
	if in.Judgement != nil && asked(in.Judgement) == 0 {
		h.WriteString(upper(prose(in.Judgement.Reason)) + ".\n\n")
	}
	m := harness(in.metrics())
	for _, text := range interpretation(m) {
		h.WriteString(prose(upper(text)) + ".\n")
	}
	if len(m.scaling)+len(m.async) > 0 {
		h.WriteString("\n")
	}
	h.WriteString(configuration(b) + "\n")
	if f := floor(b, in.metrics()); f != "" {
		h.WriteString(upper(prose(f)) + ".\n")
	}
	if in.Truth != nil {
		for _, text := range append(TruthLines(*in.Truth), detectable(in)...) {
			h.WriteString(upper(prose(text)) + ".\n")
		}
	}
	h.WriteString("\n")
	out := []section{{keep: mustKeep, head: h.String()}}
	parts := append([]section{queues(m), pipelines(m, observed(b)), judged(in.Judgement)}, shifts(in)...)
	for _, s := range append(parts, everything(in), settings(b), observations(b)) {
		if s.size() > 0 {
			out = append(out, s)
		}
	}
	return out
}

// configuration is the few settings that every reader wants.
func configuration(b *runner.Bench) string {
	parts := []string{}
	if b.Backend != "" {
		parts = append(parts, "backend "+code(b.Backend))
	}
	if b.Device != "" {
		parts = append(parts, "on "+prose(b.Device))
	}
	for _, k := range []string{"rounds", "window", "threads", "depths"} {
		if v, ok := b.Settings[k]; ok {
			parts = append(parts, k+" "+prose(clip(visible(v), 80)))
		}
	}
	if len(parts) == 0 {
		return "Configuration: " + plural(len(b.Samples), "benchmark") + " of programs."
	}
	return "Configuration: " + strings.Join(parts, ", ") + "."
}

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

// asked counts the metrics that have a threshold.
func asked(j *baseline.Judgement) int {
	n := 0
	for _, m := range j.Metrics {
		if m.Threshold != "" {
			n++
		}
	}
	return n
}

// judged lists what was asked of the benchmarks, the worst first.
func judged(j *baseline.Judgement) section {
	s := section{keep: 78, what: "judged benchmarks"}
	if j == nil {
		return s
	}
	var list []baseline.Metric
	met := 0
	for _, m := range j.Metrics {
		if m.Threshold != "" {
			list = append(list, m)
		}
		if m.Threshold != "" && m.Verdict == runner.Success {
			met++
		}
	}
	if len(list) == 0 {
		return section{}
	}
	slices.SortStableFunc(list, func(a, b baseline.Metric) int { return cmp.Compare(rank(a.Verdict), rank(b.Verdict)) })
	for _, m := range list {
		s.rows = append(s.rows, fmt.Sprintf("| %s | %s | %s | %s |\n", icon(valid(m.Verdict)), code(m.Label()), code(m.Asked()), prose(m.Reason)))
	}
	const table = "| | Benchmark | Asked | Measured |\n|---|---|---|---|\n"
	if met == len(list) {
		s.head, s.tail = details("All "+plural(len(list), "threshold")+" met", table)
		return s
	}
	s.head, s.tail = "**Thresholds**, medians with 95% intervals\n\n"+table, "\n"
	return s
}

// everything lists every sample with its count and range, for tracing a number back.
func everything(in *Input) section {
	s := section{keep: 10, what: "benchmarks"}
	for _, m := range in.metrics() {
		if n := len(s.rows); n > 0 && s.rows[n-1] == metricRow(m) {
			continue // the same sample under another threshold
		}
		if m.N > 0 || m.Unit != "" {
			s.rows = append(s.rows, metricRow(m))
		}
	}
	if len(s.rows) == 0 {
		return section{}
	}
	s.head, s.tail = details(fmt.Sprintf("Every benchmark: %s, with 95%% intervals of the median", plural(len(s.rows), "sample")),
		"| Benchmark | n | Median | 95% interval | Baseline | Change | Finds from |\n|---|---:|---:|---|---|---|---|\n")
	return s
}

func metricRow(m baseline.Metric) string {
	between := "–"
	if !math.IsNaN(m.Lo) {
		between = baseline.Format(m.Lo, m.Unit) + " … " + baseline.Format(m.Hi, m.Unit)
	}
	base, change, finds := "none yet", "–", "–"
	if !math.IsNaN(m.Baseline) {
		of := plural(len(m.Runs), "run")
		if m.Method == baseline.InTurns {
			of = "the base, in turns"
		}
		base = fmt.Sprintf("%s (%s)", baseline.Format(m.Baseline, m.Unit), of)
		change = baseline.Percent(m.Change)
	}
	if !math.IsNaN(m.MDE) {
		finds = "±" + strings.TrimPrefix(baseline.Percent(m.MDE), "+")
	}
	return fmt.Sprintf("| %s | %d | %s | %s | %s | %s | %s |\n", code(m.Label()), m.N, prose(baseline.Format(m.Median, m.Unit)), prose(between), prose(base), change, finds)
}

func settings(b *runner.Bench) section {
	return pairs(25, "benchmark settings", "Benchmark configuration", "Setting", b.Settings)
}

func observations(b *runner.Bench) section {
	return pairs(24, "observations", "Noticed while measuring", "Observation", b.Observed)
}

// observed is what was noticed while measuring. Documents of earlier versions have it among
// the settings.
func observed(b *runner.Bench) map[string]string {
	out := maps.Clone(b.Settings)
	if out == nil {
		return b.Observed
	}
	maps.Copy(out, b.Observed)
	return out
}

// pairs is a folded table of names and values.
func pairs(keep int, what, title, column string, of map[string]string) section {
	s := section{keep: keep, what: what}
	for _, k := range slices.Sorted(maps.Keys(of)) {
		s.rows = append(s.rows, fmt.Sprintf("| %s | %s |\n", prose(clip(visible(k), 80)), prose(of[k])))
	}
	if len(s.rows) == 0 {
		return section{}
	}
	s.head, s.tail = details(title, fmt.Sprintf("| %s | Value |\n|---|---|\n", column))
	return s
}
