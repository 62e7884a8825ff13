// Package streampool_test holds what the example promises: that lay.sh makes the same
// history everywhere, that each branch of it is what demo.tsv says, and that the parts
// of it which are not Lean work. Lean has its turn in make run and make demo.
package streampool_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// call runs a command in dir and returns its exit code and both outputs.
func call(t *testing.T, dir string, env []string, name string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", name, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// git runs git in the repository at dir and returns its output without the last newline.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	env := []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull}
	code, stdout, stderr := call(t, "", env, "git", append([]string{"-C", dir}, args...)...)
	if code != 0 {
		t.Fatalf("git %s: exit code %d: %s", strings.Join(args, " "), code, stderr)
	}
	return strings.TrimSuffix(stdout, "\n")
}

// lay lays the example down at dir, with env added to the environment.
func lay(t *testing.T, dir string, env ...string) string {
	t.Helper()
	code, stdout, stderr := call(t, "", env, "./lay.sh", dir)
	if code != 0 {
		t.Fatalf("lay.sh %s: exit code %d: %s", dir, code, stderr)
	}
	return stdout
}

func refs(t *testing.T, dir string) string {
	t.Helper()
	return git(t, dir, "for-each-ref", "--format=%(objectname) %(refname)") + "\n" + git(t, dir, "symbolic-ref", "HEAD")
}

// A configuration and an environment that would change commits, if they were read.
func TestSameHistoryEverywhere(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	config := `[user]
	name = Someone Else
	email = else@example.net
[commit]
	gpgSign = true
[gpg]
	program = /nonexistent
[core]
	autocrlf = true
	hooksPath = ` + home + `/hooks
[init]
	defaultBranch = trunk
`
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "with space", "b")
	lay(t, a)
	lay(
		t, b+"/", "HOME="+home, "XDG_CONFIG_HOME="+home, "GIT_CONFIG_GLOBAL="+home+"/.gitconfig", "TZ=Asia/Tokyo",
		"GIT_DIR="+home+"/elsewhere", "GIT_INDEX_FILE="+home+"/index", "GIT_AUTHOR_NAME=x", "GIT_COMMITTER_DATE=1 +0900",
	)
	if got, want := refs(t, b), refs(t, a); got != want {
		t.Errorf("two histories:\n%s\n%s", want, got)
	}
	for _, dir := range []string{a, b} {
		if status := git(t, dir, "status", "--porcelain", "--ignored"); status != "" {
			t.Errorf("the work tree is not the head: %s", status)
		}
	}
	// What is checked in here is what main has, executable bits included.
	mode := git(t, a, "ls-tree", "-r", "--format=%(objectmode) %(path)", "main")
	for line := range strings.Lines(mode) {
		mode, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		if want := map[bool]string{true: "100755", false: "100644"}[path == "scripts/check_headers.sh"]; mode != want {
			t.Errorf("%s has mode %s, want %s", path, mode, want)
		}
	}
}

func TestLaidAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "example")
	lay(t, dir)
	want := refs(t, dir)

	// Found: nothing is touched, and what somebody added stays.
	git(t, dir, "branch", "mine")
	note := filepath.Join(dir, "note.txt")
	if err := os.WriteFile(note, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := lay(t, dir); !strings.Contains(out, "there already") {
		t.Errorf("laid twice: %s", out)
	}
	if _, err := os.Stat(note); err != nil {
		t.Errorf("a file of mine: %v", err)
	}

	// Damaged in three ways: laid anew, and the old folder is set aside.
	damage := map[string]func(){
		"an object is gone": func() {
			tree := git(t, dir, "rev-parse", "demo/axiom:lean/StreamPool")
			if err := os.Remove(filepath.Join(dir, ".git", "objects", tree[:2], tree[2:])); err != nil {
				t.Fatal(err)
			}
		},
		"a branch moved": func() { git(t, dir, "update-ref", "refs/heads/main", "demo/sorry") },
		"git's own files are gone": func() {
			if err := os.Remove(filepath.Join(dir, ".git", "HEAD")); err != nil {
				t.Fatal(err)
			}
		},
	}
	for what, harm := range damage {
		harm()
		if out := lay(t, dir); !strings.Contains(out, "set aside") {
			t.Errorf("%s, and lay.sh says %q", what, out)
		}
		if got := refs(t, dir); got != want {
			t.Errorf("%s: laid anew as\n%s\nwant\n%s", what, got, want)
		}
		if _, err := os.Stat(dir + ".replaced"); err != nil {
			t.Errorf("%s: the old folder: %v", what, err)
		}
	}
	if left, _ := filepath.Glob(dir + ".laying.*"); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	precious := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(precious, []byte("ten years"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{dir, precious} {
		if code, _, stderr := call(t, "", nil, "./lay.sh", target); code != 1 || !strings.Contains(stderr, target) {
			t.Errorf("lay.sh %s: exit code %d: %s", target, code, stderr)
		}
	}
	if text, err := os.ReadFile(precious); string(text) != "ten years" {
		t.Errorf("a file of somebody else: %q, %v", text, err)
	}
	if code, _, _ := call(t, "", nil, "./lay.sh"); code != 2 {
		t.Errorf("without a folder: exit code %d, want 2", code)
	}
	empty := t.TempDir()
	lay(t, empty)
	git(t, empty, "rev-parse", "main")
}

// row is one line of demo.tsv.
type row struct{ rev, verdict, stage, shows string }

func table(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile("demo.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 || slices.Contains(f, "") {
			t.Fatalf("demo.tsv: %q has not 4 columns", line)
		}
		rows = append(rows, row{f[0], f[1], f[2], f[3]})
	}
	return rows
}

// TestExample lays the example down once and looks at it from several sides.
func TestExample(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "example")
	lay(t, dir)
	t.Run("table", func(t *testing.T) { testTable(t, dir) })
	t.Run("root module", func(t *testing.T) { testRootModule(t, dir) })
	t.Run("reference", func(t *testing.T) { testReference(t, tree(t, dir)) })
	t.Run("headers", func(t *testing.T) { testHeaderScript(t, tree(t, dir)) })
	t.Run("rules", func(t *testing.T) { testRules(t, tree(t, dir)) })
	t.Run("rules broken", func(t *testing.T) { testRulesBroken(t, tree(t, dir)) })
	t.Run("rules and theorems", func(t *testing.T) { testRulesNameTheorems(t, tree(t, dir)) })
}

func testTable(t *testing.T, dir string) {
	rows := table(t)

	listed := map[string]bool{}
	stages := map[string]int{}
	for _, r := range rows {
		listed[git(t, dir, "rev-parse", "--verify", r.rev+"^{commit}")] = true
		switch {
		case r.verdict == "success" && r.stage == "-":
		case r.verdict == "failure" && slices.Contains([]string{"proofs", "checks", "bench"}, r.stage):
			stages[r.stage]++
		default:
			t.Errorf("%s: verdict %s by %s", r.rev, r.verdict, r.stage)
		}
	}
	if len(stages) != 3 {
		t.Errorf("failures by stage: %v, want all three", stages)
	}
	all := strings.Fields(git(t, dir, "rev-list", "--all"))
	if len(all) != len(listed) {
		t.Errorf("demo.tsv lists %d commits, the history has %d", len(listed), len(all))
	}

	patches, err := filepath.Glob("changes/*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("patches: %v, %v", patches, err)
	}
	for _, patch := range patches {
		branch := "demo/" + strings.TrimSuffix(filepath.Base(patch), ".patch")
		if parent := git(t, dir, "rev-parse", branch+"^"); parent != git(t, dir, "rev-parse", "main") {
			t.Errorf("%s is not one commit on top of main", branch)
		}
		if !slices.ContainsFunc(rows, func(r row) bool { return r.rev == branch }) {
			t.Errorf("%s is not in demo.tsv", branch)
		}
	}
}

// The root module of every commit imports the modules that are there, and only those.
func testRootModule(t *testing.T, dir string) {
	for _, r := range table(t) {
		var want, got []string
		for file := range strings.Lines(git(t, dir, "ls-tree", "--name-only", r.rev, "lean/StreamPool/") + "\n") {
			module := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(file), "lean/"), ".lean")
			want = append(want, "import "+strings.ReplaceAll(module, "/", "."))
		}
		for line := range strings.Lines(git(t, dir, "show", r.rev+":lean/StreamPool.lean")) {
			if line := strings.TrimSpace(line); strings.HasPrefix(line, "import ") {
				got = append(got, line)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the root imports %q, want %q", r.rev, got, want)
		}
		if len(want) < 6 {
			t.Errorf("%s has %d modules", r.rev, len(want))
		}
	}
}
