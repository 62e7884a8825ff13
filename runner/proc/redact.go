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
	longest int
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
		r.longest = max(r.longest, len(s))
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

// stream redacts one stream: it holds back the bytes that may be the start of a secret.
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
	for {
		at, n := s.r.first(s.held)
		if at < 0 {
			break
		}
		// A longer secret that starts earlier may still be incomplete.
		if hold := s.r.partial(s.held); hold <= at && hold < len(s.held) && len(s.held)-hold < s.r.longest {
			break
		}
		s.emit(s.held[:at])
		s.emit([]byte(mask))
		s.held = s.held[at+n:]
	}
	if hold := s.r.partial(s.held); hold > 0 {
		if at, _ := s.r.first(s.held[:]); at >= 0 && at < hold {
			return
		}
		s.emit(s.held[:hold])
		s.held = append([]byte(nil), s.held[hold:]...)
	}
}

func (s *stream) flush() {
	for len(s.held) > 0 {
		at, n := -1, 0
		if s.r != nil {
			at, n = s.r.first(s.held)
		}
		if at < 0 {
			s.emit(s.held)
			break
		}
		s.emit(s.held[:at])
		s.emit([]byte(mask))
		s.held = s.held[at+n:]
	}
	s.held = nil
}

// first finds the earliest secret in p, the longest of those that start there.
func (r *Redactor) first(p []byte) (at, n int) {
	at = -1
	for _, s := range r.secrets {
		i := bytes.Index(p, s)
		if i >= 0 && (at < 0 || i < at || i == at && len(s) > n) {
			at, n = i, len(s)
		}
	}
	return at, n
}

// partial returns the earliest position from which p could continue into a secret that
// has not fully arrived; len(p) if there is none.
func (r *Redactor) partial(p []byte) int {
	from := max(0, len(p)-r.longest+1)
	for i := from; i < len(p); i++ {
		for _, s := range r.secrets {
			if len(p)-i < len(s) && bytes.HasPrefix(s, p[i:]) {
				return i
			}
		}
	}
	return len(p)
}
