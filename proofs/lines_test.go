package proofs

import (
	"regexp"
	"testing"
)

// The same forms as expressions.
var (
	headForm  = regexp.MustCompile(`^(?:(\S{1,8}) )?\[(\d+|\?)/(\d+|\?)\](?: \(Optional\))? (\w+) (.+?)(?: \(([0-9][0-9a-zµ.]*)\))?$`)
	placeForm = regexp.MustCompile(`^([^\x00]+?\.lean):(\d+):(\d+): (.*)$`)
)

func FuzzLines(f *testing.F) {
	for _, s := range []string{
		"✔ [2/4] Built Demo.Main (1.6s)", "[0/3] Building Demo.Basic", "✔ [?/?] (Optional) Fetched demo:optCloud", "⚠ [3/5] Replayed A (2s) (350ms)",
		"ℹ [1/2] Built (1s)", "Demo/My file.lean:1:2: text", "error: A.lean:1: B.lean:3:4: x", "A.lean:1:2: error: text", "a\x00.lean:1:1: x", ".lean:1:2: x.lean:1:2: y",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := headForm.FindStringSubmatch(s)
		if want != nil {
			if _, known := verbs[want[4]]; !known {
				want = nil
			}
		}
		h, ok := parseHeading(s)
		if ok != (want != nil) && regexp.MustCompile(`^[ -~✔µ]*$`).MatchString(s) { // line ends and odd spaces apart
			t.Errorf("%q: heading %v, want %q", s, ok, want)
		}
		if ok && want != nil && (h != heading{want[1], want[3], want[4], want[5], want[6]}) {
			t.Errorf("%q: %+v, want %q", s, h, want)
		}
		want = placeForm.FindStringSubmatch(s)
		file, line, column, text, ok := parsePlace(s)
		if want != nil && (!ok || file != want[1] || line != want[2] || column != want[3] || text != want[4]) {
			t.Errorf("%q: %q %q %q %q, want %q", s, file, line, column, text, want)
		}
		if ok && file+":"+line+":"+column+": "+text != s {
			t.Errorf("%q: %q %q %q %q", s, file, line, column, text)
		}
	})
}
