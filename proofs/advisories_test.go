package proofs

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAdvisoryTable(t *testing.T) {
	all, err := parseAdvisories(advisoryTable)
	if err != nil || len(all) < 10 {
		t.Fatal(err, len(all))
	}
	source := regexp.MustCompile(`^leanprover/lean4#[1-9][0-9]*$`)
	seen := map[string]bool{}
	for i, a := range all {
		if !source.MatchString(a.Source) || seen[a.Source] || a.Text == "" || len(a.Text) > 160 || strings.TrimSpace(a.Text) != a.Text {
			t.Errorf("%+v", a)
		}
		seen[a.Source] = true
		if i > 0 && a.fixed[0].compare(all[i-1].fixed[0]) < 0 {
			t.Errorf("%s is not in order", a.Source)
		}
	}
	for _, bad := range []string{"4.1.0\tx\tyes", "x\ty\tno\tz", "4.1.0-pre\ty\tno\tz", "4.1.0\ty\tmaybe\tz"} {
		if list, err := parseAdvisories(bad + "\n4.2.0\ts\tno\tgood\n"); err == nil || len(list) != 1 || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v %v", bad, list, err)
		}
	}
}

func TestAdvisories(t *testing.T) {
	for _, tt := range []struct {
		version     string
		lacks, has  string // first version of fixes
		none, allOf bool
	}{
		{version: "4.9.0", allOf: true},
		{version: "", allOf: true},
		{version: "some fork", allOf: true},
		{version: "4.26.0", has: "4.25.0", lacks: "4.32.1"},
		{version: "4.28.0-pre", has: "4.25.0", lacks: "4.32.1"},
		{version: "4.32.1", has: "4.32.1", lacks: "4.32.2"},
		{version: "4.33.0", has: "4.32.2", lacks: "4.33.1"},
		{version: "4.33.0-rc1", has: "4.25.0", lacks: "4.32.1"}, // made before 4.32.1 was
		{version: "4.34.0-rc1", has: "4.33.0", lacks: "4.33.1"},
		{version: "4.34.0-rc2", has: "4.33.1", lacks: "4.34.1"},
		{version: "4.34.0-nightly-2026-08-30", has: "4.32.2", lacks: "4.33.0"},
		{version: "4.34.0", has: "4.33.1", lacks: "4.34.1"},
		{version: "v4.34.1", none: true},
		{version: "5.0.0", none: true},
	} {
		got := map[string]bool{}
		list := advisories(tt.version)
		for i, a := range list {
			got[a.Fixed] = true
			if i > 0 {
				x, _ := parseLeanVersion(list[i-1].Fixed)
				if y, _ := parseLeanVersion(a.Fixed); y.compare(x) < 0 {
					t.Errorf("%s: not oldest first", tt.version)
				}
			}
		}
		all, _ := parseAdvisories(advisoryTable)
		if tt.none && len(list) > 0 || tt.allOf && len(list) != len(all) || tt.has != "" && got[tt.has] || tt.lacks != "" && !got[tt.lacks] {
			t.Errorf("%s: %v", tt.version, got)
		}
	}
	a, b := advisories("4.33.0"), advisories("4.26.0")
	if got := mergeAdvisories(mergeAdvisories(nil, a), b); len(got) != len(b) {
		t.Errorf("union of %d and %d has %d", len(a), len(b), len(got))
	}
}

// TestIncludes: a fix that a release has, every later release has, and no build before
// the fix has it.
func TestIncludes(t *testing.T) {
	version := rapid.Custom(func(t *rapid.T) leanVersion {
		return leanVersion{
			major: 4, minor: rapid.IntRange(0, 4).Draw(t, "minor"), patch: rapid.IntRange(0, 2).Draw(t, "patch"),
			rc: rapid.SampledFrom([]int{0, 1, 2, final}).Draw(t, "rc"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		v, w, fix := version.Draw(t, "v"), version.Draw(t, "w"), version.Draw(t, "fix")
		if v.compare(fix) < 0 && v.includes(fix) {
			t.Fatalf("%v has the later %v", v, fix)
		}
		if w.rc == final && v.compare(w) < 0 && v.includes(fix) && !w.includes(fix) {
			t.Fatalf("%v has %v, the later release %v has not", v, fix, w)
		}
		if v.compare(fix) == 0 && v.rc > 0 && !v.includes(fix) {
			t.Fatalf("%v does not have itself", v)
		}
	})
}
