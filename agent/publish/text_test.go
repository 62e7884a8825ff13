package publish

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzDescription(f *testing.F) {
	f.Add("all hold")
	f.Add(strings.Repeat("é ", 100))
	f.Add("a\u202eb\u200bc\nd\x1b[31m\xff")
	f.Fuzz(func(t *testing.T, s string) {
		d := Description(s)
		if n := utf8.RuneCountInString(d); n > 140 || !utf8.ValidString(d) {
			t.Errorf("%d characters: %q", n, d)
		}
		for _, r := range d {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Errorf("%U in %q", r, d)
			}
		}
		if again := Description(d); again != d {
			t.Errorf("not stable: %q, then %q", d, again)
		}
		if utf8.ValidString(s) && !strings.HasSuffix(d, "…") {
			letters := func(s string) string {
				return strings.Map(func(r rune) rune {
					if unicode.IsLetter(r) || unicode.IsDigit(r) {
						return r
					}
					return -1
				}, s)
			}
			if letters(d) != letters(s) {
				t.Errorf("%q lost letters of %q", d, s)
			}
		}
	})
}

// Every key survives, its marker is one line that nothing in it can end, and nothing but
// the exact marker gives the key.
func FuzzMarker(f *testing.F) {
	f.Add("comment/acme/pool/1", "body")
	f.Add("--><script>", "-->")
	f.Add("a--b-", "\n<!-- holdfast:x -->")
	f.Add("é%41\x00\n", "")
	f.Fuzz(func(t *testing.T, key, body string) {
		m := Marker(key)
		inner := strings.TrimSuffix(strings.TrimPrefix(m, "<!--"), "-->")
		if strings.Contains(inner, "--") || strings.ContainsAny(m, "\r\n\x00") || strings.Contains(inner, ">") {
			t.Errorf("marker %q", m)
		}
		if got, ok := ParseMarker(m + "\n" + body); !ok || got != key {
			t.Errorf("ParseMarker(%q) = %q, %v, want %q", m, got, ok, key)
		}
		if got, ok := ParseMarker(body); ok {
			line, _, _ := strings.Cut(body, "\n")
			if Marker(got) != strings.TrimRight(line, "\r") {
				t.Errorf("ParseMarker(%q) = %q, whose marker is %q", body, got, Marker(got))
			}
		}
	})
}

func TestMarkerOnlyOnFirstLine(t *testing.T) {
	m := Marker("k")
	for body, want := range map[string]bool{
		m: true, m + "\n": true, m + "\r\nx": true, m + " x": false, " " + m: false, "\n" + m: false, "> " + m: false,
		"<!-- holdfast:%6B -->": false, "<!-- holdfast:%6 -->": false, "<!-- holdfast:k-->": false,
	} {
		if _, ok := ParseMarker(body); ok != want {
			t.Errorf("ParseMarker(%q) = %v, want %v", body, ok, want)
		}
	}
}

// A body that is cut keeps to the limit, begins as the original, and leaves nothing open.
func FuzzCut(f *testing.F) {
	f.Add("# Title\n```\ncode\n```\n", uint16(500))
	f.Add(strings.Repeat("```lean\nx\n", 200), uint16(900))
	f.Add(strings.Repeat("<details>\n| a | b |\n", 100), uint16(1200))
	f.Add(strings.Repeat("𝔸", 1000)+"\n", uint16(800))
	f.Fuzz(func(t *testing.T, body string, limit16 uint16) {
		limit := int(limit16)
		out := Cut(body, limit)
		if length(out) > limit {
			t.Errorf("%d units, limit %d", length(out), limit)
		}
		if length(body) <= limit && out != body {
			t.Errorf("a short body was changed: %q", out)
		}
		if out == body || out == "" {
			return
		}
		at := strings.LastIndex(out, "\n*Cut here: ")
		if at < 0 {
			t.Fatalf("nothing says that %q was cut", out)
		}
		kept := out[:at]
		for kept != "" && !strings.HasPrefix(body, kept) {
			// What was closed comes after what was kept.
			if strings.HasSuffix(kept, "\n\n") {
				kept = kept[:len(kept)-1]
				continue
			}
			i := strings.LastIndex(strings.TrimRight(kept, "\n"), "\n") + 1
			closing := strings.TrimSpace(kept[i:])
			if closing != "" && closing != "</details>" && strings.Trim(closing, "`") != "" && strings.Trim(closing, "~") != "" {
				t.Fatalf("%q is not a beginning of the body", kept)
			}
			kept = kept[:i]
		}
	})
}

func TestCutClosesWhatIsOpen(t *testing.T) {
	body := "<details><summary>log</summary>\n\n````text\n" + strings.Repeat("```\nan output line\n", 100)
	out := Cut(body, 900)
	note := strings.Index(out, "\n*Cut here")
	if !strings.HasSuffix(out[:note], "\n````\n\n</details>\n") {
		t.Errorf("cut body ends in %q", out[max(0, note-60):note])
	}
	table := "| a | b |\n| - | - |\n" + strings.Repeat("| some | row |\n", 100)
	out = Cut(table, 900)
	for _, l := range strings.Split(out[:strings.Index(out, "\n*Cut")], "\n") {
		if l != "" && !strings.HasSuffix(l, "|") {
			t.Errorf("a row was cut: %q", l)
		}
	}
}
