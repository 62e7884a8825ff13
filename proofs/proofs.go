// Package proofs examines the Lean projects of a checkout: does every module build, which
// theorems does the commit state, where, and what do their proofs rest on?
//
// Input is a checkout with one or more Lake projects and an installed Lean. Every module
// of every library is built by name, so that a module which no default target reaches is
// built too. Then a program of our own ([inventory.lean], run by the same Lean) walks the
// compiled modules and lists theorems with what they state, mean and rest on, and the
// ledger says what became of each since the base. Output is a [runner.Result] whose
// Proofs field holds modules and theorems, each with a verdict.
//
// What fails a commit: a module with errors of its own, a declaration that rests on sorry,
// an axiom that is not allowed, a theorem that the base had and that is lost or states or
// means something else, a promise of proofs.lock that does not hold, a declaration that the kernel rejects when the compiled
// modules go through it once more. What only keeps us from telling: no toolchain, a killed
// child, a module that could not be built because another is broken, an inventory that is
// not complete. The two are never mixed up.
//
// Nothing is ever downloaded here: the toolchain is resolved among what is installed, and
// the elan proxies, which fetch what they lack, are never run. Another kernel and
// sandboxing are left to others.
package proofs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// What to do about declarations that rest on sorry.
const (
	SorryFailure = "failure" // the default
	SorryWarn    = "warn"    // such theorems are neutral, and the result carries a warning
)

// defaultAxioms are the three axioms on which ordinary Lean mathematics rests.
var defaultAxioms = []string{"propext", "Classical.choice", "Quot.sound"}

// Config says what to examine and with which toolchain. The zero value examines the
// project in the root of the checkout.
type Config struct {
	// Dirs are the folders of the Lake projects, slash-separated, relative to the
	// checkout. Empty means ".".
	Dirs []string
	// ElanHome is the agent's ELAN_HOME; its toolchains folder is searched first. Empty
	// means that there is none. It is never read from a child's environment.
	ElanHome string
	// Toolchains are further folders with bin/lean and bin/lake, tried in order when
	// elan has not the version asked for. What they prove has no authority unless it is
	// that very version of a stock Lean.
	Toolchains []string
	// AllowedAxioms is what a proof may rest on. Nil means propext, Classical.choice and
	// Quot.sound; an empty slice that is not nil allows none.
	AllowedAxioms []string
	// Sorry is SorryFailure or SorryWarn; empty means SorryFailure.
	Sorry string
	// Ratchet lets debt stand that the base has already: it is told and does not fail.
	Ratchet bool
	// Changes is the verdict of what is lost, changed or redefined against the base where
	// no list of promises exists: "failure" or "warn"; empty means "failure".
	Changes string
	// Lock is the list of promised theorems, relative to the checkout; empty means
	// "proofs.lock" if there is one.
	Lock string
	// Wrapper is a program that calls [Wrapped] first of all, usually this very one. It is
	// put in the place of bin/lean while modules are built, to record messages, time and
	// memory of each. Empty: they are read from what Lake prints.
	Wrapper string
	// Jobs bounds the Lean processes and threads at work at once; 0 leaves it to Lake.
	Jobs int
	// Replay is ReplayAuto, ReplayOff or ReplayRequire; empty means ReplayAuto.
	Replay string
}

// Stage is the proofs stage. It may run on several workspaces at once.
type Stage struct {
	cfg Config
	// breakInventory makes the inventory program unusable; tests of the fallback set it.
	breakInventory bool
	// programs keeps compiled programs of ours between workspaces; tests set it.
	programs string
}

// New returns the stage.
func New(cfg Config) *Stage {
	if len(cfg.Dirs) == 0 {
		cfg.Dirs = []string{"."}
	}
	if cfg.AllowedAxioms == nil {
		cfg.AllowedAxioms = defaultAxioms
	}
	if cfg.Sorry == "" {
		cfg.Sorry = SorryFailure
	}
	if cfg.Replay == "" {
		cfg.Replay = ReplayAuto
	}
	return &Stage{cfg: cfg}
}

// Name is "proofs".
func (s *Stage) Name() string { return runner.StageProofs }

// Run examines every configured project. The result holds what could be told also when
// the error is not nil.
func (s *Stage) Run(ctx context.Context, ws *runner.Workspace) (runner.Result, error) {
	res := runner.Result{Stage: s.Name(), Proofs: &runner.Proofs{Authority: true, Complete: true}}
	if s.cfg.Sorry != SorryFailure && s.cfg.Sorry != SorryWarn {
		return res, fmt.Errorf("sorry policy %q: want %q or %q", s.cfg.Sorry, SorryFailure, SorryWarn)
	}
	if c := s.cfg.Changes; c != "" && c != ChangesFailure && c != ChangesWarn {
		return res, fmt.Errorf("policy of changes %q: want %q or %q", c, ChangesFailure, ChangesWarn)
	}
	if r := s.cfg.Replay; r != ReplayAuto && r != ReplayOff && r != ReplayRequire {
		return res, fmt.Errorf("kernel replay %q: want %q, %q or %q", r, ReplayAuto, ReplayOff, ReplayRequire)
	}
	var outcomes []outcome
	var errs []error
	for i, dir := range s.cfg.Dirs {
		if !filepath.IsLocal(filepath.FromSlash(dir)) {
			errs = append(errs, fmt.Errorf("project folder %q lies outside of the checkout", dir))
			continue
		}
		e := &examination{cfg: s.cfg, breakInventory: s.breakInventory, kept: s.programs, ws: ws, rel: path.Clean(dir), log: "proofs"}
		if i > 0 {
			e.log = fmt.Sprintf("proofs%d", i+1)
		}
		e.dir = filepath.Join(ws.Dir, filepath.FromSlash(e.rel))
		o, err := e.run(ctx)
		merge(&res, o)
		if err != nil {
			if len(s.cfg.Dirs) > 1 {
				err = fmt.Errorf("project %s: %w", e.rel, err)
			}
			errs = append(errs, err)
		}
		outcomes = append(outcomes, o)
		if ctx.Err() != nil {
			break
		}
	}
	sortDetail(res.Proofs)
	res.Proofs.Fresh = len(errs) == 0 && len(outcomes) > 0 && !slices.ContainsFunc(outcomes, func(o outcome) bool { return !o.fresh })
	if len(errs) > 0 || ctx.Err() != nil {
		res.Proofs.Authority, res.Proofs.Complete = false, false
	}
	settled := s.settle(&res, outcomes, ws)
	judge(&res, outcomes, s.cfg)
	settled.fold(&res)
	if len(errs) > 0 {
		// A commit known to be bad stays bad even if another project could not be told.
		if res.Verdict == runner.Failure {
			for _, err := range errs {
				res.Warnings = append(res.Warnings, err.Error())
			}
			return res, nil
		}
		return res, errors.Join(errs...)
	}
	return res, nil
}

// outcome is what the examination of one project told, verdicts included.
type outcome struct {
	toolchain *toolchain
	inventory string
	jobs      int
	modules   []runner.Module
	theorems  []runner.Theorem
	axioms    []runner.Axiom
	roots     []runner.Root
	packages  []runner.Package
	scheme    string // of the hashes
	complete  bool
	orphans   []string
	stale     []string
	fresh     bool // built from nothing, with the same result as the incremental build
	findings  []runner.Finding
	sorries   []runner.Finding // the build's own words about sorry
	warnings  []string
	broken    []string // declarations that are no theorems and rest on what is not allowed, in words
	replay    runner.Replay
	kernel    string // what the kernel rejects, in words
	unsure    string // why the project as a whole could not be told; "" if it could
	hint      string
}

func merge(res *runner.Result, o outcome) {
	p := res.Proofs
	if t := o.toolchain; t != nil {
		p.Toolchain = join(p.Toolchain, t.version)
		p.Version = join(p.Version, t.number)
		p.Advisories = mergeAdvisories(p.Advisories, advisories(t.number))
		p.Requested = join(p.Requested, t.requested)
		p.Authority = p.Authority && t.authority
	} else {
		p.Authority = false
	}
	p.Inventory = join(p.Inventory, o.inventory)
	p.Scheme = join(p.Scheme, o.scheme)
	p.Complete = p.Complete && o.complete
	p.Axioms = mergeAxioms(p.Axioms, o.axioms)
	p.Roots = append(p.Roots, o.roots...)
	p.Packages = append(p.Packages, o.packages...)
	p.Jobs += o.jobs
	mergeReplay(&p.Replay, o.replay)
	p.Modules = append(p.Modules, o.modules...)
	p.Theorems = append(p.Theorems, o.theorems...)
	p.Orphans = append(p.Orphans, o.orphans...)
	p.Stale = append(p.Stale, o.stale...)
	res.Findings = append(res.Findings, o.findings...)
	for _, w := range o.warnings {
		if !slices.Contains(res.Warnings, w) {
			res.Warnings = append(res.Warnings, w)
		}
	}
	if res.Hint == "" {
		res.Hint = o.hint
	}
}

// join adds b to a list in words unless it is there already.
func join(a, b string) string {
	switch {
	case a == "" || b == "":
		return a + b
	case slices.Contains(strings.Split(a, "; "), b):
		return a
	}
	return a + "; " + b
}

func sortDetail(p *runner.Proofs) {
	slices.SortStableFunc(p.Modules, func(a, b runner.Module) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(p.Theorems, func(a, b runner.Theorem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Name, b.Name)
	})
	slices.Sort(p.Orphans)
	slices.Sort(p.Stale)
	slices.SortStableFunc(p.Roots, func(a, b runner.Root) int { return b.Theorems - a.Theorems })
	slices.SortStableFunc(p.Packages, func(a, b runner.Package) int { return strings.Compare(a.Name, b.Name) })
	p.Packages = slices.Compact(p.Packages)
}

// mergeAxioms adds the axioms of another project to a sorted list.
func mergeAxioms(list, more []runner.Axiom) []runner.Axiom {
	for _, a := range more {
		if i := slices.IndexFunc(list, func(b runner.Axiom) bool { return a.Name == b.Name && a.Kind == b.Kind }); i >= 0 {
			list[i].Theorems += a.Theorems
		} else {
			list = append(list, a)
		}
	}
	slices.SortStableFunc(list, func(a, b runner.Axiom) int { return strings.Compare(a.Name, b.Name) })
	return list
}
