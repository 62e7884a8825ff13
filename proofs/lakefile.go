package proofs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/holdfast-ci/holdfast/runner"
)

// lakefile is what we need to know of a Lake configuration.
type lakefile struct {
	file     string // "lakefile.toml" or "lakefile.lean"
	srcDir   string // relative to the project
	buildDir string // relative to the project; ".lake/build" unless set
	libDir   string // relative to buildDir; "" means lib/lean, or lib for old versions
	targets  []target
	warnings []string
}

// target is one library or executable.
type target struct {
	name     string
	exe      bool
	srcDir   string   // relative to the lakefile's srcDir
	roots    []string // module names, unquoted keys
	globs    []glob   // which modules the target builds
	explicit bool     // the globs are written, not derived from the roots
}

// glob is a set of modules: one, those below it, or both.
type glob struct {
	module      string
	self, below bool
}

func (g glob) matches(module string) bool {
	if module == g.module {
		return g.self
	}
	return g.below && within(module, g.module)
}

// readLakefile reads the configuration of the project in dir. Like Lake it prefers
// lakefile.lean when both exist.
func readLakefile(dir string) (*lakefile, error) {
	for _, f := range []struct {
		name  string
		parse func(text string) (*lakefile, error)
	}{{"lakefile.lean", parseLakefileLean}, {"lakefile.toml", parseLakefileTOML}} {
		b, err := readSmall(filepath.Join(dir, f.name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.name, err)
		}
		l, err := f.parse(string(b))
		if err != nil {
			return nil, err
		}
		l.file = f.name
		if err := l.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		return l, nil
	}
	return nil, runner.WithHint(errors.New("no lakefile.toml or lakefile.lean"), "name the folder of the Lean project in proofs.dirs")
}

// coreRoots are module roots of the toolchain. A project that claims one could pass its
// own modules off as the toolchain's.
var coreRoots = []string{"Init", "Std", "Lean", "Lake", "LeanChecker"}

func (l *lakefile) check() error {
	if l.buildDir == "" {
		l.buildDir = ".lake/build"
	}
	for _, p := range []string{l.srcDir, l.buildDir, l.libDir} {
		if p != "" && !filepath.IsLocal(p) {
			return fmt.Errorf("folder %q leads out of the project", cut(p, 80))
		}
	}
	for _, t := range l.targets {
		if t.srcDir != "" && !filepath.IsLocal(filepath.Join(l.srcDir, t.srcDir)) {
			return fmt.Errorf("srcDir %q of %s leads out of the project", cut(t.srcDir, 80), cut(t.name, 80))
		}
		for _, r := range t.roots {
			if _, ok := splitName(r); !ok {
				return fmt.Errorf("%q is not a module name", cut(r, 80))
			}
			for _, c := range coreRoots {
				if within(r, c) {
					return fmt.Errorf("module root %s belongs to the toolchain", r)
				}
			}
		}
	}
	return nil
}

func parseLakefileTOML(text string) (*lakefile, error) {
	var f struct {
		Name       string // must be one, and is not needed
		SrcDir     string
		BuildDir   string
		LeanLibDir string
		Lean_Lib   []struct {
			Name   string
			SrcDir string
			Roots  []string
			Globs  any
		}
		Lean_Exe []struct {
			Name   string
			SrcDir string
			Root   string
		}
	}
	if _, err := toml.Decode(text, &f); err != nil {
		if pe, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, &SyntaxError{File: "lakefile.toml", Line: pe.Position.Line, Column: max(1, pe.Position.Col), Msg: pe.Message}
		}
		return nil, fmt.Errorf("lakefile.toml: %w", err)
	}
	l := &lakefile{srcDir: f.SrcDir, buildDir: f.BuildDir, libDir: f.LeanLibDir}
	for i, lib := range f.Lean_Lib {
		if lib.Name == "" {
			return nil, fmt.Errorf("lakefile.toml: library %d has no name", i+1)
		}
		t := target{name: lib.Name, srcDir: lib.SrcDir}
		for _, r := range lib.Roots {
			t.roots = append(t.roots, key(r))
		}
		if lib.Roots == nil {
			t.roots = []string{key(lib.Name)}
		}
		switch g := lib.Globs.(type) {
		case nil:
		case string:
			t.addGlob(g)
		case []any:
			for _, x := range g {
				s, ok := x.(string)
				if !ok {
					return nil, fmt.Errorf("lakefile.toml: globs of library %s: want a list of texts", lib.Name)
				}
				t.addGlob(s)
			}
		default:
			return nil, fmt.Errorf("lakefile.toml: globs of library %s: want a list of texts", lib.Name)
		}
		l.targets = append(l.targets, t)
	}
	for i, exe := range f.Lean_Exe {
		if exe.Name == "" {
			return nil, fmt.Errorf("lakefile.toml: executable %d has no name", i+1)
		}
		root := exe.Root
		if root == "" {
			root = exe.Name
		}
		l.targets = append(l.targets, target{name: exe.Name, exe: true, srcDir: exe.SrcDir, roots: []string{key(root)}})
	}
	return l, nil
}

// addGlob reads Lake's notation: "A", "A.*" (A and all below), "A.+" (all below).
func (t *target) addGlob(s string) {
	t.explicit = true
	switch {
	case strings.HasSuffix(s, ".*"):
		t.globs = append(t.globs, glob{key(strings.TrimSuffix(s, ".*")), true, true})
	case strings.HasSuffix(s, ".+"):
		t.globs = append(t.globs, glob{key(strings.TrimSuffix(s, ".+")), false, true})
	default:
		t.globs = append(t.globs, glob{key(s), true, false})
	}
}

// SyntaxError is a configuration or source file that cannot be read.
type SyntaxError struct {
	File   string
	Line   int // 1-based
	Column int // 1-based, in bytes; 0 if not known
	Msg    string
}

func (e *SyntaxError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

var (
	leanDecl  = regexp.MustCompile(`\b(package|lean_lib|lean_exe)\s+("[^"\n]*"|«[^»\n]*»|[\w.'-]+)`)
	leanGlob  = regexp.MustCompile("(?:(?:Glob)?\\.(one|submodules|andSubmodules)\\s+)?`([^\\s,\\]`]+)")
	leanLogic = regexp.MustCompile(`(?m)^\s*(?:meta\s+if|elab|macro|run_cmd|syntax)\b`)

	srcDirField, rootField, buildDirField = leanString("srcDir"), leanString("root"), leanString("buildDir")
	rootsField, globsField                = leanList("roots"), leanList("globs")
	anyRoots, anyGlobs                    = leanField("roots"), leanField("globs")
)

func leanString(field string) *regexp.Regexp {
	return regexp.MustCompile(`\b` + field + `\s*:=\s*("[^"\n]*"|` + "`" + `[^\s,\]]+)`)
}

func leanList(field string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)\b` + field + `\s*:=\s*(#?\[[^\]]*\]|` + "`" + `[^\s,\]]+|\.\w+\s+` + "`" + `\S+)`)
}

func leanField(field string) *regexp.Regexp { return regexp.MustCompile(`\b` + field + `\s*:=`) }

// parseLakefileLean reads a declarative lakefile.lean: literal names and fields. The file
// is a program, so this is a best effort; what was not understood is a warning, and
// without any library the file is taken as if it declared the conventional ones.
func parseLakefileLean(text string) (*lakefile, error) {
	text = stripComments(text)
	l := &lakefile{}
	unquote := func(s string) string { return key(strings.Trim(s, "\"`")) }
	hits := leanDecl.FindAllStringSubmatchIndex(text, -1)
	for i, h := range hits {
		end := len(text)
		if i+1 < len(hits) {
			end = hits[i+1][0]
		}
		kind, name, body := text[h[2]:h[3]], unquote(text[h[4]:h[5]]), text[h[1]:end]
		field := func(re *regexp.Regexp) string {
			if m := re.FindStringSubmatch(body); m != nil {
				return unquote(m[1])
			}
			return ""
		}
		t := target{name: name, srcDir: field(srcDirField)}
		switch kind {
		case "package":
			l.srcDir, l.buildDir = t.srcDir, field(buildDirField)
			continue
		case "lean_exe":
			t.exe = true
			if r := field(rootField); r != "" {
				t.roots = []string{r}
			} else {
				t.roots = []string{name}
			}
		case "lean_lib":
			if m := rootsField.FindStringSubmatch(body); m != nil {
				for _, g := range leanGlob.FindAllStringSubmatch(m[1], -1) {
					t.roots = append(t.roots, unquote(g[2]))
				}
			} else {
				t.roots = []string{name}
				if anyRoots.MatchString(body) {
					l.warnings = append(l.warnings, fmt.Sprintf("lakefile.lean: roots of %s are not literal; assumed %s", name, name))
				}
			}
			if m := globsField.FindStringSubmatch(body); m != nil {
				for _, g := range leanGlob.FindAllStringSubmatch(m[1], -1) {
					t.explicit = true
					t.globs = append(t.globs, glob{unquote(g[2]), g[1] != "submodules", g[1] == "submodules" || g[1] == "andSubmodules"})
				}
			}
			if !t.explicit && anyGlobs.MatchString(body) {
				l.warnings = append(l.warnings, fmt.Sprintf("lakefile.lean: globs of %s are not literal; every module below its roots is built", name))
			}
		}
		l.targets = append(l.targets, t)
	}
	if leanLogic.MatchString(text) {
		l.warnings = append(l.warnings, "lakefile.lean is a program: its libraries were read from the text, not by running it")
	}
	return l, nil
}

// conventional adds a library for every top-level module when none is declared in a way
// that we understand.
func (l *lakefile) conventional(dir string) error {
	entries, err := os.ReadDir(filepath.Join(dir, l.srcDir))
	if err != nil {
		return fmt.Errorf("read source folder: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".lean")
		if ok && name != "lakefile" && !e.IsDir() && plain(name) {
			l.targets = append(l.targets, target{name: name, roots: []string{name}})
		}
	}
	l.warnings = append(l.warnings, l.file+" declares no library that could be read; took every top-level module as one")
	return l.check()
}
