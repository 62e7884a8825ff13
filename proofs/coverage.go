package proofs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// reach marks the modules that nobody's build would come to: neither imported, however
// far away, by the root of a library or an executable, nor named by globs that somebody
// wrote. We build them by name; `lake build` would not.
func (p *project) reach() {
	reached := map[string]bool{}
	var add func(key string)
	add = func(key string) {
		m := p.byKey[key]
		if m == nil || reached[key] {
			return
		}
		reached[key] = true
		for _, i := range m.imports {
			add(i)
		}
	}
	for i := range p.lake.targets {
		t := &p.lake.targets[i]
		if !t.explicit {
			for _, r := range t.roots {
				add(r)
			}
			continue
		}
		for _, m := range p.modules {
			if slices.ContainsFunc(t.globs, func(g glob) bool { return g.matches(m.key) }) {
				add(m.key)
			}
		}
	}
	for _, m := range p.modules {
		m.unreached = !reached[m.key]
	}
}

// unreached names the modules that reach marked.
func (p *project) unreached() []string {
	var out []string
	for _, m := range p.modules {
		if m.unreached {
			out = append(out, m.name)
		}
	}
	return out
}

// sourced reports whether some file of the project, of a target or not, would be the
// source of a module.
func (p *project) sourced(key string) bool {
	if p.byKey[key] != nil {
		return true
	}
	rel := strings.ReplaceAll(key, ".", "/") + ".lean"
	return slices.ContainsFunc(p.orphans, func(f string) bool { return f == rel || strings.HasSuffix(f, "/"+rel) })
}

// stale lists the compiled modules whose source is gone, sorted. Lake leaves them, and a
// module that still imports one builds here and nowhere else. If remove is set the
// outputs of whatever is no module of the project go.
func (e *examination) stale(remove bool) ([]string, error) {
	var gone []string
	dirs := e.libDirs()
	for i, root := range dirs {
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if d.IsDir() {
				if slices.Contains(dirs[:i], p) { // lib/lean below lib
					return filepath.SkipDir
				}
				return nil
			}
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			for _, ext := range outputs {
				stem, ok := strings.CutSuffix(filepath.ToSlash(rel), ext)
				if !ok {
					continue
				}
				key := strings.ReplaceAll(stem, "/", ".")
				if e.project.byKey[key] != nil {
					return nil
				}
				if ext == ".olean" && !e.project.sourced(key) && !slices.Contains(gone, key) {
					gone = append(gone, key)
				}
				if remove {
					return os.Remove(p)
				}
				return nil
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(gone)
	return gone, nil
}

// outputs are the endings of what is built of a module, longest first.
var outputs = []string{
	".olean.private.hash", ".olean.server.hash", ".olean.hash", ".ilean.hash", ".ir.hash",
	".olean.private", ".olean.server", ".olean", ".ilean", ".trace", ".ir", ".setup.json",
}

// libDirs are the folders that may hold the project's compiled modules, below its .lake
// or build folder; which of them exist depends on the version of Lake (lib/lean since
// 4.17).
func (e *examination) libDirs() []string {
	build := e.buildDir()
	if d := e.project.lake.libDir; d != "" {
		return []string{filepath.Join(build, filepath.FromSlash(d))}
	}
	return []string{filepath.Join(build, "lib", "lean"), filepath.Join(build, "lib")}
}

// buildDir is the project's build folder, .lake/build unless the project says otherwise.
func (e *examination) buildDir() string {
	return filepath.Join(e.dir, filepath.FromSlash(e.project.lake.buildDir))
}

// builtBefore reports whether an earlier build left anything.
func (e *examination) builtBefore() bool {
	return slices.ContainsFunc(e.libDirs(), func(dir string) bool {
		entries, err := os.ReadDir(dir)
		return err == nil && len(entries) > 0
	})
}
