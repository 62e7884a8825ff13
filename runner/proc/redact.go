package proc

import (
	"bytes"
	"strings"
)

// mask replaces a secret.
const mask = "[redacted]"

// Redactor removes secrets from text, wherever writes split. A nil *Redactor passes
// everything through.
type Redactor struct {
	secrets [][]byte
	starts  [256]bool // first bytes of secrets: nearly every byte is passed by one look-up
}

// NewRedactor makes a redactor for the given secrets. Those shorter than 6 bytes are
// ignored: masking every "1" would hide the report, not the secret.
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{}
	for _, s := range secrets {
		if len(s) < 6 {
			continue
		}
		r.secrets = append(r.secrets, []byte(s))
		r.starts[s[0]] = true
	}
	return r
}

// String returns s without the secrets.
func (r *Redactor) String(s string) string {
	if r == nil {
		return s
	}
	var b strings.Builder
	st := r.stream(func(p []byte) { b.Write(p) })
	st.write([]byte(s))
	st.flush()
	return b.String()
}

// Strings redacts each string of a list.
func (r *Redactor) Strings(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = r.String(s)
	}
	return out
}

func (r *Redactor) stream(emit func([]byte)) *stream { return &stream{r: r, emit: emit} }

// stream redacts one stream: leftmost secret first, the longest of those that start
// there. It holds back bytes only while they may still grow into a secret, so what it
// emits does not depend on how writes split.
type stream struct {
	r    *Redactor
	held []byte
	emit func([]byte)
}

func (s *stream) write(p []byte) {
	if s.r == nil || len(s.r.secrets) == 0 {
		s.emit(p)
		return
	}
	s.held = append(s.held, p...)
	s.scan(false)
}

func (s *stream) flush() { s.scan(true) }

// scan emits all that is decided; at the end of the stream everything is.
func (s *stream) scan(end bool) {
	p := s.held
	done, i := 0, 0
	for i < len(p) {
		if !s.r.starts[p[i]] {
			i++
			continue
		}
		n, open := s.r.at(p[i:])
		if open && !end {
			break
		}
		if n == 0 {
			i++
			continue
		}
		s.pass(p[done:i])
		s.emit([]byte(mask))
		i += n
		done = i
	}
	s.pass(p[done:i])
	s.held = append(s.held[:0], p[i:]...)
}

func (s *stream) pass(p []byte) {
	if len(p) > 0 {
		s.emit(p)
	}
}

// at returns the length of the longest secret that p starts with, and whether p is all
// the start of a longer one.
func (r *Redactor) at(p []byte) (n int, open bool) {
	for _, s := range r.secrets {
		switch {
		case bytes.HasPrefix(p, s):
			n = max(n, len(s))
		case bytes.HasPrefix(s, p):
			open = true
		}
	}
	return n, open
}
