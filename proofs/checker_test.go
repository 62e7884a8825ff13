package proofs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// What the checkers print, by version. Written from their sources and from outputs quoted
// in public, not recorded on a machine.
const (
	mismatch = "(kernel) declaration type mismatch, 'A.bad' has type\n  True\nbut it is expected to have type\n  False"
	said429  = "replaying A.Good\nreplaying A.Two\nleanchecker found a problem in A.Two\nuncaught exception: while replaying declaration 'A.bad':\n" + mismatch
	said428  = "replaying A.Good\nreplaying A.Two\nleanchecker found a problem in A.Two\nuncaught exception: " + mismatch
	said4128 = "Searching for modules matching: [A.Good, A.Two, A]\nFound 3 modules to check\nreplaying A.Good\nlean4checker found a problem in A.Two\nreplaying A.Two\nuncaught exception: " + mismatch
	said418  = "replaying A.Good\nreplaying A.Two\nlean4checker found a problem in A.Two\nuncaught exception: application type mismatch\n  False.elim @propext"
	noSuch   = "replaying A.Good\nreplaying A.Two\nlean4checker found a problem in A.Two\nuncaught exception: No such constructor False.intro"
)

func modulesOf(names ...string) []*module {
	var list []*module
	for _, n := range names {
		list = append(list, &module{name: n, key: key(n)})
	}
	return list
}

func TestCheckerOutput(t *testing.T) {
	for _, tt := range []struct {
		name, said string
		exit       proc.Exit
		single     bool
		passed     string
		rejected   string // module declaration
		unknown    string
		broken     string
	}{
		{name: "all good", said: "replaying A.Good\nreplaying A\nreplaying A.Two", passed: "A A.Good A.Two"},
		{name: "one is not named", said: "replaying A.Good\nreplaying A", passed: "A A.Good"},
		{name: "silence is no success", said: ""},
		{name: "4.29", said: said429, exit: proc.Exit{Code: 1}, passed: "A.Good", rejected: "A.Two A.bad"},
		{name: "4.28", said: said428, exit: proc.Exit{Code: 1}, passed: "A.Good", rejected: "A.Two A.bad"},
		{name: "lean4checker 4.28", said: said4128, exit: proc.Exit{Code: 1}, passed: "A.Good", rejected: "A.Two A.bad"},
		{name: "lean4checker 4.18", said: said418, exit: proc.Exit{Code: 1}, passed: "A.Good", rejected: "A.Two "},
		{name: "constructor", said: noSuch, exit: proc.Exit{Code: 1}, passed: "A.Good", rejected: "A.Two False.intro"},
		{name: "lean4checker 4.8", single: true, said: "uncaught exception: " + mismatch, exit: proc.Exit{Code: 1}, rejected: "A.Two A.bad"},
		{name: "lean4checker 4.8, good", single: true, said: "", passed: "A.Two"},
		{name: "recursion", said: "replaying A.Two\nleanchecker found a problem in A.Two\nuncaught exception: (kernel) deep recursion detected", exit: proc.Exit{Code: 1}, unknown: "A.Two "},
		{name: "native", said: "leanchecker found a problem in A.Two\nuncaught exception: while replaying declaration 'A.n':\n(kernel) (interpreter) unknown declaration 'A.p'", exit: proc.Exit{Code: 1}, unknown: "A.Two A.n"},
		{name: "no file", said: "leanchecker found a problem in A.Two\nuncaught exception: object file 'x' of module A.Two does not exist", exit: proc.Exit{Code: 1}, unknown: "A.Two "},
		{name: "no module", said: "uncaught exception: Could not find any oleans for: A.Two", exit: proc.Exit{Code: 1}, broken: "Could not find any oleans"},
		{name: "killed", said: "replaying A.Good\nreplaying A.Two", exit: proc.Exit{Code: -1, Signal: 9}, passed: "A.Good", broken: "killed by signal 9"},
		{name: "137", said: "replaying A.Good", exit: proc.Exit{Code: 137}, broken: "exit code 137"},
		{name: "timed out", said: "replaying A.Good\nreplaying A", exit: proc.Exit{Code: -1, Signal: 15, TimedOut: true}, passed: "A.Good", broken: "time limit"},
		{name: "rejects, then dies", said: said429, exit: proc.Exit{Code: 139}, passed: "A.Good", broken: "exit code 139"},
		{name: "a problem, and success", said: said429, broken: "as if there were none"},
		{name: "dragged in", said: "replaying A.Good\nreplaying A.Other\nleanchecker found a problem in A.Other\nuncaught exception: " + mismatch, exit: proc.Exit{Code: 1}, passed: "A.Good", rejected: "A.Other A.bad"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := modulesOf("A.Good", "A.Two", "A")
			if tt.single {
				list = modulesOf("A.Two")
			}
			c := newChecked(list, !tt.single)
			for line := range strings.SplitSeq(tt.said, "\n") {
				c.line(line)
			}
			r := c.round(tt.exit)
			var passed []string
			for k, ok := range r.passed {
				if ok {
					passed = append(passed, k)
				}
			}
			slices.Sort(passed)
			one := func(list []runner.Rejected) string {
				var s []string
				for _, x := range list {
					s = append(s, x.Module+" "+x.Declaration)
				}
				return strings.Join(s, ", ")
			}
			if got := strings.Join(passed, " "); got != tt.passed {
				t.Errorf("passed %q, want %q", got, tt.passed)
			}
			if one(r.rejected) != tt.rejected || one(r.unknown) != tt.unknown {
				t.Errorf("rejected %q, unknown %q", one(r.rejected), one(r.unknown))
			}
			if (tt.broken == "") != (r.broken == "") || !strings.Contains(r.broken, tt.broken) {
				t.Errorf("broken: %q, want %q", r.broken, tt.broken)
			}
		})
	}
}

// fakeChecker is a toolchain whose leanchecker replays nothing: it knows which modules
// are bad, takes a name for all that begin with it, and does what its script says.
func fakeChecker(t *testing.T, name, script string) string {
	t.Helper()
	dir := fake(t, t.TempDir(), strings.ReplaceAll(stock426, "4.26.0", "4.29.0"), lake426, "exit 0")
	file := filepath.Join(dir, "bin", name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// builtProject is a project with "compiled" modules, and its examination.
func builtProject(t *testing.T, home string, names ...string) *examination {
	t.Helper()
	files := map[string]string{"lakefile.toml": "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n", "lean-toolchain": "v4.29.0"}
	for _, n := range names {
		p := strings.ReplaceAll(n, ".", "/")
		files[p+".lean"] = ""
		files[".lake/build/lib/lean/"+p+".olean"] = "olean of " + n
	}
	dir := tree(t, files)
	p, err := loadProject(dir)
	if err != nil {
		t.Fatal(err)
	}
	ws := workspace(t, dir, "")
	return &examination{
		cfg: Config{Replay: ReplayAuto}, ws: ws, dir: dir, rel: ".", log: "proofs", cache: filepath.Join(dir, ".lake", "holdfast"),
		tool: &toolchain{dir: home, number: "4.29.0", version: "Lean", exact: true}, project: p,
	}
}

// checkerScript does as leanchecker: BAD are modules the kernel refuses, KILL those that
// kill it.
const checkerScript = `
echo "$@" >> "$(dirname "$0")/calls"
[ "$1" = -v ] || exit 2
shift
for want in "$@"; do
  for m in $ALL; do
    case $m in "$want"|"$want".*) ;; *) continue ;; esac
    case " $KILL " in *" $m "*) kill -9 $$ ;; esac
    echo "replaying $m"
    case " $BAD " in *" $m "*)
      echo "leanchecker found a problem in $m" >&2
      echo "uncaught exception: while replaying declaration '$m.bad':" >&2
      echo "(kernel) function expected" >&2
      exit 1 ;;
    esac
  done
done`

func TestForeignChecker(t *testing.T) {
	names := []string{"A", "A.B", "A.C", "A.D", "A.E", "A.F", "A.G", "A.H"}
	for _, tt := range []struct {
		name, bad, kill string
		rejected        string
		unknown         string
		passed          int
	}{
		{name: "good", passed: 8},
		{name: "two bad ones", bad: "A.C A.G", rejected: "A.C A.G", unknown: "A", passed: 5},
		{name: "one kills it", kill: "A.E", unknown: "A A.E", passed: 6},
		{name: "all kill it", kill: strings.Join(names, " "), unknown: strings.Join(names, " ")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := fakeChecker(t, "leanchecker", fmt.Sprintf("ALL='%s A'\nBAD='%s'\nKILL='%s'\n%s", strings.Join(names[1:], " "), tt.bad, tt.kill, checkerScript))
			e := builtProject(t, home, names...)
			r, err := e.replay(t.Context(), e.project.modules, nil)
			if err != nil {
				t.Fatal(err)
			}
			of := func(list []runner.Rejected) string {
				var s []string
				for _, x := range list {
					s = append(s, x.Module)
				}
				return strings.Join(s, " ")
			}
			if r.Tool != "leanchecker" || of(r.Rejected) != tt.rejected || of(r.Unknown) != tt.unknown || r.Modules != tt.passed {
				t.Errorf("%+v", r)
			}
			for _, x := range r.Rejected {
				if x.Declaration != x.Module+".bad" || x.Text != "function expected" {
					t.Errorf("%+v", x)
				}
			}
			b, _ := os.ReadFile(filepath.Join(home, "bin", "calls"))
			if n := strings.Count(string(b), "\n"); n > maxReplayRuns {
				t.Errorf("%d runs", n)
			}
			// What passed is known, what did not is asked again.
			again, err := e.replay(t.Context(), e.project.modules, nil)
			if err != nil || again.Reused != tt.passed || again.Modules != tt.passed || of(again.Rejected) != tt.rejected {
				t.Errorf("again: %v %+v", err, again)
			}
			if e.fromNothing = true; tt.name == "good" {
				if fresh, _ := e.replay(t.Context(), e.project.modules, nil); fresh.Reused != 0 || fresh.Modules != tt.passed {
					t.Errorf("fresh: %+v", fresh)
				}
			}
		})
	}
}

// TestReplayIncremental: a module is replayed again when it, or what it imports, was
// compiled to something else. One without declarations whose name would stand for all
// others is not.
func TestReplayIncremental(t *testing.T) {
	names := []string{"A", "A.B", "A.C", "A.D"}
	home := fakeChecker(t, "leanchecker", "ALL='"+strings.Join(names, " ")+"'\n"+checkerScript)
	e := builtProject(t, home, names...)
	e.project.byKey["A.C"].imports = []string{"A.B"}
	e.project.byKey["A"].imports = []string{"A.C", "A.D"}
	declared := map[string]int{"A": 0, "A.B": 1, "A.C": 0, "A.D": 1}
	calls := filepath.Join(home, "bin", "calls")
	step := func(want string, reused int) {
		t.Helper()
		os.Remove(calls)
		r, err := e.replay(t.Context(), e.project.modules, declared)
		if err != nil || r.Modules != 4 || r.Reused != reused {
			t.Errorf("%v %+v, want %d reused", err, r, reused)
		}
		b, _ := os.ReadFile(calls)
		if got := strings.TrimSpace(string(b)); got != want {
			t.Errorf("called with %q, want %q", got, want)
		}
	}
	olean := func(n string) string {
		return filepath.Join(e.dir, ".lake", "build", "lib", "lean", filepath.FromSlash(strings.ReplaceAll(n, ".", "/"))+".olean")
	}
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	step("-v A.B A.C A.D", 0)
	step("", 4)
	write(olean("A.B"), "other")
	step("-v A.B A.C", 1)
	step("", 4)
	write(olean("A.D")+".private", "more")
	step("-v A.D", 2)
	write(filepath.Join(e.dir, "lake-manifest.json"), "{}") // another revision of a dependency
	step("-v A.B A.C A.D", 0)
	write(filepath.Join(e.cache, "replay.txt"), "holdfast replay 1\nnonsense\n")
	step("-v A.B A.C A.D", 0)
	e.tool.version = "another Lean"
	step("-v A.B A.C A.D", 0)
	os.Remove(olean("A.B"))
	if r, err := e.replay(t.Context(), e.project.modules, declared); err != nil || r.Tool != "" || !strings.Contains(r.Reason, "A.B is missing") {
		t.Errorf("%v %+v", err, r)
	}
}

func TestCheckerFlood(t *testing.T) {
	home := fakeChecker(t, "leanchecker", "exec yes 'replaying A.B'")
	e := builtProject(t, home, "A.B")
	start := time.Now()
	r, err := e.replay(t.Context(), e.project.modules, nil)
	if err != nil || len(r.Unknown) != 1 || !strings.Contains(r.Unknown[0].Text, "printed more than") || r.Modules != 0 {
		t.Errorf("%v %+v (%s)", err, r, time.Since(start))
	}
}

// TestLean4checker: one for another version, or one that a fork's commit brought, is none.
func TestLean4checker(t *testing.T) {
	e := builtProject(t, t.TempDir(), "A.B")
	e.tool.number = "4.26.0"
	pkg := filepath.Join(e.dir, ".lake", "packages", "lean4checker")
	bin := filepath.Join(pkg, ".lake", "build", "bin", "lean4checker")
	if err := os.MkdirAll(filepath.Dir(bin), 0o755); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(bin, []byte("#!/bin/sh\n"), 0o755)
	version := func(s string) { os.WriteFile(filepath.Join(pkg, "lean-toolchain"), []byte(s), 0o644) }
	if got := e.lean4checker(); got != "" {
		t.Errorf("without a version: %s", got)
	}
	version("leanprover/lean4:v4.25.0\n")
	if got := e.lean4checker(); got != "" {
		t.Errorf("for another version: %s", got)
	}
	version("leanprover/lean4:v4.26.0\n")
	if got := e.lean4checker(); got != bin {
		t.Errorf("got %q", got)
	}
	tool, err := e.replayTool(t.Context())
	if err != nil || tool.name != "lean4checker" || tool.batch != replayBatch {
		t.Errorf("%v %+v", err, tool)
	}
	e.ws.Trusted = false
	if got := e.lean4checker(); got != "" {
		t.Errorf("of a fork: %s", got)
	}
}

func FuzzChecker(f *testing.F) {
	for _, s := range []string{said429, said428, said4128, said418, noSuch, ""} {
		f.Add(s, 1, 0)
		f.Add(s, 0, 0)
		f.Add(s, -1, 9)
	}
	f.Fuzz(func(t *testing.T, said string, code, signal int) {
		c := newChecked(modulesOf("A.Good", "A.Two", "A.«b c»"), true)
		for line := range strings.SplitSeq(said, "\n") {
			c.line(line)
		}
		exit := proc.Exit{Code: code}
		if signal > 0 && signal < 32 {
			exit.Code, exit.Signal = -1, 9
		}
		r := c.round(exit)
		for k, ok := range maps.All(r.passed) {
			if ok && !strings.Contains(key(said), "replaying "+k) {
				t.Errorf("%s passed out of nothing", k)
			}
			if ok && key(c.bad) == k {
				t.Errorf("%s passed, and has a problem", k)
			}
		}
		for _, x := range slices.Concat(r.rejected, r.unknown) {
			if x.Module == "" || strings.ContainsAny(x.Text+x.Declaration, "\n") || len(x.Text) > 400 || len(x.Module) > 400 || len(x.Declaration) > 600 {
				t.Errorf("%+v", x)
			}
		}
		if len(r.rejected) > 0 && (exit.Code != 1 || !strings.Contains(said, "found a problem in")) {
			t.Errorf("rejected out of nothing: %+v", r.rejected)
		}
	})
}
