package launchd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"howett.net/plist"
)

func testJob() Job {
	return Job{
		Label: "ci.holdfast.agent", Program: "/opt/hold fast/bin/holdfast", Arguments: []string{"serve", "--config", "/etc/a&b<c>\"d'.toml"},
		Dir: "/Users/ä/work", LogDir: "/Users/ä/Library/Logs/Holdfast", Env: map[string]string{"PATH": "/usr/bin:/bin", "A": "100% $HOME"},
	}
}

// The property list is read by a reader that shares nothing with the writer.
func TestPlist(t *testing.T) {
	text, err := Plist(testJob())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if _, err := plist.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := map[string]any{
		"Label":                "ci.holdfast.agent",
		"ProgramArguments":     []any{"/opt/hold fast/bin/holdfast", "serve", "--config", "/etc/a&b<c>\"d'.toml"},
		"WorkingDirectory":     "/Users/ä/work",
		"EnvironmentVariables": map[string]any{"PATH": "/usr/bin:/bin", "A": "100% $HOME"},
		"ProcessType":          "Interactive",
		"RunAtLoad":            true,
		"KeepAlive":            true,
		"ThrottleInterval":     uint64(10),
		"ExitTimeOut":          uint64(30),
		"StandardOutPath":      "/Users/ä/Library/Logs/Holdfast/holdfast.out.log",
		"StandardErrorPath":    "/Users/ä/Library/Logs/Holdfast/holdfast.err.log",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestUnit(t *testing.T) {
	text, err := Unit(testJob())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`ExecStart="/opt/hold fast/bin/holdfast" "serve" "--config" "/etc/a&b<c>\"d'.toml"`,
		`WorkingDirectory=/Users/ä/work`,
		`Environment="A=100%% $HOME"`,
		`Restart=always`,
		`StandardError=append:/Users/ä/Library/Logs/Holdfast/holdfast.err.log`,
		`WantedBy=default.target`,
	} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*Job){
		"relative program":  func(j *Job) { j.Program = "bin/holdfast" },
		"relative folder":   func(j *Job) { j.Dir = "" },
		"line end":          func(j *Job) { j.Arguments = []string{"serve\nExecStartPre=rm"} },
		"secret":            func(j *Job) { j.Env = map[string]string{"GITHUB_TOKEN": "x"} },
		"secret value":      func(j *Job) { j.Env = map[string]string{"X": "ghp_0123456789abcdef"} },
		"secret in a URL":   func(j *Job) { j.Env = map[string]string{"DB": "postgres://me:hunter2@db/x"} },
		"secret argument":   func(j *Job) { j.Arguments = []string{"--token=github_pat_0123456789"} },
		"not UTF-8":         func(j *Job) { j.LogDir = "/a\xff" },
		"not XML":           func(j *Job) { j.Arguments = []string{"a\uffffb"} },
		"line end in value": func(j *Job) { j.Env = map[string]string{"A": "x\nExecStartPre=rm"} },
		"variable name":     func(j *Job) { j.Env = map[string]string{"A=B": "x"} },
		"label with slash":  func(j *Job) { j.Label = "../../etc/cron" },
		"empty label":       func(j *Job) { j.Label = "" },
		"negative throttle": func(j *Job) { j.Throttle = -1 },
	} {
		j := testJob()
		change(&j)
		if _, err := Plist(j); err == nil || strings.Contains(err.Error(), "ghp_") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a property list was made, or a secret repeated: %v", name, err)
		}
		if _, err := Unit(j); err == nil {
			t.Errorf("%s: a unit was made", name)
		}
	}
}

// fake stands in for launchctl and systemctl: it remembers what is loaded.
type fake struct {
	calls  []string
	loaded bool
	code   int // of bootstrap
	linger int // so many looks at a job after its bootout until it is gone; below 0: for ever
}

func (f *fake) run(_ context.Context, args ...string) (string, int, error) {
	line := strings.Join(args, " ")
	f.calls = append(f.calls, line)
	switch {
	case strings.HasPrefix(line, "launchctl print "):
		if !f.loaded && f.linger != 0 {
			f.linger--
			return "state = SIGTERMed", 0, nil
		}
		if !f.loaded {
			return "Could not find service", 113, nil
		}
		return "gui/501/ci.holdfast.agent = {\n\tstate = running\n\tpid = 42\n\tlast exit code = 0\n\tspawn = {\n\t\tstate = active\n\t}\n}\n", 0, nil
	case strings.HasPrefix(line, "launchctl bootstrap "):
		if f.linger != 0 {
			return "Bootstrap failed: 5: Input/output error", 5, nil
		}
		if f.code != 0 {
			return "Bootstrap failed", f.code, nil
		}
		f.loaded = true
	case strings.HasPrefix(line, "launchctl bootout "):
		f.loaded = false
		if f.linger != 0 {
			return "Boot-out failed: 36: Operation now in progress", 36, nil
		}
	case strings.Contains(line, "is-active"):
		return "active\n", 0, nil
	}
	return "", 0, nil
}

func service(t *testing.T, f *fake) Service {
	dir := t.TempDir()
	j := testJob()
	j.Program = filepath.Join(dir, "holdfast")
	j.LogDir = filepath.Join(dir, "logs")
	if err := os.WriteFile(j.Program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return Service{Manager: Launchd{Home: dir, UID: 501}, Job: j, Run: f.run}
}

func TestLaunchdLifecycle(t *testing.T) {
	f := &fake{}
	s := service(t, f)
	status := func(want string) {
		t.Helper()
		got, err := s.Status(t.Context())
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("status %q, %v; want %q in it", got, err, want)
		}
	}
	status("not installed")
	status("not loaded")
	path, err := s.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status("installed: " + path + "\nloaded, state running, pid 42, last exit code 0")
	if _, err := s.Install(t.Context()); err != nil { // again: replaced
		t.Fatal(err)
	}
	s.Job.Arguments = []string{"serve"}
	status("differs")
	if _, removed, err := s.Uninstall(t.Context()); err != nil || !removed {
		t.Errorf("uninstall: %v, %v", removed, err)
	}
	if _, removed, err := s.Uninstall(t.Context()); err != nil || removed {
		t.Errorf("uninstall again: %v, %v", removed, err)
	}
	if f.loaded {
		t.Error("still loaded")
	}
	var changes []string
	for _, c := range f.calls {
		if !strings.HasPrefix(c, "launchctl print") {
			changes = append(changes, c)
		}
	}
	want := []string{
		"launchctl enable gui/501/ci.holdfast.agent", "launchctl bootstrap gui/501 " + path,
		"launchctl bootout gui/501/ci.holdfast.agent", "launchctl enable gui/501/ci.holdfast.agent", "launchctl bootstrap gui/501 " + path,
		"launchctl bootout gui/501/ci.holdfast.agent",
	}
	if !reflect.DeepEqual(changes, want) {
		t.Errorf("calls %q\nwant  %q", changes, want)
	}
}

func TestInstallOverSSH(t *testing.T) {
	s := service(t, &fake{code: 125})
	_, err := s.Install(t.Context())
	h, ok := err.(interface{ Hint() string })
	if !ok || !strings.Contains(h.Hint(), "log in") {
		t.Errorf("got %v", err)
	}
}

// launchd needs a while to stop a job, and refuses to load it again until then.
func TestInstallWaitsForTheOldJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{loaded: true, linger: 20}
		s := service(t, f)
		if _, err := s.Install(t.Context()); err != nil || !f.loaded {
			t.Errorf("loaded %v, %v", f.loaded, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := &fake{loaded: true, linger: -1}
		s := service(t, f)
		begin := time.Now()
		_, err := s.Install(t.Context())
		if err == nil || !strings.Contains(err.Error(), "still there") || time.Since(begin) > time.Minute {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

// What cannot be asked is not called "not loaded".
func TestStatusOverSSH(t *testing.T) {
	s := service(t, &fake{})
	s.Run = func(context.Context, ...string) (string, int, error) {
		return "Domain does not support specified action", 125, nil
	}
	if text, err := s.Status(t.Context()); err != nil || strings.Contains(text, "not loaded") || !strings.Contains(text, "not known") {
		t.Errorf("status %q, %v", text, err)
	}
}

func TestInstallNotForRoot(t *testing.T) {
	f := &fake{}
	s := service(t, f)
	s.Manager = Launchd{Home: t.TempDir()}
	if _, err := s.Install(t.Context()); err == nil || f.loaded {
		t.Errorf("installed for root: %v", err)
	}
}

// A file that cannot be written leaves the running job alone.
func TestInstallCannotWrite(t *testing.T) {
	f := &fake{loaded: true}
	s := service(t, f)
	home := t.TempDir()
	s.Manager = Launchd{Home: home, UID: 501}
	if err := os.MkdirAll(filepath.Join(home, "Library", "LaunchAgents", "ci.holdfast.agent.plist", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Install(t.Context()); err == nil || !f.loaded {
		t.Errorf("loaded %v, error %v", f.loaded, err)
	}
}

func TestInstallNeedsTheProgram(t *testing.T) {
	s := service(t, &fake{})
	s.Job.Program += "-gone"
	if path, err := s.Install(t.Context()); err == nil {
		t.Errorf("installed as %s", path)
	}
}

func TestSystemdLifecycle(t *testing.T) {
	f := &fake{}
	s := service(t, f)
	s.Manager = Systemd{Config: t.TempDir()}
	path, err := s.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Status(t.Context()); err != nil || got != fmt.Sprintf("installed: %s\nsystemd says: active\n", path) {
		t.Errorf("status %q, %v", got, err)
	}
	if _, removed, err := s.Uninstall(t.Context()); err != nil || !removed {
		t.Errorf("uninstall: %v, %v", removed, err)
	}
	want := []string{
		"systemctl --user daemon-reload", "systemctl --user enable ci.holdfast.agent.service", "systemctl --user restart ci.holdfast.agent.service",
		"systemctl --user is-active ci.holdfast.agent.service", "systemctl --user disable --now ci.holdfast.agent.service",
	}
	if !reflect.DeepEqual(f.calls, want) {
		t.Errorf("calls %q", f.calls)
	}
}
