package metal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestProgramsTakeTurns: the programs write down when they ran.
func TestProgramsTakeTurns(t *testing.T) {
	program := func(name string, rounds int) Program {
		p := sh(name, `echo `+name+` >> turns; echo "Benchmark`+name+` 10 5 ns/op"`)
		p.Build = []string{"sh", "-c", "echo build >> turns"}
		p.Rounds = rounds
		return p
	}
	ws, lines := workspace(t)
	c := Config{Programs: []Program{program("A", 6), program("B", 6), program("C", 3), sh("D", "exit 1")}}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Verdict != runner.Error || !strings.Contains(res.Reason, "benchmark program D: round 1: exit code 1") {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
	for i, n := range []int{6, 6, 3} {
		if got := len(res.Bench.Samples[i].Values); got != n {
			t.Errorf("%s has %d values, want %d", res.Bench.Samples[i].Name, got, n)
		}
	}
	text, err := os.ReadFile(filepath.Join(ws.Dir, "turns"))
	if err != nil {
		t.Fatal(err)
	}
	turns := strings.Fields(string(text))
	if got := strings.Join(turns[:3], " "); got != "build build build" {
		t.Errorf("%q before the rounds", got)
	}
	// Two rounds have five turns: A and B twice, C once.
	turns = turns[3:]
	orders := map[string]bool{}
	for i := 0; i+5 <= len(turns); i += 5 {
		two := strings.Join(turns[i:i+5], "")
		if strings.Count(two, "A") != 2 || strings.Count(two, "B") != 2 || strings.Count(two, "C") != 1 {
			t.Errorf("turns %s: %q are not two rounds", turns, two)
		}
		if strings.Count(two[:2], "A") != 1 {
			t.Errorf("%q: a program has two turns in the first round", two)
		}
		orders[two] = true
	}
	if len(turns) != 15 || len(orders) < 2 {
		t.Errorf("turns %s", turns)
	}
	if all := strings.Join(*lines, "\n"); !strings.Contains(all, "4 programs: round 6 of 6, ") {
		t.Errorf("progress:\n%s", all)
	}
}

func TestProgramFormats(t *testing.T) {
	for format, text := range map[string]string{
		"go":        `BenchmarkX 10 5 ns/op`,
		"google":    `{"benchmarks":[{"name":"X","real_time":5,"time_unit":"ns"}]}`,
		"hyperfine": `{"results":[{"command":"X","times":[5e-9]}]}`,
		"bmf":       `{"X":{"latency":{"value":5}}}`,
		"catch2":    `<Catch><TestCase name="T"><BenchmarkResults name="X"><mean value="5"/></BenchmarkResults><OverallResult success="true"/></TestCase></Catch>`,
		"jmh":       `[{"benchmark":"X","primaryMetric":{"scoreUnit":"ns/op","rawData":[[5]]}}]`,
		"regexp":    `X 5 ns/op`,
	} {
		for _, output := range []string{"", "out/result"} {
			p := Program{Name: "tool", Format: format, Rounds: 2, Output: output, Command: []string{"sh", "-c", `printf %s "$1" > ` + "out/result", "sh", text}}
			if output == "" {
				p.Command = []string{"printf", "%s", text}
			}
			if format == "regexp" {
				p.Pattern = `(?P<name>\w+) (?P<value>\d+) (?P<unit>\S+)`
			}
			ws, _ := workspace(t)
			if err := os.Mkdir(filepath.Join(ws.Dir, "out"), 0o755); err != nil {
				t.Fatal(err)
			}
			res := runner.Execute(t.Context(), New(Config{Programs: []Program{p}}), ws, time.Minute)
			if res.Verdict != runner.Success {
				t.Errorf("%s: %s: %s", format, res.Verdict, res.Reason)
				continue
			}
			if s := res.Bench.Samples; len(s) != 1 || !strings.HasSuffix(s[0].Name, "X") || s[0].Unit != "sec/op" || fmt.Sprint(s[0].Values) != "[5e-09 5e-09]" {
				t.Errorf("%s: samples %+v", format, s)
			}
		}
	}
}

// TestProgramOutputFile: a file is read only if this very round wrote it, inside the
// checkout.
func TestProgramOutputFile(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"none", "true", "round 1: it did not write result"},
		{"once", `[ -e result ] || echo "BenchmarkX 1 5 ns/op" > result`, "round 2: it did not write result: the file there is older"},
		{"earlier", "cat kept > /dev/null", ""},
		{"link", "ln -s /etc/passwd result", "round 1: output result: "},
		{"pipe", "mkfifo result", "result is not a regular file"},
		{"folder", "mkdir result", "result is not a regular file"},
		{"flood", "head -c 17000000 /dev/zero > result", "more than 16 MiB in result"},
	} {
		p := sh(c.name, c.script)
		p.Output = "result"
		ws, _ := workspace(t)
		if c.name == "earlier" {
			p.Output, c.want = "kept", "it did not write kept: the file there is older"
			if err := os.WriteFile(filepath.Join(ws.Dir, "kept"), []byte("BenchmarkX 1 5 ns/op"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		res := runner.Execute(t.Context(), New(Config{Programs: []Program{p}}), ws, time.Minute)
		if res.Verdict != runner.Error || !strings.Contains(res.Reason, c.want) || len(res.Bench.Samples) > 0 {
			t.Errorf("%s: %s: %s\nwant %s", c.name, res.Verdict, res.Reason, c.want)
		}
		if c.name == "earlier" {
			if _, err := os.Stat(filepath.Join(ws.Dir, "kept")); err != nil {
				t.Error(err)
			}
		}
	}
	p := sh("outside", "true")
	p.Dir, p.Output = "a", "../../result"
	if err := (Config{Programs: []Program{p}}).Check(); err == nil || !strings.Contains(err.Error(), "outside the checkout") {
		t.Error(err)
	}
}
