package checks

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestPackFixtures: every rule of every pack has fixtures, and finds in them the lines
// that say so and no other.
func TestPackFixtures(t *testing.T) {
	for _, pack := range Packs() {
		rules, err := Pack(PackUse{Name: pack})
		if err != nil || len(rules) == 0 {
			t.Fatalf("pack %s: %d rules, %v", pack, len(rules), err)
		}
		entries, _ := os.ReadDir(filepath.Join("packs", pack))
		for _, e := range entries {
			if !slices.ContainsFunc(rules, func(r Rule) bool { return r.ID == e.Name() }) {
				t.Errorf("fixtures of no rule: %s", e.Name())
			}
		}
		for _, r := range rules {
			if !strings.HasPrefix(r.ID, pack+".") || len(r.Doc) < 200 || r.Title == "" {
				t.Errorf("%s: documented in %d bytes", r.ID, len(r.Doc))
			}
			for _, kind := range []string{"good", "bad"} {
				dir := filepath.Join("packs", pack, r.ID, kind)
				names := fixtures(t, dir)
				if len(names) < 3 {
					t.Errorf("%s: %d fixtures in %s", r.ID, len(names), kind)
				}
				for _, name := range names {
					t.Run(r.ID+"/"+kind+"/"+name, func(t *testing.T) { testFixture(t, r, dir, name, kind == "bad") })
				}
			}
		}
	}
}

func fixtures(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// testFixture judges one file, or a folder of files that belong together.
func testFixture(t *testing.T, rule Rule, dir, name string, bad bool) {
	files := map[string]string{}
	var want []string
	err := filepath.WalkDir(filepath.Join(dir, name), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		files[rel] = string(text)
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasSuffix(line, "// bad") {
				want = append(want, fmt.Sprintf("%s:%d", rel, i+1))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if bad != (len(want) > 0) {
		t.Fatalf("%d lines are marked", len(want))
	}
	res := run(t, lay(t, files), Config{Rules: []Rule{rule}})
	got := res.Checks.Rules[0]
	var lines []string
	for _, e := range got.Evidence {
		lines = append(lines, fmt.Sprintf("%s:%d", e.File, e.Line))
	}
	outcome := runner.Pass
	if bad {
		outcome = runner.Fail
		if rule.Severity == "warn" {
			outcome = runner.Warn
		}
	}
	slices.Sort(lines)
	slices.Sort(want)
	if got.Outcome != outcome || !slices.Equal(lines, want) {
		t.Errorf("%s: %s at %q, want %s at %q", got.Outcome, got.Reason, lines, outcome, want)
	}
}
