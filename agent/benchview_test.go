package agent

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// screen is what a terminal shows after the bytes that the view writes: text, ends of
// lines, "up so many lines" and "erase from here".
func screen(t *testing.T, out string) []string {
	t.Helper()
	lines := []string{""}
	for out != "" {
		switch {
		case strings.HasPrefix(out, "\x1b["):
			end := strings.IndexAny(out, "FJ")
			if end < 0 {
				t.Fatalf("unknown sequence %q", out[:8])
			}
			if out[end] == 'F' {
				n := 0
				for _, c := range out[2:end] {
					n = n*10 + int(c-'0')
				}
				if n >= len(lines) {
					t.Fatalf("%d lines up of %d", n, len(lines)-1)
				}
				lines = lines[:len(lines)-n]
				lines[len(lines)-1] = "" // what is below goes with the erasure that always follows
			}
			out = out[end+1:]
		case out[0] == '\n':
			lines, out = append(lines, ""), out[1:]
		default:
			r, size := utf8.DecodeRuneInString(out)
			lines[len(lines)-1] += string(r)
			out = out[size:]
		}
	}
	return lines
}

func TestBenchView(t *testing.T) {
	loads := harness.Config{Threads: []int{1, 16}, Depths: []int{1}}.Loads()
	var out bytes.Buffer
	v := newBenchView(&out, 24, 80, loads)
	v.event(runner.Event{Stage: "bench", Text: "backend cpu: about 9 s"})
	for round := 1; round <= 3; round++ {
		for i, l := range loads {
			v.drawn = time.Time{} // as if enough time had passed
			v.watch(harness.Progress{
				Round: round, Rounds: 10, Doing: "round 3 of 10", Elapsed: 4 * time.Second, Left: 9 * time.Second,
				Last: &harness.Value{Load: l, Rate: float64(1000 * (i + 1) * round), Round: round},
			})
		}
	}
	v.event(runner.Event{Stage: "bench", Text: "round 3 of 10"})
	got := strings.Join(screen(t, out.String()), "\n")
	for _, want := range []string{
		"bench    backend cpu: about 9 s\nround 3 of 10, 4s elapsed, about 9s left\n",
		"\n  multi-queue queue=shared threads=1              3     2000 ops/s   ±50.0%\n",
		"\n> async-pipeline mode=single threads=1 depth=1    3   10.00k ops/s   ±50.0%\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the screen is\n%s\nwithout %q", got, want)
		}
	}
	if n := strings.Count(got, "\n"); n != 1+2+len(loads) {
		t.Errorf("%d lines on the screen:\n%s", n, got)
	}
	for l := range strings.Lines(got) {
		if utf8.RuneCountInString(l) > 80 {
			t.Errorf("a line of more than 80: %q", l)
		}
	}
	v.watch(harness.Progress{Doing: harness.Finished})
	v.event(runner.Event{Stage: "bench", Text: "success", Done: true})
	v.close()
	got = strings.Join(screen(t, out.String()), "\n")
	if strings.Contains(got, "multi-queue") || !strings.Contains(got, "success") || strings.Count(got, "\n") != 2 {
		t.Errorf("at the end the screen is\n%s", got)
	}
}

// TestBenchViewNeedsRoom: lines that scrolled away cannot be drawn again.
func TestBenchViewNeedsRoom(t *testing.T) {
	loads := harness.Config{Threads: []int{1, 2, 4, 8, 16}, Depths: []int{1, 2, 4, 8, 16, 32}, AsyncThreads: 8}.Loads()
	for _, size := range [][2]int{{24, 80}, {50, 40}} {
		if newBenchView(&bytes.Buffer{}, size[0], size[1], loads) != nil {
			t.Errorf("22 rows are drawn on a terminal of %v", size)
		}
	}
	if newBenchView(&bytes.Buffer{}, 26, 80, loads) == nil {
		t.Error("22 rows are not drawn on a terminal of 26")
	}
	if newBenchView(&bytes.Buffer{}, 50, 80, nil) != nil {
		t.Error("nothing is drawn")
	}
}
