// Package proc runs child processes so that nothing of them is left behind.
//
// Every child gets its own process group, a time limit, SIGTERM to the group, a grace
// period and SIGKILL to the group. Output is streamed: the first and last parts are
// kept in memory, all of it up to a cap goes to a log file, and what is dropped is
// counted. When this process itself is killed, a [warden] stops the groups that are left.
// Secrets are redacted before a byte is kept. The environment is what the
// caller gives: nothing is inherited.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// keep is how much of the start and of the end of each stream stays in memory.
	keep = 64 << 10
	// defaultLogCap is how much of both streams goes to the log file.
	defaultLogCap = 64 << 20
	defaultGrace  = 3 * time.Second
	// drain is how long output pipes may stay open after the group was killed: a
	// grandchild that left it with setsid can hold them (golang.org/issue/23019).
	drain = 2 * time.Second
)

// Cmd describes one child.
type Cmd struct {
	Args  []string      // program and arguments; the program is looked up in PATH of Env
	Dir   string        // working directory
	Env   []string      // complete environment
	Stdin io.Reader     // nil: empty
	Limit time.Duration // wall time after which the group is stopped; 0 means only ctx limits
	Grace time.Duration // between SIGTERM and SIGKILL; 0 means 3 s

	Log    string // file that receives both streams; "" for none
	LogCap int64  // bytes of it that are kept; 0 means 64 MiB
	Redact *Redactor
	OnLine func(line string) // each line of either stream, live, without its line end; long lines are cut
	Stdout io.Writer         // receives all of standard output, unredacted; nil for none
	Bulk   bool              // standard output goes to Stdout only: not to the log, to OnLine or to Exit
}

// Exit says how a child ended.
type Exit struct {
	PID      int            // process id of the child, and of its group
	Code     int            // exit code; -1 if a signal ended it
	Signal   syscall.Signal // 0 unless a signal ended it
	TimedOut bool           // stopped because of Limit
	Stopped  bool           // stopped because ctx was done
	Stdout   Output
	Stderr   Output
	Wall     time.Duration
	Logged   int64 // bytes in the log file
	Dropped  int64 // bytes that the cap kept out of the log file
}

// OK reports whether the child ended by itself with exit code 0.
func (e Exit) OK() bool { return e.Code == 0 && e.Signal == 0 && !e.TimedOut && !e.Stopped }

// String tells the end in words: "exit code 1", "killed by signal 9 (often: out of
// memory)", "stopped after its limit".
func (e Exit) String() string {
	switch {
	case e.TimedOut:
		return fmt.Sprintf("stopped after its time limit (%s)", e.Wall.Round(time.Second/10))
	case e.Stopped:
		return "stopped"
	case e.Signal == syscall.SIGKILL:
		return "killed by signal 9 (often: out of memory)"
	case e.Signal != 0:
		return fmt.Sprintf("killed by signal %d (%s)", int(e.Signal), e.Signal)
	case e.Code > 128 && e.Code < 128+65:
		return fmt.Sprintf("exit code %d (signal %d in a shell)", e.Code, e.Code-128)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// Run starts the child and waits for it. The error is nil whenever the child was
// started and reaped, whatever its exit code. If ctx ends first, the group is stopped
// and Exit.Stopped is set.
func Run(ctx context.Context, c Cmd) (Exit, error) {
	if len(c.Args) == 0 {
		return Exit{}, errors.New("no program given")
	}
	if err := context.Cause(ctx); err != nil {
		return Exit{}, err
	}
	path, err := Look(c.Args[0], c.Env, c.Dir)
	if err != nil {
		return Exit{}, err
	}
	log, err := openLog(c)
	if err != nil {
		return Exit{}, err
	}
	defer log.close()

	emit := serial(c.OnLine)
	out, errw := newSink(c.Redact, log, emit), newSink(c.Redact, log, emit)

	inner := ctx
	if c.Limit > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeoutCause(ctx, c.Limit, errLimit)
		defer cancel()
	}
	cmd := exec.CommandContext(inner, path, c.Args[1:]...)
	cmd.Args[0] = c.Args[0]
	cmd.Dir, cmd.Env, cmd.Stdin = c.Dir, c.Env, c.Stdin
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	// Pipes of our own: exec's would make Wait wait for every grandchild that still
	// holds one, where the group must be stopped first.
	var pipes pipes
	dst := io.Writer(out)
	switch {
	case c.Stdout != nil && c.Bulk:
		dst = c.Stdout
	case c.Stdout != nil:
		dst = io.MultiWriter(out, c.Stdout)
	}
	if cmd.Stdout, err = pipes.open(dst); err != nil {
		return Exit{}, err
	}
	if cmd.Stderr, err = pipes.open(errw); err != nil {
		pipes.closeWriters()
		return Exit{}, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	grace := c.Grace
	if grace <= 0 {
		grace = defaultGrace
	}
	var kill *time.Timer
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		kill = time.AfterFunc(grace, func() { syscall.Kill(group, syscall.SIGKILL) })
		return syscall.Kill(group, syscall.SIGTERM)
	}
	cmd.WaitDelay = grace + drain // for a standard input that nobody reads

	start := time.Now()
	err = cmd.Start()
	pipes.closeWriters()
	if err != nil {
		pipes.wait()
		return Exit{}, fmt.Errorf("start %s: %w", c.Args[0], err)
	}
	children.add(cmd.Process.Pid)
	werr := cmd.Wait()
	wall := time.Since(start)
	// Whatever the child left in its group goes now: nothing outlives the call.
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	children.remove(cmd.Process.Pid)
	if kill != nil {
		kill.Stop()
	}
	copyErr := pipes.wait()
	out.flush()
	errw.flush()

	e := Exit{PID: cmd.Process.Pid, Wall: wall, Stdout: out.output(), Stderr: errw.output()}
	e.Logged, e.Dropped = log.counts()
	if st := cmd.ProcessState; st != nil {
		e.Code = st.ExitCode()
		if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			e.Signal = ws.Signal()
		}
	}
	if inner.Err() != nil && (e.Signal != 0 || werr != nil) {
		e.TimedOut = errors.Is(context.Cause(inner), errLimit)
		e.Stopped = !e.TimedOut
	}
	var exitErr *exec.ExitError
	if werr != nil && !errors.As(werr, &exitErr) && inner.Err() == nil {
		return e, fmt.Errorf("run %s: %w", c.Args[0], werr)
	}
	return e, errors.Join(log.err(), copyErr)
}

var errLimit = errors.New("time limit")

// Look finds a program in PATH of env, not of this process. A name with a slash is
// taken relative to dir.
func Look(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if err := executable(name); err != nil {
			return "", &NotFoundError{Name: name, Err: err}
		}
		return name, nil
	}
	for _, d := range filepath.SplitList(Getenv(env, "PATH")) {
		if !filepath.IsAbs(d) { // "." and "" would let a checkout choose our programs
			continue
		}
		p := filepath.Join(d, name)
		if executable(p) == nil {
			return p, nil
		}
	}
	return "", &NotFoundError{Name: name, Err: errors.New("not in PATH")}
}

// NotFoundError says that a program is missing.
type NotFoundError struct {
	Name string
	Err  error
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("program %s: %v", e.Name, e.Err) }
func (e *NotFoundError) Unwrap() error { return e.Err }

func executable(path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			return pe.Err
		}
		return err
	}
	if fi.IsDir() || fi.Mode()&0o111 == 0 {
		return errors.New("not an executable file")
	}
	return nil
}

// Getenv reads a variable of an environment in os.Environ form; the last setting counts.
func Getenv(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// passed are the variables of the agent that a child may see.
var passed = []string{"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "DEVELOPER_DIR", "SDKROOT", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GOROOT", "GOTOOLCHAIN"}

// BaseEnv is the environment for children: an allow-list of the agent's own variables,
// HOME and TMPDIR inside the job, and extra settings last. Tokens never pass, since
// nothing passes that is not named.
func BaseEnv(environ []string, home, tmp string, extra ...string) []string {
	var env []string
	for _, name := range passed {
		if v := Getenv(environ, name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return append(append(env, "HOME="+home, "TMPDIR="+tmp), extra...)
}
