package harnesstest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// Kernels whose source says what they do, for tests of what is made of figures: a comment
// "takes 2ms" is how long an operation takes, "broken" one that does not compile,
// "crashes" one whose process ends, "unsettled" one whose warm-up never is.
var (
	takes = regexp.MustCompile(`takes (\w+)`)
	words = []struct{ word, err string }{
		{"broken", "compile kernel: %s:1: use of undeclared identifier"},
		{"crashes", "the measuring process ended in opening the device and verifying %s: killed by signal 11"},
	}
)

// Arithmetic makes probes that measure such kernels without a device and without time: an
// operation alone takes three times as long as one of many, values have a noise of 1 %
// (log-normal, seeded), and the machine gets slower by a third in 1000 windows.
func Arithmetic(seed uint64) func(k harness.Kernel, scenario string) harness.Probe {
	m := &machine{rng: rand.New(rand.NewPCG(seed, 0x73617973))}
	return func(k harness.Kernel, _ string) harness.Probe { return &probe{m, k} }
}

// machine is what all probes share. They are of one run, so one at a time, but runs may be
// side by side.
type machine struct {
	mu      sync.Mutex
	rng     *rand.Rand
	windows int
}

type probe struct {
	m *machine
	k harness.Kernel
}

func (p *probe) text() string {
	if p.k.Source == nil {
		return "takes 1ms"
	}
	return p.k.Source.Text
}

func (p *probe) Ready(context.Context, []harness.Load) (harness.Setup, error) {
	for _, w := range words {
		if strings.Contains(p.text(), w.word) {
			return harness.Setup{}, fmt.Errorf(w.err, p.k.Source.File)
		}
	}
	if takes.FindString(p.text()) == "" {
		return harness.Setup{}, errors.New("the kernel does not say how long it takes")
	}
	return harness.Setup{Device: harness.Device{Backend: "metal", Text: "arithmetic, not a device"}, Procs: 1}, nil
}

func (p *probe) Warm(context.Context, harness.Load, time.Duration) (harness.Warmth, error) {
	return harness.Warmth{Settled: !strings.Contains(p.text(), "unsettled"), Windows: 3}, nil
}

func (p *probe) Measure(_ context.Context, l harness.Load, window time.Duration) (harness.Reading, error) {
	d, err := time.ParseDuration(takes.FindStringSubmatch(p.text())[1])
	if err != nil {
		return harness.Reading{}, err
	}
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.m.windows++
	rate := min(float64(l.Threads*l.Depth)/3, 1) / d.Seconds() * math.Exp(0.01*p.m.rng.NormFloat64()-0.4*float64(p.m.windows)/1000)
	return harness.Reading{Rate: rate, Ops: uint64(rate * window.Seconds()), Seconds: window.Seconds()}, nil
}

func (*probe) Spans(context.Context, harness.Load, time.Duration) (harness.Spans, error) {
	return harness.Spans{}, harness.ErrNoSpans
}

func (*probe) Close() error { return nil }
