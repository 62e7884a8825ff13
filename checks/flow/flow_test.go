package flow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

func parse(src string) *File {
	f := scan.Scan([]byte(src))
	files, _ := Read(f, f.Structure())
	return files[0]
}

// shown renders the operations of a body, one a line.
func shown(x *File, b *Body) string {
	var out []string
	for _, op := range b.Root.Ops() {
		s := ""
		switch op.Kind {
		case OpCall:
			s = "call " + op.Call.Name
			if op.Call.Receiver != "" {
				s += " on " + op.Call.Receiver
			}
		case OpAssign:
			s = "set " + op.Name
			if op.Decl {
				s += " : " + op.Type
			}
			if op.Made != nil {
				s += " = " + op.Made.Name
			}
		case OpUse:
			s = "use " + op.Name
		case OpBody:
			s = "closure"
		case OpHavoc:
			s = "havoc"
		}
		if op.Maybe {
			s += " ?"
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

func TestOps(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"[[queue commandBuffer] commit];", "call commandBuffer on queue\ncall commit on [queue commandBuffer]"},
		{"id<MTLCommandBuffer> b = [[_queue commandBuffer] retain];", "use MTLCommandBuffer\ncall commandBuffer on _queue\ncall retain on [_queue commandBuffer]\nset b : id<MTLCommandBuffer> = commandBuffer"},
		{"[e setBuffer:b offset:x ? 1 : 0 atIndex:0];", "use b\nuse x\ncall setBuffer:offset:atIndex: on e"},
		{"auto* b = queue->commandBuffer(); b->commit();", "call commandBuffer on queue\nset b : auto* = commandBuffer\ncall commit on b"},
		{"std::lock_guard<std::mutex> g(m);", "use std::mutex\nuse m\nset g : std::lock_guard<std::mutex>"},
		{"const std::unique_lock lock{this->m_};", "use m_\nset lock : const std::unique_lock"},
		{"if (a && f(b)) g();", "use b ?\ncall f ?\ncall g"},
		{"if (!a || b == nullptr) return;", ""},
		{"f(g(x), y);", "use x\ncall g\nuse y\ncall f"},
		{"run([this, a](int b) { h(a); });", "closure\ncall run"},
		{"dispatch_async(q, ^{ [b commit]; });", "use q\nclosure\ncall dispatch_async"},
		{"x = a ^ b;", "use a\nuse b\nset x"},
		{"int v[3] = {a, b};", ""},
		{"self->p_.lock();", "call lock on p_"},
		{"(*this).m.lock();", "use this\ncall lock on m"},
		{"[(id<X>)b commit];", "use X\ncall commit on b"},
		{"Foo::bar::baz(1);", "call Foo::bar::baz"},
		{"for (auto& x : list) h(x);", "use list\nset x : auto&\nuse x\ncall h"},
		{"for (id<B> x in list) [x go];", ""},
		{"#if A\n a();\n#else\n b();\n#endif\n c();", "call a\ncall c"},
		{"c(\n#if A\n a()\n#else\n b()\n#endif\n );", "call a ?\nhavoc\ncall c"},
		{"// [b commit];\nNSLog(@\"[b commit]\");", "call NSLog"},
		{"FOREACH(x, y) { z(); }", "use x\nuse y\ncall z"},
		{"p = std::move(q);", "use q\ncall std::move\nset p"},
	} {
		x := parse("void f() {\n" + tt.src + "\n}\n")
		if len(x.Bodies) == 0 {
			t.Errorf("%s: no body", tt.src)
			continue
		}
		if got := shown(x, x.Bodies[0]); got != tt.want && tt.want != "" {
			t.Errorf("%s:\n%s\nwant\n%s", tt.src, got, tt.want)
		}
	}
}

// trace is a domain that says how often f() was called on every path: a range, "?" if it
// cannot tell.
type trace struct{ at map[string]string }

func (*trace) Clone(s string) string          { return s }
func (*trace) Unknown() string                { return "?" }
func (*trace) Enter(s string, _ *Stmt) string { return s }
func (*trace) Leave(s string, _ *Stmt) string { return s }

func (*trace) Join(a, b string) string {
	if a == b {
		return a
	}
	return "?"
}

func (*trace) Forget(s string, ops []Op) string {
	for _, op := range ops {
		if op.Kind == OpCall && op.Call.Name == "f" {
			return "?"
		}
	}
	return s
}

func (d *trace) Apply(s string, op *Op) string {
	if op.Kind == OpCall {
		switch op.Call.Name {
		case "f":
			if s != "?" {
				s += "f"
			}
		case "at":
			d.at["at"] = s
		}
	}
	return s
}

func TestWalk(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"f(); at();", "f"},
		{"if (x) f(); at();", "?"},
		{"if (x) f(); else { g(); f(); } at();", "f"},
		{"if (x) { f(); return; } at();", ""},
		{"if (x) { f(); throw 1; } else if (y) { f(); goto out; } at(); out: g();", ""},
		{"for (int i = 0; i < n; ++i) f(); at();", "?"},
		{"for (int i = 0; i < n; ++i) g(); f(); at();", "f"},
		{"while (true) { f(); break; } at();", "?"},
		{"f(); while (true) { if (x) break; } at();", "f"},
		{"f(); for (;;) { if (x) return; g(); } at();", "none"},
		{"do { f(); } while (x); at();", "?"},
		{"switch (x) { case 1: f(); break; default: f(); } at();", "f"},
		{"switch (x) { case 1: f(); break; } at();", "?"},
		{"switch (x) { case 1: g(); case 2: f(); break; default: return; } at();", "f"},
		{"switch (x) { case A::b: return; default: ; } at();", ""},
		{"x && f(); at();", "?"},
		{"x ? f() : g(); at();", "?"},
		{"try { f(); } catch (...) { return; } at();", "f"},
		{"try { f(); } catch (...) {} at();", "?"},
		{"@autoreleasepool { f(); } @synchronized (x) { f(); } at();", "ff"},
		{"auto l = [&] { f(); }; at();", ""},
		{"{ { f(); } } at();", "f"},
		{"out: f(); at();", "?"},
		{"#if A\nf();\n#endif\nat();", "?"},
		{"#if A\nf();\n#else\nf();\n#endif\nat();", "?"},
		{"#if 0\nf();\n#endif\nat();", ""},
		{"#if A\nf(); at();\n#else\ng();\n#endif", "f"},
		{"f();\n#if A\nat();\n#endif", "f"},
		{"#if A\ng();\n#endif\nf(); at();", "f"},
		{"#if A\nreturn;\n#endif\nf(); at();", "f"},
		{"f();\n#if A\n#if B\n#else\ng();\n#endif\n#endif\nat();", "f"},
		{"f();\n#if A\nreturn;\n#else\ng();\n#endif\nat();", "?"},
		{"f();\nif (x)\n#if A\n g();\n#else\n f();\n#endif\nat();", "?"},
		{"f();\n#if A\nif (x) g(); else\n#endif\n g();\nat();", "?"},
		{"f();\nif (x) { g(); }\n#if A\nelse { g(); }\n#endif\nat();", "?"},
		{"g(\n#if A\nf()\n#else\n0\n#endif\n); at();", "?"},
		{"switch (x) {\n#if A\ncase 1: f(); break;\n#endif\ndefault: f(); } at();", "f"},
		{"for (;\n#if A\nf();\n#else\ng();\n#endif\n) { break; } at();", "?"},
		{"if constexpr (x) { f(); } else { f(); } at();", "f"},
		{"struct L { void m() { f(); } } l; at();", ""},
		{"while (f()) ; at();", "?"},
		{"if (x) return; else f(); at();", "f"},
		{"f(), at();", "f"},
	} {
		x := parse("void h() {\n" + tt.src + "\n}\n")
		d := &trace{at: map[string]string{"at": "none"}}
		Walk(x.Bodies[0], d, "")
		if got := d.at["at"]; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.src, got, tt.want)
		}
	}
}

func TestVariables(t *testing.T) {
	x := parse(`
#include <mutex>
namespace a { inline namespace b {
static std::mutex g_m, other;
extern int e;
class API C final : public D<int> {
 public:
  C(int x) : y_(x) { int z; }
  void f(int p) const;
  std::map<int, std::vector<int>> y_ GUARDED_BY(m_);
  mutable std::mutex m_;
  struct In { int q = 3; } in_;
  enum E { one, two };
};
} }
extern "C" { int c; }
thread_local Slot t{1};
@interface Q : NSObject <P> {
  @private
  NSLock *_lock;
}
@property (nonatomic, strong) NSCondition *ready;
- (void)go:(int)n;
@end
@implementation Q { int _n; }
- (void)go:(int)n { int k; }
@end
int last = 4;
`)
	var got []string
	for _, d := range x.Variables() {
		got = append(got, fmt.Sprintf("%s|%v|%s|%s", d.Scope, d.Class, d.Name, d.Type))
	}
	want := `a::b|false|g_m|static std::mutex
a::b::C|true|y_|std::map<int,std::vector<int>>
a::b::C|true|m_|mutable std::mutex
a::b::C::In|true|q|int
|false|c|int
|false|t|thread_local Slot
Q|true|_lock|NSLock*
Q|true|ready|NSCondition*
Q|true|_n|int
|false|last|int`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("%s\nwant\n%s", s, want)
	}
}

// FuzzFlow: whatever the input, statements nest, operations stay inside of their
// expressions, and a walk ends.
func FuzzFlow(f *testing.F) {
	for _, s := range []string{
		"void f() { if (a) { b(); } else c(); }", "void f() { for (;;) { switch (x) { case 1: break; } } }", "-[", "void f() { [a b:^{ } c:[=]{ }]; }",
		"@implementation A\n- (void)b { @try { } @catch (id x) { } @finally { } }\n@end", "void f() { do { } while (0) ; x: goto x; }",
		"void f() {\n#if A\n if (x) {\n#else\n {\n#endif\n } }", "void f() { a<b<c>>d(e); }", "void f() { std::lock_guard<std::mutex> g(m); }", "void f() { x = = ; }",
		"class A { B c{1}; };\nA::A() : b{2}, c([] { d(); }) { e(); }",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		x := parse(src)
		x.Variables()
		for _, b := range x.Bodies {
			if b.From >= b.To || b.To > x.Len() {
				t.Fatalf("%q: body %d to %d of %d", src, b.From, b.To, x.Len())
			}
			var inside func(s *Stmt, from, to int)
			inside = func(s *Stmt, from, to int) {
				if s == nil {
					return
				}
				if s.From < from || s.To > to || s.From > s.To {
					t.Fatalf("%q: statement %d to %d in %d to %d", src, s.From, s.To, from, to)
				}
				for _, e := range []*Expr{s.Init, s.Head, s.Next} {
					if e == nil {
						continue
					}
					for _, op := range e.Ops {
						if op.At < e.From || op.At >= e.To || e.From < s.From || e.To > s.To {
							t.Fatalf("%q: operation at %d in %d to %d", src, op.At, e.From, e.To)
						}
					}
				}
				inside(s.Body, s.From, s.To)
				inside(s.Else, s.From, s.To)
				for _, c := range append(s.List, s.Handlers...) {
					inside(c, s.From, s.To)
				}
			}
			inside(b.Root, b.From, b.To)
			Walk(b, &trace{at: map[string]string{}}, "")
		}
	})
}
