package scan

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tokens renders the tokens of a source but for plain spaces: kind and text.
func tokens(src string) string {
	names := map[Kind]string{Comment: "comment", Ident: "ident", At: "at", Number: "number", String: "string", Char: "char", Punct: "punct"}
	f := Scan([]byte(src))
	var out []string
	for _, t := range f.Tokens {
		if t.Kind == Space {
			continue
		}
		s := names[t.Kind] + " " + string(f.Text(t))
		if t.Directive {
			s = "#" + s
		}
		if t.Dead {
			s = "dead " + s
		}
		out = append(out, s)
	}
	return strings.Join(out, " | ")
}

func TestTokens(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"words and operators", "a->b::c(1)", "ident a | punct -> | ident b | punct :: | ident c | punct ( | number 1 | punct )"},
		{"nested templates", "v<v<int>>x", "ident v | punct < | ident v | punct < | ident int | punct > | punct > | ident x"},
		{"digit separators", "1'000'000ull+0x1.8p-3f", "number 1'000'000ull | punct + | number 0x1.8p-3f"},
		{"a character after a number", "f(1,'0')", "ident f | punct ( | number 1 | punct , | char '0' | punct )"},
		{"prefixes", `u8"a" L'b' LR"(c)" U"d"`, `string u8"a" | char L'b' | string LR"(c)" | string U"d"`},
		{"no prefix", `X"a"`, `ident X | string "a"`},
		{"raw string", `R"x(a")y" // no)x" b`, `string R"x(a")y" // no)x" | ident b`},
		{"raw string over lines", "R\"(\n// no\n)\"", "string R\"(\n// no\n)\""},
		{"escapes", `"a\"b" '\''`, `string "a\"b" | char '\''`},
		{"string over a splice", "\"a\\\nb\" c", "string \"a\\\nb\" | ident c"},
		{"Objective-C", `@"s" @interface @[ @R"(r)"`, `string @"s" | at @interface | punct @ | punct [ | string @R"(r)"`},
		{"comments", "a/*b*/c//d\ne", "ident a | comment /*b*/ | ident c | comment //d | ident e"},
		{"spliced line comment", "// a \\\r\n b\nc", "comment // a \\\r\n b | ident c"},
		{"comment end over a splice", "/* a *\\\n/ b", "comment /* a *\\\n/ | ident b"},
		{"a lone carriage return ends a comment", "// a\rb", "comment // a | ident b"},
		{"directive", "#define F(x) \\\n  \"s\" // c\ng", `#punct # | #ident define | #ident F | #punct ( | #ident x | #punct ) | #string "s" | #comment // c | ident g`},
		{"directive behind a comment", "/* */ # if A\nb", "comment /* */ | #punct # | #ident if | #ident A | ident b"},
		{"no directive inside a line", "a # b", "ident a | punct # | ident b"},
		{"#if 0", "#if 0\na\n#else\nb\n#endif\nc", "#punct # | #ident if | #number 0 | dead ident a | #punct # | #ident else | ident b | #punct # | #ident endif | ident c"},
		{"#if 1", "#if 1\na\n#else\nb\n#endif", "#punct # | #ident if | #number 1 | ident a | #punct # | #ident else | dead ident b | #punct # | #ident endif"},
		{"nested in #if 0", "#if 0\n#if A\na\n#else\nb\n#endif\nc\n#endif\nd", "#punct # | #ident if | #number 0 | dead #punct # | dead #ident if | dead #ident A | dead ident a | dead #punct # | dead #ident else | dead ident b | dead #punct # | dead #ident endif | dead ident c | #punct # | #ident endif | ident d"},
		{"false in a conjunction", "#if defined(A) && 0\na\n#endif", "#punct # | #ident if | #ident defined | #punct ( | #ident A | #punct ) | #punct && | #number 0 | dead ident a | #punct # | #ident endif"},
		{"a disjunction is not decided", "#if A || 0\na\n#endif", "#punct # | #ident if | #ident A | #punct || | #number 0 | ident a | #punct # | #ident endif"},
		{"#elif 0", "#if A\na\n#elif (0)\nb\n#endif", "#punct # | #ident if | #ident A | ident a | #punct # | #ident elif | #punct ( | #number 0 | #punct ) | dead ident b | #punct # | #ident endif"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tokens(tt.src); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestLexicalProblems(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"good", "int a = 'x'; // don't\n", ""},
		{"string", "a \"b\nc", "1:3 a string without end"},
		{"character", "a\n 'b", "2:2 a character literal without end"},
		{"comment", "a /* b", "1:3 a comment without end"},
		{"raw string", `a R"x(b)y"`, "1:3 a raw string without end"},
		{"apostrophe in #error", "#error don't\n", ""},
		{"apostrophe under #if 0", "#if 0\ndon't\n#endif\n", ""},
		{"apostrophe under #if A", "#if A\ndon't\n#endif\n", "2:4 a character literal without end"},
		{"word over a splice", "wait\\\nUntil", "1:5 a line splice inside a token"},
		{"comment sign over a splice", "/\\\n/ hidden", "1:2 a line splice inside a token"},
		{"digraph", "void f() <% %>", "1:10 a digraph stands for a bracket here; 1:13 a digraph stands for a bracket here"},
		{"square digraph", "a<:1:>", "1:2 a digraph stands for a bracket here; 1:5 a digraph stands for a bracket here"},
		{"a template of a global name is no digraph", "v<::T> w;", ""},
		{"unless another colon follows", "a<:::b:>", "1:2 a digraph stands for a bracket here; 1:7 a digraph stands for a bracket here"},
		{"remainder is no digraph", "a %= b;", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := problems(Scan([]byte(tt.src)).Problems); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func problems(ps []Problem) string {
	var out []string
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Text))
	}
	return strings.Join(out, "; ")
}

func TestPositions(t *testing.T) {
	src := "\xEF\xBB\xBFab\r\n  /*\r\n*/ c\rd"
	f := Scan([]byte(src))
	if got, want := f.Lines(), 4; got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
	for _, tt := range []struct {
		text         string
		line, column int32
	}{{"ab", 1, 1}, {"/*\r\n*/", 2, 3}, {"c", 3, 4}, {"d", 4, 1}} {
		found := false
		for _, tok := range f.Tokens {
			if string(f.Text(tok)) != tt.text {
				continue
			}
			found = true
			if tok.Line != tt.line || tok.Column != tt.column {
				t.Errorf("%q at %d:%d, want %d:%d", tt.text, tok.Line, tok.Column, tt.line, tt.column)
			}
		}
		if !found {
			t.Errorf("no token %q", tt.text)
		}
	}
	for n, want := range []string{"ab", "  /*", "*/ c", "d"} {
		if got := string(f.Line(n + 1)); got != want {
			t.Errorf("line %d is %q, want %q", n+1, got, want)
		}
	}
	if f.Line(0) != nil || f.Line(5) != nil {
		t.Error("lines outside of the file")
	}
}

func TestViews(t *testing.T) {
	src := "a(\"x\", 'y', R\"d(z\n)d\"); // c\n#if 0\ngone(\"s\"); // d\n#endif\nb /* é */ u8\"w\""
	f := Scan([]byte(src))
	for _, tt := range []struct {
		view View
		want string
	}{
		{Code, "a(\" \", ' ', R\"   \n  \");     \n#if 0\n               \n#endif\nb          u8\" \""},
		{CodeStrings, "a(\"x\", 'y', R\"d(z\n)d\");     \n#if 0\n               \n#endif\nb          u8\"w\""},
		{Comments, "                 \n      // c\n     \n           // d\n      \n  /* é */      "},
		{Raw, src},
	} {
		if got := string(f.View(tt.view)); got != tt.want {
			t.Errorf("%s:\n%q, want\n%q", tt.view, got, tt.want)
		}
	}
}

// check holds for every input whatever.
func check(t interface {
	Errorf(string, ...any)
}, src []byte,
) {
	f := Scan(src)
	end, line, column := 0, int32(1), int32(0)
	for i, tok := range f.Tokens {
		if int(tok.Offset) != end || tok.Len <= 0 {
			t.Errorf("token %d of %q begins at %d, the one before ends at %d", i, src, tok.Offset, end)
			return
		}
		end = tok.End()
		if tok.Line < line || tok.Line == line && tok.Column < column {
			t.Errorf("token %d of %q goes back to %d:%d", i, src, tok.Line, tok.Column)
		}
		line, column = tok.Line, tok.Column
		if l, c := f.Position(int(tok.Offset)); int32(l) != tok.Line || int32(c) != tok.Column {
			t.Errorf("token %d of %q is at %d:%d, its offset at %d:%d", i, src, tok.Line, tok.Column, l, c)
		}
	}
	if end != len(src) {
		t.Errorf("the tokens of %q end at %d", src, end)
	}
	plain := Plain(src)
	if plain.Lines() != f.Lines() {
		t.Errorf("%q has %d lines scanned, %d plain", src, f.Lines(), plain.Lines())
	}
	for _, v := range []View{Code, CodeStrings, Comments} {
		view := f.View(v)
		if len(view) != len(src) {
			t.Errorf("view %s of %q has another length", v, src)
			return
		}
		for i := range view {
			if view[i] != src[i] && (view[i] != ' ' || src[i] == '\n' || src[i] == '\r') {
				t.Errorf("view %s of %q changes byte %d", v, src, i)
				return
			}
		}
	}
	st := f.Structure()
	for i := range f.Tokens {
		p := st.Partner(i)
		if p < 0 {
			continue
		}
		if st.Partner(p) != i || p == i {
			t.Errorf("brackets %d and %d of %q", i, p, src)
		}
		pair := string([]byte{f.Src[f.Tokens[min(i, p)].Offset], f.Src[f.Tokens[max(i, p)].Offset]})
		if pair != "{}" && pair != "()" && pair != "[]" {
			t.Errorf("%q matched in %q", pair, src)
		}
	}
	last := -1
	for _, fn := range st.Functions {
		if fn.Offset <= last || fn.End > len(src) || fn.Offset >= fn.End || fn.Name == "" || src[fn.End-1] != '}' {
			t.Errorf("function %+v of %q", fn, src)
		}
		last = fn.Offset
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		"", "\xEF\xBB\xBF", "a\\", "\"\\", "R\"", "R\"(", "'", "/*", "/*/", "//\\\n", "#if 0\n#", "#if (((\n", "#else\n#endif", "1'", "1e+", "@", "@\"",
		"void A::b() const : c{1} { if (x) { y(); } }\n", "#if A\nvoid f() {\n#else\nvoid g() {\n#endif\n}\n", "template <class T> struct S<T*> { S() {} ~S() {} };",
		"@implementation C\n- (void)a:(int)b c:(id)d { }\n@end\n", "namespace a::b { extern \"C\" { int f() try { } catch (...) { } } }", "\x00\xff\xfe", "\r\n\r\n\r",
	} {
		f.Add([]byte(s))
	}
	files, _ := filepath.Glob("testdata/*")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) { check(t, src) })
}

// TestScanProperty tries concatenations of difficult pieces, which random bytes seldom
// reach.
func TestScanProperty(t *testing.T) {
	pieces := []string{
		"\n", "\r\n", "\r", " ", "\\\n", "\\", "\"", "'", "R\"(", ")\"", "R\"x(", ")x\"", "/*", "*/", "//", "#", "#if 0\n", "#if A\n", "#else\n", "#elif 1\n", "#endif\n",
		"{", "}", "(", ")", "[", "]", "<", ">", ";", ":", "::", "=", "a", "B", "1", "'", "@", "@\"", "@implementation ", "@end ", "- ", "namespace ", "class ", "template<", "operator",
		"~", "extern \"C\" ", "\x00", "\xff", "é", "void f() {", "#ifdef __cplusplus\n", "$",
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 40).Draw(t, "pieces"), "")))
	})
}

// TestHostileSizes holds that nesting costs no more than length.
func TestHostileSizes(t *testing.T) {
	const n = 50_000
	for _, src := range []string{
		strings.Repeat("{", n), strings.Repeat("#if A\n", n), strings.Repeat("{\n#if A\n", n), "#if " + strings.Repeat("(", n) + "\n",
		strings.Repeat("namespace a {", n), strings.Repeat("a<", n) + "(){}", strings.Repeat("f(){}", n), strings.Repeat("/", n), strings.Repeat("'", n),
		strings.Repeat("R\"(", n), strings.Repeat("MM(a) ", n) + "+{}", strings.Repeat("a{}", n) + "f(){}", "f() : " + strings.Repeat("a{1}, ", n) + "b{2} {}", strings.Repeat("A<B<", n) + strings.Repeat(">", n) + "::f() {}",
	} {
		f := Scan([]byte(src))
		f.Structure()
		f.View(Code)
	}
}

// TestTooManyTokens: what a file can cost is bounded, and the bound is no silent one.
func TestTooManyTokens(t *testing.T) {
	src := bytes.Repeat([]byte(";"), maxTokens+100)
	f := Scan(src)
	if len(f.Tokens) != maxTokens+1 || f.Tokens[maxTokens].End() != len(src) || len(f.Problems) != 1 {
		t.Errorf("%d tokens, %d problems", len(f.Tokens), len(f.Problems))
	}
	f = Scan(bytes.Repeat([]byte("'\n"), maxOpen+100))
	if len(f.Problems) != maxOpen+1 {
		t.Errorf("%d problems", len(f.Problems))
	}
	f = Scan([]byte("#if 0\n" + strings.Repeat("'\n", maxOpen+100) + "#endif\n"))
	if len(f.Problems) != 1 {
		t.Errorf("%d problems", len(f.Problems))
	}
}

func BenchmarkScan(b *testing.B) {
	src := bytes.Repeat(benchSource, 1+(1<<20)/len(benchSource))
	b.Run("tokens", func(b *testing.B) {
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			Scan(src)
		}
	})
	b.Run("tokens+structure+view", func(b *testing.B) {
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			f := Scan(src)
			f.Structure()
			f.View(Code)
		}
	})
}

var benchSource = []byte(`// Gives a slot back, unless the pool is gone.
void StreamPool::releaseSlot(std::size_t slot) {
  if (!g_poolAlive.load(std::memory_order_acquire)) {
    return; /* the table went with the pool */
  }
  std::lock_guard<std::mutex> guard(mutex_);
  free_[slot / 64] |= 1ull << (slot % 64);
  NSLog(@"slot %zu is free again", slot);
}

`)
