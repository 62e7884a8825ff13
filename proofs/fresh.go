package proofs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// asideExt ends the name of a build folder that is set aside while another is made from
// nothing.
const asideExt = ".warm"

// recover ends what a killed examination from nothing left: its own folder is not whole,
// the one that it had set aside is. Whenever it is killed itself, one whole folder or none
// is left, never a mixture.
func (e *examination) recover() {
	build := e.buildDir()
	if _, err := os.Lstat(build + asideExt); err == nil && os.RemoveAll(build) == nil {
		_ = os.Rename(build+asideExt, build)
	}
	os.RemoveAll(filepath.Join(e.cache, "fresh"))
}

// twice examines the project as ever, on top of what earlier builds left, and then from
// nothing, and compares. Only the second counts; but if the first tells otherwise, what
// was green in between may not have been. Dependencies are not built again.
func (e *examination) twice(ctx context.Context, o outcome) (outcome, error) {
	build, cache, log := e.buildDir(), e.cache, e.log
	var warm *outcome
	var compiled map[string]string
	if e.builtBefore() {
		first := o
		first.warnings, first.findings = slices.Clone(o.warnings), slices.Clone(o.findings)
		e.rehearsal = true
		err := e.pass(ctx, &first)
		e.rehearsal = false
		if cause := context.Cause(ctx); cause != nil {
			return first, err
		}
		if err == nil && first.whole() { // else there is no result to hold the other to
			warm, compiled = &first, e.oleans()
		}
		if err := os.Rename(build, build+asideExt); err != nil {
			return first, fmt.Errorf("set the build folder aside: %w", err)
		}
	}
	// What was kept of listings is not relied on either.
	e.fromNothing, e.cache, e.log = true, filepath.Join(cache, "fresh"), log+"-fresh"
	err := os.MkdirAll(e.cache, 0o755)
	if err == nil {
		e.ws.Report(runner.StageProofs, "building everything from nothing")
		err = e.pass(ctx, &o)
	}
	fresh := e.cache
	e.fromNothing, e.cache, e.log = false, cache, log
	if err != nil {
		e.recover()
		return o, err
	}
	if err := e.adopt(fresh); err != nil {
		o.warnings = append(o.warnings, "keep the listings of the fresh build: "+err.Error())
	}
	os.RemoveAll(build + asideExt)
	o.fresh = o.whole()
	if warm == nil {
		return o, nil
	}
	if d := differences(warm, &o); len(d) > 0 {
		o.fresh = false
		o.unsure = join(o.unsure, fmt.Sprintf("a build from nothing tells otherwise than the incremental build: %s; what was green since the last build from nothing cannot be relied on", some(d, 4)))
	} else if n, first := changed(compiled, e.oleans()); n > 0 {
		o.warnings = append(o.warnings, fmt.Sprintf("built from nothing, %s compiled to other bytes than before, first %s: the theorems are the same, but the build is not reproducible", choose(n, "1 module", fmt.Sprintf("%d modules", n)), first))
	}
	return o, nil
}

// whole reports whether everything was built and listed.
func (o *outcome) whole() bool {
	return o.unsure == "" && len(o.modules) > 0 && !slices.ContainsFunc(o.modules, func(m runner.Module) bool { return m.Verdict != runner.Success })
}

// differences says in words what two examinations of one commit tell differently: modules
// that build, theorems, what they state, what they rest on. Which is right is not asked.
func differences(warm, cold *outcome) []string {
	var out []string
	for _, m := range cold.modules {
		if m.Verdict != runner.Success {
			out = append(out, "module "+m.Name+" does not build")
		}
	}
	if len(out) > 0 || cold.unsure != "" {
		return out // what is not built is not listed
	}
	id := func(t runner.Theorem) string { return t.Module + "\x00" + t.Name + "\x00" + t.Kind }
	before := map[string]runner.Theorem{}
	for _, t := range warm.theorems {
		before[id(t)] = t
	}
	for _, t := range cold.theorems {
		w, ok := before[id(t)]
		delete(before, id(t))
		switch {
		case !ok:
			out = append(out, t.Kind+" "+t.Name+" is new")
		case warm.scheme != cold.scheme && t.Statement != w.Statement, warm.scheme == cold.scheme && t.Hash != w.Hash:
			out = append(out, t.Name+" states something else")
		case warm.scheme == cold.scheme && t.Meaning != w.Meaning:
			out = append(out, "a definition below "+t.Name+" is another")
		case !slices.Equal(t.Axioms, w.Axioms):
			out = append(out, fmt.Sprintf("%s rests on %s, not on %s", t.Name, orNone(t.Axioms), orNone(w.Axioms)))
		}
	}
	for _, t := range warm.theorems {
		if _, ok := before[id(t)]; ok {
			out = append(out, t.Kind+" "+t.Name+" is not there")
		}
	}
	return out
}

// oleans are digests of the compiled modules, by name.
func (e *examination) oleans() map[string]string {
	out := map[string]string{}
	for _, m := range e.project.modules {
		for _, dir := range e.libDirs() {
			h := sha256.New()
			base := filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(modulePath(m), ".lean")))
			if ok, err := hashFile(h, base+".olean"); ok && err == nil {
				out[m.name] = hex.EncodeToString(h.Sum(nil))
				break
			}
		}
	}
	return out
}

// changed counts the modules of both whose digests differ.
func changed(before, after map[string]string) (n int, first string) {
	for name, d := range after {
		if b, ok := before[name]; ok && b != d {
			if n++; first == "" || name < first {
				first = name
			}
		}
	}
	return n, first
}

// adopt moves what a fresh examination kept to where the next one looks for it.
func (e *examination) adopt(fresh string) error {
	entries, err := os.ReadDir(fresh)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		to := filepath.Join(e.cache, entry.Name())
		if strings.HasPrefix(entry.Name(), "program-") {
			to = filepath.Join(e.programs(), entry.Name())
		}
		// Somebody may be reading what is there: it goes last.
		old := filepath.Join(fresh, "old-"+entry.Name())
		if err := os.Rename(to, old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Rename(filepath.Join(fresh, entry.Name()), to); err != nil {
			return err
		}
	}
	return os.RemoveAll(fresh)
}

// programs is where our own programs are kept compiled: several projects share it.
func (e *examination) programs() string {
	switch {
	case e.kept != "":
		return e.kept
	case e.fromNothing:
		return e.cache
	case e.ws.Trusted && e.ws.Cache != "":
		return e.ws.Cache
	}
	return e.cache
}
