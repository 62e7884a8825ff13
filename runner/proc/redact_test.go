package proc

import (
	"bytes"
	"strings"
	"testing"
)

func TestRedactorString(t *testing.T) {
	for _, tt := range []struct {
		secrets []string
		in, out string
	}{
		{nil, "token abcdef", "token abcdef"},
		{[]string{"abcdef"}, "token abcdef.", "token [redacted]."},
		{[]string{"abcdef"}, "abcdeabcdef", "abcde[redacted]"},
		{[]string{"aaaaab"}, "aaaaaaab", "aa[redacted]"},
		{[]string{"abcdef", "abcdefgh"}, "abcdefgh abcdefg", "[redacted] [redacted]g"},
		{[]string{"short"}, "short", "short"}, // under 6 bytes: not a secret
	} {
		if got := NewRedactor(tt.secrets...).String(tt.in); got != tt.out {
			t.Errorf("secrets %q: %q became %q, want %q", tt.secrets, tt.in, got, tt.out)
		}
	}
	var none *Redactor
	if got := none.String("abc"); got != "abc" {
		t.Errorf("a nil redactor changed the text to %q", got)
	}
}

// No secret survives, wherever writes split, and the split changes nothing.
func FuzzRedactor(f *testing.F) {
	f.Add("secret1", "secret12", "xxsecret1secret12yy", 3)
	f.Add("aaaaaa", "aaaaaab", "aaaaaaaaaaaaab", 1)
	f.Fuzz(func(t *testing.T, a, b, text string, step int) {
		r := NewRedactor(a, b)
		whole := r.String(text)
		var split bytes.Buffer
		st := r.stream(func(p []byte) { split.Write(p) })
		step = max(1, step%7)
		for rest := text; rest != ""; {
			n := min(step, len(rest))
			st.write([]byte(rest[:n]))
			rest = rest[n:]
		}
		st.flush()
		if split.String() != whole {
			t.Fatalf("split writes gave %q, one write %q", split.String(), whole)
		}
		// Text around a mask may spell a secret only if the mask itself takes part in it.
		for part := range strings.SplitSeq(whole, mask) {
			for _, s := range []string{a, b} {
				if len(s) >= 6 && strings.Contains(part, s) {
					t.Fatalf("secret %q survived in %q", s, whole)
				}
			}
		}
	})
}

func BenchmarkRedactor(b *testing.B) {
	r := NewRedactor("ghp_0123456789abcdefghijklmnopqrstuvwxyz")
	line := []byte(strings.Repeat("an ordinary line of compiler output, going on\n", 100))
	b.SetBytes(int64(len(line)))
	st := r.stream(func([]byte) {})
	for b.Loop() {
		st.write(line)
	}
}
