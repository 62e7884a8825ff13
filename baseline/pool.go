package baseline

import (
	"fmt"
	"slices"

	"github.com/holdfast-ci/holdfast/runner"
)

// pooled is what all sources of a run gave under one key.
type pooled struct {
	runner.Sample
	sources []string
	loose   []bool // by value: of a process whose warm-up did not settle; nil for none
}

// pool puts samples with equal keys together and sorts them. b may be nil.
func (j *Judgement) pool(samples []runner.Sample, b *runner.Bench) []pooled {
	at := make(map[string]int, len(samples))
	var out []pooled
	for _, s := range samples {
		k := s.Key()
		p := pooled{Sample: s, sources: []string{s.Source}}
		if b != nil {
			if s.Looks == nil { // a document of an earlier version
				p.Looks = b.Looks[k]
			}
			p.loosen(b.Origins)
		}
		if i, ok := at[k]; ok {
			out[i].join(p)
			j.Warnings = append(j.Warnings, fmt.Sprintf("%s was measured more than once; the values are judged together", k))
			continue
		}
		at[k] = len(out)
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b pooled) int { return compareSamples(a.Sample, b.Sample) })
	slices.Sort(j.Warnings)
	j.Warnings = slices.Compact(j.Warnings)
	return out
}

// loosen marks what the origin of a sample of the harness tells.
func (p *pooled) loosen(origins []runner.Origin) {
	i := slices.IndexFunc(origins, func(o runner.Origin) bool { return o.Sample == p.Key() })
	if i < 0 || len(origins[i].Unsettled) == 0 {
		return
	}
	p.loose = make([]bool, len(p.Values))
	for _, n := range origins[i].Unsettled {
		if n >= 0 && n < len(p.loose) {
			p.loose[n] = true
		}
	}
}

// join adds what another source gave, in the order in which it was looked at: the values of
// both up to the first look, then those of both up to the second.
func (p *pooled) join(q pooled) {
	parts := []pooled{*p, q}
	looks := max(len(p.Looks), len(q.Looks), 1)
	p.Values, p.Looks, p.loose = nil, nil, nil
	for i := range looks {
		for _, part := range parts {
			from, to := 0, part.look(i)
			if i > 0 {
				from = part.look(i - 1)
			}
			p.Values = append(p.Values, part.Values[from:to]...)
			for k := from; k < to; k++ {
				p.loose = append(p.loose, part.loose != nil && part.loose[k])
			}
		}
		p.Looks = append(p.Looks, len(p.Values))
	}
	if looks == 1 {
		p.Looks = nil
	}
	p.sources = append(p.sources, q.sources...)
}

// look is how many values there were at a look; all, where there was none so late.
func (p *pooled) look(i int) int {
	if i >= len(p.Looks) {
		return len(p.Values)
	}
	return min(p.Looks[i], len(p.Values))
}
