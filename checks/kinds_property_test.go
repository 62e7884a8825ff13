package checks

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/checks/scan"
	"github.com/holdfast-ci/holdfast/runner"
)

// codeRules are rules of every kind that looks at code, none of which cares about layout.
func codeRules() []Rule {
	code := func(s ...string) (es Events) {
		for _, t := range s {
			es = append(es, Event{Tokens: t})
		}
		return es
	}
	call := func(s string) Events { return Events{{Call: s}} }
	return []Rule{
		{Kind: KindMatch, Tokens: Strings{"std::atomic<bool> $_"}},
		{Kind: KindAbsent, Tokens: Strings{"new $T[$...]"}},
		{Kind: KindAbsent, Pattern: `\bwaitUntilCompleted\b`},
		{Kind: KindCount, Tokens: Strings{"[$_ commit]"}, Max: new(int)},
		{Kind: KindWithin, Tokens: Strings{"g_alive.load"}, In: In{Function: "Slot::~Slot"}},
		{Kind: KindAbsent, Tokens: Strings{"this"}, In: In{Lambda: true}, Severity: "warn"},
		{Kind: KindScope, Forbid: call("waitUntil.*"), WhileLive: &Live{Locks: true}},
		{Kind: KindScope, Require: code("[$Q commandBuffer]"), Inside: code("@autoreleasepool")},
		{Kind: KindOrder, Sequence: code("g_alive.load", "give"), Dominates: true},
		{Kind: KindOrder, ForbidAfter: &Pair{code("[$R commit]"), code("[$R addCompletedHandler:")}, Per: "receiver"},
		{Kind: KindOrder, RequireAfter: &Pair{code("$E = [$B computeCommandEncoder]"), code("[$E endEncoding]")}},
		{Kind: KindNear, When: code("take()"), Forbid: code("give()"), Distance: 6},
		{Kind: KindImplies, In: In{Function: "*"}, When: code("commandBuffer"), Require: code("commit")},
		{Kind: KindTypestate, Typestate: &Typestate{Enter: "commit", Forbid: "commit", When: "entered"}},
		{Kind: KindWaitUnderLock},
		{Kind: KindConditionWait},
	}
}

var codePieces = []string{
	"std :: atomic < bool > g_alive ;", "int * p = new int [ 3 ] ;", "Slot :: ~ Slot ( ) { if ( ! g_alive . load ( ) ) { return ; } give ( ) ; }", "Slot :: ~ Slot ( ) { give ( ) ; g_alive . load ( ) ; }",
	"void f ( ) { std :: lock_guard < std :: mutex > g ( m ) ; [ b waitUntilCompleted ] ; }", "void f ( ) { { std :: scoped_lock g ( m , n ) ; } [ b waitUntilScheduled ] ; }",
	"void g ( ) { @autoreleasepool { id < B > b = [ q commandBuffer ] ; [ b commit ] ; } }", "void g ( ) { id < B > b = [ q commandBuffer ] ; if ( x ) { [ b commit ] ; } [ b addCompletedHandler : h ] ; }",
	"void h ( ) { e = [ b computeCommandEncoder ] ; if ( x ) return ; [ e endEncoding ] ; }", "void h ( ) { run ( [ this ] { this -> a ( ) ; } ) ; take ( ) ; give ( ) ; }",
	"void k ( ) { [ b commit ] ; [ b commit ] ; }", "void k ( ) { std :: unique_lock < std :: mutex > l ( m ) ; cv . wait ( l ) ; }", "namespace a { class B { void c ( ) { take ( ) ; x ( ) ; y ( ) ; give ( ) ; } } ; }",
}

// TestLayoutChangesNothing: white space and comments, also such that hold code, never change
// what a rule about code says or how much it finds.
func TestLayoutChangesNothing(t *testing.T) {
	gap := rapid.SampledFrom([]string{" ", "\n", "\t ", "\r\n", " /* [b commit]; { */ ", " // m.lock(); (\n", " \\\n ", "/**/", "\n\n/* new int[3] */\n"})
	rules := codeRules()
	rapid.Check(t, func(t *rapid.T) {
		program := strings.Join(rapid.SliceOfN(rapid.SampledFrom(codePieces), 1, 5).Draw(t, "program"), " ")
		var b strings.Builder
		for _, w := range strings.Split(program, " ") {
			b.WriteString(w + gap.Draw(t, "gap"))
		}
		before, after := outcomes(t, "a.mm", program, rules...), outcomes(t, "a.mm", b.String(), rules...)
		for i := range before {
			if p, q := before[i], after[i]; p.Outcome != q.Outcome || len(p.Evidence) != len(q.Evidence) {
				t.Fatalf("%s: %s (%s, %d places), laid out otherwise %s (%s, %d places):\n%s", rules[i].Kind, p.Outcome, p.Reason, len(p.Evidence), q.Outcome, q.Reason, len(q.Evidence), b.String())
			}
		}
	})
}

// TestNothingLeftWhenCommentedOut: what is commented out satisfies no rule that asks for it,
// and breaks none that forbids it.
func TestNothingLeftWhenCommentedOut(t *testing.T) {
	rules := codeRules()
	rapid.Check(t, func(t *rapid.T) {
		program := strings.Join(rapid.SliceOfN(rapid.SampledFrom(codePieces), 1, 5).Draw(t, "program"), "\n")
		program = rapid.SampledFrom([]string{"// " + strings.ReplaceAll(program, "\n", "\n// "), "/*" + program + "*/", "#if 0\n" + program + "\n#endif"}).Draw(t, "out")
		for i, r := range outcomes(t, "a.mm", program+"\nint x;\n", rules...) {
			want := runner.Pass
			switch rules[i].Kind {
			case KindMatch:
				want = runner.Fail
			case KindWithin:
				want = runner.RuleError // no such function
			}
			if r.Outcome != want {
				t.Fatalf("%s: %s (%s), want %s:\n%s", rules[i].Kind, r.Outcome, r.Reason, want, program)
			}
		}
	})
}

// TestScannerOddities: files as editors and other systems leave them.
func TestScannerOddities(t *testing.T) {
	const body = "void f() {\n  [b commit];\n}"
	for name, src := range map[string]string{
		"a byte order mark":      "\xEF\xBB\xBF" + body,
		"CRLF":                   strings.ReplaceAll(body, "\n", "\r\n"),
		"CR":                     strings.ReplaceAll(body, "\n", "\r"),
		"no final newline":       body,
		"NUL bytes":              "\x00" + body + "\x00",
		"bytes that are no text": "// \xff\xfe\xc3\x28\n" + strings.Replace(body, "[b", "\xe9t\xe9 = \"\xff\"; [b", 1),
		"form feeds":             "\f\v" + body,
		"a tab in a line":        strings.Replace(body, "  [", "\t\t[", 1),
		"an attribute":           "[[nodiscard]] __attribute__((used)) " + body,
		"a template":             "template <typename T, int N = (1 > 0)> requires C<T> " + body,
		"a raw string":           "auto s = R\"(}}}{{{)\";\n" + body,
		"a character":            "char c = '{', d = '\\'', e = '\"';\n" + body,
	} {
		t.Run(name, func(t *testing.T) {
			f := scan.Scan([]byte(src))
			var all []byte
			for _, tok := range f.Tokens {
				all = append(all, f.Text(tok)...)
			}
			if string(all) != src {
				t.Errorf("the tokens are %q", all)
			}
			line := 1 + strings.Count(strings.ReplaceAll(src[:strings.Index(src, "[b")], "\r\n", "\n"), "\n") + strings.Count(strings.ReplaceAll(src[:strings.Index(src, "[b")], "\r\n", ""), "\r")
			r := outcomes(t, "a.mm", src, Rule{Kind: KindAbsent, Tokens: Strings{"[$_ commit]"}, In: In{Function: "f"}})[0]
			if r.Outcome != runner.Fail || fmt.Sprint(r.Evidence[0].Line) != fmt.Sprint(line) {
				t.Errorf("%s: %s at %v, want line %d", r.Outcome, r.Reason, r.Evidence, line)
			}
		})
	}
}
