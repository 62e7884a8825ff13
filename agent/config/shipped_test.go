package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The shipped file is valid and shows every key there is, set or in a comment.
func TestShippedFile(t *testing.T) {
	c, err := Load(shipped, []string{"HOME=/home/somebody"})
	if err != nil {
		t.Fatal(err)
	}
	r := c.Repository("streampool")
	if r == nil || !strings.HasSuffix(r.Path, filepath.FromSlash("examples/streampool/.work/streampool")) || !filepath.IsAbs(r.Path) {
		t.Fatalf("repository %+v", r)
	}
	if got := r.Proofs.Dirs; len(got) != 1 || got[0] != "lean" || c.Proofs.Dirs[0] != "." {
		t.Errorf("proofs.dirs = %v, by default %v", got, c.Proofs.Dirs)
	}
	if len(r.Bench.Programs) != 1 || len(c.Bench.Programs) != 0 || r.Bench.Rounds >= c.Bench.Rounds || r.Bench.Window >= c.Bench.Window {
		t.Errorf("bench of the repository %+v", r.Bench)
	}
	if len(c.Schedules) != 2 || c.Schedules[1].Spec.Location().String() != "Europe/Berlin" || len(r.Thresholds.Require) == 0 {
		t.Errorf("schedules %+v", c.Schedules)
	}
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range keysByTable(reflect.TypeFor[Config](), "") {
		section := sectionOf(string(text), table.header)
		if section == "" {
			t.Errorf("agent.toml does not show %s", table.header)
			continue
		}
		for _, key := range table.keys {
			if !regexp.MustCompile(`(?m)^(# )?` + key + ` = `).MatchString(section) {
				t.Errorf("agent.toml does not show %s in %s", key, table.header)
			}
		}
	}
}

// With every comment that is a setting made one, the file is valid still: what the
// comments show is not only named but right.
func TestShippedCommentsAreRight(t *testing.T) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	assign := regexp.MustCompile(`^# ((?:\[\[[a-z.]+\]\].*|([a-z_]+) = .*))$`)
	alternative := map[string]bool{"app": true, "kernel": true, "function": true, "key": true, "url": true, "sqlite": true, "tracking_issue": true, "machine": true}
	ofThisKind := map[string]bool{"id": true, "title": true, "kind": true, "doc": true, "files": true, "exclude": true, "in": true, "pattern": true, "any": true, "view": true, "severity": true, "on_missing": true}
	set := map[string]bool{} // keys of the open table
	inRule := false
	var out []string
	for line := range strings.SplitSeq(string(text), "\n") {
		m := assign.FindStringSubmatch(line)
		if m == nil {
			m = regexp.MustCompile(`^((?:\[.*\].*|([a-z_]+) = .*))$`).FindStringSubmatch(line)
		}
		if m != nil && m[2] == "" {
			set, inRule = map[string]bool{}, strings.HasPrefix(m[1], "[[checks.rule]]")
		}
		// One of several alternatives only.
		if m != nil && (set[m[2]] || alternative[m[2]] || inRule && !ofThisKind[m[2]]) && m[2] != "" {
			continue
		}
		if m != nil {
			set[m[2]] = true
			line = m[1]
		}
		out = append(out, line)
	}
	c, err := Parse("uncommented.toml", []byte(strings.Join(out, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	if c.GitHub.Token.String() != "env:GITHUB_TOKEN" || len(c.Checks.Programs) != 1 || len(c.Bench.Programs) != 1 || len(c.Checks.Rule) != 1 || len(c.Checks.Ack) != 1 {
		t.Errorf("comments were not taken up: %+v", c)
	}
	// The defaults shown are the defaults there are.
	d := defaults()
	d.Bench.Backend, d.Bench.Programs, d.Bench.Threads, d.Bench.Depths = c.Bench.Backend, c.Bench.Programs, c.Bench.Threads, c.Bench.Depths
	if diff := cmp.Diff(d.Bench, c.Bench); diff != "" {
		t.Errorf("bench: the comments show other defaults (-real +shown):\n%s", diff)
	}
	d.Proofs.Toolchains, d.Proofs.ElanHome = c.Proofs.Toolchains, c.Proofs.ElanHome
	if diff := cmp.Diff(d.Proofs, c.Proofs); diff != "" {
		t.Errorf("proofs: the comments show other defaults (-real +shown):\n%s", diff)
	}
	d.Checks.Programs, d.Checks.Rule, d.Checks.Ack = c.Checks.Programs, c.Checks.Rule, c.Checks.Ack
	d.Checks.Packs = c.Checks.Packs // an example
	if diff := cmp.Diff(d.Checks, c.Checks); diff != "" {
		t.Errorf("checks: the comments show other defaults (-real +shown):\n%s", diff)
	}
	if c.GitHub.Poll != d.GitHub.Poll || c.GitHub.API != d.GitHub.API || c.GitHub.Post || c.Thresholds.BaselineRuns != d.Thresholds.BaselineRuns {
		t.Errorf("github or thresholds: the comments show other defaults: %+v", c.GitHub)
	}
}

type tableKeys struct {
	header string
	keys   []string
}

// keysByTable lists the tables of a struct and the plain keys of each.
func keysByTable(t reflect.Type, prefix string) []tableKeys {
	own := tableKeys{header: prefix}
	var all []tableKeys
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		name := strings.Trim(strings.Trim(prefix, "[]")+"."+tag, ".")
		ft := f.Type
		if ft.Kind() == reflect.Slice && !unmarshals(ft) && ft.Elem().Kind() == reflect.Struct && !unmarshals(ft.Elem()) {
			all = append(all, keysByTable(ft.Elem(), "[["+name+"]]")...)
			continue
		}
		if ft.Kind() == reflect.Struct && ft != secretType && !unmarshals(ft) {
			if prefix != "[[repositories]]" {
				all = append(all, keysByTable(ft, "["+name+"]")...)
			}
			continue
		}
		own.keys = append(own.keys, tag)
	}
	if prefix != "" {
		all = append(all, own)
	}
	return all
}

// sectionOf is the text from a header, in a comment or not, to the next.
func sectionOf(text, header string) string {
	at := regexp.MustCompile(`(?m)^(# )?` + regexp.QuoteMeta(header)).FindStringIndex(text)
	if at == nil {
		return ""
	}
	rest := text[at[1]:]
	if end := regexp.MustCompile(`(?m)^(# )?\[`).FindStringIndex(rest); end != nil {
		return rest[:end[0]]
	}
	return rest
}
