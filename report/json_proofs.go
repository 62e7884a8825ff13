package report

import (
	"github.com/holdfast-ci/holdfast/runner"
)

type jsonProofs struct {
	Jobs        int               `json:"jobs"`
	Modules     []runner.Module   `json:"modules"`
	Theorems    []runner.Theorem  `json:"theorems"`
	Orphans     []string          `json:"orphans"`
	Toolchain   string            `json:"toolchain"`
	Requested   string            `json:"requested"`
	Authority   bool              `json:"authority"`
	Inventory   string            `json:"inventory"`
	Version     string            `json:"version"`
	Scheme      string            `json:"scheme"`
	Complete    bool              `json:"complete"`
	Fresh       bool              `json:"fresh"`
	Dirs        []string          `json:"dirs"`
	Axioms      []runner.Axiom    `json:"axioms"`
	Roots       []runner.Root     `json:"roots"`
	Packages    []runner.Package  `json:"packages"`
	Stale       []string          `json:"stale"`
	Replay      jsonReplay        `json:"replay"`
	Lock        *jsonLock         `json:"lock"`
	Ledger      *jsonLedger       `json:"ledger"`
	Advisories  []runner.Advisory `json:"advisories"`
	FromScratch *jsonScratch      `json:"from_scratch"`
	Builds      *jsonBuilds       `json:"builds"`
}

type jsonReplay struct {
	Tool     *string           `json:"tool"`
	Reason   string            `json:"reason"`
	Modules  int               `json:"modules"`
	Reused   int               `json:"reused"`
	Rejected []runner.Rejected `json:"rejected"`
	Unknown  []runner.Rejected `json:"unknown"`
	Seconds  float64           `json:"seconds"`
}

type jsonLock struct {
	File     string         `json:"file"`
	Promised []string       `json:"promised"`
	Drift    []runner.Entry `json:"drift"`
}

type jsonLedger struct {
	Base    *string        `json:"base"`
	Run     *int64         `json:"run"`
	Summary string         `json:"summary"`
	Same    int            `json:"same"`
	Debt    int            `json:"debt"`
	Entries []runner.Entry `json:"entries"`
	Modules []runner.Entry `json:"modules"`
	Notes   []string       `json:"notes"`
}

type jsonScratch struct {
	Run    int64  `json:"run"`
	Commit string `json:"commit"`
	Time   string `json:"time"`
}

type jsonBuilds struct {
	Verdict runner.Verdict `json:"verdict"`
	Reason  string         `json:"reason"`
	Metrics []jsonMetric   `json:"metrics"`
}

func proofsJSON(in *Input, p *runner.Proofs) *jsonProofs {
	out := &jsonProofs{
		Jobs: p.Jobs, Modules: make([]runner.Module, len(p.Modules)), Theorems: make([]runner.Theorem, len(p.Theorems)), Orphans: list(p.Orphans),
		Toolchain: p.Toolchain, Requested: p.Requested, Authority: p.Authority, Inventory: p.Inventory,
		Version: p.Version, Scheme: p.Scheme, Complete: p.Complete, Fresh: p.Fresh, Dirs: list(p.Dirs), Axioms: list(p.Axioms),
		Packages: list(p.Packages), Stale: list(p.Stale), Advisories: list(p.Advisories), Roots: make([]runner.Root, len(p.Roots)),
		Replay: jsonReplay{
			Tool: text(p.Replay.Tool), Reason: p.Replay.Reason, Modules: p.Replay.Modules, Reused: p.Replay.Reused,
			Rejected: list(p.Replay.Rejected), Unknown: list(p.Replay.Unknown),
		},
	}
	if v := finite(p.Replay.Seconds); v != nil {
		out.Replay.Seconds = *v
	}
	for i, m := range p.Modules {
		m.Verdict = valid(m.Verdict)
		if finite(m.Seconds) == nil {
			m.Seconds = 0
		}
		out.Modules[i] = m
	}
	for i, t := range p.Theorems {
		t.Verdict, t.Axioms = valid(t.Verdict), list(t.Axioms)
		out.Theorems[i] = t
	}
	for i, r := range p.Roots {
		r.Path = list(r.Path)
		out.Roots[i] = r
	}
	if l := p.Lock; l != nil {
		out.Lock = &jsonLock{File: l.File, Promised: list(l.Promised), Drift: entriesJSON(l.Drift)}
	}
	if l := p.Ledger; l != nil {
		out.Ledger = &jsonLedger{
			Base: text(l.Base.SHA), Run: positive(l.Run), Summary: counted(l), Same: l.Same, Debt: l.Debt,
			Entries: entriesJSON(l.Entries), Modules: entriesJSON(l.Modules), Notes: list(l.Notes),
		}
	}
	if f := p.FromScratch; f != nil {
		out.FromScratch = &jsonScratch{Run: f.Run, Commit: f.Commit.SHA, Time: f.Time}
	}
	if j := in.Builds; j != nil {
		out.Builds = &jsonBuilds{Verdict: valid(j.Verdict), Reason: j.Reason, Metrics: []jsonMetric{}}
		values := map[string][]*float64{}
		samples := map[string]*runner.Sample{}
		all := p.Samples()
		for i := range all {
			k := all[i].Key()
			samples[k] = &all[i]
			for _, v := range all[i].Values {
				values[k] = append(values[k], finite(v))
			}
		}
		for _, m := range j.Metrics {
			if m.Threshold != "" {
				out.Builds.Metrics = append(out.Builds.Metrics, metricJSON(m, samples[m.Key()], values[m.Key()]))
			}
		}
	}
	return out
}

func entriesJSON(in []runner.Entry) []runner.Entry {
	out := make([]runner.Entry, len(in))
	for i, e := range in {
		e.Verdict = valid(e.Verdict)
		out[i] = e
	}
	return out
}
