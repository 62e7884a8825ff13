package proofs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// lakeScript keeps to what Lake's sources say of finding and running Lean
// (Lake/Config/InstallPath.lean, Lake/Build/Actions.lean); everything else of it is as
// simple as it can be: modules are built in the order in which they are named.
const lakeScript = `#!/bin/sh
if [ "$1" = --version ]; then echo 'LAKE'; exit; fi
prefix=$(cd "$(dirname "$0")/.." && pwd)
if [ "$LAKE_OVERRIDE_LEAN" = true ]; then
  prefix=$("$LEAN" --print-prefix) || { echo 'error: could not detect a Lean installation' >&2; exit 1; }
  "$prefix/bin/lean" --githash >/dev/null || exit 1
fi
build=yes bad=
for a; do
  case $a in
  --no-build) build= ;;
  +*)
    m=${a#+}
    file=$(echo "$m" | tr . /).lean
    out=.lake/build/lib/lean/$(echo "$m" | tr . /)
    hash=$(cat "$file" | cksum | cut -d' ' -f1)
    if grep -q "\"depHash\":\"$hash\"" "$out.trace" 2>/dev/null; then continue; fi
    if [ -z "$build" ]; then echo 'error: target is out-of-date and needs to be rebuilt' >&2; exit 3; fi
    mkdir -p "$(dirname "$out")"
    echo "{\"name\":\"$m\"}" >"$out.setup.json"
    LEAN_PATH=.lake/build/lib/lean "$prefix/bin/lean" "$PWD/$file" -R "$PWD" -o "$out.olean" -i "$out.ilean" EXTRA --json >out.txt 2>err.txt
    code=$?
    if [ $code = 0 ]; then
      echo "✔ [1/9] Built $m (1.0s)"
      echo "{\"depHash\":\"$hash\",\"log\":[]}" >"$out.trace"
    else
      bad=1
      echo "✖ [1/9] Building $m (1.0s)"
      grep -v '^{' out.txt | sed 's/^/info: stdout: /'
      echo "error: Lean exited with code $code"
    fi ;;
  esac
done
if [ -n "$bad" ]; then echo 'error: build failed' >&2; exit 1; fi
echo 'Build completed successfully (9 jobs).'
`

// leanScript answers what Lake and the stage ask, and compiles by running a script.
func leanScript(compile string) string {
	return "#!/bin/sh\ncase $1 in\n--version) echo '" + stock426 + "'; exit ;;\n--githash) echo d8204c9; exit ;;\n--print-prefix) echo /somewhere; exit ;;\nesac\n" + compile + "\n"
}

func protocol(t *testing.T, lean string) string {
	t.Helper()
	dir := t.TempDir()
	lake := strings.NewReplacer("LAKE'", lake426+"'", "EXTRA", `--setup "$out.setup.json"`).Replace(lakeScript)
	for name, script := range map[string]string{"bin/lean": lean, "bin/lake": lake, "lib/lean/Init.olean": "", "LICENSE": ""} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

var twoModules = map[string]string{
	"lakefile.toml":  "name = \"a\"\n[[lean_lib]]\nname = \"A\"\nroots = [\"A\", \"B\"]\n",
	"lean-toolchain": "leanprover/lean4:v4.26.0\n",
	"A.lean":         "theorem é : 1 = 1 := rfl\n", "B.lean": "import A\n",
}

// said has a message that only its JSON form tells where it ends, and what kind it is.
const said = `printf '%s\n' '{"severity":"warning","pos":{"line":1,"column":8},"endPos":{"line":1,"column":9},"fileName":"A.lean","data":"two\nerror: lines","kind":"linter.x","caption":"","isSilent":false}'
for a; do [ "$prev" = -o ] && touch "$a"; [ "$prev" = -i ] && touch "$a"; prev=$a; done`

func TestRecords(t *testing.T) {
	home := protocol(t, leanScript(said))
	cfg := Config{Toolchains: []string{home}, Wrapper: self(t)}
	dir, cache := tree(t, twoModules), t.TempDir()
	res := run(t, cfg, workspace(t, dir, cache))
	for _, name := range []string{"A", "B"} {
		m := modules(res)[name]
		if m.Verdict != runner.Success || m.Reused || m.MaxRSS < 100<<10 || m.Seconds <= 0 || m.Seconds == 1 {
			t.Errorf("%+v", m)
		}
	}
	want := runner.Finding{Verdict: runner.Neutral, Rule: "lean", File: "A.lean", Line: 1, Column: 9, EndLine: 1, EndColumn: 11, Text: "two\nerror: lines"}
	if !slices.Contains(res.Findings, want) {
		t.Errorf("findings %+v", res.Findings)
	}
	if slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "record of each module") }) {
		t.Errorf("warnings %q", res.Warnings)
	}
	// Everything else of the folder is the toolchain's.
	wrappers, _ := filepath.Glob(filepath.Join(cache, "*", "wrapper-*"))
	if len(wrappers) != 1 {
		t.Fatal(wrappers)
	}
	for _, f := range []string{"lib", "LICENSE", "bin/lake"} {
		if end, err := os.Readlink(filepath.Join(wrappers[0], f)); err != nil || end != filepath.Join(home, f) {
			t.Errorf("%s leads to %s, %v", f, end, err)
		}
	}

	t.Run("again", func(t *testing.T) {
		res := run(t, cfg, workspace(t, tree(t, twoModules), cache))
		for _, m := range res.Proofs.Modules {
			if !m.Reused || m.Seconds != 0 {
				t.Errorf("%+v", m)
			}
		}
		for _, l := range res.Logs {
			if strings.HasSuffix(l.Name, "-build") || strings.HasSuffix(l.Name, "-wrapper") {
				t.Errorf("%s ran", l.Name)
			}
		}
	})
	t.Run("without", func(t *testing.T) {
		cfg := cfg
		cfg.Wrapper = ""
		res := run(t, cfg, workspace(t, tree(t, twoModules), t.TempDir()))
		if m := modules(res)["A"]; m.Verdict != runner.Success || m.Seconds != 1 || m.MaxRSS != 0 {
			t.Errorf("%+v", m)
		}
	})
}

func TestRecordOfFailure(t *testing.T) {
	for _, tt := range []struct {
		name, compile string
		verdict       runner.Verdict
		reason        string
	}{
		{"an error", `printf '%s\n' '{"severity":"error","pos":{"line":1,"column":8},"endPos":null,"fileName":"x","data":"type mismatch\n  rfl","kind":"k"}'; exit 1`, runner.Failure, "A.lean:1:9: type mismatch rfl"},
		{"killed", `kill -9 $$`, runner.Error, "Lean was killed (exit code 137), usually for want of memory"},
		{"crashed", `kill -6 $$`, runner.Error, "Lean crashed (exit code 134)"},
		{"odd code", `exit 77`, runner.Error, "Lean ended with exit code 77"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := run(t, Config{Toolchains: []string{protocol(t, leanScript(tt.compile))}, Wrapper: self(t)}, workspace(t, tree(t, twoModules), t.TempDir()))
			if m := modules(res)["A"]; m.Verdict != tt.verdict || m.Reason != tt.reason {
				t.Errorf("%+v", m)
			}
			if slices.ContainsFunc(res.Logs, func(l runner.Log) bool { return l.Name == "proofs-build-2" }) {
				t.Error("built twice")
			}
		})
	}
}

// TestWrapperGivesWay: whatever is wrong with the wrapper, the build is as without it.
func TestWrapperGivesWay(t *testing.T) {
	script := func(t *testing.T, text string) string {
		p := filepath.Join(t.TempDir(), "holdfast")
		if err := os.WriteFile(p, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, tt := range []struct {
		name    string
		wrapper func(t *testing.T) string
		warning string
	}{
		{"no file", func(t *testing.T) string { return "/nowhere/holdfast" }, "no such file"},
		{"does not know its part", func(t *testing.T) string { return script(t, "echo usage >&2; exit 2") }, "lean --version: exit code 2"},
		{"another version", func(t *testing.T) string { return script(t, "echo Lean 3") }, `the wrapper answers --version with "Lean 3"`},
		{"answers and then fails", func(t *testing.T) string {
			return script(t, `case $1 in --print-prefix) echo "$HOLDFAST_LEAN_PREFIX" ;; --version|--githash) exec "$HOLDFAST_LEAN_PROGRAM" "$@" ;; *) exit 1 ;; esac`)
		}, "the build fails with it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Toolchains: []string{protocol(t, leanScript(said))}, Wrapper: tt.wrapper(t)}
			cache := t.TempDir()
			for range 2 { // what was refused is refused again
				res := run(t, cfg, workspace(t, tree(t, twoModules), cache))
				for _, m := range res.Proofs.Modules {
					if m.Verdict != runner.Success {
						t.Errorf("%+v", m)
					}
				}
				if !slices.ContainsFunc(res.Warnings, func(w string) bool {
					return strings.HasPrefix(w, "built without a record of each module: ") && strings.Contains(w, tt.warning)
				}) {
					t.Errorf("warnings %q", res.Warnings)
				}
				os.RemoveAll(filepath.Join(cache, "lean-"+digest("."), "lake"))
			}
		})
	}
}

// TestDeadline: the reason names the module at which Lean was.
func TestDeadline(t *testing.T) {
	dir := tree(t, twoModules)
	started := filepath.Join(dir, "started")
	home := protocol(t, leanScript(`case $1 in *B.lean) touch `+started+`; exec sleep 600 ;; esac; exit 0`))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	limit := &runner.LimitError{Stage: "proofs", Limit: time.Minute}
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(started); err == nil {
				cancel(limit)
			}
		}
	}()
	res := runner.Execute(ctx, New(Config{Toolchains: []string{home}, Wrapper: self(t)}), workspace(t, dir, t.TempDir()), time.Hour)
	if res.Verdict != runner.Error || res.Reason != "proofs stage stopped after its limit of 1m0s while building B" || res.Hint != limit.Hint() {
		t.Errorf("%s: %s (%s)", res.Verdict, res.Reason, res.Hint)
	}
}

func TestCompiled(t *testing.T) {
	for args, want := range map[string]string{
		"A.lean -o A.olean --json":             "A.lean",
		"-Dx=y ./A b.lean":                     "",
		"-R src src/A.lean -i x --setup s":     "src/A.lean",
		"--run A.lean -o B.lean":               "",
		"A.lean":                               "",
		"-o B.lean A.lean":                     "A.lean",
		"--version":                            "",
		"-DmaxHeartbeats=1 A.lean -o x -c x.c": "A.lean",
	} {
		if got := compiled(strings.Fields(args)); got != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}

func TestNotWrapped(t *testing.T) {
	env := []string{leanVar + "=/bin/true", recordsVar + "=/tmp"}
	for _, tt := range []struct{ args, env []string }{
		{[]string{"holdfast", "--version"}, env}, {[]string{"lean"}, nil}, {nil, env}, {[]string{"lean"}, env[:1]},
	} {
		if _, ok := Wrapped(tt.args, tt.env); ok {
			t.Errorf("%q %q", tt.args, tt.env)
		}
	}
}

// TestRecordsHostile: code of the project can write to the folder of records.
func TestRecordsHostile(t *testing.T) {
	dir := t.TempDir()
	w := &wrapper{records: dir}
	m := &module{name: "A", key: "A", path: filepath.Join(dir, "A.lean"), rel: "A.lean"}
	name := filepath.Join(dir, recordName(sourceID(m.path)))
	for _, s := range []string{"", "x", "[]", `{"done":true,"seconds":-1}`, `{"messages":[{"pos":7}]}`} {
		if err := os.WriteFile(name, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
		if c := w.record(m); c != nil {
			t.Errorf("%q: %+v", s, c)
		}
	}
	os.Remove(name)
	if err := os.Symlink("/dev/zero", name); err != nil {
		t.Fatal(err)
	}
	if c := w.record(m); c != nil {
		t.Errorf("%+v", c)
	}
	if _, err := os.Stat(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
