package metal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestFaults: whatever happens to the process that measures is a verdict, says what it
// was, and hides nothing else.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ fault, want string }{
		{faultWrong, "wrong result: "},
		{faultSignal, `the measuring process ended in .*: killed by signal (11|6) .*SIGSEGV: segmentation violation`},
		{faultAbort, `killed by signal 6 \(aborted\), it said: "-\[MTLDebugComputeCommandEncoder endEncoding\]:780: failed assertion`},
		{faultMemory, `killed by signal 9 \(often: out of memory\)`},
		{faultExit, `exit code 7, it said: "the device was removed"`},
		{faultPanic, `killed by signal 6 .*it said: "panic: a bug in the backend`},
		{faultHang, `operations did not end within 300ms`},
		{faultStuck, `did not answer within .* in .* and was killed`},
		{faultGarbage, `answered out of protocol in .*invalid character 'h'.*hello`},
		{faultTwice, `answered out of protocol`},
		{faultFlood, `answered out of protocol in .*: it wrote a line of more than 1048576 bytes`},
		{faultOpen, `open the device: no device`},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			cfg := quick()
			cfg.Hang, cfg.Processes = 300*time.Millisecond, 1
			cfg.Window = 200 * time.Millisecond // until the fault, also on a busy machine
			cfg.Programs = []Program{sh("good", `echo "BenchmarkX 10 5 ns/op"`)}
			s := New(cfg)
			s.fault = c.fault
			if c.fault == faultStuck {
				s.slack = 500 * time.Millisecond
			}
			ws, _ := workspace(t)
			res := runner.Execute(t.Context(), s, ws, time.Minute)
			if res.Verdict != runner.Error || !regexp.MustCompile(`(?s)`+c.want).MatchString(res.Reason) {
				t.Errorf("%s: %s\nwant %s", res.Verdict, res.Reason, c.want)
			}
			if strings.Contains(res.Reason, "\n") {
				t.Errorf("a reason of several lines: %q", res.Reason)
			}
			if n := len(res.Bench.Samples); n != 1 || res.Bench.Samples[0].Source != "good" || len(res.Findings) != 2 {
				t.Errorf("%d samples, findings %+v", n, res.Findings)
			}
		})
	}
}

// TestFaultOfOneScenario: the other one is measured all the same.
func TestFaultOfOneScenario(t *testing.T) {
	cfg := quick()
	cfg.Window = 50 * time.Millisecond // until the fault, also on a busy machine
	s := New(cfg)
	s.fault = faultOnlyDeep
	ws, _ := workspace(t)
	res := runner.Execute(t.Context(), s, ws, time.Minute)
	if res.Verdict != runner.Error || !strings.Contains(res.Reason, "async-pipeline") || !strings.Contains(res.Reason, "wrong result") {
		t.Fatalf("%s: %s", res.Verdict, res.Reason)
	}
	for _, x := range res.Bench.Samples {
		if x.Name == "async-pipeline" || len(x.Values) != 3 {
			t.Errorf("%s: %v", x.Key(), x.Values)
		}
	}
	if len(res.Bench.Samples) == 0 || len(res.Findings) != 1 {
		t.Errorf("%d samples, findings %+v", len(res.Bench.Samples), res.Findings)
	}
}

// TestFrameworkPrints: what a library prints to standard output does not come between the
// answers, and is kept.
func TestFrameworkPrints(t *testing.T) {
	cfg := quick()
	cfg.Processes = 1
	s := New(cfg)
	s.fault = faultPrints
	ws, _ := workspace(t)
	res := runner.Execute(t.Context(), s, ws, time.Minute)
	if res.Verdict != runner.Success || len(res.Logs) != 2 {
		t.Fatalf("%s: %s, logs %+v", res.Verdict, res.Reason, res.Logs)
	}
	text, err := os.ReadFile(res.Logs[0].Path)
	if err != nil || !strings.Contains(string(text), "a framework says hello") {
		t.Errorf("log %q, %v", text, err)
	}
}

// TestQuietProcessLeavesNoLog: a log for each process would bury those that say something.
func TestQuietProcessLeavesNoLog(t *testing.T) {
	res, ws, _ := execute(t, t.Context(), quick())
	files, err := os.ReadDir(ws.Logs)
	if err != nil || len(files) != 0 || len(res.Logs) != 0 {
		t.Errorf("%v, %v, logs %+v", files, err, res.Logs)
	}
}

func TestDisturbingVariablesAreNotPassedOn(t *testing.T) {
	t.Setenv("MTL_DEBUG_LAYER", "1")
	t.Setenv("DYLD_INSERT_LIBRARIES", "/x")
	res, _, _ := execute(t, t.Context(), quick())
	const want = "DYLD_INSERT_LIBRARIES MTL_DEBUG_LAYER"
	if got := res.Bench.Settings["environment, not passed on"]; !strings.Contains(got, "DYLD_INSERT_LIBRARIES") || !strings.Contains(got, "MTL_DEBUG_LAYER") {
		t.Errorf("settings say %q, want %q", got, want)
	}
	if all := strings.Join(res.Warnings, "\n"); !strings.Contains(all, "MTL_DEBUG_LAYER") {
		t.Errorf("warnings %q", all)
	}
}

const parentVerb = "bench-parent"

// parent runs the stage until it is killed.
func parent(config string) {
	var d described
	if err := json.Unmarshal([]byte(config), &d); err != nil {
		panic(err)
	}
	s := New(d.Config)
	s.fault, s.caffeinate = d.Fault, os.Getenv("CAFFEINATE")
	dir := os.Getenv("TMPDIR")
	res := runner.Execute(context.Background(), s, &runner.Workspace{Dir: dir, Scratch: dir, Env: os.Environ()}, time.Hour)
	fmt.Println(res.Reason)
	os.Exit(1)
}

// TestKilledParent: pipes that the measuring processes and the stand-in for caffeinate hold
// open say that they are gone. Nothing is left in the run's folder.
func TestKilledParent(t *testing.T) {
	dir, scratch := t.TempDir(), t.TempDir()
	pipe, awake, program := filepath.Join(dir, "pipe"), filepath.Join(dir, "awake"), filepath.Join(dir, "caffeinate")
	for _, p := range []string{pipe, awake} {
		if err := syscall.Mkfifo(p, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// -w PID: until that process ends, which is not a child to wait for.
	script := "#!/bin/sh\nexec 3>'" + awake + "'\necho \"$@\" >&3\nwhile kill -0 $3 2>/dev/null; do sleep 0.05; done\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cfg := quick()
	cfg.Window, cfg.Rounds = time.Minute, 1000
	config, err := json.Marshal(described{Config: cfg, Fault: faultHolds + pipe})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, parentVerb, string(config))
	cmd.Env = append(os.Environ(), "TMPDIR="+scratch, "CAFFEINATE="+program)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	keeper, err := os.Open(awake)
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.Close()
	f, err := os.Open(pipe) // returns once a process is in the middle of its first window
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Process.Kill()
	cmd.Wait()
	for file, want := range map[*os.File]string{f: "", keeper: fmt.Sprintf("-dims -w %d\n", cmd.Process.Pid)} {
		ended := make(chan error, 1)
		go func() {
			text, err := io.ReadAll(file)
			if err == nil && string(text) != want {
				err = fmt.Errorf("told %q, want %q", text, want)
			}
			ended <- err
		}()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("what holds %s open outlives its parent", filepath.Base(file.Name()))
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
