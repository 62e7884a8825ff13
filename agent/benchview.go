package agent

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// benchView draws a table of the values so far on a terminal. It draws only when it is
// told something, which the harness does between two windows: nothing of it runs beside
// what is timed.
type benchView struct {
	w       io.Writer
	columns int
	start   time.Time

	mu    sync.Mutex
	drawn time.Time
	lines int // of the table on the screen
	loads []harness.Load
	rates map[harness.Load][]float64
	last  harness.Load
	now   harness.Progress
	shown bool // there is something to draw
}

const (
	// redrawEvery bounds how often the table is drawn.
	redrawEvery = 100 * time.Millisecond
	// viewFrame is how many lines the table has beside its rows.
	viewFrame = 3
)

// terminalSize is the size of a terminal, 24 by 80 if it does not tell.
func terminalSize(f *os.File) (rows, columns int) {
	s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || s.Row == 0 || s.Col == 0 {
		return 24, 80
	}
	return int(s.Row), int(s.Col)
}

// newBenchView is nil if the table does not fit: what has scrolled away cannot be drawn
// again.
func newBenchView(w io.Writer, rows, columns int, loads []harness.Load) *benchView {
	if len(loads) == 0 || len(loads)+viewFrame >= rows || columns < 60 {
		return nil
	}
	return &benchView{w: w, columns: columns, start: time.Now(), loads: loads, rates: map[harness.Load][]float64{}}
}

// event is a sink for [runner.Workspace.Progress].
func (v *benchView) event(e runner.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shown && !e.Done {
		return // the table says it
	}
	v.erase()
	v.shown = false
	fmt.Fprintf(v.w, "%6.1fs  %-8s %s\n", time.Since(v.start).Seconds(), e.Stage, e.Text)
}

// watch takes what the harness tells between two windows.
func (v *benchView) watch(p harness.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = p
	if l := p.Last; l != nil {
		v.rates[l.Load] = append(v.rates[l.Load], l.Rate)
		v.last = l.Load
	}
	v.shown = p.Doing != harness.Finished
	if !v.shown {
		v.erase()
		return
	}
	if time.Since(v.drawn) >= redrawEvery {
		v.draw()
	}
}

func (v *benchView) draw() {
	var b strings.Builder
	put := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if utf8.RuneCountInString(text) >= v.columns {
			text = string([]rune(text)[:v.columns-1]) // a wrapped line would be two
		}
		b.WriteString(text + "\n")
		v.lines++
	}
	v.erase()
	p := v.now
	put("%s, %s elapsed%s", p.Doing, p.Elapsed.Round(time.Second), left(p))
	put("  %-44s %4s %14s %8s", "", "n", "median", "spread")
	for _, l := range v.loads {
		mark := " "
		if l == v.last {
			mark = ">"
		}
		m, spread := "", ""
		if len(v.rates[l]) > 0 {
			median, half := middle(v.rates[l])
			m, spread = baseline.Format(median, "ops/s"), fmt.Sprintf("±%.1f%%", half*100)
		}
		put("%s %-44s %4d %14s %8s", mark, l, len(v.rates[l]), m, spread)
	}
	io.WriteString(v.w, b.String())
	v.drawn = time.Now()
}

// middle is the median of values and half the range of the middle half, relative to it.
func middle(values []float64) (median, spread float64) {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	median = (s[(n-1)/2] + s[n/2]) / 2
	return median, (s[min(3*n/4, n-1)] - s[n/4]) / 2 / median
}

// erase takes the table off the screen.
func (v *benchView) erase() {
	if v.lines > 0 {
		fmt.Fprintf(v.w, "\x1b[%dF\x1b[J", v.lines)
		v.lines = 0
	}
}

func (v *benchView) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
}
