package proc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func shell(script string) Cmd {
	return Cmd{Args: []string{"sh", "-c", script}, Env: BaseEnv(os.Environ(), "/nonexistent", os.TempDir())}
}

func TestRunExit(t *testing.T) {
	for _, tt := range []struct {
		script string
		ok     bool
		words  string
	}{
		{"exit 0", true, "exit code 0"},
		{"exit 3", false, "exit code 3"},
		{"exit 137", false, "exit code 137 (signal 9 in a shell)"},
		{"kill -9 $$", false, "killed by signal 9 (often: out of memory)"},
		{"kill -6 $$", false, "killed by signal 6 (aborted)"},
	} {
		e, err := Run(t.Context(), shell(tt.script))
		if err != nil {
			t.Fatal(err)
		}
		if e.OK() != tt.ok || e.String() != tt.words {
			t.Errorf("%s: OK %v, %q; want %v, %q", tt.script, e.OK(), e, tt.ok, tt.words)
		}
	}
}

func TestRunNotFound(t *testing.T) {
	_, err := Run(t.Context(), Cmd{Args: []string{"no-such-program"}, Env: []string{"PATH=/usr/bin:/bin"}})
	var nf *NotFoundError
	if !errors.As(err, &nf) || nf.Name != "no-such-program" {
		t.Fatalf("got %v, want a NotFoundError", err)
	}
}

// A relative PATH entry would let the checkout choose which program runs.
func TestLookIgnoresRelativePath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, path := range []string{".", ""} {
		if p, err := Look("tool", []string{"PATH=" + path}, dir); err == nil {
			t.Errorf("PATH=%q found %s", path, p)
		}
	}
	if _, err := Look("./tool", nil, dir); err != nil {
		t.Errorf("a name with a slash: %v", err)
	}
}

func TestRunStopsTheWholeGroup(t *testing.T) {
	for name, script := range map[string]string{
		"polite":   `sh -c 'echo $$; exec sleep 1000' & wait`,
		"stubborn": `trap "" TERM; sh -c 'trap "" TERM; echo $$; while :; do sleep 1000; done' & wait; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			pid := make(chan int, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := shell(script)
			c.Grace = 100 * time.Millisecond
			c.OnLine = func(line string) {
				if n, err := strconv.Atoi(line); err == nil {
					pid <- n
					cancel()
				}
			}
			e, err := Run(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			if !e.Stopped || e.TimedOut || e.OK() {
				t.Errorf("got %+v, want stopped", e)
			}
			if n := <-pid; !gone(n) {
				t.Errorf("grandchild %d lives on", n)
			}
		})
	}
}

// gone waits for a killed process to leave; it may stay a zombie until init reaps it.
func gone(pid int) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if syscall.Kill(pid, 0) != nil {
			return true
		}
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
			if f := strings.Fields(string(stat)); len(f) > 2 && f[2] == "Z" {
				return true
			}
		}
	}
	return false
}

func TestRunLimit(t *testing.T) {
	c := shell("sleep 1000")
	c.Limit = 50 * time.Millisecond
	e, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !e.TimedOut || e.Stopped || e.OK() {
		t.Errorf("got %+v, want timed out", e)
	}
}

// A background child that keeps the pipe open must not hang the call, nor survive it.
func TestRunBackgroundChild(t *testing.T) {
	c := shell("sleep 1000 & echo $!")
	start := time.Now()
	e, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if time.Since(start) > time.Minute {
		t.Error("waited for the background child")
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(e.Stdout.String()))
	if pid == 0 || !gone(pid) {
		t.Errorf("background child %d lives on", pid)
	}
}

func TestRunKeepsHeadAndTail(t *testing.T) {
	c := shell(`echo first; i=0; while [ $i -lt 40000 ]; do echo "line $i of a flood"; i=$((i+1)); done; echo last`)
	c.Log = filepath.Join(t.TempDir(), "log")
	c.LogCap = 100_000
	e, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s := e.Stdout.String()
	if !strings.HasPrefix(s, "first\n") || !strings.HasSuffix(s, "last\n") || e.Stdout.LastLine() != "last" {
		t.Errorf("kept %q … %q", s[:20], s[len(s)-20:])
	}
	if want := int64(len(e.Stdout.Head) + len(e.Stdout.Tail)); e.Stdout.Dropped != e.Stdout.Total-want || e.Stdout.Dropped == 0 {
		t.Errorf("dropped %d of %d, kept %d", e.Stdout.Dropped, e.Stdout.Total, want)
	}
	if e.Logged != 100_000 || e.Logged+e.Dropped != e.Stdout.Total {
		t.Errorf("log: %d kept, %d dropped of %d", e.Logged, e.Dropped, e.Stdout.Total)
	}
	log, _ := os.ReadFile(c.Log)
	if !strings.HasSuffix(string(log), "bytes dropped]\n") {
		t.Error("the log does not say that it was cut")
	}
}

func TestRunRedacts(t *testing.T) {
	c := shell(`printf s3cr; printf 'et-token\n'; echo s3cret-token >&2`)
	c.Redact = NewRedactor("s3cret-token")
	c.Log = filepath.Join(t.TempDir(), "log")
	var lines []string
	c.OnLine = func(l string) { lines = append(lines, l) }
	e, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	log, _ := os.ReadFile(c.Log)
	all := string(log) + e.Stdout.String() + e.Stderr.String() + strings.Join(lines, "\n")
	if strings.Contains(all, "s3cret-token") || strings.Count(all, mask) < 4 {
		t.Errorf("secret kept: %q", all)
	}
}

// Halves of lines of the two streams never become one line.
func TestRunKeepsStreamsApart(t *testing.T) {
	c := shell(`printf 'out '; printf 'err ' >&2; printf 'one\n'; printf 'two\n' >&2`)
	var lines []string
	c.OnLine = func(l string) { lines = append(lines, l) }
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	if got := strings.Join(lines, "|"); got != "err two|out one" {
		t.Errorf("lines %q", got)
	}
}

func TestBaseEnvDropsSecrets(t *testing.T) {
	env := BaseEnv([]string{"PATH=/bin", "GITHUB_TOKEN=abc", "HOME=/root", "AWS_SECRET=x"}, "/job/home", "/job/tmp", "A=1")
	want := "PATH=/bin HOME=/job/home TMPDIR=/job/tmp A=1"
	if got := strings.Join(env, " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRunFullDiskIsSaid(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here: a log on a full disk is not tested")
	}
	c := shell("echo hello")
	c.Log = "/dev/full"
	if _, err := Run(t.Context(), c); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want no space left", err)
	}
}

// Bulk output goes where it was sent and nowhere else; standard error as always.
func TestRunBulk(t *testing.T) {
	var out, lines strings.Builder
	c := shell("echo bulk; echo told >&2")
	c.Log, c.Stdout, c.Bulk = filepath.Join(t.TempDir(), "log"), &out, true
	c.OnLine = func(s string) { lines.WriteString(s + "\n") }
	e, err := Run(t.Context(), c)
	if err != nil || !e.OK() {
		t.Fatal(e, err)
	}
	log, err := os.ReadFile(c.Log)
	if err != nil || !strings.HasSuffix(string(log), "\ntold\n") || strings.Contains(string(log), "\nbulk") || lines.String() != "told\n" || out.String() != "bulk\n" || e.Stdout.String() != "" || e.Stderr.String() != "told\n" {
		t.Errorf("log %q, lines %q, output %q, exit %q and %q, %v", log, lines.String(), out.String(), e.Stdout, e.Stderr, err)
	}
}
