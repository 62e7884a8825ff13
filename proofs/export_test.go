package proofs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func exportFile(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "export", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func readExport(text string) (*exportReader, error) {
	t := newTerms()
	x := newExportReader(t, newInterner(t))
	return x, x.read(strings.NewReader(text))
}

func TestExport(t *testing.T) {
	x, err := readExport(exportFile(t, "sample.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	if x.about != (exportMeta{"by hand", "1", "4.28.0", "0123456789abcdef", "3.1.0"}) {
		t.Errorf("%+v", x.about)
	}
	var got []string
	for i, c := range x.constants {
		s := c.kind + " " + x.t.nameText(c.name) + ":"
		for _, r := range c.refs {
			s += " " + x.t.nameText(r)
		}
		if x.heads[i] != 0 {
			s += " head " + x.t.nameText(x.heads[i])
		}
		got = append(got, s)
	}
	want := []string{
		"inductive Box: Box Box.mk",
		"constructor Box.mk: Box",
		"recursor Box.rec: Box Box.mk",
		"axiom Ax:",
		"def «two words»:",
		"theorem _private.Some.Module.0.hidden: «two words»",
		"opaque sealed:",
		"quot Quot:",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if len(x.left) != 1 {
		t.Errorf("%d unsafe or partial constants", len(x.left))
	}
	box, hidden := x.constants[0], x.constants[5]
	if box.under != 1 || len(box.params) != 1 || x.t.privateModule(hidden.name) != "Some.Module" || x.t.privateModule(box.name) != "" {
		t.Errorf("%+v, module %q", box, x.t.privateModule(hidden.name))
	}
	if x.nodes[15] != x.nodes[14] || x.nodes[17] != x.nodes[18] {
		t.Error("metadata makes a difference")
	}
	if s := x.t.texts[x.t.nodes[x.nodes[20]].a]; s != "tab\tquote\" line\n é 𝔸 𝔸" {
		t.Errorf("text %q", s)
	}
	leaves, own := x.leaves(false, func(int32) bool { return true })
	s, rests, err := x.closure(func(n int32) int32 {
		if l, ok := own[n]; ok {
			return l
		}
		return -1
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range x.constants {
		// By way of a proof, of its statement and of a definition.
		if want := c.kind != "quot" && !strings.HasPrefix(x.t.nameText(c.name), "Box"); (len(s.table[rests[i]]) == 1 && leaves[0].text == "Ax") != want {
			t.Errorf("%s rests on %v", x.t.nameText(c.name), s.table[rests[i]])
		}
	}
}

// TestExportAgain reads parts of a project, which repeat what they share.
func TestExportAgain(t *testing.T) {
	text := exportFile(t, "sample.ndjson")
	x, err := readExport(text)
	if err != nil {
		t.Fatal(err)
	}
	constants, nodes, names := len(x.constants), len(x.t.nodes), len(x.t.names)
	if err := x.read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if len(x.constants) != constants || len(x.t.nodes) != nodes || len(x.t.names) != names {
		t.Error("reading it again adds something")
	}
	other := strings.Replace(text, `"natVal":"1`, `"natVal":"2`, 1) // in a proof: it names the same
	if err := x.read(strings.NewReader(other)); err != nil {
		t.Error(err)
	}
	other = strings.Replace(text, `"value":17`, `"value":16`, 1)
	if err := x.read(strings.NewReader(other)); !errors.Is(err, errIncomplete) {
		t.Errorf("the same constant with two values: %v", err)
	}
}

// TestExportFailsClosed drops, doubles, cuts and bends the sample.
func TestExportFailsClosed(t *testing.T) {
	whole := exportFile(t, "sample.ndjson")
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	check := func(what, changed string) {
		t.Helper()
		x, err := readExport(changed)
		if err == nil {
			_, _, err = x.closure(func(int32) int32 { return -1 })
		}
		if !errors.Is(err, errIncomplete) {
			t.Errorf("%s: %v", cut(what, 200), err)
		}
	}
	for i, l := range lines {
		before, after := strings.Join(lines[:i], ""), strings.Join(lines[i+1:], "")
		if after != "" && !strings.Contains(l, `"Quot"`) && !strings.HasPrefix(l, `{"quot"`) && !strings.HasPrefix(l, `{"opaque"`) { // what nothing needs
			check("without "+l, before+after)
		}
		check("twice "+l, before+l+l+after)
		check("cut "+l, before+l[:len(l)/2]+"\n"+after)
		check("unended "+l, before+strings.TrimSuffix(l, "\n")[:len(l)-1])
	}
	bend := func(old, new string) {
		t.Helper()
		if !strings.Contains(whole, old) {
			t.Fatalf("the sample has no %s", old)
		}
		check(old+" → "+new, strings.Replace(whole, old, new, 1))
	}
	for _, c := range [][2]string{
		{`"version":"3.1.0"`, `"version":"2.0"`},
		{`"version":"3.1.0"`, `"version":"31"`},
		{`"lean":{`, `"Lean":{`},
		{`"fn":3`, `"fn":300`},
		{`"fn":3`, `"fn":-1`},
		{`"fn":3`, `"fn":7`}, // comes later
		{`"fn":3`, `"fn":3.0`},
		{`"fn":3`, `"fn":99999999999`},
		{`"fn":3`, `"function":3`},
		{`"fn":3`, `"fn":3,"fn":3`},
		{`"fn":3`, `"fn":3,"more":[]`},
		{`"fn":3,`, ``},
		{`{"fn":3,"arg":5}`, `[3,5]`},
		{`"ie":6`, `"ie":5`},
		{`"ie":6`, `"ie":60`},
		{`"ie":6`, `"il":6`},
		{`"ie":6`, `"in":16`},
		{`"ie":6`, `"ie":6,"ie":6`},
		{`"ie":6,`, ``},
		{`"ie":4,"bvar":0`, `"ie":4`},
		{`"ie":4,"bvar":0`, `"ie":4,"bvar":0,"sort":0`},
		{`"ie":4,"bvar":0`, `"ie":4,"fvar":0`},
		{`"max":[2,1]`, `"max":[2]`},
		{`"max":[2,1]`, `"max":[2,1,1]`},
		{`"max":[2,1]`, `"max":[2,9]`},
		{`"us":[1]`, `"us":[9]`},
		{`"i":0`, `"i":"0"`},
		{`"natVal":"123`, `"natVal":"-123`},
		{`"natVal":"123`, `"natVal":"0123`},
		{`"str":"α"`, "\"str\":\"\xff\""},
		{`"thm":{"name":12`, `"thm":{"name":7`}, // declared twice
		{`"thm":{"name":12`, `"thm":{"name":0`},
		{`"thm":{"name":12`, `"thm":{"name":120`},
		{`"thm":{"name":12`, `"theorem":{"name":12`},
		{`"thm":{"name":12,"levelParams":[]`, `"thm":{"name":12,"levelParams":[0]`},
		{`"type":21,"value":24`, `"type":21`},
		{`"safety":"partial"`, `"safety":"maybe"`},
		{`"isUnsafe":false`, `"isUnsafe":0`},
		{`"rhs":12`, `"rhs":512`},
		{`"ctors":[3]`, `"ctors":[30]`},
		{`"induct":2`, `"induct":40`},
		{`"types":[`, `"types":[],"more":[`},
		{`{"thm"`, ` {"thm":0},{"thm"`},
		{"{\"opaque\"", "\n{\"opaque\""},
		{`"deep":[`, `"deep":` + strings.Repeat("[", 100)},
	} {
		bend(c[0], c[1])
	}
	check("nothing", "")
	check("no more than a line", "{}\n")
	check("nothing needs what is partial", strings.Replace(whole, `"safety":"safe"`, `"safety":"unsafe"`, 1))
}

func FuzzExport(f *testing.F) {
	sample := exportFile(f, "sample.ndjson")
	f.Add([]byte(sample))
	for _, l := range strings.SplitAfter(sample, "\n") {
		f.Add([]byte(strings.SplitAfter(sample, "\n")[0] + l))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tab := newTerms()
		x := newExportReader(tab, newInterner(tab))
		if err := x.read(bytes.NewReader(b)); err != nil {
			if !errors.Is(err, errIncomplete) {
				t.Errorf("error %v", err)
			}
			return
		}
		// Accepted: it says what it is, and every number leads somewhere.
		if !strings.HasPrefix(x.about.format, "3") || x.about.lean == "" || !bytes.HasSuffix(b, []byte("\n")) {
			t.Errorf("accepted: %+v", x.about)
		}
		for i := range tab.nodes {
			n := &tab.nodes[i]
			ok := true
			switch n.kind {
			case 's':
				ok = tab.isLevel(n.a)
			case 'c', 'j':
				ok = tab.isName(n.a)
			case 'a', 'l', 'p', 'z':
				ok = n.a < int32(i) && n.b < int32(i) && n.c < int32(i)
			}
			if !ok {
				t.Errorf("term %d: %+v", i, n)
			}
		}
		for _, c := range x.constants {
			if !c.valid(tab) {
				t.Errorf("%+v", c)
			}
		}
		newMeanings(tab).group(x.constants)
		if err := x.read(bytes.NewReader(b)); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

// bulk is an export of n lines, a tenth of them names, with a theorem every hundred lines
// whose proof is the terms since the last.
func bulk(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"meta":{"exporter":{"name":"lean4export","version":"3.1.0"},"format":{"version":"3.1.0"},"lean":{"githash":"0","version":"4.28.0"}}}` + "\n")
	b.WriteString(`{"in":1,"str":{"pre":0,"str":"T"}}` + "\n" + `{"ie":0,"sort":0}` + "\n" + `{"axiom":{"isUnsafe":false,"levelParams":[],"name":1,"type":0}}` + "\n")
	names, nodes := 1, 0
	for i := 4; i < n; i++ {
		switch {
		case i%100 == 0:
			fmt.Fprintf(&b, `{"thm":{"all":[%d],"levelParams":[],"name":%d,"type":0,"value":%d}}`+"\n", names, names, nodes)
		case i%10 == 9:
			names++
			fmt.Fprintf(&b, `{"in":%d,"str":{"pre":1,"str":"theorem%d"}}`+"\n", names, names)
		case i%10 == 3:
			nodes++
			fmt.Fprintf(&b, `{"const":{"name":%d,"us":[]},"ie":%d}`+"\n", max(1, names-20), nodes)
		case i%10 == 5:
			nodes++
			fmt.Fprintf(&b, `{"forallE":{"binderInfo":"implicit","body":%d,"name":1,"type":%d},"ie":%d}`+"\n", nodes-1, i%(nodes-1+1), nodes)
		default:
			nodes++
			fmt.Fprintf(&b, `{"app":{"arg":%d,"fn":%d},"ie":%d}`+"\n", nodes/3, nodes-1, nodes)
		}
	}
	return b.Bytes()
}

// BenchmarkExport reads 250,000 and 1,000,000 lines. What it keeps, in bytes for each line,
// must not grow with their number.
func BenchmarkExport(b *testing.B) {
	for _, n := range []int{250_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			text := bulk(n)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var before, after runtime.MemStats
			var x *exportReader
			for b.Loop() {
				x = nil
				runtime.GC()
				runtime.ReadMemStats(&before)
				t := newTerms()
				x = newExportReader(t, newInterner(t))
				if err := x.read(bytes.NewReader(text)); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "kept-B/line")
			runtime.KeepAlive(x)
			runtime.KeepAlive(text)
		})
	}
}
