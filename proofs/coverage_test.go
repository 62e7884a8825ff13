package proofs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

func TestReach(t *testing.T) {
	files := map[string]string{
		"A.lean": "import A.One", "A/One.lean": "import A.Deep.Two", "A/Deep/Two.lean": "", "A/Alone.lean": "import A.AloneToo", "A/AloneToo.lean": "",
		"Main.lean": "import A.ForMain", "A/ForMain.lean": "", "Stray.lean": "import A.Alone",
	}
	lib := "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n"
	exe := "[[lean_exe]]\nname = \"run\"\nroot = \"Main\"\n"
	for _, tt := range []struct {
		name, lakefile string
		want           []string // unreached
	}{
		{"library", lib, []string{"A.Alone", "A.AloneToo", "A.ForMain"}},
		{"an executable reaches more", lib + exe, []string{"A.Alone", "A.AloneToo"}},
		// What is built by default says nothing about what is there.
		{"default target", "defaultTargets = [\"run\"]\n" + lib + exe, []string{"A.Alone", "A.AloneToo"}},
		{"globs name everything", lib + "globs = [\"A.*\"]\n", nil},
		{"globs name one", lib + "globs = [\"A\", \"A.Alone\"]\n", nil}, // the rest is not of the library
		{"another root", lib + "roots = [\"A\", \"A.Alone\"]\n", []string{"A.ForMain"}},
		{"no root has a file", "name = \"a\"\n[[lean_lib]]\nname = \"A\"\nroots = [\"A.Deep\"]\n", []string{"A.Deep.Two"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			with := map[string]string{"lakefile.toml": tt.lakefile}
			for n, s := range files {
				with[n] = s
			}
			p, err := loadProject(tree(t, with))
			if err != nil {
				t.Fatal(err)
			}
			if got := p.unreached(); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStale(t *testing.T) {
	put := func(t *testing.T, dir string, names ...string) {
		for _, n := range names {
			p := filepath.Join(dir, filepath.FromSlash(n))
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	old := []string{
		".lake/build/lib/lean/A.olean", ".lake/build/lib/lean/A/Gone.olean", ".lake/build/lib/lean/A/Gone.trace",
		".lake/build/lib/A/Older.olean", ".lake/build/lib/libA.a.trace", ".lake/build/lib/lean/Stray.olean",
	}
	sources := map[string]string{"lakefile.toml": "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n", "lean-toolchain": "v4.26.0", "A.lean": "", "Stray.lean": ""}
	home := fake(t, t.TempDir(), stock426, lake426, "exit 1")

	t.Run("working tree", func(t *testing.T) {
		dir := tree(t, sources)
		put(t, dir, old...)
		res := run(t, Config{Toolchains: []string{home}}, workspace(t, dir, ""))
		if want := []string{"A.Gone", "A.Older"}; !slices.Equal(res.Proofs.Stale, want) {
			t.Errorf("stale %q, want %q", res.Proofs.Stale, want)
		}
		if !slices.ContainsFunc(res.Warnings, func(w string) bool {
			return strings.Contains(w, "2 compiled modules without a source are left")
		}) {
			t.Errorf("warnings %q", res.Warnings)
		}
		for _, f := range old { // it is somebody's own
			if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("cache", func(t *testing.T) {
		dir, cache := tree(t, sources), t.TempDir()
		kept := filepath.Join(cache, "lean-"+digest("."))
		for _, f := range old {
			put(t, kept, strings.TrimPrefix(f, "."))
		}
		res := run(t, Config{Toolchains: []string{home}}, workspace(t, dir, cache))
		if want := []string{"A.Gone", "A.Older"}; !slices.Equal(res.Proofs.Stale, want) {
			t.Errorf("stale %q, want %q", res.Proofs.Stale, want)
		}
		for _, f := range old {
			_, err := os.Stat(filepath.Join(kept, strings.TrimPrefix(f, ".")))
			if (err == nil) != strings.HasSuffix(f, "/A.olean") {
				t.Errorf("%s: %v", f, err)
			}
		}
	})
	t.Run("carried by the commit", func(t *testing.T) {
		for _, build := range []string{".lake/build", "out"} {
			files := map[string]string{build + "/lib/lean/A.olean": "forged"}
			for n, s := range sources {
				files[n] = s
			}
			files["lakefile.toml"] = "buildDir = \"" + build + "\"\n" + files["lakefile.toml"]
			dir := tree(t, files)
			// A build that finds the forged module would say so.
			home := fake(t, t.TempDir(), stock426, lake426, "find -L . -name A.olean; exit 1")
			ws := workspace(t, dir, t.TempDir())
			res := run(t, Config{Toolchains: []string{home}}, ws)
			log, err := os.ReadFile(filepath.Join(ws.Logs, "proofs-build.log"))
			if err != nil || strings.Contains(string(log), "./"+build) {
				t.Errorf("%s: %v\n%s", build, err, log)
			}
			if !slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "folder of its own; it was not used") }) {
				t.Errorf("%s: warnings %q", build, res.Warnings)
			}
			if b, err := os.ReadFile(filepath.Join(dir, build, "lib", "lean", "A.olean")); err != nil || string(b) != "forged" {
				t.Errorf("%s: the checkout is not as it was: %v", build, err)
			}
		}
	})
}

// TestUnreachedIsSaid: such a module is built, and its verdict is its own.
func TestUnreachedIsSaid(t *testing.T) {
	dir := tree(t, map[string]string{"lakefile.toml": "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n", "lean-toolchain": "v4.26.0", "A.lean": "", "A/Alone.lean": ""})
	home := fake(t, t.TempDir(), stock426, lake426, `case "$*" in *+A.Alone*) echo '✖ [1/2] Building A.Alone'; echo 'error: A/Alone.lean:1:0: bad'; [ "$2" = --no-build ] && exit 0; exit 1;; esac; [ "$2" = --no-build ]`)
	res := run(t, Config{Toolchains: []string{home}}, workspace(t, dir, t.TempDir()))
	if m := modules(res)["A.Alone"]; res.Verdict != runner.Failure || m.Verdict != runner.Failure || !m.Unreached {
		t.Errorf("%s: %s; %+v", res.Verdict, res.Reason, m)
	}
	if want := "1 module is imported by no root of its library; it was built by name: A.Alone"; !slices.Contains(res.Warnings, want) {
		t.Errorf("warnings %q", res.Warnings)
	}
}
