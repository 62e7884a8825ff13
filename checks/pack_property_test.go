package checks

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// respaced puts a comment with bad code, and a line end, between all tokens of a file.
func respaced(src []byte) []byte {
	f := scan.Scan(src)
	var out []byte
	for i, t := range f.Tokens {
		text := f.Text(t)
		if t.Kind == scan.Space && !t.Directive && (i == 0 || !f.Tokens[i-1].Directive && f.Tokens[i-1].Kind != scan.Comment) && (i+1 == len(f.Tokens) || !f.Tokens[i+1].Directive) {
			out = append(out, " /* [b commit]; { */\n// m.lock(); (\n\t"...)
		}
		out = append(out, text...)
	}
	return out
}

// commented makes every line of a file a comment.
func commented(src []byte) []byte {
	return []byte("// " + strings.ReplaceAll(string(src), "\n", "\n// "))
}

// found counts what a rule finds in files that belong together.
func found(t *testing.T, c *compiled, files map[string][]byte) int {
	t.Helper()
	var all []*facts
	for _, name := range slices.Sorted(maps.Keys(files)) {
		src, err := newSource(name, files[name])
		if err != nil {
			t.Fatal(err)
		}
		tl := tally{file: name}
		if err := c.analyse(src, &tl); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, tl.facts...)
	}
	if l, ok := c.analysis.(linked); ok {
		l.conclude(all)
	}
	n := 0
	for _, f := range all {
		n += len(f.findings)
	}
	return n
}

// TestPacksSeeTokens: white space and comments change nothing that a pack finds, and what
// is commented out is not found.
func TestPacksSeeTokens(t *testing.T) {
	for _, pack := range Packs() {
		rules, _ := Pack(PackUse{Name: pack})
		for _, r := range rules {
			c, bad := r.compile()
			if len(bad) > 0 {
				t.Fatal(joinMistakes(bad))
			}
			if c.analysis == nil {
				continue
			}
			dir := filepath.Join("packs", pack, r.ID, "bad")
			for _, name := range fixtures(t, dir) {
				plain, spaced, gone := map[string][]byte{}, map[string][]byte{}, map[string][]byte{}
				filepath.WalkDir(filepath.Join(dir, name), func(p string, d fs.DirEntry, err error) error {
					if err == nil && !d.IsDir() {
						text, _ := os.ReadFile(p)
						plain[p], spaced[p], gone[p] = text, respaced(text), commented(text)
					}
					return err
				})
				want := found(t, c, plain)
				if got := found(t, c, spaced); got != want || want == 0 {
					t.Errorf("%s/%s: %d findings, %d after white space changed", dir, name, want, got)
				}
				if got := found(t, c, gone); got != 0 {
					t.Errorf("%s/%s: %d findings in comments", dir, name, got)
				}
			}
		}
	}
}
