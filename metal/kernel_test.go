package metal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

const goodKernel = "#include <metal_stdlib>\n#include <simd/simd.h> // for float4\nusing namespace metal;\nkernel void spin(device float *data [[buffer(0)]], uint i [[thread_position_in_grid]]) { data[i] += 1; }\n"

func TestReadKernel(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(dir, "gpu/spin.metal", goodKernel)
	write(outside, "secret.metal", goodKernel)
	write(dir, "long.metal", strings.Repeat("/", maxKernel+1))
	write(dir, "binary.metal", "kernel\x00void")
	write(dir, "latin1.metal", "// \xe9\n")
	link("gpu/spin.metal", "inside.metal")
	link(filepath.Join(outside, "secret.metal"), "outside.metal")
	link("../"+filepath.Base(outside)+"/secret.metal", "dotdot.metal")
	link("loop.metal", "loop.metal")
	link("/dev/zero", "zero.metal")
	if err := os.Mkdir(filepath.Join(dir, "folder.metal"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.metal"), 0o644); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{"gpu/spin.metal", "inside.metal"} {
		k, err := readKernel(dir, name, "spin")
		if err != nil || k.Text != goodKernel || k.File != name || k.Function != "spin" {
			t.Errorf("%s: %+v, %v", name, k, err)
		}
	}
	for _, c := range []struct{ file, function, want string }{
		{"../x.metal", "spin", "outside the checkout"},
		{"/etc/x.metal", "spin", "outside the checkout"},
		{"a/../../x.metal", "spin", "outside the checkout"},
		{"a\x00.metal", "spin", "outside the checkout"},
		{"", "spin", "no kernel file"},
		{"gpu/spin.metal", "", "needs the name of a function"},
		{"gpu/spin.metal", "spin; rm", "not the name of a function"},
		{"gpu/spin.cpp", "spin", "no .metal file"},
		{"gone.metal", "spin", "no such file"},
		{"outside.metal", "spin", "escapes"},
		{"dotdot.metal", "spin", "escapes"},
		{"zero.metal", "spin", "escapes"},
		{"loop.metal", "spin", "loop.metal"},
		{"folder.metal", "spin", "no regular file"},
		{"pipe.metal", "spin", "no regular file"},
		{"long.metal", "spin", "longer than"},
		{"binary.metal", "spin", "no UTF-8"},
		{"latin1.metal", "spin", "no UTF-8"},
	} {
		if k, err := readKernel(dir, c.file, c.function); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %q: %v, %v; want %q", c.file, c.function, k, err, c.want)
		}
	}
	if err := CheckKernel("", ""); err != nil {
		t.Errorf("no kernel: %v", err)
	}
}

func TestIncludes(t *testing.T) {
	for text, want := range map[string]string{
		goodKernel: "",
		"/* x\n#include \"/etc/passwd\"\n*/ int a;":       "k.metal:2: include", // for the sake of simple certainty
		"// /*\n#include \"/etc/passwd\"\n// */\n":        "k.metal:2: include",
		"s = \"/*\";\n#include \"/etc/passwd\"\n\"*/\"":   "k.metal:2: include",
		"#include <metal_stdlib>\\\n\"x\"\n":              "k.metal:1: include",
		"const char s; # define includes 1\n":             "",
		"#define F(x) #x\n#pragma include\n":              "",
		"int a;\n#include \"/etc/passwd\"\n":              "k.metal:2: include",
		"#include </etc/passwd>\n":                        "k.metal:1: include",
		"#include <../../etc/passwd>\n":                   "k.metal:1: include",
		"#include <a/../b>\n":                             "k.metal:1: include",
		"#define F \"/etc/passwd\"\n\n#include F\n":       "k.metal:3: include F",
		"  #  include\t\"x\"\n":                           "k.metal:1: include",
		"#inc\\\nlude \"x\"\n":                            "k.metal:1: include",
		"/*\n\n*/#include \"x\"\n":                        "k.metal:3: include",
		"#/**/include/* */\"x\"\n":                        "k.metal:1: include",
		"#/*\n*/include \"x\"\n":                          "k.metal:1: include",
		"%:include \"x\"\n":                               "k.metal:1: include",
		"??=include \"x\"\n":                              "k.metal:1: include",
		"#import <metal_stdlib>\n":                        "k.metal:1: import",
		"#include_next <metal_stdlib>\n":                  "k.metal:1: include_next",
		"#embed \"/etc/passwd\"\n":                        "k.metal:1: embed",
		"#include <metal_stdlib> \"x\"\n":                 "k.metal:1: include",
		"\n#include <metal_stdlib>\n\\\n#include \"x\"\n": "k.metal:4: include",
	} {
		err := checkIncludes("k.metal", text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		var h interface{ Hint() string }
		if err != nil && (!errors.As(err, &h) || h.Hint() == "") {
			t.Errorf("%q: no hint", text)
		}
	}
}

// TestNoMetal: where there is none, the stage cannot tell, and says what to do.
func TestNoMetal(t *testing.T) {
	if runtime.GOOS == "darwin" {
		return
	}
	c := quick()
	c.Backend = BackendMetal
	res, _, _ := execute(t, t.Context(), c)
	if res.Verdict != runner.Error || !strings.Contains(res.Reason, "has no Metal") || !strings.Contains(res.Hint, `backend = "cpu"`) {
		t.Errorf("%s: %s, hint %s", res.Verdict, res.Reason, res.Hint)
	}
	c.Kernel, c.Function = "gone.metal", "spin"
	res, _, _ = execute(t, t.Context(), c)
	if res.Verdict != runner.Error || !strings.Contains(res.Reason, "read kernel gone.metal: this commit has no such file") {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
}

// FuzzIncludes: whatever stands before it, an include of another file is refused.
func FuzzIncludes(f *testing.F) {
	for _, s := range []string{goodKernel, "/*", "// \\", "\"", "R\"(", "#", "#/*", "#include <a> //", "??/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, before string) {
		if checkIncludes("k.metal", before+"\n\n#include \"/etc/passwd\"\n") == nil {
			t.Errorf("accepted after %q", before)
		}
	})
}
