package scan

import (
	"fmt"
	"strings"
	"testing"
)

// tree renders scopes: kind, name and what they are passed to, children in parentheses.
func tree(s *Structure) string {
	var b strings.Builder
	var walk func(parent int)
	walk = func(parent int) {
		first := true
		for i, sc := range s.Scopes {
			if sc.Parent != parent {
				continue
			}
			if !first {
				b.WriteString(" ")
			}
			first = false
			kind := [...]string{"braces", "compound", "namespace", "class", "func", "lambda", "block", "control"}[sc.Kind]
			b.WriteString(kind)
			if sc.Name != "" {
				b.WriteString(" " + sc.Name)
			}
			if len(sc.Callees) > 0 {
				b.WriteString("@" + strings.Join(sc.Callees, ","))
			}
			if sc.Called {
				b.WriteString("!")
			}
			if sc.Torn {
				b.WriteString("?")
			}
			before := b.Len()
			b.WriteString("(")
			walk(i)
			if b.Len() == before+1 {
				text := b.String()[:before]
				b.Reset()
				b.WriteString(text)
			} else {
				b.WriteString(")")
			}
		}
	}
	walk(-1)
	return b.String()
}

func TestScopes(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"control", "void f() { if (a) { } else if (b) { } else { } for (;;) { } while (x) { } do { } while (y); switch (z) { case 1: { } } }", "func f(control if control if control else control for control while control do control switch(compound))"},
		{"if constexpr and attributes", "void f() { if constexpr (a) { } if (b) [[likely]] { } }", "func f(control if control if)"},
		{"try", "void f() try { } catch (...) { }\nvoid g() { try { } catch (E& e) { } }", "func f control catch func g(control try control catch)"},
		{"compound", "void f() { { } g(); { } }", "func f(compound compound)"},
		{"initialisers", "void f() { int a[] = {1, {2}}; T x{1}; return {1}; g({2}); auto y = T{3}; }", "func f(braces(braces) braces braces braces braces)"},
		{"statement expression", "void f() { int a = ({ g(); 1; }); }", "func f(compound)"},
		{"lambdas", "void f() { auto a = [] { }; auto b = [&, x = 1](int y) mutable noexcept -> std::vector<int> { return {}; }; run([=] { }); }", "func f(lambda@a lambda@b(braces) lambda@run)"},
		{"template lambda", "void f() { auto g = []<typename T>(T x) requires A<T> { }; }", "func f(lambda@g)"},
		{"called in place", "void f() { [&] { }(); ([] { })(); ^{ }(); (^{ })(); int x = [] { return 1; }(); }", "func f(lambda! lambda! block! block! lambda@x!)"},
		{"no lambda", "void f() { int a[2] {1, 2}; auto [b, c] {d}; auto& [e, g] {h}; x[1] = T{}; delete[] p; }", "func f(braces braces braces braces)"},
		{"attribute is no lambda", "[[nodiscard]] int f() { return 1; }", "func f"},
		{"blocks", "void f() { dispatch_async(q, ^{ }); v = ^(int a) { }; w = ^NSString *(id b) { }; x = ^int { }; y = a ^ b; }", "func f(block@dispatch_async block@v block@w block@x)"},
		{"message sends", "void f() { [b addCompletedHandler:^(id c) { }]; [b run:^{ } after:1]; [[q x] y:[z w:^{ }]]; }", "func f(block@addCompletedHandler,addCompletedHandler: block@run,run:,run:after: block@w,w:)"},
		{"a lambda for a thread", "void f() { std::thread t([] { }); std::vector<std::thread> v{std::thread([] { })}; queue.push<int>([] { }); }", "func f(lambda@t,thread braces(lambda@thread) lambda@push)"},
		{"Objective-C statements", "void f() { @autoreleasepool { } @synchronized (self) { } @try { } @catch (id e) { } @finally { } x = @{ @1 : @2 }; }", "func f(control @autoreleasepool control @synchronized control @try control @catch control @finally braces)"},
		{"implementation", "@implementation Q (Private) { int a; }\n- (void)run:(int)a { if (a) { } }\n+ (id)shared { return nil; }\n@end\nvoid f() { }", "class Q(braces func -[Q run:](control if) func +[Q shared]) func f"},
		{"interface", "@interface Q : NSObject { int a; }\n- (void)run;\n@end", "class Q(braces)"},
		{"namespaces and classes", "namespace a::b { namespace { struct C : D { C() : x_{1}, f_([] { }) { } ~C() { } bool operator==(int) const { return {}; } operator bool() const { return x_; } }; } }", "namespace a::b(namespace a::b(class a::b::C(func a::b::C::C(braces lambda@f_) func a::b::C::~C func a::b::C::operator==(braces) func a::b::C::operator bool)))"},
		{"extern C", "extern \"C\" { void f() { } }", "compound(func f)"},
		{"enum", "enum class E : int { A, B }; enum { X };", "braces braces"},
		{"a local class", "void f() { struct L { int x; void g() { if (x) { } } }; struct P p{1}; }", "func f(class L(func L::g(control if)) braces)"},
		{"a macro with a block", "void f() { FOR_EACH(x, xs) { g(x); } }", "func f(control FOR_EACH)"},
		{"a lambda in an initialiser of the file", "static auto g = [] { return 1; };\nint x{2};", "lambda@g braces"},
		{"torn", "#if A\nvoid f(int) {\n#else\nvoid f() {\n#endif\n}", "func f?"},
		{"requires", "template <typename T> requires requires(T t) { t.x; } void f(T t) { }", "braces func f"},
		{"conversion and new", "void f() { p = new T[2]{1, 2}; q = new U{3}; if (T{1} == x) { } }", "func f(braces braces braces control if)"},
		{"digraph by chance", "void f() { v<::T> x{1}; }", "func f(braces)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Scan([]byte(tt.src)).Structure()
			if len(s.Problems) > 0 {
				t.Errorf("problems: %s", problems(s.Problems))
			}
			if got := tree(s); got != tt.want {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
			nested(t, s)
		})
	}
}

// nested checks that scopes lie inside of their parents and do not overlap.
func nested(t interface{ Errorf(string, ...any) }, s *Structure) {
	last := map[int]int{}
	for i, sc := range s.Scopes {
		what := fmt.Sprintf("scope %d [%d,%d)", i, sc.Offset, sc.End)
		if sc.Offset >= sc.End {
			t.Errorf("%s is empty", what)
		}
		if sc.Parent >= i {
			t.Errorf("%s comes before its parent", what)
		}
		if sc.Parent >= 0 {
			if p := s.Scopes[sc.Parent]; sc.Offset < p.Offset || sc.End > p.End {
				t.Errorf("%s leaves its parent [%d,%d)", what, p.Offset, p.End)
			}
		}
		if sc.Offset < last[sc.Parent] {
			t.Errorf("%s overlaps the scope before it", what)
		}
		last[sc.Parent] = sc.End
	}
}
