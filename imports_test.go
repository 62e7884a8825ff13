package main

import (
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/holdfast-ci/holdfast"

// allowed says, for each top folder, which folders of the module it may import. What is
// missing here is forbidden.
var allowed = map[string][]string{
	".":        {"agent"},
	"agent":    {"agent", "runner", "proofs", "checks", "metal", "baseline", "report", "launchd"},
	"runner":   {"runner"},
	"proofs":   {"proofs", "runner"},
	"checks":   {"checks", "runner"},
	"metal":    {"metal", "runner"},
	"baseline": {"baseline", "runner"},
	"report":   {"report", "baseline", "runner"},
	"launchd":  {"launchd"},
	"examples": {},
	"tools":    {"runner", "report", "metal", "baseline"},
}

// external says which imports from outside the module a folder may have; "std" is the
// standard library, "*" anything.
var external = map[string][]string{
	"runner":   {},
	"launchd":  {},
	"baseline": {"golang.org/x/perf", "github.com/aclements/go-moremath"},
	"report":   {},
	"proofs":   {"github.com/BurntSushi/toml"},
	"checks":   {"github.com/BurntSushi/toml"},
	"metal":    {"golang.org/x/perf", "github.com/ebitengine/purego"},
}

// pure packages do no I/O: same input, same output.
var pure = map[string][]string{
	"baseline": {"os", "net", "net/http", "os/exec", "io/ioutil", "time/tzdata", "log", "log/slog", "database/sql"},
	"report":   {"os", "net", "net/http", "os/exec", "io/ioutil", "log", "log/slog", "database/sql"},
}

type pkg struct {
	name    string // relative to the module, "." for its root
	top     string
	imports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		name := strings.TrimPrefix(strings.TrimPrefix(f[0], module), "/")
		if name == "" {
			name = "."
		}
		top, _, _ := strings.Cut(name, "/")
		list = append(list, pkg{name, top, f[1:]})
	}
	if len(list) < 10 {
		t.Fatalf("go list found only %d packages", len(list))
	}
	return list
}

func TestArrowsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		ours, known := allowed[p.top]
		if !known {
			t.Errorf("package %s: the folder %s is not in the table of ARCHITECTURE.md", p.name, p.top)
		}
		for _, i := range p.imports {
			if i == module || strings.HasPrefix(i, module+"/") {
				rel := strings.TrimPrefix(strings.TrimPrefix(i, module), "/")
				top, _, _ := strings.Cut(rel, "/")
				if !contains(ours, top) {
					t.Errorf("%s imports %s: %s may import only %v", p.name, rel, p.top, ours)
				}
				continue
			}
			if list, restricted := external[p.top]; restricted && strings.Contains(i, ".") && !hasPrefix(list, i) {
				t.Errorf("%s imports %s: outside the standard library it may import only %v", p.name, i, list)
			}
			if contains(pure[p.top], i) {
				t.Errorf("%s imports %s: it must stay pure", p.name, i)
			}
		}
		switch path.Base(p.name) {
		case "util", "utils", "common", "helpers", "misc":
			t.Errorf("package %s: name it for what it holds", p.name)
		}
	}
}

// The invariants of ARCHITECTURE.md name the tests that hold them: those must exist.
// TestStaticOnLinux: what loads libraries at run time makes the binary dynamic; it is for
// Metal, and Metal is on macOS.
func TestStaticOnLinux(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if !strings.Contains(string(out), module+"/metal\n") || strings.Contains(string(out), "purego") {
		t.Error("the program for Linux holds purego, or not even metal")
	}
}

func TestInvariantsAreHeld(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllSubmatch(text, -1)
	if len(named) < 5 {
		t.Fatalf("only %d tests are named", len(named))
	}
	code, err := exec.Command("grep", "-rhoE", "^func (Test|Fuzz)[A-Za-z0-9]+", "--include=*_test.go", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range named {
		if !strings.Contains(string(code)+"\n", "func "+string(n[1])+"\n") {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", n[1])
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func hasPrefix(list []string, s string) bool {
	for _, x := range list {
		if s == x || strings.HasPrefix(s, x+"/") {
			return true
		}
	}
	return false
}
