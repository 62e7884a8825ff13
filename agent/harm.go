package agent

import (
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// A stage that is good again has not always made good what it lost: a violation that the
// branch has had for a while is tolerated debt, and a theorem that is gone is missed once.
// So an issue about a regression is about named things, its harm, and is done with when
// each of them is whole.
//
//	rule ID              a rule that failed
//	theorem NAME HASH    a theorem, and what it has to mean ("" for anything)
//	module NAME
//	metric KEY THRESHOLD
//	stage                the stage failed, and said nothing more exact
const (
	harmRule    = "rule"
	harmTheorem = "theorem"
	harmModule  = "module"
	harmMetric  = "metric"
	harmStage   = "stage"
)

func harmOf(kind string, parts ...string) string {
	return strings.Join(append([]string{kind}, parts...), "\x1f")
}

// harms names what fails in a result. meaning says what a theorem meant at the base, "" if
// that is not known.
func harms(res *runner.Result, j *baseline.Judgement, meaning func(name string) string) []string {
	if res.Verdict != runner.Failure {
		return nil
	}
	var out []string
	add := func(h string) {
		if !slices.Contains(out, h) && len(out) < 1000 {
			out = append(out, h)
		}
	}
	if c := res.Checks; c != nil {
		for i := range c.Rules {
			if c.Rules[i].Outcome == runner.Fail {
				add(harmOf(harmRule, c.Rules[i].ID))
			}
		}
	}
	if p := res.Proofs; p != nil {
		for i := range p.Modules {
			if p.Modules[i].Verdict == runner.Failure {
				add(harmOf(harmModule, p.Modules[i].Name))
			}
		}
		told := map[string]bool{}
		if p.Ledger != nil {
			for _, e := range p.Ledger.Entries {
				if e.Verdict == runner.Failure {
					told[e.Name] = true
					add(harmOf(harmTheorem, e.Name, meaning(e.Name)))
				}
			}
			for _, e := range p.Ledger.Modules {
				if e.Verdict == runner.Failure {
					add(harmOf(harmModule, e.Name))
				}
			}
		}
		for i := range p.Theorems {
			if t := &p.Theorems[i]; t.Verdict == runner.Failure && !told[t.Name] {
				add(harmOf(harmTheorem, t.Name, ""))
			}
		}
	}
	if res.Bench != nil && j != nil {
		for _, m := range j.Metrics {
			if m.Verdict == runner.Failure {
				add(harmOf(harmMetric, m.Key(), m.Threshold))
			}
		}
	}
	if len(out) == 0 {
		add(harmStage)
	}
	return out
}

// whole reports whether a harm is made good. What cannot be told is not.
func whole(harm string, res *runner.Result, j *baseline.Judgement) bool {
	parts := strings.Split(harm, "\x1f")
	kind, parts := parts[0], parts[1:]
	switch {
	case kind == harmStage:
		return res.Verdict == runner.Success
	case kind == harmRule && res.Checks != nil && len(parts) == 1:
		for i := range res.Checks.Rules {
			if r := &res.Checks.Rules[i]; r.ID == parts[0] {
				// An acknowledgement is somebody's word that it is meant.
				return r.Outcome == runner.Pass || r.Outcome == runner.Warn && r.Ack != nil
			}
		}
	case kind == harmModule && res.Proofs != nil && len(parts) == 1:
		for i := range res.Proofs.Modules {
			if m := &res.Proofs.Modules[i]; m.Name == parts[0] {
				return m.Verdict == runner.Success && !m.Unreached
			}
		}
	case kind == harmTheorem && res.Proofs != nil && len(parts) == 2:
		for i := range res.Proofs.Theorems {
			if t := &res.Proofs.Theorems[i]; t.Name == parts[0] {
				return t.Verdict == runner.Success && (parts[1] == "" || parts[1] == t.Meaning)
			}
		}
	case kind == harmMetric && j != nil && len(parts) == 2:
		for _, m := range j.Metrics {
			if m.Key() == parts[0] && m.Threshold == parts[1] {
				return m.Verdict == runner.Success
			}
		}
	}
	return false
}
