package proofs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/holdfast-ci/holdfast/runner/proc"
)

// wrapper is a folder that looks like the toolchain, but whose bin/lean is our own
// program (see [Wrapped]).
type wrapper struct {
	dir     string // has bin/lean
	records string // empty when a build starts
	real    string // the toolchain's bin/lean
}

// env makes Lake use the folder. An old Lake that does not know the variables goes on as
// it would.
func (w *wrapper) env() []string {
	if w == nil {
		return nil
	}
	return []string{
		"LAKE_OVERRIDE_LEAN=true", "LEAN=" + filepath.Join(w.dir, "bin", "lean"),
		leanVar + "=" + w.real, prefixVar + "=" + w.dir, recordsVar + "=" + w.records,
	}
}

// wrap makes the folder and tries it. Without one, or with one that does not do what the
// real Lean does, it is nil, and the warning says why: a build is never the worse for it.
func (e *examination) wrap(ctx context.Context) (w *wrapper, warning string) {
	if e.cfg.Wrapper == "" {
		return nil, ""
	}
	w = &wrapper{
		dir:     filepath.Join(e.cache, "wrapper-"+digest(e.tool.dir, e.cfg.Wrapper)),
		records: filepath.Join(e.cache, "records"), real: e.tool.program("lean"),
	}
	err := errors.Join(os.RemoveAll(w.records), os.MkdirAll(w.records, 0o755))
	if err == nil {
		err = e.tryWrapper(ctx, w)
	}
	if err != nil {
		return nil, "built without a record of each module: " + err.Error()
	}
	return w, ""
}

// tryWrapper makes sure that the wrapper answers as Lake expects. The answer is kept as
// long as the programs stay the same files.
func (e *examination) tryWrapper(ctx context.Context, w *wrapper) error {
	stamp, err := stampOf(w.real, e.cfg.Wrapper)
	if err != nil {
		return err
	}
	kept := filepath.Join(w.dir, "holdfast.json")
	var a struct{ Stamp, Refused string }
	if b, err := os.ReadFile(kept); err == nil && json.Unmarshal(b, &a) == nil && a.Stamp == stamp {
		if a.Refused != "" {
			return errors.New(a.Refused)
		}
		return nil
	}
	if err := w.link(e.tool.dir, e.cfg.Wrapper); err != nil {
		return fmt.Errorf("make a folder like the toolchain: %w", err)
	}
	a.Stamp, a.Refused = stamp, ""
	lean := filepath.Join(w.dir, "bin", "lean")
	for _, q := range []string{"--version", "--githash", "--print-prefix"} {
		want := w.dir
		if q != "--print-prefix" {
			if want, err = e.ask(ctx, w.real, q, nil); err != nil {
				return err
			}
		}
		got, err := e.ask(ctx, lean, q, w.env())
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			a.Refused = err.Error()
		} else if got != want {
			a.Refused = fmt.Sprintf("the wrapper answers %s with %q, Lean with %q", q, cut(got, 100), cut(want, 100))
		}
		if a.Refused != "" {
			break
		}
	}
	if b, err := json.Marshal(a); err == nil {
		_ = writeFile(kept, b) // only a cache
	}
	if a.Refused != "" {
		return errors.New(a.Refused)
	}
	return nil
}

func (e *examination) ask(ctx context.Context, program, question string, env []string) (string, error) {
	exit, err := e.ws.Exec(ctx, e.log+"-wrapper", proc.Cmd{Args: []string{program, question}, Dir: e.dir, Env: e.environ(e.tool, env...), Limit: probeLimit})
	if err == nil && !exit.OK() {
		err = errors.New(exit.String())
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", filepath.Base(program), question, err)
	}
	return strings.TrimSpace(exit.Stdout.String()), nil
}

// link fills the folder: links to the toolchain, all but bin/lean.
func (w *wrapper) link(toolchain, program string) error {
	if err := os.RemoveAll(w.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "bin"), 0o755); err != nil {
		return err
	}
	for _, sub := range []string{"", "bin"} {
		entries, err := os.ReadDir(filepath.Join(toolchain, sub))
		if err != nil {
			return err
		}
		for _, entry := range entries {
			from := filepath.Join(toolchain, sub, entry.Name())
			switch {
			case sub == "" && entry.Name() == "bin":
				continue
			case sub == "bin" && entry.Name() == "lean":
				from = program
			}
			if err := os.Symlink(from, filepath.Join(w.dir, sub, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// record reads what was recorded of a module in this build; nil if nothing was.
func (w *wrapper) record(m *module) *compilation {
	if w == nil {
		return nil
	}
	b, err := readSmall(filepath.Join(w.records, recordName(sourceID(m.path))))
	if err != nil {
		return nil
	}
	var c compilation
	if json.Unmarshal(b, &c) != nil || c.Seconds < 0 || c.MaxRSS < 0 {
		return nil // not ours: code of the project can write there
	}
	return &c
}

// failed reports whether some record tells of a Lean that did not end well. If none does,
// a build that failed may have failed because of the wrapper.
func (w *wrapper) failed(modules []*module) bool {
	return slices.ContainsFunc(modules, func(m *module) bool {
		c := w.record(m)
		return c != nil && c.Done && c.Code != 0
	})
}

// underway names the modules at which Lean was when the build was stopped.
func (w *wrapper) underway(modules []*module) []string {
	var out []string
	for _, m := range modules {
		if c := w.record(m); c != nil && (!c.Done || c.Code == 128+int(syscall.SIGTERM) || c.Code == 128+int(syscall.SIGKILL)) {
			out = append(out, m.name)
		}
	}
	return out
}

// note adds what is recorded, or kept in traces, to what the build tool printed. A record
// has the place where a message ends, and its kind; a trace says for certain where one
// message ends and the next begins.
func (b *built) note(e *examination, w *wrapper, current map[string]bool) {
	for _, m := range e.project.modules {
		u := b.log.units[m.key]
		c := w.record(m)
		ran := c != nil && c.Done
		var list []diagnostic
		dropped, exact := 0, false
		if current[m.key] {
			list, dropped, exact = e.trace(m)
		}
		if u == nil && !ran && len(list) == 0 {
			continue
		}
		if u == nil {
			u = &unit{caption: m.key, replayed: true}
			if b.log.units == nil {
				b.log.units = map[string]*unit{}
			}
			b.log.units[m.key] = u
		}
		if exact {
			u.diagnostics, u.dropped = list, dropped
		}
		if !ran {
			continue
		}
		u.replayed, u.seconds, u.maxRSS = false, c.Seconds, c.MaxRSS
		u.failed = u.failed || c.Code != 0
		if c.Structured {
			list = slices.DeleteFunc(slices.Clone(u.diagnostics), func(d diagnostic) bool { return d.file != "" })
			for _, msg := range c.Messages {
				list = append(list, msg.diagnostic(m.rel))
			}
			u.diagnostics, u.dropped = list, c.Dropped
		}
	}
}
