package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// TestPositions reads back, for every value of a difficult file, the text at its
// position.
func TestPositions(t *testing.T) {
	const text = "top = 'a # b' # comment\r\n" +
		"[a.\"b.c\"]\n" +
		"x = [ 1, [2, 3], { k = \"v\", l.m = 4 },\n  # comment ]\n  5, ]\n" +
		"s = \"\"\"multi ] \\\" \"\"\" # end\n" +
		"d = 1979-05-27 07:32:00\n" +
		"[[t]]\nn = '''it's'''\n[[t]]\nn = -1\n[t.sub]\nz = true\n[[t.deep]]\ny = 1\n[[t.deep]]\ny = +2.5e3\n" +
		"[\"q\\u0041\"]\nä = \"ü\"\n"
	var tree map[string]any
	if _, err := toml.Decode(strings.ReplaceAll(text, "ä =", "\"ä\" ="), &tree); err != nil {
		t.Fatal(err)
	}
	pos := scan(text)
	root := path("")
	for _, c := range []struct {
		p    path
		want string
	}{
		{root.key("top"), "'a # b'"},
		{root.key("a").key("b.c").key("x").index(0), "1"},
		{root.key("a").key("b.c").key("x").index(1), "[2, 3]"},
		{root.key("a").key("b.c").key("x").index(1).index(1), "3"},
		{root.key("a").key("b.c").key("x").index(2).key("k"), `"v"`},
		{root.key("a").key("b.c").key("x").index(2).key("l").key("m"), "4"},
		{root.key("a").key("b.c").key("x").index(3), "5"},
		{root.key("a").key("b.c").key("s"), `"""multi ] \" """`},
		{root.key("a").key("b.c").key("d"), "1979-05-27 07:32:00"},
		{root.key("t").index(0).key("n"), "'''it's'''"},
		{root.key("t").index(1).key("n"), "-1"},
		{root.key("t").index(1), "[[t]]"},
		{root.key("t").index(1).key("sub").key("z"), "true"},
		{root.key("t").index(1).key("deep").index(0).key("y"), "1"},
		{root.key("t").index(1).key("deep").index(1).key("y"), "+2.5e3"},
		{root.key("qA").key("ä"), `"ü"`},
	} {
		s, ok := pos.values[c.p]
		if !ok || text[s.start:s.end] != c.want {
			t.Errorf("%s: %q (known: %v), want %q", c.p, text[s.start:s.end], ok, c.want)
		}
	}
	if line, column, source := locate(text, strings.Index(text, `"ü"`)); line != 19 || column != 5 || source != `ä = "ü"` {
		t.Errorf("locate: %d:%d %q", line, column, source)
	}
}

// everywhere checks that each value of a tree has a position, and that a string's
// position holds its quotes.
func everywhere(p path, v any, pos positions, text string) error {
	s, ok := pos.values[p]
	if tree, isTable := v.(map[string]any); isTable {
		for k, item := range tree {
			if err := everywhere(p.key(k), item, pos, text); err != nil {
				return err
			}
		}
		return nil
	}
	if items, isList := elements(v); isList {
		for i, item := range items {
			if err := everywhere(p.index(i), item, pos, text); err != nil {
				return err
			}
		}
		return nil
	}
	if !ok {
		return fmt.Errorf("%s = %v has no position", p, v)
	}
	raw := text[s.start:s.end]
	var again map[string]any
	if _, err := toml.Decode("v = "+raw, &again); err != nil {
		return fmt.Errorf("%s: %q at its position is no value: %w", p, raw, err)
	}
	if fmt.Sprint(again["v"]) != fmt.Sprint(v) {
		return fmt.Errorf("%s: position holds %q, the value is %v", p, raw, v)
	}
	return nil
}

// FuzzPositions: whatever the TOML library accepts, every value is found at its place.
func FuzzPositions(f *testing.F) {
	seeds(f)
	f.Add("a.b.c = 1\nx = [[1,2],[3]]\n[k]\n'' = 2\n\"\\\"\" = '''\n''''\n")
	f.Add("a = {b = {c = [1, {d = 2}]}}\n[[x.y]]\n[x.y.z]\nq = 0x1F\n")
	f.Fuzz(func(t *testing.T, text string) {
		var tree map[string]any
		if _, err := toml.Decode(text, &tree); err != nil {
			scan(text) // must end
			return
		}
		if err := everywhere("", tree, scan(text), text); err != nil {
			t.Error(err)
		}
	})
}

func seeds(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.toml")
	for _, name := range append(files, shipped) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
}

// FuzzParse: nothing panics; a refused text has problems, each in a line that the file
// has, under a column that the line has; an accepted one has repositories with names.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Add("[[repositories]]\npath='.'\n[repositories.bench]\nthreads=[1]\n")
	f.Add("repositories = [{path='.'}]\nbench = {}")
	f.Add("\ufeff\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("agent.toml", []byte(text))
		if err == nil {
			for _, r := range c.Repositories {
				if r.Name == "" || (r.URL == "") == (r.Path == "") || len(r.Branches) == 0 || r.Bench.Rounds < 3 {
					t.Errorf("accepted %+v", r)
				}
			}
			if len(c.Repositories) == 0 {
				t.Error("accepted without repositories")
			}
			return
		}
		var list *Errors
		if !errors.As(err, &list) || len(list.List) == 0 {
			t.Fatalf("error %T without problems", err)
		}
		lines := strings.Split(text, "\n")
		for i, p := range list.List {
			if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Width < 1 || p.Msg == "" {
				t.Fatalf("problem %+v is outside a file of %d lines", p, len(lines))
			}
			if p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
				t.Errorf("column %d is outside line %q", p.Column, lines[p.Line-1])
			}
			if i > 0 && p.Line < list.List[i-1].Line {
				t.Error("problems are out of order")
			}
			if !utf8.ValidString(p.Error()) && utf8.ValidString(text) {
				t.Error("message is not UTF-8")
			}
		}
	})
}

// Texts that are not TOML once held the scanner for ever.
func TestScanEnds(t *testing.T) {
	for _, text := range []string{"a = {n = 5\n[b]\n", "a ={{{{{{ad\nc\xb7\\ron = 1", "a = [[[=", "[", "\"", "a = \"\"\"", "=", "a.", "a = {b}", "[[]]"} {
		scan(text)
	}
}
