package checks

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/holdfast-ci/holdfast/checks/flow"
	"github.com/holdfast-ci/holdfast/runner"
)

// Kinds that follow the flow of control, or look at several places of several files.
const (
	KindTypestate     = "typestate"       // what may be called depends on what was called before
	KindWaitUnderLock = "wait-under-lock" // nothing waits for the GPU while a lock is held
	KindPoolInLoop    = "pool-in-loop"    // loops that make command buffers drain an autorelease pool
	KindLockOrder     = "lock-order"      // no two mutexes are taken in both orders
	KindConditionWait = "condition-wait"  // waits for a condition test it again
	KindDoubleChecked = "double-checked"  // what is tested without a lock is atomic
	KindTLSDestructor = "tls-destructor"  // destructors of thread-local objects ask before they use globals
	KindCapturedThis  = "captured-this"   // callbacks that run later own what they hold
)

// analysisKinds are the kinds that are written in Go.
var analysisKinds = []string{
	KindTypestate, KindWaitUnderLock, KindPoolInLoop, KindLockOrder, KindConditionWait, KindDoubleChecked, KindTLSDestructor, KindCapturedThis,
}

func analysed(kind string) bool { return slices.Contains(analysisKinds, kind) }

// compileAnalysis makes the analysis of a rule.
func (c *compiled) compileAnalysis(wrong wrongFunc) {
	switch c.Kind {
	case KindTypestate:
		c.analysis = c.Typestate.compile(wrong)
	case KindWaitUnderLock:
		c.analysis = waitUnderLock{}
	case KindPoolInLoop:
		c.analysis = poolInLoop{}
	case KindLockOrder:
		c.analysis = lockOrder{}
	case KindConditionWait:
		c.analysis = conditionWait{}
	case KindDoubleChecked:
		c.analysis = doubleChecked{}
	case KindTLSDestructor:
		c.analysis = tlsDestructor{}
	case KindCapturedThis:
		c.analysis = capturedThis{}
	}
}

// analysis is a kind that is written in Go. It looks at each file, and then at what it
// noted about all of them.
type analysis interface {
	// gather notes what one file tells. It must not keep the file.
	gather(x *flow.File, f *facts)
}

// linked is an analysis whose findings need all files.
type linked interface {
	analysis
	conclude(all []*facts)
}

// narrow is an analysis that finds nothing in files that lack one of several groups of
// words: of each group, one is enough. What it notes about such a file helps with others, if
// the file can be read.
type narrow interface{ words() [][]string }

// facts are what an analysis noted about one file, in one configuration of its #if.
type facts struct {
	name     string
	file     *flow.File // nil once the file was gathered
	findings []finding
	bodies   int // functions, lambdas and blocks that were followed
	notes    any // of the analysis
}

// finding is one violation.
type finding struct {
	evidence runner.Evidence
	text     string // what is wrong there
}

// place is the evidence for a position.
func (f *facts) place(at int) runner.Evidence {
	t := f.file.Token(at)
	e := runner.Evidence{File: f.name, Line: int(t.Line), Column: int(t.Column), Text: lineText(f.file.Scan, int(t.Line))}
	e.EndLine, e.EndColumn = f.file.Scan.Position(t.End())
	return e
}

// find notes a violation, once for each position.
func (f *facts) find(at int, text string) {
	e := f.place(at)
	if !slices.ContainsFunc(f.findings, func(o finding) bool { return o.evidence == e }) && len(f.findings) < maxHits {
		f.findings = append(f.findings, finding{e, text})
	}
}

// analyse runs the analysis of a rule over one file, once for each configuration of its #if
// that shows a branch of its own.
func (c *compiled) analyse(src *source, t *tally) error {
	if !src.c {
		return fmt.Errorf("kind %s is for the C family only", c.Kind)
	}
	silent := slices.ContainsFunc(c.groups, func(group [][]byte) bool { return !src.mayContain(group) })
	if _, whole := c.analysis.(linked); silent && !whole {
		return nil
	}
	xs, err := src.flow()
	switch {
	case err != nil && silent:
		return nil
	case err != nil:
		return err
	}
	for _, x := range xs {
		f := &facts{name: src.name, file: x, bodies: len(x.Bodies)}
		c.analysis.gather(x, f)
		f.file = nil
		t.facts = append(t.facts, f)
	}
	if silent {
		return nil
	}
	return c.cutApart(src)
}

// cutApart is an error if a function that the rule may be about cannot be followed, since an
// #if cuts it apart.
func (c *compiled) cutApart(src *source) error {
	for _, x := range src.followed {
		for _, fn := range x.Lost {
			text := append([]byte(fn.Name), src.raw[fn.Offset:fn.End]...)
			if !slices.ContainsFunc(c.groups, func(group [][]byte) bool {
				return !slices.ContainsFunc(group, func(w []byte) bool { return bytes.Contains(text, w) })
			}) {
				return &placeError{fn.Line, fn.Column, "an #if cuts " + fn.Name + " apart, so it was not followed"}
			}
		}
	}
	if !src.wholly {
		return fmt.Errorf("so many branches of #if that not all were followed")
	}
	return nil
}

// flow follows the functions of the file, in each configuration.
func (s *source) flow() ([]*flow.File, error) {
	if s.followed == nil {
		st, err := s.functions()
		if err != nil {
			return nil, err
		}
		if len(st.Problems) > 0 {
			return nil, problemError(st.Problems)
		}
		s.followed, s.wholly = flow.Read(s.file(), st)
	}
	return s.followed, nil
}

// conclude judges a rule of such a kind by what was gathered. Files that could not be read
// are in bad.
func (c *compiled) conclude(r row, ts []tally) row {
	var all []*facts
	var bad []tally
	for _, t := range ts {
		if t.err != nil {
			bad = append(bad, t)
		}
		all = append(all, t.facts...)
	}
	if l, ok := c.analysis.(linked); ok {
		l.conclude(all)
	}
	n, bodies := 0, 0
	first := ""
	seen := map[runner.Evidence]bool{}
	for _, f := range all {
		bodies += f.bodies
		for _, one := range f.findings {
			if seen[one.evidence] { // in another configuration
				continue
			}
			seen[one.evidence] = true
			if n++; first == "" {
				first = one.text
			}
			if len(r.Evidence) < maxHits {
				one.evidence.Note = one.text
				r.Evidence = append(r.Evidence, one.evidence)
			} else {
				r.cut++
			}
		}
	}
	switch {
	case n > 0:
		r.Outcome, r.Reason = c.violated(), fmt.Sprintf("%s in %s: %s", plural(n, "place"), plural(r.Files, "file"), first)
	case len(bad) > 0:
		r.Outcome = runner.RuleError
	default:
		r.Outcome, r.Reason = runner.Pass, fmt.Sprintf("0 places in %s, %s followed", plural(r.Files, "file"), plural(bodies, "body"))
	}
	if len(bad) > 0 {
		r.addUnread(bad)
	}
	return r
}
