package scan

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var wantMark = regexp.MustCompile(`// fn: (.*)$`)

// TestFunctions reads the fixtures: "// fn: NAME" marks a line on which the head of a
// function begins, and every function must be marked.
func TestFunctions(t *testing.T) {
	files, err := filepath.Glob("testdata/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f := Scan(src)
			st := f.Structure()
			if len(st.Problems) > 0 {
				t.Errorf("problems: %s", problems(st.Problems))
			}
			var got, want []string
			for _, fn := range st.Functions {
				got = append(got, fmt.Sprintf("%d %s", fn.Line, fn.Name))
			}
			for i := range f.Lines() {
				if m := wantMark.FindSubmatch(f.Line(i + 1)); m != nil {
					want = append(want, fmt.Sprintf("%d %s", i+1, m[1]))
				}
			}
			if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
		})
	}
}

func TestFunctionBody(t *testing.T) {
	src := "A::A(int n) noexcept : n_(n), v_{1, 2} { use(n); }\nint b() { return 1; }\n"
	fns := Scan([]byte(src)).Structure().Functions
	if len(fns) != 2 {
		t.Fatalf("%d functions", len(fns))
	}
	for i, want := range []string{": n_(n), v_{1, 2} { use(n); }", "{ return 1; }"} {
		if got := src[fns[i].Offset:fns[i].End]; got != want {
			t.Errorf("body %q, want %q", got, want)
		}
	}
}

func TestIs(t *testing.T) {
	for _, tt := range []struct {
		fn, name string
		want     bool
	}{
		{"a::B::~B", "B::~B", true},
		{"a::B::~B", "~B", true},
		{"a::B::~B", "a::B::~B", true},
		{"a::B::~B", "B", false},
		{"a::rerun", "run", false},
		{"-[Q submit:after:]", "submit:after:", true},
		{"-[Q submit:after:]", "-[Q submit:after:]", true},
		{"-[Q submit:after:]", "after:", false},
		{"+[Q shared]", "shared", true},
		{"f", "", false},
	} {
		if got := (Function{Name: tt.fn}).Is(tt.name); got != tt.want {
			t.Errorf("%s is %s: %v", tt.fn, tt.name, got)
		}
	}
}

func TestStructureProblems(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"balanced", "void f() { g([]{ return a[0]; }); }", ""},
		{"not closed", "void f() {\n  if (x) {\n}\n", "1:10 '{' is not closed"},
		{"closes nothing", "void f() { }\n}\n", "2:1 '}' closes nothing"},
		{"crossed", "void f() { g(h]; }", "1:15 ']' where the '(' of line 1 is open; 1:18 '}' where the '(' of line 1 is open"},
		{"balanced branches", "void f() {\n#if A\n  if (a) { b(); }\n#else\n  c();\n#endif\n}", ""},
		{"branches that agree", "void f() {\n#if A\n  if (a) {\n#else\n  if (b) {\n#endif\n  }\n}", ""},
		{"one branch opens", "void f() {\n#if A\n  if (a) {\n#endif\n  }\n}", "5:3 '}' closes the '{' of line 3, which is there only under an #if"},
		{"the same condition closes", "void f() {\n#if A && B\n  if (a) {\n#endif\n  b();\n#if A && B\n  }\n#endif\n}", ""},
		{"the same condition in other words", "void f() {\n#ifdef A\n  if (a) {\n#endif\n  b();\n#if !defined(A)\n#else\n  }\n#endif\n}", ""},
		{"else opens", "void f() {\n#if A\n#else\n  if (a) {\n#endif\n  b();\n#if !A\n  }\n#endif\n}", ""},
		{"a namespace", "#ifndef A\nnamespace {\n#endif\nint a;\n#ifndef A\n}\n#endif\n", ""},
		{"two of them", "#ifdef A\nnamespace a {\n#endif\n#ifdef B\nnamespace b {\n#endif\n#ifdef B\n}\n#endif\n#ifdef A\n}\n#endif\n", ""},
		{"in the wrong order", "#ifdef A\nnamespace a {\n#endif\n#ifdef B\nnamespace b {\n#endif\n#ifdef A\n}\n#endif\n#ifdef B\n}\n#endif\n", "8:1 '}' closes the '{' of line 5, which is there only under an #if"},
		{"another condition closes", "void f() {\n#if A\n  if (a) {\n#endif\n  b();\n#if B\n  }\n#endif\n}", "7:3 '}' closes the '{' of line 3, which is there only under an #if"},
		{"only one condition closes", "void f() {\n#if A\n  if (a) {\n#endif\n  b();\n}", "6:1 '}' closes the '{' of line 3, which is there only under an #if"},
		{"closed twice", "void f() {\n#if A\n  if (a) {\n#endif\n#if A\n}\n#endif\n#if A\n}\n#endif\n}", "10:1 the branches of the #if of line 8 leave different brackets open"},
		{"else opens more", "#if A\nvoid f() {\n#else\nvoid f() { {\n#endif\n}", "5:1 the branches of the #if of line 1 leave different brackets open"},
		{"constant branch", "#if 1\nvoid f() {\n#else\n{{{\n#endif\n}", ""},
		{"dead branch", "#if 0\n{{{\n#endif\nvoid f() { }", ""},
		{"extern C", "#ifdef __cplusplus\nextern \"C\" {\n#endif\nint f() { }\n#ifdef __cplusplus\n}\n#endif\n", ""},
		{"extern C the other way", "#ifndef __cplusplus\n#else\nextern \"C\" {\n#endif\nint f() { }\n#if defined(__cplusplus)\n}\n#endif\n", ""},
		{"brackets in a macro do not count", "#define BEGIN {\nvoid f() { }", ""},
		{"brackets in comments and strings do not count", "void f() { /* { */ g(\"{\", '{'); } // {", ""},
		{"no endif", "#if A\nint a;\n", "1:1 an #if without #endif"},
		{"no if", "#endif\n", "1:1 #endif without #if"},
		{"lexical", "void f() { g(\"x); }\n", "1:14 a string without end; 1:10 '{' is not closed"},
		{"deep", strings.Repeat("{", maxDepth+1) + strings.Repeat("}", maxDepth+1), "1:513 brackets or #if nested deeper than 512"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := problems(Scan([]byte(tt.src)).Structure().Problems)
			if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTorn: where the extent of a function depends on the configuration, it says so.
func TestTorn(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		torn      map[string]bool
	}{
		{"head in two branches", "#if A\nvoid f(int) {\n#else\nvoid f() {\n#endif\n}\nvoid g() { }", map[string]bool{"f": true, "g": false}},
		{"body around branches", "void f() {\n#if A\n  if (a) {\n#else\n  if (b) {\n#endif\n  }\n}", map[string]bool{"f": false}},
		{"branch ends one and begins another", "void f() {\n#if A\n}\nvoid g() {\n#endif\n}", map[string]bool{"f": true}},
		{"whole in a branch", "#if A\nvoid f() { }\n#endif", map[string]bool{"f": false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fns := Scan([]byte(tt.src)).Structure().Functions
			seen := map[string]bool{}
			for _, fn := range fns {
				seen[fn.Name] = true
				if want, ok := tt.torn[fn.Name]; ok && fn.Torn != want {
					t.Errorf("%s torn: %v, want %v", fn.Name, fn.Torn, want)
				}
			}
			for name := range tt.torn {
				if !seen[name] {
					t.Errorf("%s not found", name)
				}
			}
		})
	}
}

// TestPatterns: each pattern is looked for in each source.
func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, src string
		want         []string
	}{
		{"std::atomic<bool> g", "std :: atomic\n<bool> /* x */ g; std::atomic<bool>g;", []string{"std :: atomic\n<bool> /* x */ g", "std::atomic<bool>g"}},
		{"g.load(", "// g.load(\n\"g.load(\"\n#if 0\ng.load()\n#endif\ng.load();", []string{"g.load("}},
		{"run", "rerun(); run(); runs();", []string{"run"}},
		{`log("a")`, `log( "a" ); log("b");`, []string{`log( "a" )`}},
		{"$X = $X + 1", "a = b + 1; c = c + 1;", []string{"c = c + 1"}},
		{"lock($_)", "lock(a); lock(a, b);", []string{"lock(a)"}},
		{"lock_guard<$...> $G(mutex_)", "lock_guard<std::mutex> g(mutex_); lock_guard<a> h(other_);", []string{"lock_guard<std::mutex> g(mutex_)"}},
		{"f($..., x)", "f(a, g(b, x), x); f(b); h(x);", []string{"f(a, g(b, x), x)"}},
		{"[$B commit]", "[b commit]; [[q buffer] commit];", []string{"[b commit]"}},
		{"@synchronized (self)", "@synchronized(self) { }", []string{"@synchronized(self)"}},
		{"> >", "a<b<c>> x", []string{">>"}},
	} {
		t.Run(tt.pattern, func(t *testing.T) {
			p, err := ParsePattern(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			f := Scan([]byte(tt.src))
			found, complete := p.Find(f, f.Code())
			var got []string
			for _, r := range found {
				got = append(got, tt.src[r[0]:r[1]])
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) || !complete {
				t.Errorf("%q, want %q (complete: %v)", got, tt.want, complete)
			}
		})
	}
}

func TestBadPatterns(t *testing.T) {
	for _, s := range []string{"", " ", "$X", "$_ $_", "\"a", "a /* b */", "a $... ", "$... a", "$ a", "a $", strings.Repeat("a ", 201), "a $... b $... c $... d $... e $... f"} {
		if p, err := ParsePattern(s); err == nil {
			t.Errorf("%q is a pattern: %s", s, p)
		}
	}
}

// TestPatternGivesUp: a search that is too long says so instead of finding nothing.
func TestPatternGivesUp(t *testing.T) {
	p, err := ParsePattern("a $... b $... c $... d $... e")
	if err != nil {
		t.Fatal(err)
	}
	f := Scan([]byte("a " + strings.Repeat("b c d ", 500)))
	if found, complete := p.Find(f, f.Code()); complete || len(found) > 0 {
		t.Errorf("found %v, complete %v", found, complete)
	}
}

// TestReformat: white space and comments between the tokens change neither what a
// pattern finds nor which functions there are.
func TestReformat(t *testing.T) {
	src, err := os.ReadFile("testdata/pool.mm")
	if err != nil {
		t.Fatal(err)
	}
	f := Scan(src)
	p, err := ParsePattern("g_alive.store($_, $...)")
	if err != nil {
		t.Fatal(err)
	}
	count, _ := p.Find(f, f.Code())
	if len(count) == 0 {
		t.Fatal("the fixture has no match")
	}
	names := func(f *File) (out []string) {
		for _, fn := range f.Structure().Functions {
			out = append(out, fn.Name)
		}
		return out
	}
	want := names(f)
	spaces := []string{" ", "\n", "\t\t", "\r\n", "/* } g_alive.store(true, x) */", "// ) {\n", " \\\n "}
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		for _, tok := range f.Tokens {
			switch {
			case tok.Directive || tok.Kind == Space && bytes.ContainsAny(f.Text(tok), "\n\r"):
				out.Write(f.Text(tok))
			case tok.Kind <= Comment:
				out.WriteString(" ")
			default:
				out.Write(f.Text(tok))
				if rapid.IntRange(0, 9).Draw(t, "insert") == 0 {
					out.WriteString(rapid.SampledFrom(spaces).Draw(t, "space"))
				}
			}
		}
		g := Scan(out.Bytes())
		found, _ := p.Find(g, g.Code())
		if len(found) != len(count) {
			t.Errorf("%d matches, want %d, in\n%s", len(found), len(count), out.Bytes())
		}
		if got := names(g); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("functions %q, want %q, in\n%s", got, want, out.Bytes())
		}
	})
}
