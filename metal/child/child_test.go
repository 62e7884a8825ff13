package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ci/holdfast/metal/cpu"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var one = harness.Load{Scenario: "async-pipeline", Mode: "single", Threads: 1, Depth: 1}

func cpuDevice(json.RawMessage) (harness.Backend, error) {
	return cpu.Open(cpu.Model{Submit: 50 * time.Microsecond, Execute: 20 * time.Microsecond})
}

// served is a Serve with both its ends in hand.
type served struct {
	in   *io.PipeWriter
	out  *bufio.Reader
	done chan error
}

func serve(t *testing.T, open Opener) *served {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	s := &served{inW, bufio.NewReader(outR), make(chan error, 1)}
	go func() {
		err := Serve(t.Context(), inR, outW, open)
		outW.Close()
		inR.Close()
		s.done <- err
	}()
	t.Cleanup(func() { inW.Close(); outR.Close() })
	return s
}

func (s *served) ask(t *testing.T, q request) reply {
	t.Helper()
	line, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	answer, err := s.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	p, err := decodeReply(bytes.TrimSuffix(answer, []byte("\n")), q)
	if err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	return p
}

func ready(device string) request {
	return request{ID: 1, Do: doReady, Begin: &begin{
		Protocol: protocolVersion, Device: json.RawMessage(device), Kernel: harness.Kernel{Elements: 4, Iterations: 1},
		Hang: time.Second, Loads: []harness.Load{one},
	}}
}

func TestServe(t *testing.T) {
	s := serve(t, cpuDevice)
	p := s.ask(t, ready(`{}`))
	if p.Fault != nil || p.Setup.Device.Backend != "cpu" || p.Setup.Counts.Completed != 3 || p.Setup.Own <= 0 || p.Setup.Procs < 3 {
		t.Fatalf("setup %+v, fault %+v", p.Setup, p.Fault)
	}
	if p = s.ask(t, request{ID: 2, Do: doWarm, Load: &one, Length: 20 * time.Millisecond}); p.Fault != nil || p.Warmth.Windows == 0 {
		t.Fatalf("warmth %+v, fault %+v", p.Warmth, p.Fault)
	}
	if p = s.ask(t, request{ID: 3, Do: doMeasure, Load: &one, Length: 20 * time.Millisecond}); p.Fault != nil || p.Reading.Rate <= 0 {
		t.Fatalf("reading %+v, fault %+v", p.Reading, p.Fault)
	}
	if p = s.ask(t, request{ID: 4, Do: doSpans, Load: &one, Length: 20 * time.Millisecond}); p.Fault != nil || p.Spans.Execution < 19e-6 || p.Spans.Busy <= 0 {
		t.Fatalf("spans %+v, fault %+v", p.Spans, p.Fault)
	}
	s.ask(t, request{ID: 5, Do: doClose})
	if err := <-s.done; err != nil {
		t.Error(err)
	}
}

func TestServeRefuses(t *testing.T) {
	good, _ := json.Marshal(ready(`{}`))
	none := ready(`{}`)
	none.Begin.Loads = nil
	empty, _ := json.Marshal(none)
	for want, line := range map[string]string{
		"invalid character":           "hello",
		"unknown field":               `{"id":1,"do":"ready","x":1}`,
		"not as the other end":        strings.Replace(string(good), `"id":1`, `"id": 1`, 1),
		"request 2 after 0":           strings.Replace(string(good), `"id":1`, `"id":2`, 1),
		"speaks 2: it was replaced":   strings.Replace(string(good), `"protocol":2`, `"protocol":9`, 1),
		"no load is":                  strings.Replace(string(good), `"threads":1`, `"threads":9999`, 1),
		`request 1 is "measure"`:      `{"id":1,"do":"measure"}`,
		"more than 1048576 bytes":     strings.Repeat("x", maxLine+2),
		"unexpected EOF":              "{",
		"nothing to measure":          string(empty),
		`"ready" with the wrong part`: `{"id":1,"do":"ready"}`,
	} {
		end := "\n"
		if want == "unexpected EOF" {
			end = ""
		}
		err := Serve(t.Context(), strings.NewReader(line+end), io.Discard, cpuDevice)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: error %v, want %q", line, err, want)
		}
	}
	if err := Serve(t.Context(), strings.NewReader(""), io.Discard, cpuDevice); err != nil {
		t.Errorf("an end without a request: %v", err)
	}
}

// TestServeEndsWithItsInput: in the middle of a window of a minute.
func TestServeEndsWithItsInput(t *testing.T) {
	s := serve(t, cpuDevice)
	s.ask(t, ready(`{}`))
	line, _ := json.Marshal(request{ID: 2, Do: doMeasure, Load: &one, Length: time.Minute})
	s.in.Write(append(line, '\n'))
	s.in.Close()
	if err := <-s.done; !errors.Is(err, errParentGone) {
		t.Errorf("error %v", err)
	}
}

// TestFaultsTravel: errors keep their text and their type.
func TestFaultsTravel(t *testing.T) {
	mismatch := &harness.MismatchError{Element: 3, Got: float32(math.NaN()), Want: 7, Ops: 5}
	hang := &harness.HangError{Load: "x", Hung: 4, Wait: time.Second}
	for _, err := range []error{mismatch, hang, &harness.SpanError{Text: "odd"}, harness.ErrNoSpans, errors.New("page fault")} {
		wrapped := errors.Join(err)
		doc, e := json.Marshal(reply{ID: 1, Fault: faultOf(wrapped, harness.Counts{Completed: 2, Hung: 4})})
		if e != nil {
			t.Fatal(e)
		}
		p, e := decodeReply(doc, request{ID: 1, Do: doMeasure})
		if e != nil {
			t.Fatalf("%v in %s", e, doc)
		}
		got := p.Fault.error()
		if got.Error() != err.Error() || p.counts().Completed != 2 || p.counts().Hung != 4 {
			t.Errorf("%v became %v, %+v", err, got, p.counts())
		}
		var m *harness.MismatchError
		if errors.As(err, &m) && (!errors.As(got, &m) || m.Element != 3 || m.Want != 7 || !math.IsNaN(float64(m.Got)) || m.Ops != 5) {
			t.Errorf("a mismatch became %#v", got)
		}
		var h *harness.HangError
		if errors.As(err, &h) && (!errors.As(got, &h) || *h != *hang) {
			t.Errorf("a hang became %#v", got)
		}
		if errors.Is(err, harness.ErrNoSpans) != errors.Is(got, harness.ErrNoSpans) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestEnvironment(t *testing.T) {
	env, removed := Environment(
		[]string{"PATH=/bin", "HOME=/job", "GOFLAGS=-x", "GOGC=off"},
		[]string{"PATH=/evil", "GITHUB_TOKEN=secret", "MTL_DEBUG_LAYER=1", "DYLD_LIBRARY_PATH=/x", "CUDA_VISIBLE_DEVICES=1", "CUDA_LAUNCH_BLOCKING=1"})
	if got := strings.Join(env, " "); got != "PATH=/bin HOME=/job CUDA_VISIBLE_DEVICES=1 GOTRACEBACK=crash HOLDFAST_BENCH_CHILD=1" {
		t.Errorf("environment %s", got)
	}
	if got := strings.Join(removed, " "); got != "CUDA_LAUNCH_BLOCKING DYLD_LIBRARY_PATH GOGC MTL_DEBUG_LAYER" {
		t.Errorf("removed %s", got)
	}
}

// TestChildHasNoChild: a program that does not know the command runs itself, not a tower
// of itself.
func TestChildHasNoChild(t *testing.T) {
	t.Setenv(mark, "1")
	if _, err := Start(t.Context(), Command{Name: "x", Proc: proc.Cmd{Args: []string{"/bin/true"}}}); err == nil {
		t.Error("a child has a child")
	}
}

// TestProgramThatIsNoChild: a program that ends or says something else is told so.
func TestProgramThatIsNoChild(t *testing.T) {
	for script, want := range map[string]string{
		"exit 0":               "ended in opening the device and verifying: exit code 0",
		"read x; echo hello":   "out of protocol",
		"echo early; exec cat": "out of protocol",
		"echo one two >&2; echo three >&2; kill -SEGV $$": `killed by signal 11 (segmentation fault), it said: "one two; three"`,
	} {
		c, err := Start(t.Context(), Command{
			Name: "x", Hang: time.Second, Kernel: harness.Kernel{Elements: 1, Iterations: 1}, Device: json.RawMessage(`{}`),
			Proc: proc.Cmd{Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Ready(t.Context(), []harness.Load{one})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", script, err, want)
		}
		if _, again := c.Measure(t.Context(), one, time.Second); again == nil {
			t.Errorf("%s: goes on after %v", script, err)
		}
		c.Close()
	}
	c, err := Start(t.Context(), Command{Name: "x", Proc: proc.Cmd{Args: []string{"/no/such/program"}, Env: []string{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Ready(t.Context(), []harness.Load{one}); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("error %v", err)
	}
}

// TestUnkillable: a process that hangs inside a driver is given up, not waited for.
func TestUnkillable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		c, err := Start(t.Context(), Command{
			Name: "x", Hang: time.Second, Kernel: harness.Kernel{Elements: 1, Iterations: 1}, Device: json.RawMessage(`{}`),
			run: func(context.Context, proc.Cmd) (proc.Exit, error) {
				<-free
				return proc.Exit{}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = c.Ready(t.Context(), []harness.Load{one})
		var d *DeadlineError
		if !errors.As(err, &d) || !d.Undead || !strings.Contains(err.Error(), "could not be killed") {
			t.Errorf("error %v", err)
		}
		c.Close()
		if took := time.Since(began); took > openSlack+defaultSlack+patience+2*time.Second {
			t.Errorf("given up after %s", took)
		}
		close(free)
		synctest.Wait()
	})
}

// FuzzReply: whatever a process writes, an answer that is accepted is to the question, is
// finite, and is what the process would write again.
func FuzzReply(f *testing.F) {
	for _, p := range []reply{
		{ID: 1, Fault: &fault{Kind: faultHang, Text: "x", Hung: 3}},
		{ID: 1, Setup: &harness.Setup{Device: harness.Device{Backend: "cpu"}, Procs: 4, Own: 1e-7, Calls: map[string]float64{"a": 1e-9}}},
		{ID: 1, Warmth: &harness.Warmth{Settled: true, Windows: 3, Took: time.Second, First: 1, Last: 2}},
		{ID: 1, Reading: &harness.Reading{Rate: 1.5, Ops: 3, Seconds: 2, Slices: []float64{1, 2}, Counts: harness.Counts{Completed: 5}}},
		{ID: 1, Spans: &harness.Spans{Ops: 3, Execution: 2, Low: 1, High: 3, Busy: 0.5, Parallel: 2}},
		{ID: 1},
	} {
		doc, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc, byte(0))
	}
	f.Add([]byte(`{"id":1,"reading":{"Rate":1e999}}`), byte(2))
	f.Fuzz(func(t *testing.T, line []byte, which byte) {
		asked := []string{doReady, doWarm, doMeasure, doSpans, doClose}
		for _, do := range asked {
			p, err := decodeReply(line, request{ID: 1, Do: do})
			if err != nil {
				continue
			}
			again, err := json.Marshal(p)
			if err != nil || !bytes.Equal(again, line) {
				t.Fatalf("%q was accepted and is %q, %v", line, again, err)
			}
			if p.Fault != nil {
				if p.Fault.error() == nil {
					t.Fatal("a fault without an error")
				}
				continue
			}
			if r := p.Reading; r != nil && (do != doMeasure || !(r.Rate > 0) || math.IsInf(r.Rate, 0) || r.Ops == 0) {
				t.Fatalf("%s is answered with %+v", do, r)
			}
			if (p.Setup != nil) != (do == doReady) || (p.Warmth != nil) != (do == doWarm) || (p.Spans != nil) != (do == doSpans) {
				t.Fatalf("%s is answered with %+v", do, p)
			}
		}
		// The other direction: nothing a parent might send ends in a panic.
		var q request
		if decode(line, &q) == nil {
			_ = q.check(int(which))
		}
	})
}
