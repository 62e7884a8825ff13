package metal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/metal/crash"
	"github.com/holdfast-ci/holdfast/runner"
)

// reporting is a program that crashes, or not, and the report that macOS writes about it.
// $1 is the folder of reports.
func reporting(folder, script string) Program {
	p := sh("bench", script)
	p.Command = append(p.Command, "sh", folder)
	p.Rounds = 1
	return p
}

// report is a shell command that writes a report about the process $1 of the given name.
const report = `report() { cat > "$3/$2-now.ips" <<END
{"bug_type":"309","name":"$2"}
{"pid":$1,"procName":"$2","procPath":"/Users/USER/*/$2","parentPid":1,"captureTime":"$(date '+%Y-%m-%d %H:%M:%S %z')",
 "crashReporterKey":"99D0DBA3","exception":{"type":"EXC_BAD_ACCESS","signal":"SIGSEGV"},"asi":{"Metal":["failed assertion in /Users/ada/pool"]}}
END
}
`

func TestCrashReports(t *testing.T) {
	own, _ := os.Executable()
	for _, c := range []struct {
		name, script string
		verdict      runner.Verdict
		want         string
		logs         int // with those of the program
	}{
		{
			"the program", report + `report $$ bench "$1"; kill -SEGV $$`, runner.Failure,
			"crashed: EXC_BAD_ACCESS (SIGSEGV): failed assertion in /Users/USER/pool", 2,
		},
		{
			"a child that is hidden", report + `report $$ worker "$1"; echo "BenchmarkX 1 5 ns/op"`, runner.Failure,
			"worker [", 2,
		},
		{
			"somebody else", report + `report 4194000 bench "$1"; echo "BenchmarkX 1 5 ns/op"`, runner.Success,
			"bench gave 1 sample", 1,
		},
		{
			"our own process", report + `report $$ ` + filepath.Base(own) + ` "$1"; kill -SEGV $$`, runner.Error,
			"killed by signal 11", 2,
		},
		{
			"no report comes", `kill -SEGV $$`, runner.Error, "killed by signal 11", 1,
		},
		{
			"half of a report", `echo '{"bug_type":"309"}' > "$1/bench-half.ips"; echo "BenchmarkX 1 5 ns/op"`, runner.Error,
			"crash report bench-half.ips appeared in the run and could not be read", 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			s := New(Config{Programs: []Program{reporting(folder, c.script)}, CrashReports: []string{folder}})
			s.settle, s.patience = time.Millisecond, time.Millisecond
			ws, _ := workspace(t)
			if strings.HasPrefix(c.name, "half") {
				s.config.Programs[0].Command = append([]string{"env", "./bench"}, folder)
				script := "#!/bin/sh\n" + c.script
				if err := os.WriteFile(filepath.Join(ws.Dir, "bench"), []byte(script), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			res := runner.Execute(t.Context(), s, ws, time.Minute)
			if res.Verdict != c.verdict || !strings.Contains(res.Reason, c.want) {
				t.Fatalf("%s: %s\nwant %s", res.Verdict, res.Reason, c.want)
			}
			if len(res.Logs) != c.logs {
				t.Errorf("logs %+v", res.Logs)
			}
			for _, l := range res.Logs {
				if !strings.HasPrefix(l.Name, "crash-1.ips") {
					continue
				}
				text, err := os.ReadFile(l.Path)
				if err != nil || l.Bytes != int64(len(text)) || strings.Contains(string(text), "ada") || strings.Contains(string(text), "99D0DBA3") {
					t.Errorf("%s: %v\n%s", l.Path, err, text)
				}
			}
			if all := fmt.Sprint(res.Findings); strings.Contains(all, "/ada") {
				t.Errorf("findings %s", all)
			}
			if warned := strings.Contains(fmt.Sprint(res.Warnings), "no crash report appeared"); warned != (c.name == "no report comes") {
				t.Errorf("warnings %q", res.Warnings)
			}
		})
	}
}

// TestBlame: a crash of the base, measured in turns with the head, is not the head's.
func TestBlame(t *testing.T) {
	now := time.Now()
	w := &crashWatch{own: "holdfast"}
	head := crash.Run{From: now, Self: 1000, PIDs: []int{11}, Dir: "/Users/ada/state/head", Programs: []string{"bench"}}
	base := crash.Run{From: now, PIDs: []int{21}, Dir: "/Users/ada/state/base", Programs: []string{"bench"}}
	for _, c := range []struct {
		report crash.Report
		want   runner.Verdict
	}{
		{crash.Report{PID: 11, Path: "/Users/USER/*/bench"}, runner.Failure},
		{crash.Report{PID: 12, Parent: 11}, runner.Failure},
		{crash.Report{PID: 21, Path: "/Users/USER/*/bench"}, runner.Neutral},
		{crash.Report{PID: 22, Parent: 21}, runner.Neutral},
		{crash.Report{PID: 31, Path: "/Users/ada/state/head/bench"}, runner.Failure},
		{crash.Report{PID: 31, Path: "/Users/ada/state/base/bench"}, runner.Neutral},
		{crash.Report{PID: 31, Path: "/Users/USER/state/*/bench"}, runner.Error},
		{crash.Report{PID: 31, Parent: 1000, Path: "/opt/tool"}, runner.Failure},
		{crash.Report{PID: 31, Parent: 1000, Process: "holdfast"}, runner.Error},
		{crash.Report{PID: 11, Parent: 1000, Process: "holdfast"}, runner.Error},
		{crash.Report{PID: 21, Parent: 1000, Process: "holdfast"}, runner.Neutral}, // measuring the base's kernel
	} {
		c.report.Time, c.report.Launch = now, now
		if v, of := w.blame(&c.report, head, base); v != c.want {
			t.Errorf("%+v: %s %q, want %s", c.report, v, of, c.want)
		}
	}
	if v, _ := w.blame(&crash.Report{PID: 31, Parent: 1000, Time: now, Path: "/Users/ada/state/base/x"}, head, crash.Run{}); v != runner.Failure {
		t.Errorf("without a base: %s", v)
	}
}
