package proofs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree writes files into a fresh folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(p *project) []string {
	var out []string
	for _, m := range p.modules {
		out = append(out, m.name)
	}
	return out
}

func TestModules(t *testing.T) {
	files := map[string]string{
		"A.lean": "import A.One", "A/One.lean": "", "A/Two.lean": "", "A/Deep/Three.lean": "", "A/odd-name.lean": "",
		"Main.lean": "import A", "Other.lean": "", "src/B.lean": "", "src/B/Four.lean": "",
		"build/Left.lean": "", ".lake/packages/p/P.lean": "", "sub/lakefile.toml": "", "sub/S.lean": "", ".hidden/H.lean": "",
	}
	for _, tt := range []struct {
		name, toml, lean string
		want             []string
		orphans          []string
		warnings         int
	}{
		{
			name: "all below the root, one executable", toml: "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n[[lean_exe]]\nname = \"a\"\nroot = \"Main\"\n",
			want: []string{"A", "A.Deep.Three", "A.One", "A.Two", "A.«odd-name»", "Main"}, orphans: []string{"Other.lean", "build/Left.lean", "src/B.lean", "src/B/Four.lean"},
		},
		{
			name: "written globs, and what they import", toml: "name = \"a\"\n[[lean_lib]]\nname = \"A\"\nglobs = [\"A\", \"A.Deep.+\"]\n",
			want: []string{"A", "A.Deep.Three", "A.One"}, orphans: []string{"A/Two.lean", "A/odd-name.lean", "Main.lean", "Other.lean", "build/Left.lean", "src/B.lean", "src/B/Four.lean"},
		},
		{
			name: "source folder and two libraries", toml: "name = \"a\"\nbuildDir = \"build\"\n[[lean_lib]]\nname = \"B\"\nsrcDir = \"src\"\n[[lean_lib]]\nname = \"X\"\nroots = [\"Other\"]\n",
			want: []string{"B", "B.Four", "Other"}, orphans: []string{"A.lean", "A/Deep/Three.lean", "A/One.lean", "A/Two.lean", "A/odd-name.lean", "Main.lean"},
		},
		{
			name: "declarative lakefile.lean", lean: "import Lake\nopen Lake DSL\n\npackage «a» where\n  -- srcDir := \"no\"\n\n@[default_target]\nlean_lib «A» where\n  globs := #[.one `A, .submodules `A.Deep]\n\nlean_exe tool where\n  root := `Main\n",
			want: []string{"A", "A.Deep.Three", "A.One", "Main"}, orphans: []string{"A/Two.lean", "A/odd-name.lean", "Other.lean", "build/Left.lean", "src/B.lean", "src/B/Four.lean"},
		},
		{
			name: "lakefile.lean without a library to read", lean: "import Lake\nopen Lake DSL\npackage a\nmeta if true then\n",
			want:    []string{"A", "A.Deep.Three", "A.One", "A.Two", "A.«odd-name»", "Main", "Other"},
			orphans: []string{"build/Left.lean", "src/B.lean", "src/B/Four.lean"}, warnings: 2,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, files)
			for name, text := range map[string]string{"lakefile.toml": tt.toml, "lakefile.lean": tt.lean} {
				if text != "" {
					os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
				}
			}
			p, err := loadProject(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(p); !slices.Equal(got, tt.want) {
				t.Errorf("modules %q\n   want %q", got, tt.want)
			}
			if !slices.Equal(p.orphans, tt.orphans) {
				t.Errorf("orphans %q\n   want %q", p.orphans, tt.orphans)
			}
			if !slices.Equal(p.nested, []string{"sub"}) {
				t.Errorf("nested %q", p.nested)
			}
			if len(p.warnings) != tt.warnings {
				t.Errorf("warnings %q", p.warnings)
			}
		})
	}
}

func TestBadLakefiles(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"name = \"a\"\n[[lean_lib]\nname = \"A\"\n", "lakefile.toml:3:"},
		{"name = \"a\n", "lakefile.toml:1:"},
		{"name = 3\n", "lakefile.toml: "},
		{"name = \"a\"\n[[lean_lib]]\nroots = [\"A\"]\n", "library 1 has no name"},
		{"name = \"a\"\n[[lean_lib]]\nname = \"A\"\nglobs = [1]\n", "globs of library A"},
		{"name = \"a\"\nsrcDir = \"../up\"\n", "leads out of the project"},
		{"name = \"a\"\nbuildDir = \"/tmp/x\"\n", "leads out of the project"},
		{"name = \"a\"\n[[lean_lib]]\nname = \"A\"\nsrcDir = \"../../x\"\n", "leads out of the project"},
		{"name = \"a\"\n[[lean_lib]]\nname = \"Init\"\n", "belongs to the toolchain"},
		{"name = \"a\"\n[[lean_lib]]\nname = \"A/../..\"\n", "not a module name"},
	} {
		_, err := loadProject(tree(t, map[string]string{"lakefile.toml": tt.text}))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
	var se *SyntaxError
	if _, err := loadProject(tree(t, map[string]string{"lakefile.toml": "name = \"a\"\n  oops\n"})); !errors.As(err, &se) || se.Line != 2 || se.Column < 1 {
		t.Errorf("no place: %+v", se)
	}
}

func FuzzLakefile(f *testing.F) {
	f.Add("name = \"a\"\n[[lean_lib]]\nname = \"A\"\nglobs = [\"A.+\"]\n[[lean_exe]]\nname=\"x\"")
	f.Add("package «a» where\n  srcDir := \"s\"\nlean_lib A where\n  roots := #[`A, `B]\n  globs := #[.andSubmodules `A]\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (*lakefile, error){parseLakefileTOML, parseLakefileLean} {
			l, err := parse(text)
			if err != nil || l.check() != nil {
				continue
			}
			// Whatever is accepted stays inside the project.
			for _, target := range l.targets {
				for _, r := range target.roots {
					if parts, ok := splitName(r); !ok || !filepath.IsLocal(filepath.Join(parts...)) {
						t.Errorf("root %q", r)
					}
				}
				if target.srcDir != "" && !filepath.IsLocal(filepath.Join(l.srcDir, target.srcDir)) {
					t.Errorf("srcDir %q", target.srcDir)
				}
			}
		}
	})
}

func TestBlocked(t *testing.T) {
	p := &project{byKey: map[string]*module{}}
	for name, imports := range map[string][]string{"A": nil, "B": {"A"}, "C": {"B"}, "D": nil, "E": {"D", "C"}} {
		p.modules = append(p.modules, &module{name: name, key: name, imports: imports})
	}
	got := p.blocked(map[string]bool{"A": true})
	want := map[string]string{"B": "A", "C": "B", "E": "C"}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is blocked by %q, want %q", k, got[k], v)
		}
	}
}
