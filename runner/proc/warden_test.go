package proc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain is also a process that is killed while it runs children.
func TestMain(m *testing.M) {
	if fifo := os.Getenv("PROC_TEST_PARENT"); fifo != "" {
		if _, err := Run(context.Background(), shell("true")); err != nil { // one that was watched and is gone
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var wg sync.WaitGroup
		for _, script := range []string{
			`sh -c 'echo polite; exec sleep 1000' >FIFO & wait`,
			`trap "" TERM; sh -c 'trap "" TERM; echo stubborn; while :; do sleep 1000; done' >FIFO & wait`,
		} {
			wg.Go(func() { Run(context.Background(), shell(strings.ReplaceAll(script, "FIFO", "'"+fifo+"'"))) })
		}
		watched := 0
		for watched < 2 {
			children.mu.Lock()
			watched = len(children.groups)
			children.mu.Unlock()
		}
		fmt.Println("both are watched")
		wg.Wait()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestNothingOutlivesAKill: both grandchildren hold the pipe open for as long as they live.
func TestNothingOutlivesAKill(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), "PROC_TEST_PARENT="+fifo)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Wait()
	defer parent.Process.Kill()
	f, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var said [64]byte
	n := 0
	for got := ""; !strings.Contains(got, "polite") || !strings.Contains(got, "stubborn"); got = string(said[:n]) {
		m, err := f.Read(said[n:])
		if err != nil {
			t.Fatalf("%v after %q", err, said[:n])
		}
		n += m
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%v after %q", err, line)
	}
	parent.Process.Kill()
	f.SetReadDeadline(time.Now().Add(time.Minute))
	if rest, err := io.ReadAll(f); err != nil || len(rest) > 0 {
		t.Errorf("%v, %q", err, rest)
	}
}

// TestWardenIsReplaced: a shell that was killed does not take the children's safety along.
func TestWardenIsReplaced(t *testing.T) {
	w := warden{groups: map[int]bool{}}
	const nobody, other = 1 << 28, 1<<28 + 1 // beyond every process id
	w.add(nobody)
	if w.in == nil {
		t.Fatal("no shell was started")
	}
	first := w.cmd.Process.Pid
	w.cmd.Process.Kill()
	w.cmd.Process.Wait()
	w.add(other)
	if w.in == nil || w.cmd.Process.Pid == first || len(w.groups) != 2 {
		t.Fatalf("%+v", w.groups)
	}
	w.remove(nobody)
	w.remove(other)
	w.in.Close()
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("with nothing left to end: %v", err)
	}
}
