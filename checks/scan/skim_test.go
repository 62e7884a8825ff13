package scan

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pieces are what sources are made of where tokens can go wrong.
var pieces = []string{
	"a", "b1", " ", "\t", "\n", "\r\n", "\r", "/", "//", "/*", "*/", "*", "\"", "'", "\\", "\\\n", " \\ \n", "<", "<:", "<::", "<%", "%", "%:", "%>", ":", ":>", "::",
	"R\"", "R\"x(", ")x\"", "L'", "1'000", "0x1'", "u8\"", "@\"", "@end", "#", "#if 0\n", "#if A\n", "#if defined(A) && 1\n", "#elif B\n", "#else\n", "#endif\n", "#/**/if 0\n", "# \\\nif 0\n",
	"(", ")", "[", "]", "{", "}", "^", "->", "=", ";", ",", "wait", "waiting", "\xff", "é", "\x00", "don't", "?", "&&", "for", "if", "else ", "return", "lambda", "operator", "class ", "namespace ", "~", ">>",
	"\xEF\xBB\xBF",
}

// agree checks that the quick pass and Scan say the same.
func agree(t interface{ Fatalf(string, ...any) }, src []byte) {
	f := Scan(src)
	s := new(Skimmed).Skim(src)
	if !s.Clean {
		return
	}
	if len(f.Problems) > 0 {
		t.Fatalf("%q is clean, but: %s", src, problems(f.Problems))
	}
	for _, word := range []string{"wait", "a", "b1", "don"} {
		if !s.Lacks([]byte(word)) {
			continue
		}
		for _, tok := range f.Tokens {
			if tok.significant() && string(f.Text(tok)) == word {
				t.Fatalf("%q has the token %s", src, word)
			}
		}
	}
	if !s.Plain {
		return
	}
	for _, v := range []View{Code, CodeStrings, Comments, Raw} {
		if got, want := s.View(v, nil), f.View(v); !bytes.Equal(got, want) {
			t.Fatalf("%q: view %s is\n%q, want\n%q", src, v, got, want)
		}
	}
}

// whole checks what holds for the tokens and scopes of any bytes.
func whole(t interface {
	Fatalf(string, ...any)
	Errorf(string, ...any)
}, src []byte,
) {
	f := Scan(src)
	at := 0
	for i, tok := range f.Tokens {
		if int(tok.Offset) != at || tok.Len <= 0 {
			t.Fatalf("%q: token %d is at %d+%d, want %d", src, i, tok.Offset, tok.Len, at)
		}
		at = tok.End()
		if line, col := f.Position(int(tok.Offset)); line != int(tok.Line) || col != int(tok.Column) {
			t.Fatalf("%q: token %d is at %d:%d, its offset at %d:%d", src, i, tok.Line, tok.Column, line, col)
		}
	}
	if at != len(src) {
		t.Fatalf("%q: the tokens end at %d", src, at)
	}
	if p := Plain(src); p.Lines() != f.Lines() {
		t.Fatalf("%q: %d lines, %d by their ends", src, f.Lines(), p.Lines())
	}
	st := f.Structure()
	if len(st.Problems) > 0 {
		return
	}
	nested(t, st)
	for i, sc := range st.Scopes {
		if sc.Kind != Func && sc.Kind != Lambda && sc.Kind != Block {
			continue
		}
		gr, err := st.Graph(i, nil)
		if err != nil {
			continue
		}
		// Every token of a body runs in one node, or belongs to a body inside.
		for _, n := range gr.nodes {
			for _, r := range n.runs {
				for k := r[0]; k < r[1]; k++ {
					if int(k) < gr.from || int(k) >= gr.to {
						t.Fatalf("%q: place %d is outside of the body [%d,%d)", src, k, gr.from, gr.to)
					}
				}
			}
		}
		gr.Walk([]int{Entry}, nil, []int{Exit})
		st.Locks(gr, i, nil, true)
	}
}

func TestSkim(t *testing.T) {
	files, _ := filepath.Glob("testdata/*")
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, src)
		whole(t, src)
	}
	rapid.Check(t, func(t *rapid.T) {
		src := []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), ""))
		agree(t, src)
		whole(t, src)
	})
}

func FuzzTokens(f *testing.F) {
	files, _ := filepath.Glob("testdata/*")
	for _, name := range files {
		if src, err := os.ReadFile(name); err == nil {
			f.Add(src)
		}
	}
	f.Add([]byte(strings.Join(pieces, "")))
	f.Add([]byte("void f() { if (a && b || c ? d : e) { for (;;) { break; } } else switch (x) { case 1: default: goto y; } y: do { } while (z); [&] { return; }(); }"))
	f.Add([]byte("A::A() : a{1}, b([] { }) { std::lock(m, n); std::unique_lock l(m, std::adopt_lock); l.unlock(); try { throw 1; } catch (...) { } @synchronized (x) { [y lock]; } }"))
	f.Fuzz(func(t *testing.T, src []byte) {
		agree(t, src)
		whole(t, src)
	})
}
