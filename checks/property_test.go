package checks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/runner"
)

// outcomes judges rules over one file without a checkout.
func outcomes(t interface{ Fatalf(string, ...any) }, name, text string, rules ...Rule) []runner.Rule {
	src, err := newSource(name, []byte(text))
	if err != nil {
		t.Fatalf("%v", err)
	}
	var out []runner.Rule
	for _, r := range rules {
		r.ID, r.Files = "R", []string{"*"}
		c, bad := r.compile()
		if len(bad) > 0 {
			t.Fatalf("%v", bad[0])
		}
		tl := tally{file: name}
		tl.err = c.examine(src, &tl)
		out = append(out, c.judge([]tally{tl}).finish())
	}
	return out
}

var propertyRules = []Rule{
	{Kind: KindMatch, Tokens: Strings{"g_alive . store ( true"}},
	{Kind: KindMatch, Pattern: `\bg_alive\s*\.\s*store\s*\(\s*true`},
	{Kind: KindWithin, Tokens: Strings{"g_alive.store(true"}, In: In{Function: "Pool::Pool"}},
}

// TestCommentedOut: whichever way the only place is taken out of the code, a rule that
// asks for it fails and one that forbids it passes.
func TestCommentedOut(t *testing.T) {
	const call = "g_alive.store(true);"
	rules := propertyRules[:3]
	forbid := Rule{Kind: KindAbsent, Tokens: Strings{"g_alive.store(true"}}
	rapid.Check(t, func(t *rapid.T) {
		around := rapid.SampledFrom([]string{"\n", "int a = 'x';\n", "log(\"g(\");\n", "if (x) { y(); }\n", "// note\n", "/* note */\n"})
		before := strings.Join(rapid.SliceOfN(around, 0, 5).Draw(t, "before"), "")
		after := strings.Join(rapid.SliceOfN(around, 0, 5).Draw(t, "after"), "")
		body := func(s string) string { return "Pool::Pool() {\n" + before + s + "\n" + after + "}\n" }
		for i, r := range outcomes(t, "a.mm", body(call), append(rules[:3:3], forbid)...) {
			if want := map[bool]string{true: runner.Fail, false: runner.Pass}[i == 3]; r.Outcome != want {
				t.Fatalf("rule %d: %s: %s in\n%s", i, r.Outcome, r.Reason, body(call))
			}
		}
		out := rapid.SampledFrom([]string{
			"// " + call, "/* " + call + " */", "/*\n" + call + "\n*/", "#if 0\n" + call + "\n#endif", "log(\"" + call + "\");", "log(R\"x(" + call + ")x\");",
			"// \\\n" + call, "#if 1\n#else\n" + call + "\n#endif", "#if defined(A) && 0\n" + call + "\n#endif", "log(@\"" + call + "\");",
		}).Draw(t, "out")
		for i, r := range outcomes(t, "a.mm", body(out), append(rules[:3:3], forbid)...) {
			if want := map[bool]string{true: runner.Pass, false: runner.Fail}[i == 3]; r.Outcome != want {
				t.Fatalf("rule %d: %s: %s in\n%s", i, r.Outcome, r.Reason, body(out))
			}
		}
	})
}

// TestReformatted: white space and comments change no outcome of a rule about tokens.
func TestReformatted(t *testing.T) {
	words := strings.Fields("Pool :: Pool ( ) { g_alive . store ( true , order ) ; if ( x ) { stop ( ) ; } }")
	gap := rapid.SampledFrom([]string{" ", "\n", "\t", " /* g_alive.store(true */ ", " // }\n", "\r\n", " \\\n "})
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for _, w := range words {
			b.WriteString(w + gap.Draw(t, "gap"))
		}
		for i, r := range outcomes(t, "a.mm", b.String(), propertyRules[0], propertyRules[2]) {
			if r.Outcome != runner.Pass || !strings.HasPrefix(r.Reason, "1 match") {
				t.Fatalf("rule %d: %s: %s in\n%s", i, r.Outcome, r.Reason, b.String())
			}
		}
	})
}

// TestNeeded: looking for a literal first changes no outcome.
func TestNeeded(t *testing.T) {
	patterns := []string{`\bwaitUntil(Completed|Scheduled)\b`, `a+b`, `(?i)wait`, `(ab|cd)+x`, `x{2,}`, `x{0,2}y`, `[ab]c|de`, `(foo|bar)?baz`, `a.c`, "\uFFFDx", `\ba\b`, `\bab+\b`, `\bx$`, `\b\.?a`, `\b a`, `(?s)\ba.*y`, `\bwait(Until)?`}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(patterns).Draw(t, "pattern")
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"waitUntilCompleted", "WAIT", "wait", "a", "b", "ab", "cd", "x", "y", "de", "bc", "foo", "baz", "é", ".", " ", "\n", "\xff"})).Draw(t, "text"), "")
		c, bad := (Rule{ID: "R", Kind: KindMatch, Files: []string{"*"}, Pattern: p}).compile()
		if len(bad) > 0 {
			t.Fatalf("%v", bad[0])
		}
		src, err := newSource("a.txt", []byte(text))
		if err != nil {
			t.Fatalf("%v", err)
		}
		m := c.patterns[0]
		got, _ := m.find(src, "", 0, len(text))
		m.needs, m.bare = nil, nil
		want, _ := m.find(src, "", 0, len(text))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s in %q: %v, without needs %v", p, text, got, want)
		}
	})
}

// BenchmarkRules judges 60 rules over a generated tree of 400 sources.
func BenchmarkRules(b *testing.B) {
	dir := b.TempDir()
	var size int64
	for i := range 400 {
		var s strings.Builder
		fmt.Fprintf(&s, "#include \"pool%d.h\"\nnamespace at::mps {\n", i)
		for j := range 40 {
			fmt.Fprintf(&s, "// Step %d gives the slot back; waitUntilCompleted is not called.\nvoid Pool%d::step%d(std::size_t slot) {\n  std::lock_guard<std::mutex> guard(mutex_);\n  if (!g_alive.load(std::memory_order_acquire)) { return; }\n  free_[slot / 64] |= 1ull << (slot %% 64);\n  log(\"slot %%zu of %d\", slot);\n}\n\n", j, i, j, j)
		}
		s.WriteString("}\n")
		size += int64(s.Len())
		name := filepath.Join(dir, fmt.Sprintf("src/d%d/pool%d.mm", i%10, i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(s.String()), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	var rules []Rule
	for i := range 12 {
		files := []string{"src/**/*.mm"}
		add := func(r Rule) {
			r.ID, r.Files = fmt.Sprintf("R%d", len(rules)), files
			rules = append(rules, r)
		}
		add(Rule{Kind: KindAbsent, Pattern: fmt.Sprintf(`\bwait(ing)?For%d\b`, i)})
		add(Rule{Kind: KindMatch, Pattern: `\bg_alive\.load\(`})
		add(Rule{Kind: KindMatch, Tokens: Strings{"std::lock_guard<$...> $G(mutex_)"}})
		add(Rule{Kind: KindWithin, Pattern: `guard\(mutex_\)`, In: In{Function: fmt.Sprintf("step%d", i)}})
		add(Rule{Kind: KindAbsent, Tokens: Strings{"recursive_mutex"}})
	}
	b.SetBytes(size)
	for b.Loop() {
		res, err := New(Config{Rules: rules}).Run(context.Background(), &runner.Workspace{Dir: dir})
		if err != nil || res.Verdict != runner.Success {
			b.Fatal(res.Reason, err)
		}
	}
}
