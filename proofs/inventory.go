package proofs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

//go:embed inventory.lean
var inventorySource []byte

//go:embed inventory_run.lean
var inventoryRunner []byte

// level is how an inventory was taken.
type level struct {
	words  string // for the report
	scheme string // how its hashes were made
}

var (
	byWalk  = level{"every declaration of every module with its kernel term; hashes and axioms computed twice", "term/1"}
	byPrint = level{"theorems found in the index files of the build, statements and axioms as Lean prints them", "print/1"}
)

// maxInventory bounds what the inventory program may print.
const maxInventory = 1 << 30

// inventory lists what the modules declare. They must be up to date. The listing is kept
// under a digest of all that it was made from, so an unchanged commit costs no Lean.
func (e *examination) inventory(ctx context.Context, modules []*module) (*inventory, level, []string, error) {
	wanted := make([]string, len(modules))
	for i, m := range modules {
		wanted[i] = m.key
	}
	groups := e.groups(modules)
	id, err := e.fingerprint(modules, groups)
	if err != nil {
		return nil, level{}, nil, err
	}
	kept := filepath.Join(e.cache, "inventory-"+id+".ndjson")
	if b, err := os.ReadFile(kept); err == nil {
		if inv, err := parseInventory(b, "", wanted); err == nil {
			e.ws.Report(runner.StageProofs, "nothing changed since the theorems were last listed")
			how, warnings, err := e.witness(ctx, inv, groups)
			return inv, how, warnings, err
		}
	}
	e.ws.Report(runner.StageProofs, "listing theorems of %s", plural(len(modules), "module"))
	out, prefix, err := e.walk(ctx, groups)
	var broken *programError
	if errors.As(err, &broken) {
		inv, how, unusable := e.listExport(ctx, modules, groups)
		if inv != nil {
			return inv, how, []string{broken.Error() + "; used an export instead"}, nil
		}
		broken.msg = join(broken.msg, unusable)
		inv, err := e.printAxioms(ctx, modules)
		if err != nil {
			return nil, level{}, nil, errors.Join(broken, err)
		}
		return inv, byPrint, []string{broken.Error() + "; used #print axioms instead: private theorems and definitions are not examined"}, nil
	}
	if err != nil {
		return nil, level{}, nil, err
	}
	inv, err := parseInventory(out, prefix, wanted)
	if err != nil {
		return nil, level{}, nil, err
	}
	if len(inv.failed) == 0 {
		var b bytes.Buffer
		for line := range bytes.Lines(out) {
			if rest, ok := bytes.CutPrefix(line, []byte(prefix)); ok {
				b.Write(rest)
			}
		}
		if writeFile(kept, b.Bytes()) == nil { // only a cache
			thin(e.cache, "inventory-*.ndjson", 20)
		}
	}
	how, warnings, err := e.witness(ctx, inv, groups)
	return inv, how, warnings, err
}

// walk compiles the inventory program, once for a toolchain, and runs it. Records in the
// output are marked by the returned prefix, which nothing that is loaded can foresee.
func (e *examination) walk(ctx context.Context, groups string) (out []byte, prefix string, err error) {
	source := inventorySource
	if e.breakInventory {
		source = []byte("#eval this_does_not_elaborate\n")
	}
	dir, err := e.prepare(ctx, leanProgram{"HoldfastInventory", source, inventoryRunner, "the inventory program", "the listing of theorems", "prepare"})
	if err != nil {
		return nil, "", err
	}
	temp, err := os.MkdirTemp(e.ws.Scratch, "inventory-*")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(temp)
	list := filepath.Join(temp, "groups")
	if err := os.WriteFile(list, []byte(groups), 0o644); err != nil {
		return nil, "", err
	}
	mark := rand.Text()
	args := []string{e.tool.program("lean"), "--run", filepath.Join(dir, "Run.lean"), "--key=" + mark, "--groups=" + list}
	if e.tool.standIn {
		args = append(args, "--stand-in")
	}
	if e.ws.Trusted { // printing loads the project's notations, which runs its initialisers
		args = append(args, "--pp")
	}
	for _, p := range e.searchPath() {
		args = append(args, "--path="+p)
	}
	w := &bounded{max: maxInventory}
	exit, err := e.ws.Exec(ctx, e.log+"-inventory", proc.Cmd{Args: args, Dir: dir, Env: e.environ(e.tool, "LEAN_PATH="+dir), Stdout: w, LogCap: 4 << 20, Limit: inventoryLimit})
	if err != nil {
		return nil, "", err
	}
	// The exit code of a program under `lean --run` says little; the last record decides.
	if exit.Signal != 0 || exit.TimedOut || exit.Stopped {
		if cause := context.Cause(ctx); cause != nil {
			return nil, "", cause
		}
		return nil, "", fmt.Errorf("inventory program %s", exit)
	}
	if w.full {
		return nil, "", fmt.Errorf("inventory program printed more than %d MiB", maxInventory>>20)
	}
	if !bytes.Contains(w.buf.Bytes(), []byte(mark)) {
		return nil, "", &programError{"the inventory program", firstLine(exit.Stderr.String() + "\n" + exit.Stdout.String() + "\n" + exit.String())}
	}
	return w.buf.Bytes(), mark + " ", nil
}

// groups names the modules, those of libraries together and each executable by itself:
// two programs with a main do not fit into one environment. A module comes after those
// that it imports, since what it means is built upon what they mean.
func (e *examination) groups(modules []*module) string {
	var libs, exes []string
	imported := map[string]bool{}
	for _, m := range e.project.modules {
		for _, i := range m.imports {
			imported[i] = true
		}
	}
	for _, m := range e.project.sorted(modules) {
		if m.target.exe && !imported[m.key] {
			exes = append(exes, m.name)
		} else {
			libs = append(libs, m.name)
		}
	}
	s := strings.Join(libs, "\n") + "\n"
	for _, m := range exes {
		s += "\n" + m + "\n"
	}
	return s
}

// searchPath are the folders with compiled modules of the project and its dependencies.
func (e *examination) searchPath() []string {
	dirs := e.libDirs()
	for _, d := range e.dependencies() {
		dirs = append(dirs, filepath.Join(d.dir, ".lake", "build", "lib", "lean"), filepath.Join(d.dir, ".lake", "build", "lib"), filepath.Join(d.dir, "build", "lib"))
	}
	return dirs
}

type dependency struct {
	name     string
	revision string
	dir      string
	local    bool // a path dependency: no revision says what it holds
}

// packages are the dependencies as a report names them.
func (e *examination) packages() []runner.Package {
	var out []runner.Package
	for _, d := range e.dependencies() {
		out = append(out, runner.Package{Name: cut(d.name, 200), Revision: cut(d.revision, 200)})
	}
	slices.SortFunc(out, func(a, b runner.Package) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// dependencies reads lake-manifest.json, in every version so far.
func (e *examination) dependencies() []dependency {
	b, err := readSmall(filepath.Join(e.dir, "lake-manifest.json"))
	if err != nil {
		return nil
	}
	type entry struct {
		Name string
		Type string
		Dir  string
		Rev  string
		Git  *struct{ Name, Rev string } // version 6 and before
		Path *struct{ Name, Dir string }
	}
	var m struct {
		PackagesDir string
		Packages    []entry
	}
	if json.Unmarshal(b, &m) != nil {
		return nil
	}
	base := m.PackagesDir
	if base == "" {
		base = ".lake/packages"
	}
	var out []dependency
	for _, p := range m.Packages {
		name, rev, dir, local := p.Name, p.Rev, p.Dir, p.Type == "path"
		switch {
		case p.Git != nil:
			name, rev = p.Git.Name, p.Git.Rev
		case p.Path != nil:
			name, dir, local = p.Path.Name, p.Path.Dir, true
		}
		if local {
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(e.dir, dir)
			}
			out = append(out, dependency{name, "", dir, true})
		} else if name = key(name); name != "" && filepath.IsLocal(name) {
			out = append(out, dependency{name, rev, filepath.Join(e.dir, filepath.FromSlash(base), name), false})
		}
	}
	return out
}

// fingerprint is a digest of all that decides the listing: compiled modules, compiled
// modules of path dependencies, revisions of the others, toolchain, program, grouping.
func (e *examination) fingerprint(modules []*module, groups string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "1\n%s\n%x\n%x\n%s\n%v\n", e.tool.id(), sha256.Sum256(inventorySource), sha256.Sum256(inventoryRunner), groups, e.ws.Trusted)
	for _, m := range modules {
		found, err := e.hashCompiled(h, m)
		if err != nil {
			return "", err
		}
		if !found {
			return "", fmt.Errorf("compiled form of module %s is missing", m.name)
		}
	}
	if err := e.hashDependencies(h); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// thin removes all but the newest files that match.
func thin(dir, pattern string, keep int) {
	names, _ := filepath.Glob(filepath.Join(dir, pattern))
	type aged struct {
		name string
		time int64
	}
	var files []aged
	for _, n := range names {
		if fi, err := os.Stat(n); err == nil {
			files = append(files, aged{n, fi.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(files, func(a, b aged) int { return int(min(1, max(-1, b.time-a.time))) })
	for i := keep; i < len(files); i++ {
		os.Remove(files[i].name)
	}
}

// bounded keeps up to max bytes.
type bounded struct {
	buf  bytes.Buffer
	max  int
	full bool
}

func (w *bounded) Write(b []byte) (int, error) {
	if w.buf.Len()+len(b) > w.max {
		w.full = true
		return len(b), nil
	}
	return w.buf.Write(b)
}
