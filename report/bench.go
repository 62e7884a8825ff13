package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
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
