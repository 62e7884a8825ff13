package checks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestKinds judges one rule over one source. "!" behind a line of the source marks where
// it must be found wrong; without any, the rule must pass.
func TestKinds(t *testing.T) {
	const (
		guard   = "kind='order'\nin={function='Slot::~Slot'}\nsequence=['g_alive.load', 'give']\ndominates=true"
		handler = "kind='order'\nper='receiver'\nforbid_after={event='[$R commit]', then='[$R $/add(Completed|Scheduled)Handler/:'}\nreset='$R ='"
		ended   = "kind='order'\nrequire_after={event='$E = [$B computeCommandEncoder]', then='[$E endEncoding]'}"
		wait    = "kind='scope'\nforbid={call='waitUntil(Completed|Scheduled)'}\nwhile_live='lock'"
		locked  = "kind='scope'\nrequire='slots_.push($...)'\nwhile_live={of='mutex_'}"
		pool    = "kind='implies'\nin={control='/^(for|while)$/'}\nwhen={call='commandBuffer'}\nrequire='@autoreleasepool'"
	)
	for _, tt := range []struct{ name, rule, src string }{
		{"guarded by an early return", guard, "Slot::~Slot() {\n if (!g_alive.load()) return;\n give();\n}"},
		{"guarded by a block", guard, "Slot::~Slot() {\n if (g_alive.load()) {\n give();\n }\n}"},
		{"guarded in a condition", guard, "Slot::~Slot() {\n if (g_alive.load() && x) give();\n}"},
		{"only in the sibling branch", guard, "Slot::~Slot() {\n if (a) {\n g_alive.load();\n } else {\n give(); !\n }\n}"},
		{"only if something else", guard, "Slot::~Slot() {\n if (a) { g_alive.load(); }\n give(); !\n}"},
		{"after a short circuit", guard, "Slot::~Slot() {\n if (a || g_alive.load()) give(); !\n}"},
		{"before it in text only", guard, "Slot::~Slot() {\n auto f = [&] { return g_alive.load(); };\n give(); !\n}"},
		{"in a lambda called in place", guard, "Slot::~Slot() {\n [&] { g_alive.load(); }();\n give();\n}"},
		{"behind it", guard, "Slot::~Slot() {\n give(); !\n g_alive.load();\n}"},
		{"in a comment", guard, "Slot::~Slot() {\n // g_alive.load()\n give(); !\n}"},
		{"in one configuration", guard, "Slot::~Slot() {\n#if A\n g_alive.load();\n#endif\n give(); !\n}"},
		{"in both configurations", guard, "Slot::~Slot() {\n#if A\n g_alive.load();\n#else\n if (!g_alive.load()) return;\n#endif\n give();\n}"},
		{"in a loop that may not run", guard, "Slot::~Slot() {\n for (auto x : xs) { g_alive.load(); }\n give(); !\n}"},
		{"in a loop that runs once", guard, "Slot::~Slot() {\n do { g_alive.load(); } while (x);\n give();\n}"},
		{"in a loop without end", guard, "Slot::~Slot() {\n while (true) { if (g_alive.load()) break; }\n give();\n}"},
		{"in each case", guard, "Slot::~Slot() {\n switch (x) {\n case 1: g_alive.load(); break;\n default: g_alive.load();\n }\n give();\n}"},
		{"not in the default", guard, "Slot::~Slot() {\n switch (x) {\n case 1: g_alive.load(); break;\n }\n give(); !\n}"},
		{"in a try", guard, "Slot::~Slot() {\n try { f(); g_alive.load(); } catch (...) {\n give(); !\n }\n}"},
		{"by a conditional operator", guard, "Slot::~Slot() {\n g_alive.load() ? give() : 0;\n}"},
		{"over a goto", guard, "Slot::~Slot() {\n if (x) goto out;\n g_alive.load();\nout:\n give(); !\n}"},
		{"another function of the file", guard, "Slot::~Slot() {\n if (!g_alive.load()) return;\n give();\n}\nvoid f() { give(); }"},
		{"later, when the guard is old", guard, "Slot::~Slot() {\n if (!g_alive.load()) return;\n later([&] {\n give(); !\n });\n}"},
		{"at once", guard, "Slot::~Slot() {\n if (!g_alive.load()) return;\n dispatch_sync(q, ^{\n give();\n });\n}"},
		{"by __builtin_unreachable", guard, "Slot::~Slot() {\n if (a) std::abort(); else g_alive.load();\n give();\n}"},

		{"handler before", handler, "void f() {\n [b addCompletedHandler:h];\n [b commit];\n}"},
		{"handler after", handler, "void f() {\n [b commit];\n [b addCompletedHandler:h]; !\n}"},
		{"of another buffer", handler, "void f() {\n [a commit];\n [b addCompletedHandler:h];\n}"},
		{"of a new buffer", handler, "void f() {\n [b commit];\n b = [q commandBuffer];\n [b addCompletedHandler:h];\n}"},
		{"in another function", handler, "void f() { [b commit]; }\nvoid g() { [b addScheduledHandler:h]; }"},
		{"of a member", handler, "void f() {\n [self.b commit];\n [self.b addScheduledHandler:h]; !\n [other.b addScheduledHandler:h];\n}"},
		{"of what a call gives", handler, "void f() {\n [[q commandBuffer] commit];\n [[q commandBuffer] addScheduledHandler:h];\n}"},
		{"in the other branch", handler, "void f() {\n if (x) { [b commit]; } else { [b addScheduledHandler:h]; }\n}"},
		{"behind a return", handler, "void f() {\n if (x) { [b commit]; return; }\n [b addScheduledHandler:h];\n}"},
		{"in the next round", handler, "void f() {\n for (;;) {\n [b addScheduledHandler:h]; !\n [b commit];\n }\n}"},
		{"new in each round", handler, "void f() {\n for (id<B> b in bs) {\n [b addScheduledHandler:h];\n [b commit];\n }\n}"},
		{"another index in each round", handler, "void f() {\n for (int i = 0; i < n; i++) {\n [bs[i] addScheduledHandler:h];\n [bs[i] commit];\n }\n}"},
		{"declared in each round", handler, "void f() {\n while (x) {\n id<MTLCommandBuffer> b(q);\n [b addScheduledHandler:h];\n [b commit];\n }\n}"},
		{"in a block made after", handler, "void f() {\n [b commit];\n run(^{\n [b addScheduledHandler:h]; !\n });\n}"},
		{"in a block with its own", handler, "void f() {\n [b commit];\n run(^(id<B> b) {\n [b addScheduledHandler:h];\n });\n}"},
		{"over lines and comments", handler, "void f() {\n [ b /* x */\n commit ];\n [b addCompletedHandler // y !\n :h];\n}"},
		{"handler commits", handler, "void f() {\n [b addCompletedHandler:^(id x) {\n [b commit];\n }];\n}"},

		{"encoder ended", ended, "void f() {\n e = [b computeCommandEncoder];\n [e endEncoding];\n}"},
		{"encoder not ended on a way", ended, "void f() {\n id<E> e = [b computeCommandEncoder]; !\n if (x) return;\n [e endEncoding];\n}"},
		{"another one ended", ended, "void f() {\n e = [b computeCommandEncoder]; !\n [g endEncoding];\n}"},

		{"wait under a guard", wait, "void f() {\n std::lock_guard<std::mutex> g(m);\n for (int i = 0; i < 20; i++) {}\n [b waitUntilCompleted]; !\n}"},
		{"wait after the block", wait, "void f() {\n {\n std::lock_guard g(m);\n }\n [b waitUntilCompleted];\n}"},
		{"wait before the guard", wait, "void f() {\n [b waitUntilCompleted];\n std::lock_guard g{m};\n}"},
		{"wait after unlock", wait, "void f() {\n std::unique_lock<std::mutex> l(m);\n l.unlock();\n b->waitUntilCompleted();\n l.lock();\n b->waitUntilCompleted(); !\n}"},
		{"unlocked on one way only", wait, "void f() {\n std::unique_lock<std::mutex> l(m);\n if (x) l.unlock();\n b->waitUntilCompleted(); !\n}"},
		{"a deferred lock", wait, "void f() {\n std::unique_lock<std::mutex> l(m, std::defer_lock);\n b->waitUntilCompleted();\n l.lock();\n b->waitUntilCompleted(); !\n}"},
		{"a callback made under a lock", wait, "void f() {\n std::scoped_lock l(m, n);\n queue.push([=] { [b waitUntilCompleted]; });\n}"},
		{"run under a lock", wait, "void f() {\n std::scoped_lock l(m, n);\n std::for_each(x, y, [=](auto b) { [b waitUntilCompleted]; }); !\n}"},
		{"a guard inside of a callback", wait, "void f() {\n run([=] { std::lock_guard<M> l(m); });\n [b waitUntilCompleted];\n}"},
		{"synchronized", wait, "- (void)f { }\nvoid f() {\n @synchronized (self) {\n [b waitUntilScheduled]; !\n }\n [b waitUntilScheduled];\n}"},
		{"by hand", wait, "void f() {\n m.lock();\n [b waitUntilScheduled]; !\n m.unlock();\n [b waitUntilScheduled];\n}"},
		{"a weak pointer", wait, "void f() {\n auto p = weak.lock();\n if (auto q = weak_.lock()) { }\n [b waitUntilScheduled];\n}"},
		{"of Objective-C", wait, "void f() {\n [lock_ lock];\n [b waitUntilScheduled]; !\n [lock_ unlock];\n [b waitUntilScheduled];\n}"},
		{"of C", wait, "void f() {\n os_unfair_lock_lock(&l_);\n [b waitUntilScheduled]; !\n os_unfair_lock_unlock(&l_);\n [b waitUntilScheduled];\n}"},
		{"in the head of an if", wait, "void f() {\n if (std::lock_guard g(m); x) {\n [b waitUntilScheduled]; !\n } else {\n [b waitUntilScheduled]; !\n }\n [b waitUntilScheduled];\n}"},
		{"without a name", wait, "void f() {\n std::lock_guard<std::mutex>(m);\n [b waitUntilScheduled];\n}"},
		{"continue leaves the block", wait, "void f() {\n for (;;) {\n [b waitUntilScheduled];\n std::lock_guard g(m);\n if (x) continue;\n y();\n }\n}"},
		{"std::lock", wait, "void f() {\n std::lock(m, n);\n [b waitUntilScheduled]; !\n m.unlock();\n n.unlock();\n [b waitUntilScheduled];\n}"},
		{"std::lock adopted", wait, "void f() {\n {\n std::lock(m, n);\n std::lock_guard a(m, std::adopt_lock), \n b(n, std::adopt_lock);\n }\n}"},
		{"assigned", wait, "void f() {\n auto l = std::unique_lock(m);\n [b waitUntilScheduled]; !\n l.release();\n [b waitUntilScheduled];\n}"},
		{"only named in a comment and a string", wait, "void f() {\n std::lock_guard g(m);\n log(\"waitUntilCompleted()\"); // waitUntilCompleted()\n}"},
		{"a lock of the function before", wait, "void f() { std::lock_guard g(m); }\nvoid g() { [b waitUntilCompleted]; }"},
		{"passed by reference", wait, "void f(std::unique_lock<std::mutex>& l) {\n [b waitUntilCompleted];\n}"},
		{"in a constructor", wait, "A::A() : x_(1) {\n std::lock_guard g(m);\n [b waitUntilCompleted]; !\n}"},
		{"a declaration is no call", wait, "void f() {\n std::lock_guard g(m);\n void waitUntilCompleted(int);\n}"},

		{"held", locked, "void f() {\n std::lock_guard g(mutex_);\n slots_.push(1);\n}"},
		{"not held", locked, "void f() {\n slots_.push(1); !\n}"},
		{"another lock", locked, "void f() {\n std::lock_guard g(other);\n slots_.push(1); !\n}"},
		{"held on one way only", locked, "void f() {\n std::unique_lock g(mutex_, std::defer_lock);\n if (x) g.lock();\n slots_.push(1); !\n}"},
		{"held on both ways", locked, "void f() {\n std::unique_lock g(mutex_, std::defer_lock);\n if (x) g.lock(); else g.lock();\n slots_.push(1);\n}"},
		{"held again in each round", locked, "void f() {\n for (;;) {\n std::lock_guard g(mutex_);\n slots_.push(1);\n }\n}"},
		{"the inner one ends", locked, "void f() {\n std::lock_guard g(mutex_);\n { std::lock_guard h(a.mutex_); }\n slots_.push(1);\n}"},
		{"perhaps", locked, "void f() {\n std::unique_lock g(mutex_, std::try_to_lock);\n slots_.push(1); !\n}"},

		{"inside", "kind='scope'\nrequire='[$B commandBuffer]'\ninside='@autoreleasepool'", "void f() {\n @autoreleasepool {\n [q commandBuffer];\n if (x) { [q commandBuffer]; }\n }\n [q commandBuffer]; !\n}"},
		{"not inside of a loop", "kind='scope'\nforbid='[$B commit]'\ninside='/^(for|while)/'", "void f() {\n [b commit];\n for (;;) [b commit]; !\n while (x) {\n run(^{ [b commit]; });\n }\n}"},
		{"implies", pool, "void f() {\n for (;;) {\n @autoreleasepool { [q commandBuffer]; }\n }\n while (x) { !\n }\n}" + ""},

		{"near", "kind='near'\nwhen='a()'\nrequire='b()'\nlines=2", "void f() {\n a();\n x();\n b();\n x();\n x();\n a(); !\n}"},
		{"near, but cut off", "kind='near'\nwhen='take()'\nforbid='wait()'\nunless='give()'\nside='after'\nlines=20", "void f() {\n take();\n give();\n wait();\n take(); !\n wait();\n}"},
		{"near in tokens", "kind='near'\nwhen='a'\nforbid='b'\ndistance=2", "int x = a + b; !\nint y = a + c + b;"},
		{"a marker in comments", "kind='near'\nview='comments'\nwhen='/TODO/'\nrequire='/#[0-9]+/'\nlines=1", "// TODO #12\nint a;\n\n// TODO later !\nint b;"},
		{"a function may not have both", "kind='implies'\nin={function='*'}\nwhen='a()'\nforbid='b()'", "void f() { a(); }\nvoid g() { b(); }\nvoid h() {\n a();\n b(); !\n}"},
		{"a sequence in text", "kind='order'\nsequence=['first()', 'second()', 'third()']", "void f() { first(); }\nvoid g() { second(); third(); }"},
		{"a sequence broken", "kind='order'\nsequence=['first()', 'second()', 'third()']", "void f() {\n second(); !\n first();\n third();\n}"},

		{"in a class", "kind='absent'\nin={class='Pool'}\npattern='volatile'", "struct Other { volatile int a; };\nclass Pool {\n volatile int b; !\n};"},
		{"in a namespace", "kind='absent'\nin={namespace='mps'}\npattern='volatile'", "namespace at::mps {\n volatile int b; !\n}\nvolatile int c;"},
		{"in a callback", "kind='absent'\nin={argument_of='addCompletedHandler'}\npattern='\\bself\\b'", "void f() {\n [b addCompletedHandler:^(id x) {\n [self done]; !\n }];\n [b addScheduledHandler:^(id x) { [self done]; }];\n}"},
		{"in a lambda of a function", "kind='absent'\nin={lambda=true, function='f'}\npattern='this'", "void f() {\n this->a();\n run([=] {\n this->a(); !\n });\n}\nvoid g() { run([=] { this->a(); }); }"},
		{"in a loop", "kind='absent'\nin={control='for'}\ntokens='new $_'", "void f() {\n new A;\n for (;;) {\n new A; !\n }\n}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "implies" { // the second loop has no command buffer
				tt.src = strings.Replace(tt.src, " !", "", 1)
			}
			var want []string
			lines := strings.Split(tt.src, "\n")
			for i, l := range lines {
				if strings.HasSuffix(l, " !") {
					want = append(want, fmt.Sprint(i+1))
					lines[i] = strings.TrimSuffix(l, " !")
				}
			}
			r := rule(t, map[string]string{"src/a.mm": strings.Join(lines, "\n") + "\n"}, tt.rule)
			var got []string
			if r.Outcome != runner.Pass {
				for _, e := range r.Evidence {
					got = append(got, fmt.Sprint(e.Line))
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || r.Outcome == runner.RuleError || (r.Outcome == runner.Fail) != (len(want) > 0) {
				t.Errorf("%s: %s: lines %v, want %v", r.Outcome, r.Reason, got, want)
			}
		})
	}
}

// TestKindsNotTold: code whose order cannot be told is an error where a rule needs it, and
// nothing where it does not.
func TestKindsNotTold(t *testing.T) {
	const wait = "kind='scope'\nforbid={call='waitUntilCompleted'}\nwhile_live='lock'"
	for _, tt := range []struct{ name, rule, src, outcome, reason string }{
		{"an #if cuts a statement", wait, "void f() {\n std::lock_guard<std::mutex> l(m);\n if (x)\n#if A\n a();\n#else\n b();\n#endif\n [b waitUntilCompleted];\n}", "error", "cuts in two"},
		{"an #if cuts a function without locks", wait, "void f() {\n if (x)\n#if A\n a();\n#else\n b();\n#endif\n [b waitUntilCompleted];\n}", "pass", "1 match of 'call of waitUntilCompleted' in 1 file, and it is right"},
		{"an #if cuts another function", wait, "void g() {\n if (x)\n#if A\n a();\n#else\n b();\n#endif\n}\nvoid f() { [b waitUntilCompleted]; }", "pass", "1 match of 'call of waitUntilCompleted' in 1 file, and it is right"},
		{"brackets do not match", wait, "void f() { ( [b waitUntilCompleted]; }", "error", "where the '(' of line 1 is open"},
		{"brackets do not match elsewhere", wait, "void f() { ( }", "pass", "nothing to judge: 0 matches of 'call of waitUntilCompleted' in 1 file"},
		{"a computed goto", wait, "void f() { m.lock(); [b waitUntilCompleted]; goto *p; }", "error", "a goto whose aim is computed"},
		{"conditional operators without end", wait, "void f() { m.lock(); x = " + strings.Repeat("a ? b : ", 300) + "c; [b waitUntilCompleted]; }", "error", "more conditional operators in one another than anybody writes"},
		{"a few of them", wait, "void f() { m.lock(); x = " + strings.Repeat("a ? b : ", 50) + "c; m.unlock(); [b waitUntilCompleted]; }", "pass", "it is right"},
		{"locks and waits without end", wait, "void f() {" + strings.Repeat(" m.lock(); [b waitUntilCompleted];", 400) + "}", "error", "too many locks and events in f to compare them all"},
		{"a search without end", "kind='absent'\ntokens='a < $... > (b)'", "int x = " + strings.Repeat("a < b ", 8000) + ";", "error", "given up as too long"},
		{"a label elsewhere", wait, "void f() { m.lock(); [b waitUntilCompleted]; goto x; }", "error", "a goto to a label"},
		{"nothing to judge in a named function", "kind='order'\nin={function='f'}\nsequence=['a()', 'b()']", "void f() { a(); }", "error", "nothing to judge: 0 matches of 'b()' in the body of f"},
		{"nothing to judge is fine", "kind='order'\nvacuous='pass'\nin={function='f'}\nsequence=['a()', 'b()']", "void f() { a(); }", "pass", "nothing to judge"},
		{"nothing to judge fails", "kind='near'\nvacuous='fail'\nwhen='a'\nrequire='b'\nlines=1", "int c;", "fail", "nothing to judge"},
		{"no function at all", "kind='implies'\nin={function='*'}\nwhen='a'\nrequire='b'", "int c;", "pass", "no function in 1 file"},
		{"no such class", "kind='absent'\nin={class='Pool', missing='fail'}\npattern='a'", "int c;", "fail", "no class Pool in 1 file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rule(t, map[string]string{"src/a.mm": tt.src}, tt.rule)
			if r.Outcome != tt.outcome || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("%s: %s, want %s: %s", r.Outcome, r.Reason, tt.outcome, tt.reason)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	doc := `{
 "status": "PASS", "failed": 0, "ratio": 1.50, "big": 9007199254740993,
 "runs": [{"name": "a", "status": "PASS"}, {"name": "b", "status": "FAIL"}],
 "a.b": null, "started": "2026-01-01T10:00:00Z", "finished": "2026-01-01T12:00:00+01:00"
}`
	for _, tt := range []struct{ name, rule, outcome, reason, evidence string }{
		{"equal", "conditions='status = \"PASS\"'", "pass", "1 value in 1 file", ""},
		{"bare word", "conditions='status = PASS'", "pass", "", ""},
		{"a nested FAIL is not hidden", "conditions='**.status != \"FAIL\"'", "fail", `**.status is "FAIL", != "FAIL" expected`, "src/r.json:3:68"},
		{"all elements", "conditions='runs[*].name =~ ^[ab]$'", "pass", "2 values", ""},
		{"one element", "conditions='runs[1].status = PASS'", "fail", `runs[1].status is "FAIL"`, "src/r.json:3:68"},
		{"numbers", "conditions=['failed = 0', 'ratio >= 1.5', 'ratio = 1.5', 'big > 9007199254740992']", "pass", "4 values", ""},
		{"too small", "conditions='ratio > 1.5'", "fail", "ratio is 1.50, > 1.5 expected", "src/r.json:2:42"},
		{"a number is no text", "conditions='failed = \"0\"'", "fail", "failed is 0", "src/r.json:2:30"},
		{"text cannot be compared with a number", "conditions='status > 3'", "fail", "cannot be compared", "src/r.json:2:12"},
		{"any", "any=true\nconditions=['failed > 3', 'status = PASS']", "pass", "", ""},
		{"none of any", "any=true\nconditions=['failed > 3', 'status = FAIL']", "fail", "failed is 0", "src/r.json:2:30 src/r.json:2:12"},
		{"exists", "conditions=['\"a.b\" exists', 'gone absent']", "pass", "", ""},
		{"does not exist", "conditions='gone exists'", "fail", "there is no gone", "src/r.json:1:1"},
		{"is not absent", "conditions='status absent'", "fail", "status is there", "src/r.json:2:12"},
		{"missing", "conditions='gone = 0'", "error", "there is no gone (on_missing says what that means)", "src/r.json:1:1"},
		{"missing fails", "on_missing='fail'\nconditions='gone = 0'", "fail", "there is no gone", "src/r.json:1:1"},
		{"times in different zones", "conditions='finished > @started'", "pass", "", ""},
		{"times the other way", "conditions='finished < @started'", "fail", "(started) expected", "src/r.json:4:62"},
		{"no matching value", "conditions='status !=~ ^F'", "pass", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rule(t, map[string]string{"src/r.json": doc}, "kind='json'\n"+tt.rule)
			if r.Outcome != tt.outcome || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("%s: %s, want %s: %s", r.Outcome, r.Reason, tt.outcome, tt.reason)
			}
			if got := positions(r); got != tt.evidence {
				t.Errorf("evidence %s, want %s", got, tt.evidence)
			}
		})
	}
	for name, text := range map[string]string{
		"not JSON: ": "{\"a\": }", "the key \"a\" is there twice": `{"a": 1, "a": 2}`, "something stands behind": `{"a": 1} {}`,
		"it ends too early": "{\"a\": 1", "nested deeper": strings.Repeat("[", 300) + strings.Repeat("]", 300),
	} {
		if r := rule(t, map[string]string{"src/r.json": text}, "kind='json'\nconditions='a = 1'"); r.Outcome != runner.RuleError || !strings.Contains(r.Reason, name) {
			t.Errorf("%s: %s: %s", text, r.Outcome, r.Reason)
		}
	}
}

func TestAggregate(t *testing.T) {
	base := "[[rule]]\nid='A.1'\nkind='match'\npattern='good'\nfiles=['src/*']\n[[rule]]\nid='A.2'\nkind='match'\npattern='bad'\nfiles=['src/*']\n" +
		"[[rule]]\nid='W'\nkind='match'\nseverity='warn'\npattern='bad'\nfiles=['src/*']\n[[rule]]\nid='E'\nkind='match'\npattern='bad'\nfiles=['lib/*']\n[[rule]]\nid='I'\nkind='info'\ntext='told'\n[[rule]]\nid='S'\n"
	for _, tt := range []struct{ name, rule, outcome, reason string }{
		{"all", "kind='aggregate'\nof='A.*'", "fail", "1 of 2 rules pass, 1 fail: A.2"},
		{"any", "kind='aggregate'\nof='A.*'\nany=true", "pass", "1 of 2 rules pass"},
		{"min", "kind='aggregate'\nof=['A.*', 'W']\nmin=2", "pass", "1 of 3 rules pass, 1 warn"},
		{"too few", "kind='aggregate'\nof=['A.*']\nmin=2", "fail", "1 of 2 rules pass, 1 fail: A.2"},
		{"warn", "kind='aggregate'\nof=['A.1', 'W']", "warn", "1 of 2 rules pass, 1 warn"},
		{"error", "kind='aggregate'\nof=['A.1', 'E']", "error", "1 could not be told: E"},
		{"fail by severity", "kind='aggregate'\nseverity='warn'\nof=['A.2']", "warn", "1 fail"},
		{"only facts", "kind='aggregate'\nof=['I']", "error", "all of 1 rule are skipped"},
		{"none", "kind='aggregate'\nof=['X*']", "error", "no rule has an id like X*"},
		{"of itself only", "kind='aggregate'\nof=['S']", "error", "no rule has an id like S"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := run(t, lay(t, map[string]string{DefaultRuleFile: base + tt.rule + "\n", "src/a.c": "good"}), Config{})
			r := res.Checks.Rules[len(res.Checks.Rules)-1]
			if r.ID != "S" || r.Outcome != tt.outcome || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("%s %s: %s, want %s: %s", r.ID, r.Outcome, r.Reason, tt.outcome, tt.reason)
			}
			for _, r := range res.Checks.Rules {
				if r.ID == "I" && (r.Outcome != runner.Skip || r.Reason != "told") {
					t.Errorf("info: %s: %s", r.Outcome, r.Reason)
				}
			}
		})
	}
	res := run(t, lay(t, map[string]string{DefaultRuleFile: "[[rule]]\nid='X'\nkind='aggregate'\nof='Y'\n[[rule]]\nid='Y'\nkind='aggregate'\nof='X'\n"}), Config{})
	if res.Verdict != runner.Error {
		t.Errorf("a circle: %s", res.Verdict)
	}
}

// TestNewerThan asks a real repository when files changed last.
func TestNewerThan(t *testing.T) {
	dir := lay(t, map[string]string{"src/a.mm": "int a;", "r.json": `{"at": "2026-02-01T00:00:00Z"}`, "new.json": "{}"})
	git := func(date string, args ...string) {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b.c"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("2026-01-01T00:00:00Z", "init", "-q")
	git("2026-01-01T00:00:00Z", "add", "r.json")
	git("2026-01-01T00:00:00Z", "commit", "-qm", "result")
	git("2026-01-10T00:00:00Z", "add", "src")
	git("2026-01-10T00:00:00Z", "commit", "-qm", "source")
	for _, tt := range []struct{ name, rule, outcome, reason string }{
		{"older by its commit", "files=['r.json']\nnewer_than=['src/**/*.mm']", "fail", "it is of 2026-01-01T00:00:00Z, older than the last change of src/**/*.mm (2026-01-10T00:00:00Z)"},
		{"newer by its own time", "files=['r.json']\nnewer_than=['src/**/*.mm']\ntimestamp='at'", "pass", "1 value"},
		{"not committed", "files=['new.json']\nnewer_than=['src/**/*.mm']", "error", "no commit has new.json"},
		{"no such files", "files=['r.json']\nnewer_than=['lib/*']", "error", "no file matches lib/*"},
		{"no time", "files=['r.json']\nnewer_than=['src/*']\ntimestamp='gone'", "error", "timestamp gone leads to 0 values"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, DefaultRuleFile), []byte("[[rule]]\nid='R'\nkind='json'\n"+tt.rule+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			r := run(t, dir, Config{}).Checks.Rules[0]
			if r.Outcome != tt.outcome || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("%s: %s, want %s: %s", r.Outcome, r.Reason, tt.outcome, tt.reason)
			}
		})
	}
	if r := rule(t, map[string]string{"src/r.json": "{}"}, "kind='json'\nnewer_than=['src/*']"); r.Outcome != runner.RuleError {
		t.Errorf("without a repository: %s: %s", r.Outcome, r.Reason)
	}
}
