package agent

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := newProgress(&out)
		say := func(text string, done bool) {
			p.event(runner.Event{Stage: "proofs", Text: text, Done: done})
		}
		for i := range 100 { // a flood: only what half a second apart is printed
			say("built "+strings.Repeat("x", i), false)
			time.Sleep(10 * time.Millisecond)
		}
		say("waiting", false)
		time.Sleep(25 * time.Second) // silence: it says that it lives
		say("success", true)
		time.Sleep(time.Minute) // after the end it says nothing
		p.close()
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if n := strings.Count(out.String(), "built"); n < 2 || n > 4 {
			t.Errorf("%d lines of a flood of a second:\n%s", n, out.String())
		}
		if n := strings.Count(out.String(), "still: waiting"); n != 2 {
			t.Errorf("%d signs of life in 25 s of silence:\n%s", n, out.String())
		}
		if last := lines[len(lines)-1]; !strings.HasSuffix(last, "proofs   success") {
			t.Errorf("the last line is %q", last)
		}
	})
}
