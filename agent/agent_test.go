package agent

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/metal/harness/harnesstest"
	"github.com/holdfast-ci/holdfast/proofs"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

func TestMain(m *testing.M) {
	// The program of a test is the one that stands in the place of bin/lean.
	if code, ok := proofs.Wrapped(os.Args, os.Environ()); ok {
		os.Exit(code)
	}
	// And the one that measures.
	if code, ok := metal.Child(os.Args, nil); ok {
		os.Exit(code)
	}
	// Scripts that ask for Metal measure kernels that say what they do.
	metal.StandIn(harnesstest.Arithmetic(1))
	testscript.Main(m, map[string]func(){
		"holdfast": func() {
			os.Exit(Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// The scripts in testdata/script run the whole command, with real git and SQLite, and a
// GitHub that keeps state behind real HTTP.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				env.Setenv("GIT_"+who+"_NAME", "A U Thor")
				env.Setenv("GIT_"+who+"_EMAIL", "author@example.org")
				env.Setenv("GIT_"+who+"_DATE", "2026-01-02T03:04:05Z")
			}
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("TMPDIR", filepath.Join(env.WorkDir, "tmp"))
			for _, dir := range []string{"home", "tmp"} {
				if err := os.Mkdir(filepath.Join(env.WorkDir, dir), 0o755); err != nil {
					return err
				}
			}
			env.Values["hub"] = &hubPlace{}
			env.Setenv("LEAN", leanHome())
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "lean" {
				if leanHome() == "" && (os.Getenv("CI") == "true" || os.Getenv("HOLDFAST_REQUIRE_LEAN") == "1") {
					return false, errors.New("no Lean: neither HOLDFAST_LEAN nor .cache/lean (make lean)")
				}
				return leanHome() != "" && !testing.Short(), nil
			}
			if cond != "tmpfs" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			out, err := exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt").CombinedOutput()
			if err != nil && os.Getenv("CI") == "true" {
				return false, fmt.Errorf("unshare -rm mount: %w: %s", err, out)
			}
			return err == nil, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"commit":  scriptCommit,
			"hub":     scriptHub,
			"key":     scriptKey,
			"await":   scriptAwait,
			"exits":   scriptExits,
			"matches": scriptMatches,
			"expand":  scriptExpand,

			"await-file":    scriptAwaitFile,
			"await-request": scriptAwaitRequest,
			"gone":          scriptGone,
			"strike":        scriptStrike,
		},
	})
}

// leanHome is a folder with a real Lean, HOLDFAST_LEAN or what make lean installed, or "".
func leanHome() string {
	for _, dir := range []string{os.Getenv("HOLDFAST_LEAN"), filepath.Join("..", ".cache", "lean")} {
		if dir, err := filepath.Abs(dir); err == nil {
			if _, err := os.Stat(filepath.Join(dir, "bin", "lean")); err == nil {
				return dir
			}
		}
	}
	return ""
}

// hubPlace holds the fake GitHub of one script.
type hubPlace struct{ fake *hubtest.Fake }

func place(ts *testscript.TestScript) *hubPlace { return ts.Value("hub").(*hubPlace) }

// commit DIR MESSAGE VAR makes a repository of DIR, if it is none, commits all that is in
// it and puts the hash into the variable.
func scriptCommit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: commit DIR MESSAGE VAR")
	}
	dir := ts.MkAbs(args[0])
	git := func(a ...string) {
		ts.Check(ts.Exec("git", append([]string{"-C", dir}, a...)...))
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		git("init", "--quiet", "--initial-branch=main")
	}
	git("add", "--all")
	git("commit", "--quiet", "--allow-empty", "--message", args[1])
	out, err := gitOutput(dir, "rev-parse", "HEAD")
	ts.Check(err)
	ts.Setenv(args[2], out)
}

// hub start TOKEN LOGIN starts the fake GitHub and sets HUB to its URL; any other words
// are for hubtest.Fake.Script, whose output is printed.
func scriptHub(ts *testscript.TestScript, neg bool, args []string) {
	p := place(ts)
	if len(args) == 3 && args[0] == "start" {
		p.fake = hubtest.New()
		ts.Defer(p.fake.Close)
		p.fake.Grant(args[1], args[2])
		ts.Setenv("HUB", p.fake.URL())
		return
	}
	f := p.fake
	if f == nil {
		ts.Fatalf("hub start TOKEN LOGIN comes first")
	}
	out, err := f.Script(args...)
	if (err != nil) != neg {
		ts.Fatalf("hub %v: %v", args, err)
	}
	fmt.Fprint(ts.Stdout(), out)
}

// key FILE makes the private key of an App.
func scriptKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: key FILE")
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	ts.Check(err)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

// until polls a condition. It gives up after so long that a machine busy with other things
// gets there, too: at a load of 20 a proof alone took a minute.
func until(ok func() bool) bool {
	deadline := time.NewTimer(3 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return false
		}
	}
}

// await-file FILE waits until a file has something in it.
func scriptAwaitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await-file FILE")
	}
	if !until(func() bool { fi, err := os.Stat(ts.MkAbs(args[0])); return err == nil && fi.Size() > 0 }) {
		ts.Fatalf("%s never came", args[0])
	}
}

// exits CODE ARGS… runs holdfast and checks its exit code.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGS…")
	}
	err := ts.Exec("holdfast", args[1:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// ended waits until a process has ended. One that nobody has reaped yet counts as ended.
func ended(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && until(func() bool {
		stat, _ := os.ReadFile("/proc/" + pid + "/stat")
		_, rest, _ := strings.Cut(string(stat), ") ")
		return syscall.Kill(n, 0) != nil || strings.HasPrefix(rest, "Z")
	})
}

// strike SIGNAL FILE sends a signal to the process that measures for the command in the
// background, once there is one, and writes the numbers of all of them to a file. With
// -parent the command itself gets the signal.
func scriptStrike(ts *testscript.TestScript, neg bool, args []string) {
	parent := len(args) > 0 && args[0] == "-parent"
	if parent {
		args = args[1:]
	}
	signal := map[string]syscall.Signal{"SEGV": syscall.SIGSEGV, "KILL": syscall.SIGKILL}
	if neg || len(args) != 2 || signal[args[0]] == 0 || len(ts.BackgroundCmds()) != 1 {
		ts.Fatalf("usage: strike [-parent] SEGV|KILL FILE, with one command in the background")
	}
	of := ts.BackgroundCmds()[0].Process.Pid
	var pids []int
	// Both scenarios have one; the second comes when the first is ready.
	if !until(func() bool { pids = measuring(of); return len(pids) == 2 }) {
		ts.Fatalf("no process measures for %d", of)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Trim(fmt.Sprint(pids), "[]")), 0o644))
	victim := pids[0]
	if parent {
		victim = of
	}
	ts.Check(syscall.Kill(victim, signal[args[0]]))
}

// measuring are the children of a process that measure, as /proc knows them.
func measuring(parent int) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		stat, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(stat), ") ")
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if f := strings.Fields(rest); len(f) < 2 || f[0] == "Z" || f[1] != strconv.Itoa(parent) || !strings.Contains(string(args), metal.ChildVerb) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		pids = append(pids, pid)
	}
	return pids
}

// gone FILE checks that the processes whose numbers are in a file have ended.
func scriptGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone FILE")
	}
	for pid := range strings.FieldsSeq(ts.ReadFile(args[0])) {
		if !ended(pid) {
			ts.Fatalf("process %s lives on", pid)
		}
	}
}

// await-request REGEXP waits until the fake GitHub was asked something.
func scriptAwaitRequest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || place(ts).fake == nil {
		ts.Fatalf("usage: await-request REGEXP, after hub start")
	}
	re, err := regexp.Compile(args[0])
	ts.Check(err)
	fake := place(ts).fake
	if !until(func() bool { return slices.ContainsFunc(fake.Requests(), re.MatchString) }) {
		ts.Fatalf("GitHub was never asked for %s but for:\n%s", args[0], strings.Join(fake.Requests(), "\n"))
	}
}

// await REGEXP waits until the state of the fake GitHub matches.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || place(ts).fake == nil {
		ts.Fatalf("usage: await REGEXP, after hub start")
	}
	re, err := regexp.Compile("(?ms)" + args[0])
	ts.Check(err)
	fake := place(ts).fake
	if !until(func() bool { return re.MatchString(fake.Dump()) }) {
		ts.Fatalf("GitHub never came to match %s; it is:\n%s", args[0], fake.Dump())
	}
}

// matches FILE REGEXP checks a file against an expression that may cross lines.
func scriptMatches(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: matches FILE REGEXP")
	}
	re, err := regexp.Compile("(?ms)" + args[1])
	ts.Check(err)
	text := ts.ReadFile(args[0])
	if re.MatchString(text) == neg {
		ts.Fatalf("%s does not do what is expected of %s:\n%s", args[0], args[1], text)
	}
}

// expand FILE replaces $VARIABLES in a file.
func scriptExpand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expand FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

func gitOutput(dir string, args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}
