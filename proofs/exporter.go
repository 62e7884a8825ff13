package proofs

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner/proc"
)

// exporter is a program that prints an export.
type exporter struct {
	program string
	own     string // "" or, in words, that it is the project's own
	runs    int
}

// exporters lists the exporters at hand, best first: the toolchain's, the one that the
// project has among its packages for this very toolchain, those in other folders that
// the configuration names.
func (e *examination) exporters() []*exporter {
	var out []*exporter
	add := func(own string, parts ...string) {
		for _, name := range []string{"leanexport", "lean4export"} {
			p := filepath.Join(append(slices.Clone(parts), name)...)
			if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
				out = append(out, &exporter{program: p, own: own})
			}
		}
	}
	add("", e.tool.dir, "bin")
	if e.ws.Trusted { // it can print what it likes
		for _, d := range e.dependencies() {
			if d.name != "lean4export" {
				continue
			}
			if b, err := readSmall(filepath.Join(d.dir, "lean-toolchain")); err == nil && strings.TrimSpace(string(b)) == e.tool.requested {
				add(" of the project's own packages", d.dir, ".lake", "build", "bin")
			}
		}
	}
	for _, dir := range e.cfg.Toolchains {
		if dir != e.tool.dir {
			add("", dir, "bin")
		}
	}
	return out
}

// maxArgs bounds the names in one command line; macOS allows 1 MiB with the environment.
const maxArgs = 256 << 10

// export runs an exporter on modules that fit into one environment, for some constants,
// and reads what it prints as it comes.
func (e *examination) export(ctx context.Context, by *exporter, x *exportReader, modules, names []string) error {
	limit := inventoryLimit
	if end, ok := ctx.Deadline(); ok { // a library as large as Mathlib must not take the stage with it
		limit = min(limit, time.Until(end)/2)
	}
	for len(names) > 0 {
		// Private names are "internal" to an exporter that is not asked for them by name.
		args := append([]string{by.program, "--export-unsafe", "--ignore-missing"}, modules...)
		args = append(args, "--")
		size := 0
		for len(names) > 0 && size < maxArgs {
			args, size, names = append(args, names[0]), size+len(names[0])+1, names[1:]
		}
		log := e.log + "-export"
		if by.runs++; by.runs > 1 {
			log += strconv.Itoa(by.runs)
		}
		r, w := io.Pipe()
		inner, cancel := context.WithCancelCause(ctx)
		read := make(chan error, 1)
		go func() {
			err := x.read(r)
			if err != nil {
				cancel(err)
				_, _ = io.Copy(io.Discard, r)
			}
			read <- err
		}()
		exit, err := e.ws.Exec(inner, log, proc.Cmd{
			Args: args, Dir: e.dir, Stdout: w, Bulk: true, LogCap: 4 << 20, Limit: limit,
			Env: e.environ(e.tool, "LEAN_PATH="+strings.Join(e.searchPath(), string(os.PathListSeparator))),
		})
		w.Close()
		rerr := <-read
		cancel(nil)
		// Lean goes on after a panic, with less.
		panicked := strings.Contains(exit.Stderr.String(), "PANIC at")
		switch cause := context.Cause(ctx); {
		case cause != nil:
			return cause
		case err != nil && rerr == nil:
			return err
		case !exit.OK() && !exit.Stopped || panicked:
			return fmt.Errorf("%s: %s: %s", filepath.Base(by.program), exit, firstLine(exit.Stderr.String()))
		case rerr != nil:
			return rerr
		case !e.tool.is(x.about):
			return fmt.Errorf("%s is for Lean %s", x.about, cut(x.about.lean, 40))
		}
	}
	return nil
}

// is reports whether an export was made by this Lean.
func (t *toolchain) is(m exportMeta) bool {
	return m.lean == t.number || len(m.githash) >= 12 && strings.Contains(t.version, m.githash[:12])
}

// groupList is what groups tells, as lists of names.
func groupList(groups string) [][]string {
	var out [][]string
	for g := range strings.SplitSeq(groups, "\n\n") {
		if names := strings.Fields(g); len(names) > 0 {
			out = append(out, names)
		}
	}
	return out
}

// askable reports whether an exporter can be asked for a name in text: it is read as a
// name literal.
func askable(name string) bool {
	if name == "" {
		return false
	}
	for name != "" {
		if rest, ok := strings.CutPrefix(name, "«"); ok {
			part, after, ok := strings.Cut(rest, "»")
			if !ok || part == "" || after != "" && after[0] != '.' {
				return false
			}
			name = strings.TrimPrefix(after, ".")
			continue
		}
		part, after, more := strings.Cut(name, ".")
		if !identifier(part) && (part == "" || strings.Trim(part, "0123456789") != "") || more && after == "" {
			return false
		}
		name = after
	}
	return true
}
