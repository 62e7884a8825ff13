package streampool_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tree returns a folder with main of the example at dir checked out, to be changed.
func tree(t *testing.T, dir string) string {
	t.Helper()
	work := filepath.Join(t.TempDir(), "work")
	git(t, dir, "worktree", "add", "-q", "--detach", work, "main")
	return work
}

var benchLine = regexp.MustCompile(`^BenchmarkRelax/n=(\d+)\t(\d+)\t(\d+) ns/op\t(\d\S*) cpu-sec/op$`)

func testReference(t *testing.T, dir string) {
	program := filepath.Join(t.TempDir(), "bench")
	// No version control stamp and no network, as a sandboxed build would have it.
	env := []string{"GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0"}
	if code, _, stderr := call(t, dir, env, "go", "build", "-buildvcs=false", "-o", program, "./bench"); code != 0 {
		t.Fatalf("go build ./bench: exit code %d: %s", code, stderr)
	}
	short := []string{"-count", "2", "-iterations", "1"}

	sweeps := func(rev string) int {
		t.Helper()
		git(t, dir, "checkout", "-q", "--detach", rev)
		code, stdout, stderr := call(t, dir, nil, program, short...)
		if code != 0 {
			t.Fatalf("%s: exit code %d: %s", rev, code, stderr)
		}
		perSize := map[string]int{}
		for line := range strings.Lines(stdout) {
			if !strings.HasPrefix(line, "Benchmark") {
				continue
			}
			m := benchLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			if m == nil {
				t.Errorf("%s: not of the benchmark format: %q", rev, line)
				continue
			}
			perSize[m[1]]++
			wall, _ := strconv.ParseFloat(m[3], 64)
			cpu, err := strconv.ParseFloat(m[4], 64)
			if err != nil || wall <= 0 || cpu < 0 {
				t.Errorf("%s: a time that cannot be: %q", rev, line)
			}
		}
		if len(perSize) != 2 || perSize["4096"] != 2 || perSize["65536"] != 2 {
			t.Errorf("%s: measurements by size: %v, want 2 of 2 sizes", rev, perSize)
		}
		if !strings.HasSuffix(stdout, "\nPASS\n") {
			t.Errorf("%s: output ends without PASS", rev)
		}
		m := regexp.MustCompile(`: (\d+) sweeps`).FindStringSubmatch(stderr)
		if m == nil {
			t.Fatalf("%s: no number of sweeps in %q", rev, stderr)
		}
		n, _ := strconv.Atoi(m[1])
		return n
	}
	if good, slow := sweeps("main"), sweeps("demo/slow-kernel"); float64(slow) < 1.5*float64(good) {
		t.Errorf("slow-kernel makes %d sweeps, main %d: no reader could tell from noise", slow, good)
	}
	if good, refactored := sweeps("main"), sweeps("demo/good-refactor"); good != refactored {
		t.Errorf("good-refactor makes %d sweeps, main %d", refactored, good)
	}

	kernel, err := os.ReadFile(filepath.Join(dir, "kernels", "relax.metal"))
	if err != nil {
		t.Fatal(err)
	}
	const sweepsLine = "constant constexpr uint kSweeps = 64;"
	for _, bad := range []struct{ old, new, want string }{
		{sweepsLine, "", "no line `constant constexpr uint kSweeps"},
		{sweepsLine, "// " + sweepsLine, "no line `constant constexpr uint kSweeps"},
		{sweepsLine, "/* was\n" + sweepsLine + "\n*/", "no line `constant constexpr uint kSweeps"},
		{sweepsLine, sweepsLine + "\n" + sweepsLine, "kSweeps is declared twice"},
		{sweepsLine, "constant constexpr float kSweeps = 64;", "kSweeps has type float"},
		{sweepsLine, "constant constexpr uint kSweeps = 0;", "is not a number from 1"},
		{sweepsLine, "constant constexpr uint kSweeps = 8 * 8;", "is not a number from 1"},
		{"0.998f", "1.5f", "kDecay = 1.5 is not in"},
		{"0.998f", "NAN", "is not in"},
		{"0.998f", "fast", "is not a decimal literal"},
		{"0.99875026f", "0.5f", "is not 1"},
	} {
		file := filepath.Join(t.TempDir(), "bad.metal")
		text := strings.Replace(string(kernel), bad.old, bad.new, 1)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := call(t, dir, nil, program, append(short, "-kernel", file)...)
		if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "bench: "+file+":") || !strings.Contains(stderr, bad.want) {
			t.Errorf("%s: exit code %d, %q, want %q on standard error", bad.new, code, stderr, bad.want)
		}
	}
	if code, _, stderr := call(t, dir, nil, program, "-kernel", "none.metal"); code != 1 || !strings.Contains(stderr, "none.metal") {
		t.Errorf("no kernel: exit code %d, %q", code, stderr)
	}
}

func testHeaderScript(t *testing.T, dir string) {
	result := regexp.MustCompile(`(?m)^\[(PASS|WARN|FAIL)\] [A-Z]+\.\d+: .+$`)

	check := func() (int, []string, string) {
		code, stdout, stderr := call(t, "", nil, "sh", filepath.Join(dir, "scripts", "check_headers.sh"))
		if lines := strings.Count(stdout, "\n"); len(result.FindAllString(stdout, -1)) != lines {
			t.Errorf("a line that is no result: %s", stdout)
		}
		return code, result.FindAllString(stdout, -1), stderr
	}
	if code, lines, _ := check(); code != 0 || len(lines) != 5 {
		t.Errorf("main: exit code %d, %q", code, lines)
	}

	header := filepath.Join(dir, "src", "Stream.h")
	text, err := os.ReadFile(header)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ id, old, new string }{
		{"HDR.01", "#pragma once", "#ifndef STREAM_H"},
		{"HDR.02", "namespace streampool {", "using namespace std;\nnamespace streampool {"},
		{"HDR.04", `"core/SubmitOrder.h"`, `"core/Gone.h"`},
	} {
		if err := os.WriteFile(header, []byte(strings.Replace(string(text), bad.old, bad.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		code, lines, _ := check()
		var failed []string
		for _, line := range lines {
			if strings.HasPrefix(line, "[FAIL]") {
				failed = append(failed, line)
			}
		}
		if code != 1 || len(failed) != 1 || !strings.HasPrefix(failed[0], "[FAIL] "+bad.id+":") || !strings.Contains(failed[0], "src/Stream.h") {
			t.Errorf("%s: exit code %d, %q", bad.id, code, failed)
		}
	}

	if err := os.RemoveAll(filepath.Join(dir, "src")); err != nil {
		t.Fatal(err)
	}
	if code, lines, stderr := check(); code != 2 || len(lines) != 0 || stderr == "" {
		t.Errorf("without sources: exit code %d, %q, %q", code, lines, stderr)
	}
}

// The part that needs no Metal compiles without warnings.
func TestCore(t *testing.T) {
	t.Parallel()
	compiler := ""
	for _, name := range []string{"c++", "g++", "clang++"} {
		if path, err := exec.LookPath(name); err == nil {
			compiler = path
			break
		}
	}
	if compiler == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no C++ compiler on this machine")
		}
		t.Skip("no C++ compiler on this machine: the core of the example is not built")
	}
	sources, err := filepath.Glob("files/src/core/*.cpp")
	if err != nil || len(sources) < 3 {
		t.Fatalf("sources of the core: %q, %v", sources, err)
	}
	args := append([]string{"-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"}, sources...)
	if code, _, stderr := call(t, "", nil, compiler, args...); code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
