package checks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/checks/scan"
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
		out = append(out, c.judge(examined{1, []tally{tl}}).finish())
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

// TestPrefilter: looking for words first changes no outcome, but that a file without the
// words of a rule need not have brackets that match.
func TestPrefilter(t *testing.T) {
	var rules []*compiled
	for _, r := range sixtyRules() {
		c, bad := r.compile()
		if len(bad) > 0 {
			t.Fatal(bad[0])
		}
		rules = append(rules, c)
	}
	words := collectLiterals(rules)
	all := make([]bool, len(words.words))
	for i := range all {
		all[i] = true
	}
	pieces := []string{
		"void f() {\n", "}\n", "void SlotPool::slot1() {", "std::lock_guard<std::mutex> g(mutex_);\n", "[b waitUntilCompleted];\n", "WaitUntilCompleted", "wait\\\nUntilCompleted", "// waitUntilCompleted\n",
		"\"recursive_mutex\" ", "recursive_mutex ", "new T[3];\n", "renew ", "new", " T[n]; ", "[b commit];\n", "[b addCompletedHandler:^(id x) { [self y]; }];\n", "g_alive.load();", "slots_.release();",
		"TODO_BEFORE_RELEASE", "todo_before_releaſe", "/*", "*/", "\"", "'", "#if 0\n", "#endif\n", "<%", "/* FIXME(nobody) */", "volatile /* x */ bool", "#pragma omp", "#  pragma  omp", "catch (...) { }", "goto x;",
		"dispatch_sync(q, ^{ });", "memory_order_relaxed", "// relaxed: ok\n", "c.wait(l);", "while (x) ", "using  namespace\nstd;", "delete this", "id<MTLCommandBuffer> b = [q commandBuffer];\n", "(", ")", "reinterpret_cast<T *>",
		"throw 1;", "std::thread([] { }).detach();", "legacyCall59", "\r", "R\"(printf())\"", "printf (1)",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 14).Draw(t, "pieces"), "")
		rows := func(filtered bool) []string {
			src, err := newSource("src/d0/a.mm", []byte(text))
			if err != nil {
				t.Fatalf("%v", err)
			}
			src.words, src.present = words, all
			if filtered {
				src.present = make([]bool, len(all))
				words.find(src.raw, src.present)
			} else {
				src.skimmed = new(scan.Skimmed) // as if it told nothing
			}
			var out []string
			for _, c := range rules {
				tl := tally{file: src.name}
				tl.err = c.examine(src, &tl)
				r := c.judge(examined{1, []tally{tl}}).finish()
				out = append(out, fmt.Sprintf("%s %s %s %s", r.ID, r.Outcome, r.Reason, positions(r)))
			}
			return out
		}
		readable := len(scan.Scan([]byte(text)).Problems) == 0
		filtered := rows(true)
		for i, want := range rows(false) {
			if got := filtered[i]; got != want && !(readable && strings.Contains(want, " error ")) {
				t.Fatalf("%q\ngot  %s\nwant %s", text, got, want)
			}
		}
	})
}
