package streampool_test

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/checks"
	"github.com/holdfast-ci/holdfast/runner"
)

// judge runs the rules and the header script over the checkout at dir.
func judge(t *testing.T, dir string) runner.Result {
	t.Helper()
	stage := checks.New(checks.Config{
		Programs: []checks.Program{{Name: "headers", Command: []string{"sh", "scripts/check_headers.sh"}}},
		Now:      func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) },
	})
	res, err := stage.Run(t.Context(), &runner.Workspace{Dir: dir, Logs: t.TempDir(), Env: os.Environ(), Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// outcomes lists the ids of the rules that do not pass, with their outcome.
func outcomes(res runner.Result) (ids []string) {
	for _, r := range res.Checks.Rules {
		if r.Outcome != runner.Pass {
			ids = append(ids, r.ID+" "+r.Outcome)
		}
	}
	return ids
}

func testRules(t *testing.T, dir string) {
	for _, r := range table(t) {
		git(t, dir, "checkout", "-q", "--detach", r.rev)
		res := judge(t, dir)
		verdict, want := runner.Success, []string{"SP.12 warn"}
		if r.stage == "checks" {
			verdict, want = runner.Failure, []string{"SP.04 fail", "SP.12 warn", "metal.wait-under-lock warn"}
		}
		if got := outcomes(res); res.Verdict != verdict || !slices.Equal(got, want) {
			t.Errorf("%s: %s (%s), %q, want %s, %q", r.rev, res.Verdict, res.Reason, got, verdict, want)
		}
		if n := res.Checks.Total(); n != 31 {
			t.Errorf("%s: %d rules, want 12 of ours, 14 of the packs and 5 of the script", r.rev, n)
		}
		for _, rule := range res.Checks.Rules {
			if rule.ID == "SP.12" && (rule.Ack == nil || rule.Ack.Until != "2030-12-31") {
				t.Errorf("%s: the warning is not acknowledged: %+v", r.rev, rule)
			}
		}
	}
}

// A rule that cannot fail is worth nothing: each is broken in the way that it is there
// to notice, and none of the others minds.
func testRulesBroken(t *testing.T, dir string) {
	read := func(file string) string {
		text, err := os.ReadFile(dir + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write := func(file, text string) {
		if err := os.WriteFile(dir+"/"+file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const stream, slot, kernel = "src/Stream.mm", "src/core/ThreadSlot.cpp", "kernels/relax.metal"
	for _, c := range []struct{ id, file, old, new string }{
		{"SP.01", "src/core/EncoderLock.h", "", ""},
		{"SP.02", stream, "    [recording->encoder setComputePipelineState:pipeline];\n", ""},
		{"SP.03", stream, "  EncoderLock lock(recording->record);\n  [[maybe_unused]] bool inOrder", "  [[maybe_unused]] bool inOrder"},
		{"SP.05", stream, "assert(EncoderLock::heldByThisThread() == 0 &&", "// assert(EncoderLock::heldByThisThread() == 0 &&\n  assert("},
		{"SP.06", stream, "  [recording->buffer commit];\n", ""},
		{"SP.07", slot, "  if (!g_poolAlive.load(std::memory_order_acquire)) {\n    return;\n  }\n", ""},
		{"SP.08", slot, "std::atomic<bool> g_poolAlive{false};", "std::atomic_bool& g_poolAlive = *new std::atomic_bool{false};"},
		{"SP.09", slot, "static std::mutex* mutex = new std::mutex;", "static std::recursive_mutex* mutex = new std::recursive_mutex;"},
		{"SP.10", stream, "__has_feature(objc_arc)", "0"},
		{"SP.11", kernel, "kSweeps = 64;", "kSweeps = 8 * 8;"},
	} {
		before := read(c.file)
		if c.old == "" {
			if err := os.Remove(dir + "/" + c.file); err != nil {
				t.Fatal(err)
			}
		} else if strings.Count(before, c.old) != 1 {
			t.Errorf("%s: %q is %d times in %s", c.id, c.old, strings.Count(before, c.old), c.file)
			continue
		} else {
			write(c.file, strings.Replace(before, c.old, c.new, 1))
		}
		res := judge(t, dir)
		got := outcomes(res)
		if c.id == "SP.01" { // the script notices the missing header as well
			got = slices.DeleteFunc(got, func(id string) bool { return strings.HasPrefix(id, "HDR.") })
		}
		if want := []string{c.id + " fail", "SP.12 warn"}; res.Verdict != runner.Failure || !slices.Equal(got, want) {
			t.Errorf("%s broken: %s, %q, want %q", c.id, res.Verdict, got, want)
		}
		write(c.file, before)
	}
}

// The rule file names theorems in its comments; they must exist under that name.
func testRulesNameTheorems(t *testing.T, dir string) {
	rules, err := os.Open(dir + "/holdfast.rules.toml")
	if err != nil {
		t.Fatal(err)
	}
	defer rules.Close()
	named := 0
	for sc := bufio.NewScanner(rules); sc.Scan(); {
		file, rest, ok := strings.Cut(strings.TrimPrefix(sc.Text(), "# "), ".lean, ")
		if !ok {
			continue
		}
		theorem, _, _ := strings.Cut(strings.TrimRight(rest, "."), ":")
		text, err := os.ReadFile(dir + "/lean/StreamPool/" + file + ".lean")
		if err != nil || !strings.Contains(string(text), "\ntheorem "+theorem+" ") {
			t.Errorf("%q: no theorem %s there (%v)", sc.Text(), theorem, err)
		}
		named++
	}
	if named < 3 {
		t.Errorf("%d theorems named", named)
	}
}
