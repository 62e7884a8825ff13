package baseline

import (
	"math"

	"github.com/holdfast-ci/holdfast/runner"
)

// share is what a look may spend of alpha: now at this look by itself, sofar at all looks up
// to and with this one.
//
// What is drawn anew between looks (this run's own error) is held against now, so that the
// looks together spend alpha whatever they have to do with each other (Bonferroni). What is
// the same at all looks (how runs differ, the baseline) errs once or never, and is held against
// sofar.
type share struct{ now, sofar float64 }

// lookShare is the share of alpha of the i-th of so many planned looks. The first gets most,
// since runs that need no second one should not pay for it; together they spend alpha.
func lookShare(i, planned int) float64 {
	switch {
	case planned <= 1:
		return 1
	case i == 0:
		return 0.8
	}
	return 0.2 / float64(planned-1)
}

// shareOf is the share of the i-th of so many planned looks. The last look spends all that
// is left. Which one is the last may depend on how the values vary, but not on where they lie.
func shareOf(i, planned int, last bool) share {
	before := 0.0
	for j := range i {
		before += lookShare(j, planned)
	}
	if last || i == planned-1 {
		return share{1 - before, 1}
	}
	now := lookShare(i, planned)
	return share{now, before + now}
}

// looks are the numbers of values at which the sample was looked at.
func (m *measured) looks() []int {
	if len(m.sample.Looks) == 0 {
		return []int{len(m.sample.Values)}
	}
	return m.sample.Looks
}

// decide judges the sample against one threshold, look by look, as its values were measured:
// the first look that decides is the verdict, and so is the last one that more rounds could
// have followed with use. step says whether they still could. family is the number of
// comparisons in the whole run.
func (m *measured) decide(t Threshold, family int) (v runner.Verdict, step runner.Step, reason string) {
	if math.IsNaN(m.summary.Median) {
		return runner.Error, runner.Enough, "could not tell: " + m.summary.Warning
	}
	m.told = nil
	at := m.absolute
	if t.Relative {
		at = m.relative
	}
	for i, n := range m.looks() {
		v, step, reason = at(t, alpha/float64(max(family, 1)), i, min(n, len(m.sample.Values)))
		if step != runner.More {
			break
		}
	}
	return v, step, reason
}

// compareAt compares the first n values, those of a look, with the history.
func (m *measured) compareAt(look, n int) (*Comparison, error) {
	if n == len(m.sample.Values) && shareOf(look, m.planned, !m.whole.open()) == m.whole.share {
		return &m.whole, m.err
	}
	for len(m.compared) <= look {
		m.compared = append(m.compared, nil)
	}
	if m.compared[look] == nil {
		c, err := compareAt(m.sample.Values[:n], m.earlier, look, m.planned)
		if err != nil {
			return nil, err
		}
		m.compared[look] = &c
	}
	return m.compared[look], nil
}
