package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// Opener makes the backend from its description, which the parent wrote.
type Opener func(device json.RawMessage) (harness.Backend, error)

// Main is the whole life of the child: it serves standard input until that ends or asks
// to, and returns the exit code. Whatever prints to standard output meanwhile (a driver, a
// framework) is led to standard error: it must not come between the answers.
func Main(open Opener) int {
	out, err := claimStdout()
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: claim standard output: %v\n", err)
		return 3
	}
	noCore()
	// Asked to stop because it did not answer, it tells where it stood.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		fmt.Fprintln(os.Stderr, "asked to stop; the goroutines were:")
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		os.Exit(128 + int(syscall.SIGTERM))
	}()
	err = Serve(context.Background(), os.Stdin, out, open)
	if errors.Is(err, errParentGone) {
		return 3 // nobody is there to be told, or it knows: it cancelled
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		return 3
	}
	return 0
}

// errParentGone says that standard input ended while something was asked for.
var errParentGone = errors.New("the parent is gone")

// abandon is how long a measurement may take to stop once nobody waits for it.
const abandon = time.Second

// Serve answers requests until a close, the end of in, or a request that is none. When in
// ends while a measurement runs, that is stopped and Serve returns soon, also if it cannot
// be stopped: the process is expected to end then.
func Serve(ctx context.Context, in io.Reader, out io.Writer, open Opener) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &server{open: open}
	defer s.close()

	lines, ended := make(chan []byte), make(chan error, 1)
	go func() {
		r := bufio.NewReaderSize(in, 64<<10)
		for {
			line, err := readLine(r)
			if err != nil {
				cancel(errParentGone)
				ended <- err
				return
			}
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	for last := 0; ; last++ {
		var line []byte
		select {
		case line = <-lines:
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return nil // between two requests: as good as a close
			}
			return fmt.Errorf("read request: %w", err)
		}
		var q request
		if err := decode(line, &q); err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		if err := q.check(last); err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		answered := make(chan reply, 1)
		go func() { answered <- s.answer(ctx, q) }()
		var p reply
		select {
		case p = <-answered:
		case <-ctx.Done():
			grace := time.NewTimer(abandon)
			defer grace.Stop()
			select {
			case <-answered:
			case <-grace.C:
				s.lost = true
			}
		}
		// Asked once more: a measurement that was stopped in time answers too, and nobody
		// reads that any more.
		if ctx.Err() != nil {
			if q.Do == doClose {
				return nil
			}
			return context.Cause(ctx)
		}
		doc, err := json.Marshal(p)
		if err != nil {
			doc, err = json.Marshal(reply{ID: q.ID, Fault: faultOf(fmt.Errorf("answer %s: %w", q.Do, err), harness.Counts{})})
		}
		if err == nil {
			_, err = out.Write(append(doc, '\n'))
		}
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		if q.Do == doClose {
			return nil
		}
	}
}

// readLine reads one line of at most maxLine bytes without its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine+1 {
			return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// server measures for one parent.
type server struct {
	open    Opener
	backend harness.Backend
	local   *harness.Local
	lost    bool // something still uses the backend and cannot be stopped
}

func (s *server) close() {
	if s.lost {
		return
	}
	if s.local != nil {
		s.local.Close()
	}
	if s.backend != nil {
		s.backend.Close()
	}
}

func (s *server) answer(ctx context.Context, q request) reply {
	p := reply{ID: q.ID}
	fail := func(err error, n harness.Counts) {
		if err != nil {
			p = reply{ID: q.ID, Fault: faultOf(err, n)}
		}
	}
	switch q.Do {
	case doReady:
		b, err := s.open(q.Begin.Device)
		if err != nil {
			fail(fmt.Errorf("open the device: %w", err), harness.Counts{})
			break
		}
		s.backend, s.local = b, harness.NewLocal(b, q.Begin.Kernel, q.Begin.Hang)
		setup, err := s.local.Ready(ctx, q.Begin.Loads)
		p.Setup = &setup
		fail(err, setup.Counts)
	case doWarm:
		w, err := s.local.Warm(ctx, *q.Load, q.Length)
		p.Warmth = &w
		fail(err, w.Counts)
	case doMeasure:
		r, err := s.local.Measure(ctx, *q.Load, q.Length)
		p.Reading = &r
		fail(err, r.Counts)
	case doSpans:
		t, err := s.local.Spans(ctx, *q.Load, q.Length)
		p.Spans = &t
		fail(err, t.Counts)
	}
	return p
}
