package harness_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// unfair gives the device to one thread until it leaves, as a lock that is not fair may.
type unfair struct {
	harness.Backend
	turn chan struct{}
}

type unfairThread struct {
	harness.Thread
	turn chan struct{}
	mine bool
}

func (u unfair) Enter() (harness.Thread, error) {
	th, err := u.Backend.Enter()
	return &unfairThread{Thread: th, turn: u.turn}, err
}

func (t *unfairThread) Submit(q harness.Queue, p harness.Program, b harness.Buffer, n int) (harness.Ticket, error) {
	if !t.mine {
		t.turn <- struct{}{}
		t.mine = true
	}
	return t.Thread.Submit(q, p, b, n)
}

func (t *unfairThread) Leave() {
	if t.mine {
		<-t.turn
	}
	t.Thread.Leave()
}

// TestStarvedThreads: threads that take turns, each as long as the window, are no faster
// than one alone. Each saw the full rate in a time of its own, but not the same time. It
// was found on a GPU: sixteen threads on one stream seemed to do four times what is
// possible.
func TestStarvedThreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := unfair{open(t, virtual), make(chan struct{}, 1)}
		defer b.Close()
		c := small()
		c.Depths, c.AsyncThreads, c.Window = nil, 0, 100*time.Millisecond
		rep, err := harness.Run(t.Context(), b, c)
		if err != nil {
			t.Fatal(err)
		}
		rates := map[string]float64{}
		for _, s := range rep.Samples {
			if s.Name == "multi-queue" {
				rates[s.Config["queue"]+s.Config["threads"]] = s.Values[0]
			}
		}
		for _, q := range []string{"shared", "per-thread"} {
			if one, four := rates[q+"1"], rates[q+"4"]; four > one*1.1 || four < one*0.9 {
				t.Errorf("%s: four threads in turn do %.0f ops/s, one does %.0f", q, four, one)
			}
		}
		if all := strings.Join(rep.Warnings, "\n"); !strings.Contains(all, "a lock is not fair: multi-queue queue=shared threads=4 (up to 3 of 4 threads in 3 of 3 windows)") {
			t.Errorf("warnings:\n%s", all)
		}
	})
}
