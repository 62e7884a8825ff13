package proofs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// module is one source file that some target of the project owns.
type module struct {
	name    string // as Lean writes it, quoted where needed
	key     string // without quotes
	path    string // absolute
	rel     string // slash-separated, relative to the project
	target  *target
	imports []string // keys

	unreached bool // no root of a target imports it
}

// project is a Lake project as its sources tell it. What has been built before plays no
// part.
type project struct {
	lake     *lakefile
	modules  []*module // sorted by name
	byKey    map[string]*module
	orphans  []string // .lean files of no target, relative to the project
	nested   []string // folders below that are Lake projects of their own
	warnings []string
}

// loadProject lists the modules of the project in dir.
func loadProject(dir string) (*project, error) {
	l, err := readLakefile(dir)
	if err != nil {
		return nil, err
	}
	if len(l.targets) == 0 && l.file == "lakefile.lean" {
		if err := l.conventional(dir); err != nil {
			return nil, err
		}
	}
	p := &project{lake: l, byKey: map[string]*module{}, warnings: l.warnings}
	files, err := p.sources(dir)
	if err != nil {
		return nil, err
	}
	var candidates []*module
	owned := map[string]bool{}
	for i := range l.targets {
		t := &l.targets[i]
		for _, f := range files {
			m := t.owns(l, f)
			if m == nil {
				continue
			}
			if owned[f] { // the first target wins, as in Lake
				continue
			}
			owned[f] = true
			m.path = filepath.Join(dir, filepath.FromSlash(f))
			b, err := readSmall(m.path)
			if err != nil {
				p.warnings = append(p.warnings, "read "+f+": "+err.Error())
			}
			m.imports = parseImports(string(b))
			candidates = append(candidates, m)
		}
	}
	p.choose(candidates)
	p.reach()
	taken := map[string]bool{}
	for _, m := range p.modules {
		taken[m.rel] = true
	}
	for _, f := range files {
		if !taken[f] {
			p.orphans = append(p.orphans, f)
		}
	}
	slices.SortFunc(p.modules, func(a, b *module) int { return strings.Compare(a.name, b.name) })
	return p, nil
}

// owns returns the module that a file is for the target, or nil.
func (t *target) owns(l *lakefile, file string) *module {
	rel, err := filepath.Rel(filepath.Join(l.srcDir, t.srcDir), filepath.FromSlash(file))
	if err != nil || !filepath.IsLocal(rel) {
		return nil
	}
	parts := strings.Split(strings.TrimSuffix(filepath.ToSlash(rel), ".lean"), "/")
	m := &module{name: joinName(parts), key: strings.Join(parts, "."), rel: file, target: t}
	if t.exe { // of an executable only the root; a library owns the rest
		if slices.Contains(t.roots, m.key) {
			return m
		}
		return nil
	}
	for _, r := range t.roots {
		if within(m.key, r) {
			return m
		}
	}
	for _, g := range t.globs {
		if g.matches(m.key) {
			return m
		}
	}
	return nil
}

// choose takes the modules to build. A library builds all that lies below its roots;
// where globs are written they say what is meant, and imports add to it.
func (p *project) choose(candidates []*module) {
	all := map[string]*module{}
	for _, m := range candidates {
		if first, ok := all[m.key]; ok {
			p.warnings = append(p.warnings, "module "+m.name+" is defined by "+first.rel+" and by "+m.rel+"; only the first is built")
			continue
		}
		all[m.key] = m
	}
	var add func(m *module)
	add = func(m *module) {
		if p.byKey[m.key] != nil {
			return
		}
		p.byKey[m.key] = m
		p.modules = append(p.modules, m)
		for _, i := range m.imports {
			if d := all[i]; d != nil {
				add(d)
			}
		}
	}
	for _, m := range candidates {
		if all[m.key] != m {
			continue
		}
		if !m.target.explicit {
			add(m)
			continue
		}
		for _, g := range m.target.globs {
			if g.matches(m.key) {
				add(m)
			}
		}
	}
}

// sources lists the .lean files of the project, slash-separated and sorted. Folders of
// tools, dependencies, build outputs and other projects are left out.
func (p *project) sources(dir string) ([]string, error) {
	var files []string
	build := filepath.Join(dir, filepath.FromSlash(p.lake.buildDir))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path == dir {
				return nil
			}
			if strings.HasPrefix(d.Name(), ".") || d.Name() == "lake-packages" || path == build {
				return filepath.SkipDir
			}
			for _, f := range []string{"lakefile.toml", "lakefile.lean"} {
				if _, err := os.Lstat(filepath.Join(path, f)); err == nil {
					p.nested = append(p.nested, filepath.ToSlash(rel))
					return filepath.SkipDir
				}
			}
			return nil
		}
		if strings.HasSuffix(d.Name(), ".lean") && rel != "lakefile.lean" {
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// blocked tells for every module that (transitively) imports one of the failed ones which
// of its own imports stands in the way. Both sides are keys.
func (p *project) blocked(failed map[string]bool) map[string]string {
	out := map[string]string{}
	for changed := true; changed; {
		changed = false
		for _, m := range p.modules {
			if failed[m.key] || out[m.key] != "" {
				continue
			}
			for _, i := range m.imports {
				if failed[i] || out[i] != "" {
					out[m.key] = i
					changed = true
					break
				}
			}
		}
	}
	return out
}

// sorted orders modules so that each comes after those of the project that it imports.
// Modules that import each other in a circle, which cannot be built, stay as they are.
func (p *project) sorted(modules []*module) []*module {
	wanted := map[*module]bool{}
	for _, m := range modules {
		wanted[m] = true
	}
	var out []*module
	seen := map[*module]bool{}
	var visit func(m *module)
	visit = func(m *module) {
		if seen[m] {
			return
		}
		seen[m] = true
		for _, i := range m.imports {
			if d := p.byKey[i]; d != nil {
				visit(d)
			}
		}
		if wanted[m] {
			out = append(out, m)
		}
	}
	for _, m := range modules {
		visit(m)
	}
	return out
}
