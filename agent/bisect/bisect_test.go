package bisect

import (
	"testing"

	"pgregory.net/rapid"
)

// search runs a search to its end; answer tells about a commit, n counts from 1.
func search(t interface {
	Fatalf(string, ...any)
}, n int, answer func(at, probe int) Outcome,
) (Result, []Probe) {
	var probes []Probe
	for range 4*n + 20 {
		s := Next(n, probes)
		if s.Result != nil {
			return *s.Result, probes
		}
		if s.At < 0 || s.At > n || s.Why == "" {
			t.Fatalf("step %+v in a range to %d", s, n)
		}
		probes = append(probes, Probe{s.At, answer(s.At, len(probes)+1)})
	}
	t.Fatalf("no end after %v", probes)
	return Result{}, nil
}

// Whatever is skipped and lost, the result never leaves the culprit out, and blames nobody
// who could be told to be innocent.
func TestSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		culprit := rapid.IntRange(1, n).Draw(t, "culprit")
		skip := map[int]bool{}
		for _, at := range rapid.SliceOf(rapid.IntRange(1, max(1, n-1))).Draw(t, "skips") {
			skip[at] = at < n
		}
		lost := map[int]bool{}
		for _, p := range rapid.SliceOfN(rapid.IntRange(1, 40), 0, 5).Draw(t, "lost") {
			lost[p] = true
		}
		unsure := map[int]bool{}
		for _, p := range rapid.SliceOfN(rapid.IntRange(1, 40), 0, 5).Draw(t, "unsure") {
			unsure[p] = true
		}
		r, probes := search(t, n, func(at, probe int) Outcome {
			switch {
			case lost[probe]:
				return Lost
			case skip[at]:
				return Skip
			case unsure[probe] && probe > 1 && !unsure[probe-1]:
				return Unsure
			case at >= culprit:
				return Bad
			}
			return Good
		})
		skips, looked := 0, map[int]int{}
		for _, p := range probes {
			if p.Outcome != Lost && p.Outcome != Unsure {
				looked[p.At]++
			}
			if p.Outcome == Skip {
				skips++
			}
		}
		for at, times := range looked {
			if times > 2 {
				t.Fatalf("commit %d was examined %d times", at, times)
			}
		}
		if culprit < r.First || culprit > r.Last {
			t.Fatalf("%+v leaves out %d", r, culprit)
		}
		switch r.Kind {
		case Found:
			if r.First != r.Last || !r.Confirmed {
				t.Fatalf("%+v", r)
			}
		case Several:
			for at := r.First; at < r.Last; at++ {
				if !skip[at] {
					t.Fatalf("%+v although %d can be told", r, at)
				}
			}
		default:
			t.Fatalf("%+v", r)
		}
		if most := Estimate(n) + len(lost) + len(unsure); skips == 0 && len(probes) > most {
			t.Fatalf("%d probes in a range to %d, want at most %d", len(probes), n, most)
		}
		lo, hi := Narrowed(n, probes)
		if e := Exhausted(n, probes); e.First != lo+1 || e.Last != hi || culprit <= lo || culprit > hi {
			t.Fatalf("narrowed to %d..%d, %+v", lo, hi, e)
		}
	})
}

func TestEnds(t *testing.T) {
	always := func(o Outcome) func(int, int) Outcome { return func(int, int) Outcome { return o } }
	for _, c := range []struct {
		name   string
		answer func(at, probe int) Outcome
		want   Result
		probes int
	}{
		{"all is good", always(Good), Result{Kind: HeadGood, First: 8, Last: 8}, 2},
		{"the base is bad, too", always(Bad), Result{Kind: BaseBad}, 1},
		{"nothing can be told", always(Skip), Result{Kind: Untold}, 1},
		{"the head cannot be told", func(at, _ int) Outcome {
			if at == 8 {
				return Skip
			}
			return Good
		}, Result{Kind: Untold, First: 8, Last: 8}, 2},
		{"all between cannot be told", func(at, _ int) Outcome {
			switch at {
			case 0:
				return Good
			case 8:
				return Bad
			}
			return Skip
		}, Result{Kind: Several, First: 1, Last: 8, Confirmed: true}, 11},
		// Bad everywhere but at the base; the commit 4 is good the first time. What it told is
		// left out, and the search goes on before it.
		{"flaky middle", func(at, probe int) Outcome {
			if at == 0 || probe == 3 {
				return Good
			}
			return Bad
		}, Result{Kind: Found, First: 1, Last: 1, Confirmed: true}, 11},
		// Its parent is the culprit or it is.
		{"a culprit that is good the second time", func(at, probe int) Outcome {
			if at < 5 || probe == 6 {
				return Good
			}
			return Bad
		}, Result{Kind: Several, First: 5, Last: 6, Confirmed: true}, 8},
		{"an end that is good the second time", func(at, probe int) Outcome {
			if at < 8 || probe > 5 {
				return Good
			}
			return Bad
		}, Result{Kind: Unstable, First: 8, Last: 8}, 6},
		{"nothing stays as it is", func(at, probe int) Outcome {
			if at == 0 || probe > 5 {
				return Good
			}
			return Bad
		}, Result{Kind: Unstable, First: 4, Last: 4}, 9},
		{"measurements that decide nothing at first", func(at, probe int) Outcome {
			switch {
			case probe%2 == 1:
				return Unsure
			case at >= 3:
				return Bad
			}
			return Good
		}, Result{Kind: Found, First: 3, Last: 3, Confirmed: true}, 14},
		{"an end that is never decided", always(Unsure), Result{Kind: Untold}, 3},
		{"a commit that is never decided", func(at, _ int) Outcome {
			switch {
			case at == 4:
				return Unsure
			case at > 4:
				return Bad
			}
			return Good
		}, Result{Kind: Several, First: 4, Last: 5, Confirmed: true}, 11},
		{"the second time cannot be told", func(at, probe int) Outcome {
			switch {
			case probe > 5:
				return Skip
			case at == 0:
				return Good
			}
			return Bad
		}, Result{Kind: Found, First: 1, Last: 1}, 9},
	} {
		r, probes := search(t, 8, c.answer)
		if r != c.want || len(probes) != c.probes {
			t.Errorf("%s: %+v after %v, want %+v after %d", c.name, r, probes, c.want, c.probes)
		}
	}
}

// One wrong answer, whenever it is given, blames nobody.
func TestOneLie(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100).Draw(t, "n")
		culprit := rapid.IntRange(1, n).Draw(t, "culprit")
		lie := rapid.IntRange(1, 12).Draw(t, "lie")
		skip := map[int]bool{}
		for _, at := range rapid.SliceOfN(rapid.IntRange(1, max(1, n-1)), 0, 5).Draw(t, "skips") {
			skip[at] = at < n
		}
		r, probes := search(t, n, func(at, probe int) Outcome {
			switch {
			case skip[at]:
				return Skip
			case (at >= culprit) == (probe != lie):
				return Bad
			}
			return Good
		})
		switch r.Kind {
		case Found, Several:
			if culprit < r.First || culprit > r.Last {
				t.Fatalf("%+v leaves out %d after %v", r, culprit, probes)
			}
		case BaseBad, HeadGood, Unstable: // nobody is named
		default:
			t.Fatalf("%+v", r)
		}
	})
}

// A cluster of commits that cannot be told is left, not crept along.
func TestSkipsLeaveTheCluster(t *testing.T) {
	r, probes := search(t, 1000, func(at, _ int) Outcome {
		switch {
		case at > 450 && at < 560:
			return Skip
		case at >= 700:
			return Bad
		}
		return Good
	})
	if r != (Result{Kind: Found, First: 700, Last: 700, Confirmed: true}) || len(probes) > Estimate(1000)+2 {
		t.Errorf("%+v after %d probes", r, len(probes))
	}
}
