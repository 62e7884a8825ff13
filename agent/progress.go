package agent

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// progressEvery bounds how often a stage that says much is heard on a file or pipe.
const progressEvery = 500 * time.Millisecond

// quietAfter is how long a stage may say nothing before a line tells that it is alive.
const quietAfter = 10 * time.Second

// progress prints what the stages do, one line each: elapsed time, stage, text.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
	last  map[string]time.Time
	held  map[string]string // newest text of a stage that was not printed yet
	said  map[string]string
	stop  chan struct{}
	done  sync.WaitGroup
}

func newProgress(w io.Writer) *progress {
	p := &progress{
		w: w, start: time.Now(), stop: make(chan struct{}),
		last: map[string]time.Time{}, held: map[string]string{}, said: map[string]string{},
	}
	p.done.Go(p.beat)
	return p
}

// event is a sink for [runner.Workspace.Progress].
func (p *progress) event(e runner.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Done {
		delete(p.held, e.Stage)
		p.print(e.Stage, e.Text)
		delete(p.last, e.Stage)
		return
	}
	p.held[e.Stage] = e.Text
	if time.Since(p.last[e.Stage]) >= progressEvery {
		p.print(e.Stage, e.Text)
	}
}

// line prints a line that belongs to no stage.
func (p *progress) line(what, format string, args ...any) {
	p.event(runner.Event{Stage: what, Text: fmt.Sprintf(format, args...), Done: true})
}

func (p *progress) print(stage, text string) {
	fmt.Fprintf(p.w, "%6.1fs  %-8s %s\n", time.Since(p.start).Seconds(), stage, text)
	p.last[stage] = time.Now()
	p.said[stage] = text
	delete(p.held, stage)
}

// beat prints what was held back, and says of a silent stage that it still works.
func (p *progress) beat() {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		for stage, at := range p.last {
			switch text, ok := p.held[stage]; {
			case ok && time.Since(at) >= progressEvery:
				p.print(stage, text)
			case !ok && time.Since(at) >= quietAfter:
				said := p.said[stage]
				p.print(stage, "still: "+said)
				p.said[stage] = said
			}
		}
		p.mu.Unlock()
	}
}

// close ends the beat.
func (p *progress) close() {
	close(p.stop)
	p.done.Wait()
}
