package launchd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Run executes a system tool and returns its output and exit code; the error is set only
// when it could not be run.
type Run func(ctx context.Context, args ...string) (output string, code int, err error)

// Manager is a service manager.
type Manager interface {
	// File is where the description of a job belongs, and its text.
	File(j Job) (path string, text []byte, err error)
	// load (re)starts the job with the file at path.
	load(ctx context.Context, run Run, label, path string) error
	unload(ctx context.Context, run Run, label string) error
	state(ctx context.Context, run Run, label string) (string, error)
}

// Service installs and removes one job.
type Service struct {
	Manager Manager
	Job     Job
	Run     Run
}

// Error is a service manager that refused, with advice if there is some.
type Error struct {
	Doing  string
	Code   int
	Output string
	Advice string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: exit code %d: %s", e.Doing, e.Code, strings.TrimSpace(e.Output))
}

// Hint is the advice; may be empty.
func (e *Error) Hint() string { return e.Advice }

// Print writes the description of the job to w.
func (s Service) Print(w io.Writer) error {
	_, text, err := s.Manager.File(s.Job)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// Install writes the description, whole or not at all, and loads it; a job of that name
// that is loaded already is replaced. It may be repeated.
func (s Service) Install(ctx context.Context) (path string, err error) {
	path, text, err := s.Manager.File(s.Job)
	if err != nil {
		return "", err
	}
	if fi, err := os.Stat(s.Job.Program); err != nil || fi.IsDir() || fi.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s is not a program", s.Job.Program)
	}
	for _, dir := range []string{filepath.Dir(path), s.Job.LogDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	// Written before anything is stopped: if that fails, what runs keeps running.
	if err := write(path, text); err != nil {
		return "", err
	}
	return path, s.Manager.load(ctx, s.Run, s.Job.Label, path)
}

// Uninstall stops the job and removes its description. It may be repeated; removed is
// false if there was none.
func (s Service) Uninstall(ctx context.Context) (path string, removed bool, err error) {
	path, _, err = s.Manager.File(s.Job)
	if err != nil {
		return "", false, err
	}
	if err := s.Manager.unload(ctx, s.Run, s.Job.Label); err != nil {
		return path, false, err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, false, nil
	}
	return path, err == nil, err
}

// Status says in a few lines whether the job is installed, is up to date and runs.
func (s Service) Status(ctx context.Context) (string, error) {
	path, text, err := s.Manager.File(s.Job)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	switch old, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(&b, "not installed: %s does not exist\n", path)
	case err != nil:
		return "", err
	case string(old) != string(text):
		fmt.Fprintf(&b, "installed: %s (differs from what install would write now)\n", path)
	default:
		fmt.Fprintf(&b, "installed: %s\n", path)
	}
	state, err := s.Manager.state(ctx, s.Run, s.Job.Label)
	if err != nil {
		return "", err
	}
	fmt.Fprintln(&b, state)
	return b.String(), nil
}

// write replaces a file in one step.
func write(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".holdfast-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// Launchd is the launchd of a logged-in user.
type Launchd struct {
	Home string // home folder
	UID  int
}

// File implements [Manager]: ~/Library/LaunchAgents/LABEL.plist.
func (l Launchd) File(j Job) (string, []byte, error) {
	text, err := Plist(j)
	return filepath.Join(l.Home, "Library", "LaunchAgents", j.Label+".plist"), text, err
}

func (l Launchd) domain() string { return "gui/" + strconv.Itoa(l.UID) }

func (l Launchd) load(ctx context.Context, run Run, label, path string) error {
	if l.UID == 0 {
		return &Error{Doing: "load the agent", Advice: "run it without sudo, as the user whose session and GPU it shall use", Output: "not for root"}
	}
	if err := l.unload(ctx, run, label); err != nil {
		return err
	}
	// A job that somebody disabled stays so until it is enabled, and bootstrap fails.
	if _, _, err := run(ctx, "launchctl", "enable", l.domain()+"/"+label); err != nil {
		return err
	}
	out, code, err := run(ctx, "launchctl", "bootstrap", l.domain(), path)
	if err != nil {
		return err
	}
	if code == 0 {
		return nil
	}
	e := &Error{Doing: "launchctl bootstrap " + l.domain(), Code: code, Output: out}
	switch code {
	case 125, 112: // the domain does not exist, or does not do this
		e.Advice = "log in on the Mac's own screen once: over ssh there is no gui session to load the agent into"
	case 5:
		e.Advice = "launchctl print " + l.domain() + "/" + label + " tells more; the job may be disabled (launchctl enable)"
	}
	return e
}

// notLoaded knows the exit codes of launchctl for a job that is not there: 3 (no such
// process) from bootout, 113 (could not find service) from print.
func notLoaded(code int) bool { return code == 3 || code == 113 }

// stopping knows those for a job that is being stopped (36 and 37: in progress).
func stopping(code int) bool { return code == 36 || code == 37 }

const (
	// gonePoll is how often a job that stops is looked for, goneLimit for how long:
	// ExitTimeOut and some more.
	gonePoll  = 250 * time.Millisecond
	goneLimit = 40 * time.Second
)

func (l Launchd) unload(ctx context.Context, run Run, label string) error {
	// Looked up first: booting out a job that is not loaded prints an alarming error.
	if _, code, err := run(ctx, "launchctl", "print", l.domain()+"/"+label); err != nil {
		return err
	} else if code != 0 {
		return nil
	}
	out, code, err := run(ctx, "launchctl", "bootout", l.domain()+"/"+label)
	if err != nil {
		return err
	}
	if code != 0 && !notLoaded(code) && !stopping(code) {
		return &Error{Doing: "launchctl bootout " + label, Code: code, Output: out}
	}
	// bootout comes back before the job is gone, and a bootstrap until then fails with 5.
	ctx, cancel := context.WithTimeoutCause(ctx, goneLimit, &Error{
		Doing: "launchctl bootout " + label, Code: code, Output: fmt.Sprintf("still there after %s", goneLimit),
		Advice: "launchctl kill SIGKILL " + l.domain() + "/" + label,
	})
	defer cancel()
	for {
		if _, code, err := run(ctx, "launchctl", "print", l.domain()+"/"+label); err == nil && code != 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(gonePoll):
		}
	}
}

func (l Launchd) state(ctx context.Context, run Run, label string) (string, error) {
	out, code, err := run(ctx, "launchctl", "print", l.domain()+"/"+label)
	if err != nil {
		return "", err
	}
	if notLoaded(code) {
		return "not loaded", nil
	}
	if code != 0 { // over ssh, say: nobody can tell from here
		return fmt.Sprintf("not known whether it is loaded: launchctl print ended with %d: %s", code, strings.TrimSpace(out)), nil
	}
	facts := map[string]string{}
	for line := range strings.Lines(out) {
		// "	state = running"; nested blocks repeat the names, the first one is the job's.
		k, v, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if _, seen := facts[k]; ok && !seen {
			facts[k] = v
		}
	}
	s := "loaded"
	for _, k := range []string{"state", "pid", "last exit code"} {
		if v := facts[k]; v != "" && v != "{" {
			s += ", " + k + " " + v
		}
	}
	return s, nil
}

// Systemd is the service manager of a Linux user.
type Systemd struct {
	Config string // ~/.config or XDG_CONFIG_HOME
}

// File implements [Manager]: ~/.config/systemd/user/LABEL.service.
func (s Systemd) File(j Job) (string, []byte, error) {
	text, err := Unit(j)
	return s.path(j.Label), text, err
}

func (s Systemd) path(label string) string {
	return filepath.Join(s.Config, "systemd", "user", label+".service")
}

func (s Systemd) call(ctx context.Context, run Run, args ...string) error {
	out, code, err := run(ctx, append([]string{"systemctl", "--user"}, args...)...)
	if err != nil || code == 0 {
		return err
	}
	e := &Error{Doing: "systemctl --user " + strings.Join(args, " "), Code: code, Output: out}
	if strings.Contains(out, "connect to bus") {
		e.Advice = "there is no user session: log in, or loginctl enable-linger USER"
	}
	return e
}

func (s Systemd) load(ctx context.Context, run Run, label, _ string) error {
	if err := s.call(ctx, run, "daemon-reload"); err != nil {
		return err
	}
	if err := s.call(ctx, run, "enable", label+".service"); err != nil {
		return err
	}
	return s.call(ctx, run, "restart", label+".service") // also one that runs with an older file
}

func (s Systemd) unload(ctx context.Context, run Run, label string) error {
	if _, err := os.Stat(s.path(label)); err != nil {
		return nil
	}
	return s.call(ctx, run, "disable", "--now", label+".service")
}

func (s Systemd) state(ctx context.Context, run Run, label string) (string, error) {
	out, _, err := run(ctx, "systemctl", "--user", "is-active", label+".service")
	if err != nil {
		return "", err
	}
	// The exit code says the same as the word, so only the word is read.
	if out = strings.TrimSpace(out); out == "" {
		out = "not known"
	}
	return "systemd says: " + out, nil
}
