package metal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// besides makes the workspaces of a head and its base, each with the given files.
func besides(t *testing.T, base, head map[string]string) *runner.Workspace {
	t.Helper()
	ws, _ := workspace(t)
	ws.Beside, _ = workspace(t)
	ws.Beside.Commit.SHA = strings.Repeat("b", 40)
	for dir, files := range map[string]map[string]string{ws.Beside.Dir: base, ws.Dir: head} {
		for name, text := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ws
}

// side writes down whose turn it was, in a file that both sides share.
func side(t *testing.T, name, body string) (Program, func() string) {
	journal := filepath.Join(t.TempDir(), "journal")
	p := sh(name, `cat side >> `+journal+`; `+body)
	return p, func() string {
		text, _ := os.ReadFile(journal)
		return string(text)
	}
}

func TestTurns(t *testing.T) {
	ws := besides(t, map[string]string{"side": "b", "ns": "100"}, map[string]string{"side": "h", "ns": "120"})
	p, journal := side(t, "A", `echo "BenchmarkA 1 $(cat ns) ns/op"; echo "BenchmarkA 1 $(cat ns) ns/op"; [ $(cat side) = h ] && echo "BenchmarkNew 1 5 ns/op" || echo "BenchmarkOld 1 5 ns/op"`)
	p.Rounds = 6
	var asked [][]runner.Turns
	c := Config{Programs: []Program{p}, Steps: func(all []runner.Turns) []runner.Step {
		asked = append(asked, slices.Clone(all))
		if len(asked) == 1 {
			return []runner.Step{runner.More}
		}
		return []runner.Step{runner.Suspect}
	}}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Verdict != runner.Success || len(res.Bench.Turns) != 1 || res.Bench.Base != ws.Beside.Commit.SHA {
		t.Fatalf("%s %s: %+v", res.Verdict, res.Reason, res.Bench)
	}
	got := res.Bench.Turns[0]
	if fmt.Sprint(got.Looks) != "[3 6 12]" || len(got.Base) != 12 || len(got.Head) != 12 || len(got.BaseAgain) != 12 || len(got.HeadAgain) != 12 {
		t.Errorf("%+v", got)
	}
	for i := range got.Base {
		if got.Base[i] != 100e-9 || got.Head[i] != 120e-9 || got.BaseAgain[i] != 100e-9 || got.HeadAgain[i] != 120e-9 {
			t.Errorf("sides are mixed up: %+v", got)
		}
	}
	if len(asked) != 2 || len(asked[0][0].Base) != 6 {
		t.Errorf("asked %d times", len(asked))
	}
	blocks := journal()
	if len(blocks) != 48 {
		t.Fatalf("%d runs: %s", len(blocks), blocks)
	}
	first := map[byte]int{}
	for i := 0; i < len(blocks); i += 4 {
		if b := blocks[i : i+4]; b != "bhhb" && b != "hbbh" {
			t.Errorf("block %q", b)
		}
		first[blocks[i]]++
	}
	if len(first) != 2 {
		t.Errorf("always the same side begins: %s", blocks)
	}
	// The head's samples are complete: two values from each of 24 runs.
	if n := len(res.Bench.Samples[0].Values); n != 48 {
		t.Errorf("%d values of the head", n)
	}
	if w := strings.Join(res.Warnings, "\n"); !strings.Contains(w, "the base has Old sec/op, the head does not") {
		t.Errorf("warnings %q", w)
	}
	if !slices.ContainsFunc(res.Logs, func(l runner.Log) bool { return l.Name == "base/bench-A-1" }) {
		t.Errorf("no log of the base: %+v", res.Logs)
	}
}

// What is wrong with the base takes the comparison away, not the head's figures; what is
// wrong with the head is an error as ever.
func TestTurnsFail(t *testing.T) {
	for name, c := range map[string]struct {
		base, head string
		untold     string
		reason     string
		values     int
	}{
		"base":  {"exit 3", "true", "the base: benchmark program A: round 1: exit code 3", "", 4},
		"head":  {"true", "exit 3", "", "benchmark program A: round 1: exit code 3", 0},
		"later": {`echo x >> n; [ $(wc -l < n) -lt 4 ] || exit 1`, "true", "the base: benchmark program A: round 4: exit code 1", "", 4},
		"empty": {"exec >/dev/null", "true", "no samples in the output", "", 4},
	} {
		ws := besides(t, map[string]string{"do": c.base}, map[string]string{"do": c.head})
		p := sh("A", `. ./do; echo "BenchmarkA 1 5 ns/op"`)
		p.Rounds = 4
		res := runner.Execute(t.Context(), New(Config{Programs: []Program{p}}), ws, time.Minute)
		if got := res.Bench.Untold["A"]; !strings.Contains(got, c.untold) || (got == "") != (c.untold == "") {
			t.Errorf("%s: untold %q", name, got)
		}
		if !strings.Contains(res.Reason, c.reason) || (res.Verdict == runner.Error) != (c.reason != "") || len(res.Bench.Turns) > 0 {
			t.Errorf("%s: %s %s, %+v", name, res.Verdict, res.Reason, res.Bench.Turns)
		}
		if c.values > 0 && len(res.Bench.Samples[0].Values) < c.values {
			t.Errorf("%s: %d values", name, len(res.Bench.Samples[0].Values))
		}
	}
	// A base that cannot be built.
	ws := besides(t, map[string]string{"build": "exit 1"}, map[string]string{"build": "true"})
	p := sh("A", `echo "BenchmarkA 1 5 ns/op"`)
	p.Build = []string{"sh", "./build"}
	res := runner.Execute(t.Context(), New(Config{Programs: []Program{p}}), ws, time.Minute)
	if res.Verdict != runner.Success || !strings.Contains(res.Bench.Untold["A"], "the base: benchmark program A: build: exit code 1") || len(res.Bench.Samples[0].Values) != p.Rounds {
		t.Errorf("%s %s: %+v", res.Verdict, res.Reason, res.Bench)
	}
}

// Looks that the stage's time would not suffice for are not begun.
func TestTurnsBudget(t *testing.T) {
	ws := besides(t, map[string]string{"side": "b"}, map[string]string{"side": "h"})
	p, journal := side(t, "A", `sleep 0.02; echo "BenchmarkA 1 5 ns/op"`)
	p.Rounds = 6
	c := Config{Programs: []Program{p}, Looks: 6, Steps: func([]runner.Turns) []runner.Step { return []runner.Step{runner.More} }}
	res := runner.Execute(t.Context(), New(c), ws, 3*time.Second)
	if n := len(journal()); res.Verdict != runner.Success || n < 12 || n >= 4*96 {
		t.Errorf("%s %s after %d runs", res.Verdict, res.Reason, n)
	}
}

func TestSameInputs(t *testing.T) {
	const elf = "\x7fELF\x02 a program"
	tree := map[string]string{"bench": elf, "gpu/k.metal": "kernel", "data/a": "1", "doc.md": "old", "lib/x.so.1": "lib", "run.sh": "#!/bin/sh\n./bench"}
	with := func(name, text string) map[string]string {
		out := map[string]string{}
		for k, v := range tree {
			out[k] = v
		}
		if out[name] = text; text == "" {
			delete(out, name)
		}
		return out
	}
	binary := Program{Name: "B", Command: []string{"./bench", "-in=data/a", "nowhere"}}
	script := Program{Name: "S", Command: []string{"sh", "run.sh"}}
	for _, c := range []struct {
		what    string
		program Program
		head    map[string]string
		inputs  []string
		same    bool
	}{
		{"nothing changed", binary, tree, nil, true},
		{"a document", binary, with("doc.md", "new"), nil, true},
		{"the executable", binary, with("bench", elf+"!"), nil, false},
		{"a kernel", binary, with("gpu/k.metal", "other"), nil, false},
		{"a new kernel", binary, with("gpu/l.metal", "kernel"), nil, false},
		{"a kernel less", binary, with("gpu/k.metal", ""), nil, false},
		{"a library", binary, with("lib/x.so.1", "lib2"), nil, false},
		{"a file of the command", binary, with("data/a", "2"), nil, false},
		{"a file that the command named in vain", binary, with("nowhere", "2"), nil, false},
		{"no executable any more", binary, with("bench", ""), nil, false},
		{"a script tells nothing", script, tree, nil, false},
		{"a script with inputs", script, with("doc.md", "new"), []string{"run.sh", "bench", "data"}, true},
		{"a script with other inputs", script, with("data/b", "new"), []string{"run.sh", "data"}, false},
		{"inputs that are not there", script, tree, []string{"date"}, false},
	} {
		ws := besides(t, tree, c.head)
		p := c.program
		p.Inputs = c.inputs
		why := sameInputs(ws.Beside.Dir, ws.Dir, p)
		if (why != "") != c.same {
			t.Errorf("%s: %q", c.what, why)
		}
	}
	// A link out of the tree cannot be told.
	ws := besides(t, tree, tree)
	for _, dir := range []string{ws.Dir, ws.Beside.Dir} {
		if err := os.Symlink("/etc/hosts", filepath.Join(dir, "l.metal")); err != nil {
			t.Fatal(err)
		}
	}
	if why := sameInputs(ws.Beside.Dir, ws.Dir, binary); why != "" {
		t.Errorf("a link out of the tree: %q", why)
	}
}

func TestUnaffectedIsNotRun(t *testing.T) {
	for _, always := range []bool{false, true} {
		ws := besides(t, map[string]string{"side": "x"}, map[string]string{"side": "x"})
		p, journal := side(t, "A", `echo "BenchmarkA 1 5 ns/op"`)
		p.Inputs = []string{"side"}
		res := runner.Execute(t.Context(), New(Config{Programs: []Program{p}, Always: always}), ws, time.Minute)
		if always {
			if res.Verdict != runner.Success || len(res.Bench.Unaffected) > 0 || journal() == "" {
				t.Errorf("measured all the same: %s %s", res.Verdict, res.Reason)
			}
			continue
		}
		if res.Verdict != runner.Neutral || len(res.Bench.Unaffected) != 1 || journal() != "" || !strings.HasPrefix(res.Reason, "A is unaffected and was not run (1 input file the same in base and head") {
			t.Errorf("%s %s, ran %q", res.Verdict, res.Reason, journal())
		}
	}
}
