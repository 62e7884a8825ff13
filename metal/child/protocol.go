// Package child measures in a process of its own, so that a crash or a hang inside a
// driver is an error of the measurement and not the end of the agent.
//
// [Start] runs this very program again as a child ([Main] is what it does there) and is a
// harness.Probe: one window for each call. [Serve] is the loop at the other end. They
// speak one JSON document a line, in turns, over standard input and output; whatever else
// the child's libraries print goes to standard error. A child ends when its standard input
// does, so it does not outlive a parent that was killed.
package child

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// protocolVersion changes with every change of a message. Both ends are one program, so
// another version says that it was replaced while it ran.
const protocolVersion = 2

// maxLine bounds one message, in bytes.
const maxLine = 1 << 20

// What a request asks for: the methods of harness.Probe.
const (
	doReady   = "ready"
	doWarm    = "warm"
	doMeasure = "measure"
	doSpans   = "spans"
	doClose   = "close"
)

// request is one line to the child.
type request struct {
	ID     int           `json:"id"` // counts up from 1
	Do     string        `json:"do"`
	Length time.Duration `json:"length,omitempty"` // of the window, or the limit of a warm-up
	Load   *harness.Load `json:"load,omitempty"`   // of warm, measure and spans
	Begin  *begin        `json:"begin,omitempty"`  // of ready
}

// begin is what the first request tells.
type begin struct {
	Protocol int             `json:"protocol"`
	Device   json.RawMessage `json:"device"` // for the opener
	Kernel   harness.Kernel  `json:"kernel"`
	Hang     time.Duration   `json:"hang"`
	Loads    []harness.Load  `json:"loads"`
}

// reply is one line from the child: the part that was asked for, or a fault, or, to close,
// neither.
type reply struct {
	ID      int              `json:"id"` // of the request
	Fault   *fault           `json:"fault,omitempty"`
	Setup   *harness.Setup   `json:"setup,omitempty"`
	Warmth  *harness.Warmth  `json:"warmth,omitempty"`
	Reading *harness.Reading `json:"reading,omitempty"`
	Spans   *harness.Spans   `json:"spans,omitempty"`
}

// Kinds of faults: the typed errors of package harness.
const (
	faultMismatch  = "mismatch"
	faultHang      = "hang"
	faultNoSpans   = "no spans"
	faultBadSpans  = "bad spans"
	faultOtherwise = "error"
)

// fault is an error on its way to the parent.
type fault struct {
	Kind   string         `json:"kind"`
	Text   string         `json:"text"` // of the whole error
	Counts harness.Counts `json:"counts"`

	// Of a mismatch. The floats are text: they may be no numbers.
	Element int    `json:"element,omitempty"`
	Got     string `json:"got,omitempty"`
	Want    string `json:"want,omitempty"`
	Ops     uint64 `json:"ops,omitempty"`
	Found   uint64 `json:"found,omitempty"`
	Known   bool   `json:"known,omitempty"`
	// Of a hang.
	Load string        `json:"load,omitempty"`
	Hung uint64        `json:"hung,omitempty"`
	Wait time.Duration `json:"wait,omitempty"`
}

// faultOf takes an error apart.
func faultOf(err error, n harness.Counts) *fault {
	f := &fault{Kind: faultOtherwise, Text: err.Error(), Counts: n}
	var mismatch *harness.MismatchError
	var hang *harness.HangError
	var spans *harness.SpanError
	switch {
	case errors.As(err, &mismatch):
		f.Kind = faultMismatch
		f.Element, f.Ops, f.Found, f.Known = mismatch.Element, mismatch.Ops, mismatch.Found, mismatch.Known
		f.Got, f.Want = float(mismatch.Got), float(mismatch.Want)
	case errors.As(err, &hang):
		f.Kind, f.Load, f.Hung, f.Wait = faultHang, hang.Load, hang.Hung, hang.Wait
	case errors.As(err, &spans):
		f.Kind = faultBadSpans
	case errors.Is(err, harness.ErrNoSpans):
		f.Kind = faultNoSpans
	}
	return f
}

func float(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }

// error puts the error together again.
func (f *fault) error() error {
	var typed error
	switch f.Kind {
	case faultMismatch:
		got, _ := strconv.ParseFloat(f.Got, 32)
		want, _ := strconv.ParseFloat(f.Want, 32)
		typed = &harness.MismatchError{Element: f.Element, Got: float32(got), Want: float32(want), Ops: f.Ops, Found: f.Found, Known: f.Known}
	case faultHang:
		typed = &harness.HangError{Load: f.Load, Hung: f.Hung, Wait: f.Wait}
	case faultBadSpans:
		typed = &harness.SpanError{Text: f.Text}
	case faultNoSpans:
		return harness.ErrNoSpans
	}
	return &remoteError{f.Text, typed}
}

// remoteError has the text of an error of the child, and its type.
type remoteError struct {
	text  string
	typed error // nil for none
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.typed }

// decode reads one message, strictly: what the other end would have written, byte for
// byte. Unknown and doubled fields, blanks and trailing text are errors.
func decode(line []byte, v any) error {
	if len(line) > maxLine {
		return fmt.Errorf("a line of %d bytes", len(line))
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	again, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(line, again) {
		return errors.New("not as the other end writes it")
	}
	return nil
}

// decodeReply reads the answer to a request.
func decodeReply(line []byte, q request) (reply, error) {
	var p reply
	if err := decode(line, &p); err != nil {
		return reply{}, err
	}
	if p.ID != q.ID {
		return reply{}, fmt.Errorf("an answer to request %d, request %d was asked", p.ID, q.ID)
	}
	parts := map[string]bool{"fault": p.Fault != nil, doReady: p.Setup != nil, doWarm: p.Warmth != nil, doMeasure: p.Reading != nil, doSpans: p.Spans != nil}
	n := 0
	for what, there := range parts {
		if !there {
			continue
		}
		n++
		if what != "fault" && what != q.Do {
			return reply{}, fmt.Errorf("an answer to %s, %s was asked", what, q.Do)
		}
	}
	if q.Do != doClose && n != 1 || n > 1 {
		return reply{}, fmt.Errorf("%d answers in one", n)
	}
	if !p.possible() {
		return reply{}, errors.New("numbers that cannot be")
	}
	return p, nil
}

// possible rejects what no measurement gives. Numbers that are not finite are no JSON.
func (p *reply) possible() bool {
	switch {
	case p.Setup != nil:
		for _, c := range p.Setup.Calls {
			if c < 0 {
				return false
			}
		}
		return p.Setup.Own >= 0 && p.Setup.Procs > 0 && p.Setup.Device.Backend != ""
	case p.Warmth != nil:
		w := p.Warmth
		return w.Windows >= 0 && w.Took >= 0 && w.First >= 0 && w.Last >= 0
	case p.Reading != nil:
		r := p.Reading
		for _, x := range r.Slices {
			if x < 0 {
				return false
			}
		}
		return r.Rate > 0 && r.Seconds > 0 && r.Ops > 0 && r.Ops <= r.Counts.Completed && r.Counts.Failed == 0 && r.Counts.Hung == 0
	case p.Spans != nil:
		s := p.Spans
		return s.Ops > 0 && s.Execution >= 0 && s.Low <= s.Execution && s.Execution <= s.High && s.Low >= 0 &&
			s.Busy >= 0 && s.Busy <= 1 && s.Parallel >= 0 && !math.IsInf(s.Parallel, 0)
	}
	return true
}

// check rejects requests that a parent does not send.
func (q *request) check(last int) error {
	switch {
	case q.ID != last+1:
		return fmt.Errorf("request %d after %d", q.ID, last)
	case (q.Do == doReady) != (q.ID == 1):
		return fmt.Errorf("request %d is %q", q.ID, q.Do)
	case (q.Begin != nil) != (q.Do == doReady):
		return fmt.Errorf("%q with the wrong parts", q.Do)
	case q.Do == doReady:
		b := q.Begin
		if b.Protocol != protocolVersion {
			return fmt.Errorf("protocol %d, this program speaks %d: it was replaced while it ran", b.Protocol, protocolVersion)
		}
		if len(b.Loads) == 0 || b.Hang <= 0 {
			return errors.New("nothing to measure")
		}
		for _, l := range b.Loads {
			if err := l.Check(); err != nil {
				return err
			}
		}
		return nil
	case q.Do == doClose:
		return nil
	case q.Do != doWarm && q.Do != doMeasure && q.Do != doSpans:
		return fmt.Errorf("unknown request %q", q.Do)
	case q.Load == nil || q.Length <= 0:
		return fmt.Errorf("%q without load or length", q.Do)
	}
	return q.Load.Check()
}
