package proofs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

const (
	probeLimit     = time.Minute      // lean --version and the like
	inventoryLimit = 20 * time.Minute // the stage's own limit is usually shorter
)

// examination is one project of one checkout being examined.
type examination struct {
	cfg            Config
	breakInventory bool
	kept           string // see Stage.programs
	ws             *runner.Workspace
	dir            string // absolute
	rel            string // slash-separated, relative to the checkout; "." for its root
	log            string // prefix of log names
	cache          string // folder for what outlives the run, or a throwaway; set by attach
	tool           *toolchain
	project        *project
	gone           []string // compiled modules that attach found without a source
	fromNothing    bool     // nothing that earlier runs left may be used
	rehearsal      bool     // the result is only compared with: no replay
}

// run examines the project. The outcome holds what could be told also with an error.
func (e *examination) run(ctx context.Context) (o outcome, err error) {
	o.replay.Reason = "no compiled module was examined"
	e.project, err = loadProject(e.dir)
	if err != nil {
		var se *SyntaxError
		if errors.As(err, &se) {
			se.File = path.Join(e.rel, se.File)
			o.findings = append(o.findings, runner.Finding{Verdict: runner.Error, Rule: "lakefile", File: se.File, Line: se.Line, Column: se.Column, Text: se.Msg})
		}
		return o, err
	}
	p := e.project
	o.warnings = append(o.warnings, p.warnings...)
	for _, f := range p.orphans {
		o.orphans = append(o.orphans, path.Join(e.rel, f))
	}
	if n := len(p.orphans); n > 0 {
		o.warnings = append(o.warnings, fmt.Sprintf("%s to no library and %s not checked: %s", choose(n, "1 .lean file belongs", fmt.Sprintf("%d .lean files belong", n)), choose(n, "is", "are"), some(o.orphans, 5)))
	}
	for _, d := range p.nested {
		if d = path.Join(e.rel, d); !slices.Contains(e.cfg.Dirs, d) {
			o.warnings = append(o.warnings, fmt.Sprintf("the Lake project in %s is not examined; add it to proofs.dirs", d))
		}
	}
	if len(p.modules) == 0 {
		return o, fmt.Errorf("%s names no module that has a file", p.lake.file)
	}

	if list := p.unreached(); len(list) > 0 {
		n := len(list)
		o.warnings = append(o.warnings, fmt.Sprintf("%s imported by no root of %s library; %s built by name: %s", choose(n, "1 module is", fmt.Sprintf("%d modules are", n)), choose(n, "its", "their"), choose(n, "it was", "they were"), some(list, 5)))
	}

	detach, warnings, err := e.attach(ctx)
	if err != nil {
		return o, err
	}
	defer detach()
	o.warnings = append(o.warnings, warnings...)
	o.stale = e.gone
	if e.tool, err = e.resolve(ctx); err != nil {
		return o, err
	}
	o.toolchain = e.tool
	o.warnings = append(o.warnings, e.tool.warnings...)
	if e.ws.Fresh {
		return e.twice(ctx, o)
	}
	err = e.pass(ctx, &o)
	return o, err
}

// pass builds the project and lists and judges what it states.
func (e *examination) pass(ctx context.Context, o *outcome) error {
	o.packages = e.packages()
	b, err := e.build(ctx)
	if err != nil {
		return err
	}
	o.jobs = b.log.jobs
	o.modules = b.modules
	o.unsure = b.unsure
	o.warnings = append(o.warnings, b.warnings...)
	if !e.tool.near && e.tool.requestedNumber && slices.ContainsFunc(b.modules, func(m runner.Module) bool { return m.Verdict != runner.Success }) {
		o.hint = "elan toolchain install " + e.tool.requested
	}
	findings, sorries, more := e.findings(b)
	o.findings, o.sorries = append(o.findings, findings...), sorries
	if more > 0 {
		o.warnings = append(o.warnings, fmt.Sprintf("%d more messages of the build are in its log", more))
	}
	if len(b.current) > 0 {
		inv, how, warnings, err := e.inventory(ctx, b.current)
		o.warnings = append(o.warnings, warnings...)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			o.unsure = join(o.unsure, "list the theorems: "+err.Error())
			return nil
		}
		o.inventory, o.scheme = how.words, how.scheme
		o.complete = len(b.current) == len(e.project.modules) && len(inv.failed) == 0
		e.judgeInventory(o, inv)
		if e.rehearsal {
			return nil
		}
		again, err := e.replay(ctx, b.current, inv.modules)
		if err != nil {
			return err
		}
		e.judgeReplay(o, again, inv.decls)
	}
	return nil
}

// file is a module's file relative to the checkout.
func (e *examination) file(m *module) string { return path.Join(e.rel, m.rel) }

// relative turns a path that Lean printed into one relative to the checkout. It is ""
// for a place outside of it.
func (e *examination) relative(file string) string {
	if filepath.IsAbs(file) {
		rel, err := filepath.Rel(e.ws.Dir, file)
		if err != nil || !filepath.IsLocal(rel) {
			return ""
		}
		return filepath.ToSlash(rel)
	}
	file = path.Join(e.rel, file)
	if !filepath.IsLocal(filepath.FromSlash(file)) {
		return ""
	}
	return file
}

func choose(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// some lists the first few of many.
func some(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}
