package agent

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// A check run tells of progress after ten seconds and then once a minute, however much a
// stage says, with the newest lines; what the stage is called from never waits for that.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Duration
		var lines [][]string
		start := time.Now()
		l := &live{start: start, last: start.Add(liveFirst - liveEvery)}
		l.put = func(_ context.Context, ls []string) {
			time.Sleep(5 * time.Second) // a busy database
			mu.Lock()
			defer mu.Unlock()
			at, lines = append(at, time.Since(start)-5*time.Second), append(lines, ls)
		}
		for i := range 1800 { // three minutes
			before := time.Now()
			l.event(t.Context(), runner.Event{Text: fmt.Sprintf("line %d\x1b[2J", i)})
			if !time.Now().Equal(before) {
				t.Fatal("it waited")
			}
			time.Sleep(100 * time.Millisecond)
		}
		l.close()
		if len(at) != 3 || at[0] != 10*time.Second || at[1] != 70*time.Second || at[2] != 130*time.Second {
			t.Errorf("it told at %s", at)
		}
		last := lines[2]
		if len(last) != liveLines || last[liveLines-1] != `  130.0s  line 1300[U+001B][2J` {
			t.Errorf("the newest lines are %q", last)
		}
		(*live)(nil).event(t.Context(), runner.Event{})
		(*live)(nil).close()
	})
}
