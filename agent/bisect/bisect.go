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
)

// Outcome is what one examination told about one commit.
type Outcome string

const (
	Good Outcome = "good"
	Bad  Outcome = "bad"
	// Skip: it could not be told. As in git bisect skip, another commit nearby is looked at
	// instead.
	Skip Outcome = "skip"
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
	Several  = "several"  // it is one of First to Last; those between could not be told
	BaseBad  = "base bad" // the good end is bad, too: older, or not in the repository at all
	HeadGood = "head good"
	Untold   = "untold"   // an end could not be told: there is nothing to search between
	Unstable = "unstable" // commit Last was bad once and good once
	Budget   = "budget"   // given up; it is one of First to Last
)

// Result is what a search came to.
type Result struct {
	Kind string `json:"kind"`
	// First and Last bound the commits that may be the first bad one.
	First int `json:"first"`
	Last  int `json:"last"`
	// Confirmed: the first bad commit was bad twice and its parent good twice.
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

// Next says what to do in a range whose bad end is n (at least 1), after these probes in the
// order in which they were made.
//
// First both ends are examined: an end that is not what it is taken for (the drift of a tool
// chain, a flaky check) would blame an innocent commit. Then the middle of what is left is
// examined, until it is one commit. A commit that cannot be told is left out: the next is
// the middle of the longest stretch that nobody looked at, away from clusters of such
// commits. At last the first bad commit and its parent are each examined once more; if one
// of them contradicts itself the result says so and blames nobody.
func Next(n int, probes []Probe) Step {
	for _, end := range []struct {
		at   int
		want Outcome
		why  string
		kind string
	}{
		{0, Good, "is the base good?", BaseBad}, // what others are compared with
		{n, Bad, "is the head bad?", HeadGood},
	} {
		switch out := seen(probes, end.at); {
		case len(out) == 0:
			return Step{At: end.at, Why: end.why}
		case out[0] == Skip:
			return done(Untold, end.at, end.at)
		case out[0] != end.want:
			return done(end.kind, end.at, end.at)
		}
	}
	lo, hi := Narrowed(n, probes)
	if at, ok := middle(lo, hi, probes); ok {
		return Step{At: at, Why: fmt.Sprintf("%d left", hi-lo-1)}
	}
	if hi-lo > 1 {
		return done(Several, lo+1, hi)
	}
	return confirm(lo, hi, probes)
}

func done(kind string, first, last int) Step {
	return Step{Result: &Result{Kind: kind, First: first, Last: last}}
}

// Narrowed returns the last commit known to be good and the first known to be bad after it.
func Narrowed(n int, probes []Probe) (lo, hi int) {
	hi = n
	first := map[int]bool{}
	for _, p := range probes {
		if p.Outcome == Lost || first[p.At] {
			continue // later probes of a commit only confirm
		}
		first[p.At] = true
		switch {
		case p.Outcome == Good && p.At > lo && p.At < hi:
			lo = p.At
		case p.Outcome == Bad && p.At < hi && p.At > lo:
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

// confirm examines the first bad commit and its parent a second time. One that cannot be
// told then is asked once more; after that the result stands unconfirmed.
func confirm(lo, hi int, probes []Probe) Step {
	confirmed := true
	for _, c := range []struct {
		at   int
		want Outcome
		why  string
	}{{hi, Bad, "once more: is it bad?"}, {lo, Good, "once more: is its parent good?"}} {
		same, other, skips := 0, 0, 0
		for _, o := range seen(probes, c.at) {
			switch o {
			case c.want:
				same++
			case Skip:
				skips++
			default:
				other++
			}
		}
		switch {
		case other > 0:
			return done(Unstable, hi, c.at)
		case same < 2 && skips < 2:
			return Step{At: c.at, Why: c.why}
		case same < 2:
			confirmed = false
		}
	}
	s := done(Found, hi, hi)
	s.Result.Confirmed = confirmed
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
