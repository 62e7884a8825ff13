package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Output is what was kept of one stream: all of it if Dropped is 0, else its first and
// last 64 KiB.
type Output struct {
	Head    []byte
	Tail    []byte
	Total   int64 // bytes written by the child
	Dropped int64 // bytes between Head and Tail that were not kept
}

// String is the kept text, with a line that says what is missing.
func (o Output) String() string {
	if o.Dropped == 0 {
		return string(o.Head) + string(o.Tail)
	}
	return fmt.Sprintf("%s\n[… %d bytes left out …]\n%s", o.Head, o.Dropped, o.Tail)
}

// LastLine is the last line that is not blank, for one-line reasons.
func (o Output) LastLine() string {
	lines := strings.Split(strings.TrimSpace(o.String()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// headTail keeps the start and the end of a stream.
type headTail struct {
	head, tail []byte
	total      int64
}

func (h *headTail) write(p []byte) {
	h.total += int64(len(p))
	if room := keep - len(h.head); room > 0 {
		n := min(room, len(p))
		h.head = append(h.head, p[:n]...)
		p = p[n:]
	}
	if len(p) >= keep {
		h.tail = append(h.tail[:0], p[len(p)-keep:]...)
		return
	}
	h.tail = append(h.tail, p...)
	if len(h.tail) > 2*keep { // shift rarely, so that a flood costs little
		h.tail = append(h.tail[:0], h.tail[len(h.tail)-keep:]...)
	}
}

func (h *headTail) output() Output {
	if len(h.tail) > keep {
		h.tail = h.tail[len(h.tail)-keep:]
	}
	return Output{Head: h.head, Tail: h.tail, Total: h.total, Dropped: h.total - int64(len(h.head)+len(h.tail))}
}

// sink is one stream of a child: redacted, then kept, logged and cut into lines.
type sink struct {
	redact *stream
	buf    headTail
	log    *logFile
	lines  *lineWriter
}

func newSink(r *Redactor, log *logFile, emit func(string)) *sink {
	s := &sink{log: log}
	if emit != nil {
		s.lines = &lineWriter{emit: emit}
	}
	s.redact = r.stream(s.pass)
	return s
}

func (s *sink) Write(p []byte) (int, error) {
	s.redact.write(p)
	return len(p), nil
}

func (s *sink) pass(p []byte) {
	s.buf.write(p)
	s.log.write(p)
	if s.lines != nil {
		s.lines.write(p)
	}
}

func (s *sink) flush() {
	s.redact.flush()
	if s.lines != nil {
		s.lines.flush()
	}
}

func (s *sink) output() Output { return s.buf.output() }

// serial makes f safe to be called for both streams of a child. It is nil for a nil f.
func serial(f func(string)) func(string) {
	if f == nil {
		return nil
	}
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		f(line)
	}
}

// lineWriter cuts one stream into lines.
type lineWriter struct {
	part []byte
	emit func(string)
}

func (l *lineWriter) write(p []byte) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.part = append(l.part, p[:min(len(p), keep-min(keep, len(l.part)))]...)
			return
		}
		l.part = append(l.part, p[:min(i, keep-min(keep, len(l.part)))]...)
		l.emit(strings.TrimSuffix(string(l.part), "\r"))
		l.part = l.part[:0]
		p = p[i+1:]
	}
}

func (l *lineWriter) flush() {
	if len(l.part) > 0 {
		l.emit(string(l.part))
		l.part = nil
	}
}

// logFile is the capped file that receives both streams. A nil *logFile drops all.
type logFile struct {
	mu      sync.Mutex
	f       *os.File
	room    int64
	logged  int64
	dropped int64
	werr    error
}

func openLog(c Cmd) (*logFile, error) {
	if c.Log == "" {
		return nil, nil
	}
	f, err := os.Create(c.Log)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	room := c.LogCap
	if room <= 0 {
		room = defaultLogCap
	}
	fmt.Fprintf(f, "$ %s\n", strings.Join(c.Redact.Strings(c.Args), " "))
	return &logFile{f: f, room: room}, nil
}

func (l *logFile) write(p []byte) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(int64(len(p)), l.room-l.logged)
	if l.werr != nil {
		n = 0
	}
	if n > 0 {
		k, err := l.f.Write(p[:n])
		l.logged += int64(k)
		l.werr = err
		n = int64(k)
	}
	l.dropped += int64(len(p)) - n
}

func (l *logFile) counts() (logged, dropped int64) {
	if l == nil {
		return 0, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logged, l.dropped
}

// err is a write error of the log: a full disk makes a run untrustworthy, so it is not
// swallowed.
func (l *logFile) err() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.werr != nil {
		return fmt.Errorf("write log: %w", l.werr)
	}
	return nil
}

func (l *logFile) close() {
	if l == nil {
		return
	}
	if l.dropped > 0 {
		fmt.Fprintf(l.f, "\n[%d bytes dropped]\n", l.dropped)
	}
	l.f.Close()
}

// pipes carry the streams of one child to their writers.
type pipes struct {
	readers, writers []*os.File
	done             sync.WaitGroup
	errs             [2]error // of standard output and standard error
}

// open returns the end for the child; what it writes goes to dst.
func (p *pipes) open(dst io.Writer) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open pipe: %w", err)
	}
	i := len(p.readers)
	p.readers, p.writers = append(p.readers, r), append(p.writers, w)
	p.done.Go(func() {
		_, err := io.Copy(dst, r)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			p.errs[i] = fmt.Errorf("read output: %w", err)
			io.Copy(io.Discard, r) // the child must not hang on a full pipe
		}
	})
	return w, nil
}

// closeWriters drops this process's copies of the child's ends.
func (p *pipes) closeWriters() {
	for _, w := range p.writers {
		w.Close()
	}
}

// wait returns when both streams have ended, or soon after drain has passed.
func (p *pipes) wait() error {
	for _, r := range p.readers {
		r.SetReadDeadline(time.Now().Add(drain))
	}
	p.done.Wait()
	for _, r := range p.readers {
		r.Close()
	}
	return errors.Join(p.errs[0], p.errs[1])
}
