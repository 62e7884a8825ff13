package checks

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// sources writes a tree of about size bytes: C++ and Objective-C++ sources of a runtime,
// one in ten about Metal, with the comments, strings and macros that such sources have.
// The same seed gives the same tree.
func sources(b testing.TB, dir string, size int64) (bytes int64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("slot pool stream queue index offset value buffer state count next head tail owner size limit event frame node cache entry cursor batch range device handle config result error status")
	word := func() string { return words[rnd.IntN(len(words))] }
	camel := func() string { w := word(); return strings.ToUpper(w[:1]) + w[1:] }
	for n := 0; bytes < size; n++ {
		var s strings.Builder
		metal, class := n%10 == 0, camel()+camel()
		ext := "cpp"
		if metal {
			ext = "mm"
		}
		fmt.Fprintf(&s, "// Copyright of nobody. %s of %s.\n#include \"%s.h\"\n#include <vector>\n\n#define CHECK_%s(x) \\\n  do { if (!(x)) report(#x, __LINE__); } while (0)\n\nnamespace at::native {\n\n", camel(), word(), class, strings.ToUpper(word()))
		for m := range 20 + rnd.IntN(20) {
			fmt.Fprintf(&s, "// %s%d keeps the %s of the %s until the %s ends; it doesn't wait.\nint %s::%s%d(const std::vector<int>& %s, std::size_t %s) {\n", word(), m, word(), word(), word(), class, word(), m, word(), word())
			if rnd.IntN(4) == 0 {
				s.WriteString("  std::lock_guard<std::mutex> guard(mutex_);\n")
			}
			for range 3 + rnd.IntN(6) {
				switch rnd.IntN(5) {
				case 0:
					fmt.Fprintf(&s, "  for (std::size_t i = 0; i < %s.size(); ++i) {\n    %s_[i] = %s.at(i) * %d + 0x%xu;\n  }\n", word(), word(), word(), rnd.IntN(100), rnd.IntN(4096))
				case 1:
					fmt.Fprintf(&s, "  if (%s == %s_ && !%s_.empty()) { return %s(%s_, \"%s of %s\\n\"); }\n", word(), word(), word(), word(), word(), word(), word())
				case 2:
					fmt.Fprintf(&s, "  auto %s = std::make_shared<%s>(%s_, %s);  // the %s\n", word(), camel(), word(), word(), word())
				case 3:
					fmt.Fprintf(&s, "  %s_ = static_cast<int>(%s.%s()) << %d;\n", word(), word(), word(), rnd.IntN(32))
				default:
					fmt.Fprintf(&s, "  report(\"%s: %%d of %%d\", %s_, %s);\n", word(), word(), word())
				}
			}
			if metal && m%4 == 0 {
				s.WriteString("  @autoreleasepool {\n    id<MTLCommandBuffer> commands = [queue_ commandBuffer];\n    [commands addCompletedHandler:^(id<MTLCommandBuffer> done) { pool_->give(done); }];\n    [commands commit];\n  }\n")
			}
			if n%50 == 0 && m == 0 {
				s.WriteString("  if (!g_alive.load(std::memory_order_acquire)) { return 0; }\n  slots_.release(this);\n")
			}
			fmt.Fprintf(&s, "  return %s_;\n}\n\n", word())
		}
		s.WriteString("}  // namespace at::native\n")
		name := filepath.Join(dir, fmt.Sprintf("src/d%d/f%d.%s", n%40, n, ext))
		if n < 40 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(name, []byte(s.String()), 0o644); err != nil {
			b.Fatal(err)
		}
		bytes += int64(s.Len())
	}
	return bytes
}

// sixtyRules are rules as a team would write them: most forbid or ask for something that
// few files have.
func sixtyRules() []Rule {
	var rules []Rule
	add := func(r Rule) {
		r.ID, r.Files = fmt.Sprintf("R%d", len(rules)), []string{"src/**/*.{cpp,mm,h}"}
		if len(rules)%2 == 0 {
			r.Files = []string{"src/**/*.cpp", "src/**/*.mm"}
		}
		rules = append(rules, r)
	}
	one := 1
	some := func(r Rule) { // asks for something where it belongs
		add(r)
		rules[len(rules)-1].Files = []string{"src/d0/*", "src/d10/*"}
	}
	code := func(s string) Events { return Events{{Tokens: s}} }
	for _, s := range []string{
		`\bwaitUntil(Completed|Scheduled)\b`, `\brecursive_mutex\b`, `\bsleep_for\b`, `\busleep\s*\(`, `\bdispatch_get_global_queue\b`, `\bstd::rand\b`, `\bgets\(`,
		`\bstrcpy\s*\(`, `volatile\s+bool`, `\bmemory_order_consume\b`, `#\s*pragma\s+omp`, `\bpthread_cancel\b`, `\bNSLog\b`, `\bprintf\s*\(`, `goto\s+\w+`,
		`catch\s*\(\s*\.\.\.\s*\)\s*\{\s*\}`, `\bconst_cast\b`, `\breinterpret_cast<\w+\s*\*>`, `\batoi\(`, `(?i)todo_before_release`, `\bmalloc\(`, `__builtin_trap`,
	} {
		add(Rule{Kind: KindAbsent, Pattern: s})
	}
	for _, s := range []string{`g_alive\.load\(`, `slots_\.release`, `addCompletedHandler`, `\[\w+ commit\]`, `make_shared<`} {
		some(Rule{Kind: KindMatch, Pattern: s})
	}
	for _, s := range []string{"new $T[$...]", "delete this", "using namespace std", "std::thread($...).detach()", "[$_ presentDrawable:$...]", "throw $...;"} {
		add(Rule{Kind: KindAbsent, Tokens: Strings{s}})
	}
	for _, s := range []string{"std::lock_guard<$...> $G(mutex_)", "id<MTLCommandBuffer> $B = [$Q commandBuffer]", "memory_order_acquire"} {
		some(Rule{Kind: KindMatch, Tokens: Strings{s}})
	}
	for i := range 4 {
		add(Rule{Kind: KindAbsent, Pattern: `\bshared_from_this\b`, In: In{Function: fmt.Sprintf("SlotPool::slot%d", i)}, OnMissing: "skip"})
	}
	for _, s := range []string{`g_alive\.store`, `\bsetenv\(`, `queueForThread`, `commandBufferWithUnretainedReferences`} {
		add(Rule{Kind: KindCount, Pattern: s, Max: &one})
	}
	for _, s := range []string{"waitUntilCompleted", "dispatch_sync", "waitUntilScheduled", "join"} {
		add(Rule{Kind: KindScope, Forbid: Events{{Call: s}}, WhileLive: &Live{Locks: true}})
	}
	for _, s := range []string{"[$R addCompletedHandler:", "[$R computeCommandEncoder]", "[$R addScheduledHandler:"} {
		add(Rule{Kind: KindOrder, Per: "receiver", ForbidAfter: &Pair{code("[$R commit]"), code(s)}})
	}
	add(Rule{Kind: KindOrder, Sequence: Events{{Tokens: "g_alive.load"}, {Tokens: "slots_.release"}}, Dominates: true})
	for _, s := range []string{"commandBuffer", "computeCommandEncoder"} {
		add(Rule{Kind: KindScope, Require: Events{{Call: s}}, Inside: code("@autoreleasepool")})
	}
	add(Rule{Kind: KindNear, When: code("$C.wait($L)"), Require: code("while"), Lines: 3})
	add(Rule{Kind: KindNear, When: code("memory_order_relaxed"), Require: Events{{Pattern: "relaxed:"}}, Lines: 3})
	add(Rule{Kind: KindImplies, When: code("MTLCommandBuffer"), Require: code("commit")})
	add(Rule{Kind: KindImplies, In: In{ArgumentOf: "addCompletedHandler"}, When: code("self"), Require: code("weak"), Vacuous: "pass"})
	add(Rule{Kind: KindAbsent, View: "comments", Pattern: `FIXME\(nobody\)`})
	for len(rules) < 60 {
		add(Rule{Kind: KindAbsent, Pattern: fmt.Sprintf(`\blegacyCall%d\b`, len(rules))})
	}
	return rules
}

// BenchmarkRules judges 60 rules over a generated tree of 50 MB. MB/cpu-s is what one core
// gets through: bytes by the processor time of all threads, system calls and collection of
// garbage included. "everywhere" has four rules more that find something in all files, so
// that no file can be left at a glance.
func BenchmarkRules(b *testing.B) {
	dir := b.TempDir()
	size := sources(b, dir, 50<<20)
	few := sixtyRules()
	all := append(sixtyRules(),
		Rule{ID: "A", Kind: KindMatch, Pattern: `make_shared<\w+>`, Files: []string{"src/**/*"}},
		Rule{ID: "B", Kind: KindMatch, Tokens: Strings{"std::lock_guard<$...> $G(mutex_)"}, Files: []string{"src/**/*"}},
		Rule{ID: "C", Kind: KindScope, Forbid: Events{{Call: "join|report_"}, {Call: "reports"}}, WhileLive: &Live{Locks: true}, Files: []string{"src/**/*"}},
		Rule{ID: "D", Kind: KindScope, Forbid: Events{{Call: "wait|make_sharedd|size_"}, {Tokens: "reinterpret_cast<$T>($...)"}, {Call: "report"}}, Severity: "warn", WhileLive: &Live{Of: "nothing"}, Files: []string{"src/**/*"}},
	)
	for _, v := range []struct {
		name  string
		rules []Rule
	}{{"sixty", few}, {"everywhere", all}} {
		b.Run(v.name, func(b *testing.B) {
			b.SetBytes(size)
			start := cpu()
			for b.Loop() {
				res, err := New(Config{Rules: v.rules}).Run(context.Background(), &runner.Workspace{Dir: dir})
				if err != nil || res.Verdict != runner.Success {
					for _, r := range res.Checks.Rules {
						if r.Outcome != runner.Pass {
							b.Logf("%s %s: %s", r.ID, r.Outcome, r.Reason)
						}
					}
					b.Fatal(res.Reason, err)
				}
			}
			b.ReportMetric(float64(size)*float64(b.N)/1e6/(cpu()-start).Seconds(), "MB/cpu-s")
		})
	}
}

// BenchmarkMemory judges the same rules over trees of 5 and 50 MB. heap-MB is the most that the
// heap had, sampled each millisecond: it follows the largest file and the number of files, not
// their size together.
func BenchmarkMemory(b *testing.B) {
	for _, mb := range []int64{5, 50} {
		b.Run(fmt.Sprintf("%dMB", mb), func(b *testing.B) {
			dir := b.TempDir()
			b.SetBytes(sources(b, dir, mb<<20))
			runtime.GC()
			done, most := make(chan bool), make(chan uint64)
			go func() {
				samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
				top := uint64(0)
				for tick := time.NewTicker(time.Millisecond); ; {
					select {
					case <-done:
						tick.Stop()
						most <- top
						return
					case <-tick.C:
						metrics.Read(samples)
						top = max(top, samples[0].Value.Uint64())
					}
				}
			}()
			for b.Loop() {
				if _, err := New(Config{Rules: sixtyRules()}).Run(context.Background(), &runner.Workspace{Dir: dir}); err != nil {
					b.Fatal(err)
				}
			}
			close(done)
			b.ReportMetric(float64(<-most)/1e6, "heap-MB")
		})
	}
}

// BenchmarkGrep is what grep -E needs for the regular expressions among the sixty rules over
// the same tree, in one run for all and in one for each, as in a script. It knows neither
// comments nor strings nor scopes, and the token patterns, calls and orders of the other
// rules are left out: it does less.
func BenchmarkGrep(b *testing.B) {
	if _, err := exec.LookPath("grep"); err != nil {
		b.Skip("grep is not installed: there is nothing to compare with")
	}
	var patterns []string
	for _, r := range sixtyRules() {
		if p, ok := strings.CutPrefix(r.Pattern, "(?i)"); ok || p != "" { // case is no matter of a pattern for grep
			patterns = append(patterns, p)
		}
	}
	dir := b.TempDir()
	size := sources(b, dir, 50<<20)
	grep := func(patterns ...string) {
		args := []string{"-rnE", "--include=*.cpp", "--include=*.mm"}
		for _, p := range patterns {
			args = append(args, "-e", p)
		}
		cmd := exec.Command("grep", append(args, "src")...)
		cmd.Dir, cmd.Stdout = dir, struct{ io.Writer }{io.Discard}            // for /dev/null grep stops at the first match
		if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 1 { // 1 is no match
			b.Fatal(err)
		}
	}
	for _, v := range []struct {
		name string
		run  func()
	}{
		{"together", func() { grep(patterns...) }},
		{"each", func() {
			for _, p := range patterns {
				grep(p)
			}
		}},
	} {
		b.Run(v.name, func(b *testing.B) {
			b.SetBytes(size)
			start := used(syscall.RUSAGE_CHILDREN)
			for b.Loop() {
				v.run()
			}
			b.ReportMetric(float64(size)*float64(b.N)/1e6/(used(syscall.RUSAGE_CHILDREN)-start).Seconds(), "MB/cpu-s")
			b.ReportMetric(float64(len(patterns)), "patterns")
		})
	}
}

// BenchmarkJudge judges the same rules over sources in memory, one after the other: what is
// left without the file system.
func BenchmarkJudge(b *testing.B) {
	dir := b.TempDir()
	size := sources(b, dir, 10<<20)
	t, err := openTree(context.Background(), dir)
	if err != nil {
		b.Fatal(err)
	}
	defer t.root.Close()
	texts := map[string][]byte{}
	for _, f := range t.files {
		if texts[f], err = t.read(f, maxFile); err != nil {
			b.Fatal(err)
		}
	}
	var rules []*compiled
	for _, r := range sixtyRules() {
		c, bad := r.compile()
		if len(bad) > 0 {
			b.Fatal(bad[0])
		}
		rules = append(rules, c)
	}
	words := collectLiterals(rules)
	present := make([]bool, len(words.words))
	var kept memory
	var pass [60]map[string]bool
	for i, c := range rules {
		pass[i] = map[string]bool{}
		for _, f := range c.selects(t.files) {
			pass[i][f] = true
		}
	}
	b.SetBytes(size)
	start := cpu()
	for b.Loop() {
		for _, f := range t.files {
			src, err := newSource(f, texts[f])
			if err != nil {
				b.Fatal(err)
			}
			clear(present)
			words.find(src.raw, present)
			src.words, src.present, src.memory = words, present, &kept
			for i, c := range rules {
				if !pass[i][f] {
					continue
				}
				var tl tally
				if err := c.examine(src, &tl); err != nil {
					b.Fatal(err)
				}
			}
			src.done()
		}
	}
	b.ReportMetric(float64(size)*float64(b.N)/1e6/(cpu()-start).Seconds(), "MB/cpu-s")
}

// cpu is the processor time of this process so far.
func cpu() time.Duration { return used(syscall.RUSAGE_SELF) }

func used(who int) time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
