package report

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestDiffLines(t *testing.T) {
	for _, tt := range []struct {
		old, now string
		want     []string
	}{
		{"a", "a", []string{"  a"}},
		{"", "", nil},
		{"x = 1", "", []string{"- x = 1"}},
		{"", "x = 1", []string{"+ x = 1"}},
		{"∀ (n : Nat), n < n + 1", "∀ (n : Nat), n ≤ n + 1", []string{"  ∀ (n : Nat), n", "- <", "+ ≤", "  n + 1"}},
		{"theorem : Locked s → Safe s", "theorem : Safe s", []string{"  theorem :", "- Locked s →", "  Safe s"}},
		// Two changes with one word between them read as one.
		{"one two three four five", "one 2 three 4 five", []string{"  one", "- two three four", "+ 2 three 4", "  five"}},
		{"a  b\nc", "a b c", []string{"  a b c"}},
		{"h✝ : x.y₁'", "h✝ : x.y₂'", []string{"  h✝ :", "- x.y₁'", "+ x.y₂'"}},
	} {
		if got := diffLines(tt.old, tt.now); !slices.Equal(got, tt.want) {
			t.Errorf("%q, %q:\n%s", tt.old, tt.now, strings.Join(got, "\n"))
		}
	}
}

// A diff gives both sides back, and its block is one whatever stands in it.
func TestDiffIsWhole(t *testing.T) {
	letters := rapid.RuneFrom([]rune("ab `|<é∀.'()\n\t\u202e→₁"))
	rapid.Check(t, func(t *rapid.T) {
		old := rapid.StringOfN(letters, 0, 60, -1).Draw(t, "old")
		now := rapid.StringOfN(letters, 0, 60, -1).Draw(t, "now")
		var a, b strings.Builder
		for _, e := range diffWords(old, now) {
			if e.kind != '+' {
				a.WriteString(strings.Join(e.words, ""))
			}
			if e.kind != '-' {
				b.WriteString(strings.Join(e.words, ""))
			}
		}
		bare := func(s string) string { return strings.ReplaceAll(visible(s), " ", "") }
		if bare(a.String()) != bare(old) || bare(b.String()) != bare(now) {
			t.Fatalf("%q, %q became %q, %q", old, now, a.String(), b.String())
		}
		if err := inert(diffBlock(old, now)); err != nil {
			t.Fatalf("%q, %q: %v", old, now, err)
		}
	})
}

// Long statements stay bounded, in time and in length.
func TestDiffIsBounded(t *testing.T) {
	old, now := strings.Repeat("a (", 1e6), strings.Repeat("b )", 1e6)
	block := diffBlock(old, now)
	if n := utf8.RuneCountInString(block); n > 3*maxStatement {
		t.Errorf("%d characters", n)
	}
	for line := range strings.Lines(block) {
		if n := utf8.RuneCountInString(line); n > diffWidth+4 {
			t.Errorf("a line of %d characters", n)
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	old := strings.Repeat("∀ (x : Nat), x < y → ", 90)
	now := strings.Repeat("∀ (x : Int), x ≤ y ∧ ", 90)
	for b.Loop() {
		diffLines(old, now)
	}
}
