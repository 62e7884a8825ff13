// Package bisect decides which commit of a range to look at next, and says what came of it.
//
// In: the number of commits and what examining some of them told ([Probe]). Out: the next
// one to examine or a [Result] ([Next]). It keeps nothing and does nothing, so that the
// state of a search is the list of its probes, wherever that is kept: a search that was
// killed goes on from there.
//
// Examining commits, keeping probes, budgets and reporting are left to others.
package bisect

import (
	"fmt"
	"math/bits"
	"slices"
)

// Outcome is what one examination told about one commit.
type Outcome string

const (
	Good Outcome = "good"
	Bad  Outcome = "bad"
	// Skip: it could not be told. As in git bisect skip, another commit nearby is looked at
	// instead.
	Skip Outcome = "skip"
	// Unsure: it was measured, and that decided nothing. Measuring it again may; after that it
	// is left out.
	Unsure Outcome = "unsure"
	// Lost: the examination did not end. It tells nothing and is made again.
	Lost Outcome = "lost"
)

// Probe is one examination. The commits of a range are numbered from 0, the good end, to
// the bad end.
type Probe struct {
	At      int
	Outcome Outcome
}

// Kinds of a [Result].
const (
	Found    = "found"    // First == Last is the first bad commit
	Several  = "several"  // it is one of First to Last; all but Last could not be told
	BaseBad  = "base bad" // the good end is bad, too: older, or not in the repository at all
	HeadGood = "head good"
	Untold   = "untold"   // an end could not be told: there is nothing to search between
	Unstable = "unstable" // too many commits contradict themselves, Last among them, or an end does
	Budget   = "budget"   // given up; it is one of First to Last
)

// Result is what a search came to.
type Result struct {
	Kind string `json:"kind"`
	// First and Last bound the commits that may be the first bad one.
	First int `json:"first"`
	Last  int `json:"last"`
	// Confirmed: the commit Last was bad twice, and the one before First good twice.
	Confirmed bool `json:"confirmed"`
}

// Step is what to do next.
type Step struct {
	At     int     // commit to examine
	Why    string  // in a few words; "" when done
	Result *Result // nil while there is something to do
}

// seen is what the probes of one commit told, without those that were lost.
func seen(probes []Probe, at int) (out []Outcome) {
	for _, p := range probes {
		if p.At == at && p.Outcome != Lost {
			out = append(out, p.Outcome)
		}
	}
	return out
}

// maxContradictions is how many commits may be good once and bad once before the search is
// given up: what answers like that cannot be searched.
const maxContradictions = 2

// maxUnsure is how often a commit is measured without a decision.
const maxUnsure = 3

// undecided is the commit that was examined last, if that decided nothing yet.
func undecided(probes []Probe) (at int, ok bool) {
	for _, p := range slices.Backward(probes) {
		if p.Outcome == Lost {
			continue
		}
		all := seen(probes, p.At)
		return p.At, len(all) < maxUnsure && !slices.ContainsFunc(all, func(o Outcome) bool { return o != Unsure })
	}
	return 0, false
}

// answer is what all probes of a commit come to: "" if nobody looked, and Skip for one that
// decided nothing, or was good once and bad once, which is unclear.
func answer(probes []Probe, at int) (o Outcome, unclear bool) {
	for _, next := range seen(probes, at) {
		if next == Unsure {
			next = Skip
		}
		switch {
		case o == "" || o == Skip:
			o = next
		case next != Skip && next != o:
			return Skip, true
		}
	}
	return o, false
}

// Unclear are the commits that were good once and bad once, in the order in which that
// showed.
func Unclear(probes []Probe) (out []int) {
	for i, p := range probes {
		_, before := answer(probes[:i], p.At)
		if _, now := answer(probes[:i+1], p.At); now && !before {
			out = append(out, p.At)
		}
	}
	return out
}

// Next says what to do in a range whose bad end is n (at least 1), after these probes in the
// order in which they were made.
//
// First both ends are examined: an end that is not what it is taken for (the drift of a
// toolchain, a flaky check) would blame an innocent commit. Then the middle of what is left
// is examined, until it is one commit. A measurement that decides nothing is made again,
// twice at most. A commit that cannot be told is left out: the next is the middle of the
// longest stretch that nobody looked at, away from clusters of such
// commits. At last the first bad commit and the last good one are each examined once more.
// One that then contradicts itself is one that cannot be told, and the search goes on in the
// range that is left without its answer; so a single wrong answer blames nobody. After
// several of them, or at an end, the result says so.
func Next(n int, probes []Probe) Step {
	if at, ok := undecided(probes); ok {
		return Step{At: at, Why: "once more: it was not decided"}
	}
	for _, end := range []struct {
		at   int
		want Outcome
		why  string
		kind string
	}{
		{0, Good, "is the base good?", BaseBad}, // what others are compared with
		{n, Bad, "is the head bad?", HeadGood},
	} {
		switch o, unclear := answer(probes, end.at); {
		case o == "":
			return Step{At: end.at, Why: end.why}
		case unclear:
			return done(Unstable, end.at, end.at)
		case o == Skip:
			return done(Untold, end.at, end.at)
		case o != end.want:
			return done(end.kind, end.at, end.at)
		}
	}
	if u := Unclear(probes); len(u) > maxContradictions {
		at := u[len(u)-1]
		return done(Unstable, at, at)
	}
	lo, hi := Narrowed(n, probes)
	if at, ok := middle(lo, hi, probes); ok {
		return Step{At: at, Why: fmt.Sprintf("%d left", hi-lo-1)}
	}
	return confirm(lo, hi, probes)
}

func done(kind string, first, last int) Step {
	return Step{Result: &Result{Kind: kind, First: first, Last: last}}
}

// Narrowed returns the last commit known to be good and the first known to be bad after it.
func Narrowed(n int, probes []Probe) (lo, hi int) {
	hi = n
	for _, p := range probes {
		switch o, _ := answer(probes, p.At); {
		case o == Good && p.At > lo && p.At < hi:
			lo = p.At
		case o == Bad && p.At < hi && p.At > lo:
			hi = p.At
		}
	}
	return lo, hi
}

// middle picks a commit strictly between lo and hi that nobody looked at: the middle one of
// the longest stretch of such commits, of equally long ones the one nearest to the middle
// of the range.
func middle(lo, hi int, probes []Probe) (at int, ok bool) {
	looked := map[int]bool{}
	for _, p := range probes {
		if p.Outcome != Lost {
			looked[p.At] = true
		}
	}
	off := func(x int) int { return max(2*x-lo-hi, lo+hi-2*x) }
	best, from := 0, lo+1
	for i := lo + 1; i <= hi; i++ {
		if i < hi && !looked[i] {
			continue
		}
		if size, mid := i-from, (from+i-1)/2; size > 0 && (size > best || size == best && off(mid) < off(at)) {
			best, at, ok = size, mid, true
		}
		from = i + 1
	}
	return at, ok
}

const whyBad = "once more: is it bad?"

// confirm examines the first commit that is bad and the last one that is good a second time.
// One that cannot be told then is asked once more; after that the result stands unconfirmed.
func confirm(lo, hi int, probes []Probe) Step {
	s := done(Found, lo+1, hi)
	if hi-lo > 1 {
		s.Result.Kind = Several
	}
	s.Result.Confirmed = true
	for _, c := range []struct {
		at  int
		why string
	}{{hi, whyBad}, {lo, "once more: is the one before good?"}} {
		told, skips, unsure := 0, 0, 0
		for _, o := range seen(probes, c.at) {
			switch o {
			case Skip:
				skips++
			case Unsure:
				unsure++
			default:
				told++
			}
		}
		switch {
		case told < 2 && skips < 2 && unsure < maxUnsure:
			return Step{At: c.at, Why: c.why}
		case told < 2:
			s.Result.Confirmed = false
		}
	}
	return s
}

// Exhausted is the result of a search whose budget is spent.
func Exhausted(n int, probes []Probe) Result {
	lo, hi := Narrowed(n, probes)
	return Result{Kind: Budget, First: lo + 1, Last: hi}
}

// Estimate is how many probes a search over a range with bad end n takes if every commit
// can be told: both ends, the halvings, and two to confirm.
func Estimate(n int) int { return 2 + bits.Len(uint(max(n-1, 0))) + 2 }

// Left is how many more probes a search takes if every commit can be told.
func Left(n int, probes []Probe) int {
	left := 0
	for range Estimate(n) + maxContradictions {
		s := Next(n, probes)
		if s.Result != nil {
			break
		}
		// The larger half is left if a middle one is good.
		o := Good
		if s.At == n || s.Why == whyBad {
			o = Bad
		}
		probes = append(slices.Clip(probes), Probe{s.At, o})
		left++
	}
	return left
}
