package launchd

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"howett.net/plist"
	"pgregory.net/rapid"
)

// Hostile texts come back from the property list as they were, and from the unit by the
// rules of systemd.syntax(7).
func TestHostileTexts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`[a-z &<>"'%$\\;#{}~!=]{1,12}[a-z&<>"'%$;]`)
		j := testJob()
		j.Arguments = rapid.SliceOfN(text, 0, 4).Draw(rt, "arguments")
		j.Dir = "/" + text.Draw(rt, "dir")
		j.Env = map[string]string{"A": text.Draw(rt, "value")}
		list, err := Plist(j)
		if err != nil {
			rt.Fatal(err)
		}
		var got struct {
			ProgramArguments     []string
			WorkingDirectory     string
			EnvironmentVariables map[string]string
		}
		if _, err := plist.Unmarshal(list, &got); err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(got.ProgramArguments, append([]string{j.Program}, j.Arguments...)) || got.WorkingDirectory != j.Dir || !reflect.DeepEqual(got.EnvironmentVariables, j.Env) {
			rt.Fatalf("%+v became %+v", j, got)
		}
		unit, err := Unit(j)
		if err != nil {
			rt.Fatal(err)
		}
		var args []string
		for line := range strings.Lines(string(unit)) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			switch key {
			case "ExecStart":
				for i, w := range words(rt, value) {
					if i > 0 {
						w = strings.ReplaceAll(w, "$$", "$")
					}
					args = append(args, w)
				}
			case "Environment":
				if w := words(rt, value); len(w) != 1 || w[0] != "A="+j.Env["A"] {
					rt.Fatalf("environment %q of %q", w, j.Env)
				}
			case "WorkingDirectory":
				if strings.ReplaceAll(value, "%%", "%") != j.Dir {
					rt.Fatalf("folder %q of %q", value, j.Dir)
				}
			}
		}
		if !reflect.DeepEqual(args, append([]string{j.Program}, j.Arguments...)) {
			rt.Fatalf("%q became %q", j.Arguments, args)
		}
	})
}

// words takes a line of a unit apart: words in double quotes, backslash escapes, percent
// signs doubled.
func words(t *rapid.T, s string) []string {
	var list []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] != '"' {
			t.Fatalf("a word without quotes: %s", s)
		}
		var b strings.Builder
		i := 1
		for ; i < len(s) && s[i] != '"'; i++ {
			switch {
			case s[i] == '\\':
				i++
			case s[i] == '%':
				if i++; i >= len(s) || s[i] != '%' {
					t.Fatalf("a specifier: %s", s)
				}
			}
			b.WriteByte(s[i])
		}
		list = append(list, b.String())
		s = s[min(i+1, len(s)):]
	}
	return list
}

func TestUnitRefuses(t *testing.T) {
	for name, change := range map[string]func(*Job){
		"dollar in the program": func(j *Job) { j.Program = "/opt/$x/holdfast" },
		"quote in the program":  func(j *Job) { j.Program = `/opt/"x"/holdfast` },
		"blank at the end":      func(j *Job) { j.Dir = "/a " },
		"backslash at the end":  func(j *Job) { j.LogDir = `/a\` },
	} {
		j := testJob()
		change(&j)
		if text, err := Unit(j); err == nil {
			t.Errorf("%s:\n%s", name, text)
		}
		if _, err := Plist(j); err != nil {
			t.Errorf("%s: launchd could take it: %v", name, err)
		}
	}
}

// TestUnitVerified has systemd's own reader look at a unit with a difficult program,
// which it must find, and arguments.
func TestUnitVerified(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") == "true" && runtime.GOOS == "linux" {
			t.Fatal("systemd-analyze is not installed")
		}
		t.Skip("systemd-analyze is not installed: units are read by our own reader alone")
	}
	dir := t.TempDir()
	j := testJob()
	j.Program = filepath.Join(dir, "hold fast; 100% #ä&<", "holdfast")
	j.Arguments = []string{"serve", "$HOME ${X} %h; # '", ";"}
	j.Dir = filepath.Join(dir, "100% work")
	if err := os.MkdirAll(filepath.Dir(j.Program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(j.Program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	verify := func(j Job) string {
		text, err := Unit(j)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "holdfast-test.service")
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", file)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, _ := cmd.CombinedOutput() // the exit code also counts units of the system that are not ours
		var ours []string
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "holdfast-test") {
				ours = append(ours, line)
			}
		}
		return strings.Join(ours, "")
	}
	if out := verify(j); out != "" {
		t.Errorf("systemd says:\n%s", out)
	}
	j.Program += "-gone"
	if out := verify(j); !strings.Contains(out, "-gone") {
		t.Skipf("systemd-analyze does not look at the program here: %q", out)
	}
}
