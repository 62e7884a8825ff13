package proofs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		text, folder, number, path string
		bad                        bool
	}{
		{text: "leanprover/lean4:v4.26.0\n", folder: "leanprover--lean4---v4.26.0", number: "4.26.0"},
		{text: "leanprover/lean4:4.26.0", folder: "leanprover--lean4---v4.26.0", number: "4.26.0"},
		{text: "v4.9.0-rc1", folder: "leanprover--lean4---v4.9.0-rc1", number: "4.9.0-rc1"},
		{text: "leanprover/lean4:nightly-2025-12-01", folder: "leanprover--lean4---nightly-2025-12-01", number: "nightly-2025-12-01"},
		{text: "someone/fork:v4.1.0", folder: "someone--fork---v4.1.0", number: "4.1.0"},
		{text: "my-build", folder: "my-build"},
		{text: "/opt/lean", path: "/opt/lean"},
		{text: "../lean", path: "../lean"},
		{text: "stable", bad: true},
		{text: "leanprover/lean4:nightly", bad: true},
		{text: "", bad: true},
		{text: "leanprover/../../x:v1", bad: true},
		{text: "leanprover/lean4:../../x", bad: true},
		{text: "v4 && rm", bad: true},
		{text: "--help", bad: true},
	} {
		r, err := parseRequest(tt.text)
		if (err != nil) != tt.bad || !tt.bad && (r.folder != tt.folder || r.number != tt.number || r.path != tt.path) {
			t.Errorf("%q: %+v %v", tt.text, r, err)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("leanprover/lean4:v4.26.0")
	f.Add("nightly-2025-12-01")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRequest(text)
		if err != nil || r.path != "" {
			return
		}
		// The folder is one component below toolchains, whatever the file says.
		if r.folder == "" || filepath.Base(r.folder) != r.folder || !filepath.IsLocal(r.folder) {
			t.Errorf("%q leads to %q", text, r.folder)
		}
	})
}

// fake makes a toolchain of shell scripts: what lean and lake answer to --version, and
// what `lake build` does. Build outputs are made by the script, if at all.
func fake(t *testing.T, dir, lean, lake, build string) string {
	t.Helper()
	for name, script := range map[string]string{
		"lean": "echo '" + lean + "'",
		"lake": "if [ \"$1\" = --version ]; then echo '" + lake + "'; exit; fi\n" + build,
	} {
		p := filepath.Join(dir, "bin", name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	stock426 = "Lean (version 4.26.0, x86_64-unknown-linux-gnu, commit d8204c9fd894f91bbb2cdfec5912ec8196fd8562, Release)"
	lake426  = "Lake version 5.0.0-src+d8204c9 (Lean version 4.26.0)"
)

func TestResolve(t *testing.T) {
	fakes := func(t *testing.T) (elan, other string) {
		elan, other = t.TempDir(), t.TempDir()
		fake(t, filepath.Join(elan, "toolchains", "leanprover--lean4---v4.26.0"), stock426, lake426, "exit 1")
		fake(t, other, "Lean (version 4.28.0-pre, wasm32-unknown-emscripten, commit 38f3, Release)", "Lake version 5.0.0-shim (Lean version 4.28.0-pre)", "exit 1")
		// The proxies: running one is the download that must not happen.
		fake(t, elan, "proxy", "proxy", "")
		for _, p := range []string{"lean", "lake", "elan"} {
			os.WriteFile(filepath.Join(elan, "bin", p), []byte("#!/bin/sh\ntouch "+filepath.Join(elan, "downloaded")+"\n"), 0o755)
		}
		return elan, other
	}
	for _, tt := range []struct {
		name, request string
		untrusted     bool
		authority     bool
		near          bool
		warning, err  string
	}{
		{name: "installed by elan", request: "leanprover/lean4:v4.26.0", authority: true, near: true},
		{name: "stand-in of the same release", request: "leanprover/lean4:v4.28.0", near: true, warning: "stand-in for Lean (4.28.0-pre), not with leanprover/lean4:v4.28.0"},
		{name: "stand-in of another version", request: "leanprover/lean4:v4.20.0", warning: "another version (4.28.0-pre)"},
		{name: "channel", request: "stable", err: "is a channel"},
		{name: "no file", err: "no lean-toolchain file"},
		{name: "path, not trusted", request: "/opt/lean", untrusted: true, err: "refused for code that is not trusted"},
		{name: "path without Lean", request: "./nothing", err: "no bin/lean"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			elan, other := fakes(t)
			files := map[string]string{"sub/A.lean": ""}
			if tt.request != "" {
				files["lean-toolchain"] = tt.request + "\n"
			}
			root := tree(t, files)
			ws := workspace(t, root, t.TempDir())
			ws.Trusted = !tt.untrusted
			ws.Env = append(ws.Env, "PATH="+filepath.Join(elan, "bin")+":/usr/bin:/bin", "ELAN_TOOLCHAIN=stable", "LEAN_PATH=/nowhere")
			e := &examination{cfg: Config{ElanHome: elan, Toolchains: []string{"/nowhere", other}}, ws: ws, dir: filepath.Join(root, "sub"), rel: "sub", log: "proofs", cache: t.TempDir()}
			tool, err := e.resolve(t.Context())
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tool.authority != tt.authority || tool.near != tt.near {
				t.Errorf("authority %v, near %v", tool.authority, tool.near)
			}
			if got := strings.Join(tool.warnings, ";"); tt.warning == "" && got != "" || !strings.Contains(got, tt.warning) {
				t.Errorf("warnings %q", got)
			}
			for _, kv := range e.environ(tool) {
				if strings.HasPrefix(kv, "ELAN_") || strings.HasPrefix(kv, "LEAN_PATH=") {
					t.Errorf("children see %s", kv)
				}
			}
			if _, err := os.Stat(filepath.Join(elan, "downloaded")); err == nil {
				t.Error("a proxy of elan ran")
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		root := tree(t, map[string]string{"lean-toolchain": "leanprover/lean4:v4.26.0"})
		e := &examination{cfg: Config{ElanHome: t.TempDir()}, ws: workspace(t, root, ""), dir: root, rel: ".", cache: t.TempDir()}
		_, err := e.resolve(t.Context())
		h, ok := err.(*runner.HintError)
		if !ok || h.Hint() != "elan toolchain install leanprover/lean4:v4.26.0" {
			t.Errorf("got %v", err)
		}
	})
}

func TestAtLeast(t *testing.T) {
	for number, want := range map[string]bool{"4.8.0": false, "4.9.0-rc1": true, "4.26.0": true, "5.0.0": true, "3.51.1": false, "strange": true, "": true} {
		if got := (&toolchain{number: number}).atLeast(4, 9); got != want {
			t.Errorf("%q at least 4.9: %v", number, got)
		}
	}
}
