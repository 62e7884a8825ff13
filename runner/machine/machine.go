// Package machine reads what machine this is: processor, memory, operating system, GPU.
//
// [Read] asks the system and returns a runner.Machine. Nothing is guessed: a fact that
// the system does not tell stays empty, and a warning says so. [Class] makes of it the
// key under which measurements may be compared. On macOS the facts come from sysctl,
// ioreg and system_profiler, on Linux from /proc, /sys and /etc/os-release.
//
// The macOS half was cross-compiled and tested on outputs written from documentation;
// nobody has run it on a Mac yet.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// NoGPU is the GPUAPI of a machine on which no GPU can be measured.
const NoGPU = "no GPU API"

// source is where facts come from; tests give their own.
type source struct {
	run  func(ctx context.Context, args ...string) (string, error) // standard output of a program
	file func(name string) (string, error)
	list func(dir string) []string // names in a folder; may be nil
	cpus int                       // processors that this process may use
	host string
}

// Read asks the system for its facts. environ is the environment of the agent in
// os.Environ form; children get HOME of it and nothing else. It always returns a
// Machine; what could not be read is in its Warnings. On macOS it takes about as long as
// system_profiler, a second or so.
func Read(ctx context.Context, environ []string) runner.Machine {
	return Now(ctx, environ, read(ctx, runtime.GOOS, system(environ)))
}

// system is this machine.
func system(environ []string) source {
	env := []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C", "HOME=" + proc.Getenv(environ, "HOME")}
	host, _ := os.Hostname()
	return source{
		cpus: runtime.NumCPU(),
		host: host,
		file: readFile,
		list: func(dir string) []string {
			entries, _ := os.ReadDir(dir)
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			return names
		},
		run: func(ctx context.Context, args ...string) (string, error) {
			var out strings.Builder // in full: what proc keeps in memory has a cap
			exit, err := proc.Run(ctx, proc.Cmd{Args: args, Dir: "/", Env: env, Limit: 15 * time.Second, Stdout: &limited{w: &out, room: maxText}})
			switch {
			case err != nil:
				return "", err
			case exit.TimedOut || exit.Stopped || exit.Signal != 0:
				return "", errors.New(exit.String())
			case exit.Code != 0 && out.Len() == 0:
				return "", fmt.Errorf("%s: %s", exit, exit.Stderr.LastLine())
			}
			return out.String(), nil
		},
	}
}

func read(ctx context.Context, goos string, s source) runner.Machine {
	m := runner.Machine{Arch: runtime.GOARCH, Host: s.host}
	switch goos {
	case "darwin":
		readDarwin(ctx, s, &m)
	case "linux":
		readLinux(s, &m)
	default:
		m.OS, m.Cores = goos, s.cpus
		warn(&m, "no facts are read on %s", goos)
	}
	m.Class, m.Fingerprint = Class(m), Fingerprint(m)
	return m
}

// maxText is more than any of the sources has to say.
const maxText = 4 << 20

func readFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText))
	return string(text), err
}

// limited writes so many bytes and swallows the rest.
type limited struct {
	w    io.Writer
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.room)
	l.room -= n
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

func warn(m *runner.Machine, format string, args ...any) {
	m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
}

// clean makes one line of a fact: systems pad them, and firmware tables hold anything.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		s = strings.TrimSpace(string(r[:200]))
	}
	return s
}

// major cuts a system's name after the first number: "macOS 15.6.1" to "macOS 15".
var major = regexp.MustCompile(`^[^0-9]*[0-9]+`)

// Class is the key of machines whose measurements may share a baseline: equal
// architecture, model, chip, core counts, memory and major version of the system, as
// "arm64; Mac16,5; Apple M4 Max; 16 cores (12P+4E); 40 GPU cores; Metal 3; 128 GiB; macOS
// 15". What is not known is left out, and then the host's name is part of the key:
// unknown is not equal to unknown.
func Class(m runner.Machine) string {
	parts := []string{m.Arch}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if m.Model != "" {
		add("%s", m.Model)
	}
	if m.Chip != "" {
		add("%s", m.Chip)
	}
	switch {
	case m.PCores > 0 && m.ECores > 0:
		add("%d cores (%dP+%dE)", m.Cores, m.PCores, m.ECores)
	case m.Cores > 0:
		add("%d cores", m.Cores)
	}
	if m.GPU != "" && m.GPU != m.Chip {
		add("%s", m.GPU)
	}
	if m.GPUCores > 0 {
		add("%d GPU cores", m.GPUCores)
	}
	if m.GPUAPI != "" && m.GPUAPI != NoGPU {
		add("%s", m.GPUAPI)
	}
	if m.Memory > 0 {
		add("%s", memory(m.Memory))
	}
	if v := major.FindString(m.OS); v != "" {
		add("%s", v)
	} else if m.OS != "" {
		add("%s", m.OS)
	}
	if m.Chip == "" || m.Cores == 0 || m.Memory == 0 || m.OS == "" {
		add("host %s", m.Host)
	}
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(clean(p), ";", ",")
	}
	return strings.Join(parts, "; ")
}

// Is reports whether a machine of a class, with a name, is one that is asked for: want is its
// name, or some parts of its class, as "Apple M4 Max; macOS 15". The case of letters is not
// looked at. An empty want is any machine.
func Is(class, name, want string) bool {
	if strings.EqualFold(strings.TrimSpace(want), name) && name != "" {
		return true
	}
	if strings.TrimSpace(want) == "" {
		return true
	}
	parts, wants := trim(strings.Split(class, ";")), trim(strings.Split(want, ";"))
	for _, w := range wants {
		if !slices.ContainsFunc(parts, func(p string) bool { return strings.EqualFold(p, w) }) {
			return false
		}
	}
	return len(wants) > 0
}

// Fingerprint is what an update changes on a machine of a class: the exact version of the
// system and its build, as "macOS 15.6.1; 24G90". An update of the system brings other
// drivers, schedulers and clocks, so measurements on both sides of it are no one level and
// get baselines of their own. So do those on a battery and in an energy mode that is not the
// usual one, where [Now] has told. What is not known names the host, as in [Class].
func Fingerprint(m runner.Machine) string {
	parts := []string{m.OS, m.Build}
	if m.OS == "" || m.Build == "" {
		parts = append(parts, "host "+m.Host)
	}
	if m.Power != "" && m.Power != "mains" {
		parts = append(parts, "on "+m.Power)
	}
	if strings.HasSuffix(m.Mode, " power") || strings.Contains(m.Mode, "low-power") {
		parts = append(parts, "energy mode "+m.Mode)
	}
	return strings.Join(trim(parts), "; ")
}

// memory writes a size in GiB. Linux tells what the kernel left over, which changes with
// every kernel; it is rounded up to the next quarter of a power of two: 15.4 to 16, 23.5
// to 24. A whole number of GiB is what macOS tells and stays.
func memory(bytes int64) string {
	const gib = 1 << 30
	if bytes%gib == 0 {
		return fmt.Sprintf("%d GiB", bytes/gib)
	}
	power := int64(1)
	for power <= bytes/2 {
		power *= 2
	}
	step := max(1, power/4)
	rounded := (bytes + step - 1) / step * step
	if rounded < gib {
		return fmt.Sprintf("%d MiB", rounded>>20)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(rounded)/gib), ".0") + " GiB"
}
