package proofs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/runner/proc"
)

// Variables by which the stage tells its stand-in for bin/lean what to do.
const (
	leanVar    = "HOLDFAST_LEAN_PROGRAM" // the real program
	prefixVar  = "HOLDFAST_LEAN_PREFIX"  // the folder that poses as the toolchain
	recordsVar = "HOLDFAST_LEAN_RECORDS" // where records go
)

// compilation is what is recorded of one run of Lean over one module: first without Done,
// so that a reader knows where a build was when it was stopped, then with it.
type compilation struct {
	File       string    `json:"file"` // source, absolute, links resolved
	Done       bool      `json:"done"`
	Seconds    float64   `json:"seconds,omitempty"`
	MaxRSS     int64     `json:"max_rss,omitempty"` // bytes
	Code       int       `json:"code,omitempty"`    // exit code, 128+n for signal n, as Lake counts
	Structured bool      `json:"structured"`        // Messages is all that Lean said
	Messages   []message `json:"messages,omitempty"`
	Dropped    int       `json:"dropped,omitempty"` // messages beyond maxDiagnostics
}

// Wrapped does what bin/lean does, and writes down how it went. It is for a program that
// the stage has put in the place of bin/lean ([Config.Wrapper]): args are all of its
// arguments with its own name first. ok is false if the program was not called that way,
// and nothing was done.
//
// Lake finds it by LAKE_OVERRIDE_LEAN and LEAN (Lake/Config/InstallPath.lean), asks it for
// --print-prefix and --githash, and runs it as `lean FILE -o OLEAN … --setup JSON --json`
// for every module (Lake/Build/Actions.lean). Streams, exit code and side effects are the
// real Lean's; only the record is ours, and a record that cannot be written is no error.
//
// This follows the sources of Lake. It has run against imitations of Lake that keep to
// them, with a real Lean below, not yet against a stock Lake.
func Wrapped(args, environ []string) (code int, ok bool) {
	real, records := proc.Getenv(environ, leanVar), proc.Getenv(environ, recordsVar)
	if len(args) == 0 || filepath.Base(args[0]) != "lean" || real == "" || records == "" {
		return 0, false
	}
	rest := args[1:]
	if len(rest) == 1 && rest[0] == "--print-prefix" {
		fmt.Println(proc.Getenv(environ, prefixVar))
		return 0, true
	}
	source := compiled(rest)
	if source == "" {
		err := syscall.Exec(real, append([]string{real}, rest...), environ)
		fmt.Fprintf(os.Stderr, "run %s: %v\n", real, err)
		return 127, true
	}
	c := &compilation{File: sourceID(source)}
	into := filepath.Join(records, recordName(c.File))
	_ = c.write(into)
	code, err := c.run(real, rest, environ)
	if err != nil { // it never ran
		os.Remove(into)
		fmt.Fprintf(os.Stderr, "run %s: %v\n", real, err)
		return code, true
	}
	_ = c.write(into)
	return code, true
}

// maxMessage is where a line of Lean's output is cut; a longer message is read from what
// Lake makes of it.
const maxMessage = 4 << 20

// run runs Lean and fills in the record. The error is not nil if it could not be started.
func (c *compilation) run(real string, args, environ []string) (int, error) {
	cmd := exec.Command(real, args...)
	cmd.Env, cmd.Stdin, cmd.Stderr = environ, os.Stdin, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 127, err
	}
	// Who stops the build stops the whole group; staying lets us say how Lean ended.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	complete := true
	lines := &lineWriter{max: maxMessage, emit: func(s string) {
		complete = complete && (len(s) < maxMessage || s[0] != '{')
		c.line(s)
	}}
	_, copied := io.Copy(os.Stdout, io.TeeReader(out, lines))
	if copied != nil {
		io.Copy(io.Discard, out) // nobody reads us any more; Lean must not hang
	}
	lines.close()
	err = cmd.Wait()
	c.Done, c.Seconds = true, time.Since(start).Seconds()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.Code = 127
	}
	if st := cmd.ProcessState; st != nil {
		c.Code = st.ExitCode()
		if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			c.Code = 128 + int(ws.Signal()) // what Lake would have made of it
		}
		if ru, ok := st.SysUsage().(*syscall.Rusage); ok {
			if c.MaxRSS = ru.Maxrss; runtime.GOOS != "darwin" {
				c.MaxRSS <<= 10 // getrusage(2) counts in kilobytes there
			}
		}
	}
	c.Structured = slices.Contains(args, "--json") && complete
	return c.Code, nil
}

func (c *compilation) line(s string) {
	m, ok := parseMessage(strings.TrimSuffix(s, "\r"))
	switch {
	case !ok || m.Silent:
	case len(c.Messages) >= maxDiagnostics:
		c.Dropped++
	default:
		m.Data, m.Caption, m.Kind, m.File = cut(m.Data, maxText), cut(m.Caption, 200), cut(m.Kind, 200), ""
		c.Messages = append(c.Messages, m)
	}
}

func (c *compilation) write(name string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return writeFile(name, b)
}

// compiled is the source file of a command line that compiles a module, else "".
func compiled(args []string) string {
	source, output := "", false
	for i := 0; i < len(args); i++ {
		switch a := args[i]; a {
		case "-o", "-i", "--setup":
			output = true
			i++
		case "-c", "-b", "-R", "--root", "-D", "-t", "-T", "-M", "-j", "-s":
			i++
		case "--run", "--server", "--worker", "--deps", "--stdin":
			return ""
		default:
			if !strings.HasPrefix(a, "-") && strings.HasSuffix(a, ".lean") && source == "" {
				source = a
			}
		}
	}
	if !output {
		return ""
	}
	return source
}

// sourceID is a source file by the one name that writer and reader agree on.
func sourceID(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	if end, err := filepath.EvalSymlinks(name); err == nil {
		name = end
	}
	return name
}

func recordName(source string) string { return digest(source) + ".json" }
