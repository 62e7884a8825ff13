package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-ci/holdfast/metal"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shipped is the agent.toml at the root of the repository.
var shipped = filepath.Join("..", "..", "agent.toml")

func parseString(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("/etc/holdfast/agent.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems parses a text that must be wrong.
func problems(t *testing.T, text string) []*Problem {
	t.Helper()
	c, err := Parse("agent.toml", []byte(text))
	var list *Errors
	if !errors.As(err, &list) {
		t.Fatalf("Parse accepted\n%s\nas %+v (error %v)", text, c, err)
	}
	return list.List
}

func TestSmallestFile(t *testing.T) {
	c := parseString(t, "[[repositories]]\npath = \".\"\n")
	r := c.Repositories[0]
	if r.Name != "holdfast" || r.Path != "/etc/holdfast" || !r.MatchBranch("main") || r.PullRequests != PullRequestsApproved {
		t.Errorf("repository %+v", r)
	}
	if c.Agent.State != "/home/nobody/.local/state/holdfast" || c.Engine.SQLite != c.Agent.State+"/holdfast.db" || c.Agent.Name != "localhost" {
		t.Errorf("agent %+v, engine %+v", c.Agent, c.Engine)
	}
	if c.GitHub.Post || c.GitHub.Poll != time.Minute || c.GitHub.API != "https://api.github.com" {
		t.Errorf("github %+v", c.GitHub)
	}
	if !cmp.Equal(r.Bench, c.Bench) || r.Bench.Rounds != 10 || !r.Proofs.Enabled || r.Thresholds.BaselineRuns != 20 {
		t.Errorf("stages of the repository are not the defaults: %+v", r)
	}
}

// Every kind of mistake, its place and its advice, in golden files.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) < 5 {
		t.Fatalf("testdata: %v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			list := problems(t, string(text))
			got := (&Errors{list}).Error() + "\n"
			// A line whose comment says "bad" has a problem, and only such lines have.
			bad := map[int]bool{}
			for i, line := range strings.Split(string(text), "\n") {
				if strings.Contains(line, "# bad") {
					bad[i+1] = true
				}
			}
			for _, p := range list {
				if !bad[p.Line] {
					t.Errorf("line %d is right: %s", p.Line, p.Msg)
				}
			}
			for line := range bad {
				found := false
				for _, p := range list {
					found = found || p.Line == line
				}
				if !found {
					t.Errorf("the mistake in line %d was not found", line)
				}
			}
			golden := strings.TrimSuffix(file, ".toml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("messages changed (-want +got):\n%s", diff)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("a secret is in the messages")
			}
		})
	}
}

// The harness knows what it needs; the defaults here are its own.
func TestBenchDefaults(t *testing.T) {
	want, got := metal.Default(), defaults().Bench
	have := metal.Config{
		Backend: got.Backend, Threads: got.Threads, Depths: got.Depths, Rounds: got.Rounds, Window: got.Window,
		Warmup: got.Warmup, Processes: got.Processes, Latency: got.Latency, Seed: uint64(got.Seed),
		Hang: want.Hang, Elements: want.Elements, Iterations: want.Iterations,
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("defaults differ (-metal +config):\n%s", diff)
	}
}

func TestOverridesKeyByKey(t *testing.T) {
	c := parseString(t, `
[bench]
rounds = 9
[[bench.programs]]
name = "a"
command = ["a"]
[proofs]
toolchains = ["lean", "~/x"]
[[repositories]]
path = "one"
[repositories.bench]
threads = [1, 16]
[repositories.thresholds]
require = ["ops/s >= baseline - 5%"]
[[repositories]]
path = "two"
[repositories.bench]
enabled = false
programs = [{ name = "b", command = ["b", "c"] }]
`)
	one, two := c.Repositories[0], c.Repositories[1]
	if one.Bench.Rounds != 9 || len(one.Bench.Threads) != 2 || len(one.Bench.Programs) != 1 || one.Bench.Programs[0].Format != "go" || !one.Bench.Enabled {
		t.Errorf("one: %+v", one.Bench)
	}
	if two.Bench.Enabled || two.Bench.Programs[0].Name != "b" || two.Bench.Programs[0].Limit != 2*time.Minute || len(two.Bench.Threads) != 5 {
		t.Errorf("two: %+v", two.Bench)
	}
	if len(one.Thresholds.Require) != 1 || one.Thresholds.Require[0].String() != "ops/s >= baseline - 5%" || len(two.Thresholds.Require) != 0 {
		t.Errorf("thresholds %v, %v", one.Thresholds, two.Thresholds)
	}
	want := []string{"/etc/holdfast/lean", "/home/nobody/x"}
	for _, p := range []Proofs{c.Proofs, one.Proofs, two.Proofs} {
		if !cmp.Equal(p.Toolchains, want) {
			t.Errorf("toolchains %v, want %v", p.Toolchains, want)
		}
	}
	one.Bench.Threads[0] = 99
	if c.Bench.Threads[0] == 99 || two.Bench.Threads[0] == 99 {
		t.Error("repositories share a list")
	}
}

func TestRepositoryAddresses(t *testing.T) {
	for url, want := range map[string][2]string{
		"https://github.com/octo/hello.git":  {"hello", "octo/hello"},
		"https://github.com/octo/hello.js/":  {"hello.js", "octo/hello.js"},
		"git@github.com:octo/hello.git":      {"hello", "octo/hello"},
		"ssh://git@github.com/octo/hello":    {"hello", "octo/hello"},
		"ssh://git@example.org:22/deep/a":    {"a", ""},
		"https://git.example.org/x/y":        {"y", ""},
		"file:///srv/git/z.git":              {"z", ""},
		"https://github.com.evil.test/a/b":   {"b", ""},
		"https://evil.test/github.com/a/b":   {"b", ""},
		"git@example.org:team/project.git":   {"project", ""},
		"https://github.com/a/b/tree/master": {"master", ""},
	} {
		c := parseString(t, "[[repositories]]\nurl = '"+url+"'\n")
		if r := c.Repositories[0]; r.Name != want[0] || r.GitHub != want[1] {
			t.Errorf("%s: name %q github %q, want %q", url, r.Name, r.GitHub, want)
		}
	}
	for _, url := range []string{
		"", "--upload-pack=x", "ext::sh -c id", "https://", "ftp://x/y", "../up", "https://a b/c", "https://u:hunter2@h/p", "https://hunter2@h/p",
		"ssh://git:hunter2@h/p", "file::/x", "a\tb",
	} {
		list := problems(t, fmt.Sprintf("[[repositories]]\nurl = %q\n", url))
		if len(list) != 1 || list[0].Line != 2 || strings.Contains(list[0].Error(), "hunter2") {
			t.Errorf("%q: %v", url, list)
		}
	}
}

func TestMatchBranch(t *testing.T) {
	for _, c := range []struct {
		glob, name string
		want       bool
	}{
		{"main", "main", true},
		{"main", "mainx", false},
		{"*", "main", true},
		{"*", "a/b", false},
		{"**", "a/b/c", true},
		{"release/*", "release/1.2", true},
		{"release/*", "release/1/2", false},
		{"release/**", "release/1/2", true},
		{"**/fix", "fix", true},
		{"**/fix", "a/b/fix", true},
		{"**/fix", "prefix", false},
		{"v[0-9].?", "v1.x", true},
		{"v[^0-9]", "v1", false},
		{"v[!0-9]", "vx", true},
		{"a.c", "abc", false},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{"a+(b)", "a+(b)", true},
	} {
		if got := Match(c.glob, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.glob, c.name, got)
		}
	}
	for _, glob := range []string{"", "[", "[]", "[^]", "a\\", "[z-a]", "[a/b]"} {
		if _, err := compile(glob); err == nil {
			t.Errorf("glob %q was accepted", glob)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	if _, err := Load(file, nil); err == nil || !strings.Contains(err.Error(), "does not exist") || hintOf(err) == "" {
		t.Errorf("no file: %v", err)
	}
	if _, err := Load(dir, nil); err == nil {
		t.Error("a folder was loaded")
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("\ufeff[[repositories]]\r\npath = \"sub\"\r\n")
	c, err := Load(file, []string{"HOME=" + dir})
	if err != nil {
		t.Fatal(err)
	}
	if c.Repositories[0].Path != filepath.Join(dir, "sub") || !strings.HasPrefix(c.Agent.State, dir) {
		t.Errorf("%+v", c)
	}
	if mac := strings.HasSuffix(c.Agent.State, "Library/Application Support/Holdfast"); mac != (runtime.GOOS == "darwin") {
		t.Errorf("state folder %s on %s", c.Agent.State, runtime.GOOS)
	}
	if _, err := Load(file, nil); err == nil || !strings.Contains(err.Error(), "HOME is not set") {
		t.Errorf("without HOME: %v", err)
	}
	write(strings.Repeat("#", maxFile+1))
	if _, err := Load(file, nil); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a large file: %v", err)
	}
}

// What a proof ledger is made with: strict by default, key by key for one repository.
func TestProofSettings(t *testing.T) {
	c := parseString(t, `
[proofs]
changes = "warn"
[[repositories]]
path = "one"
[[repositories]]
path = "two"
[repositories.proofs]
ratchet = false
lock = "docs/promises.lock"
replay = "require"
structured = false
[[schedules]]
name = "nightly"
cron = "0 3 * * *"
fresh = true
`)
	one, two := c.Repositories[0].Proofs, c.Repositories[1].Proofs
	if !one.Ratchet || one.Changes != "warn" || one.Lock != DefaultLock || one.Replay != "auto" || !one.Structured {
		t.Errorf("one: %+v", one)
	}
	if two.Ratchet || two.Changes != "warn" || two.Lock != "docs/promises.lock" || two.Replay != "require" || two.Structured {
		t.Errorf("two: %+v", two)
	}
	if defaults().Proofs.Changes != "failure" || !c.Schedules[0].Fresh {
		t.Errorf("defaults %+v, schedule %+v", defaults().Proofs, c.Schedules[0])
	}
	for _, bad := range []string{`changes = "ignore"`, `lock = "../x"`, `replay = "never"`, `ratchet = "yes"`} {
		if _, err := Parse("agent.toml", []byte("[proofs]\n"+bad+"\n[[repositories]]\npath = \".\"\n")); err == nil {
			t.Errorf("%s passes", bad)
		}
	}
}
