package proofs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// exportReader reads what lean4export (in newer toolchains leanexport) prints: constants
// with everything that they need, one JSON object a line (NDJSON), format 3. It is
// described in format_ndjson.md of leanprover/lean4export.
//
// The first line is about the exporter. Then come names, universe levels and terms, each
// with a number by which later lines refer to it, counted on from 1 (terms from 0; name 0
// is the anonymous one, level 0 is zero), and among them the declarations. There is no
// line for the end, so who asked for a constant must look whether it is there.
//
// All go into one table of terms, where each is kept once: memory grows with distinct
// terms, not with text. Metadata is left out, and so is what the table does not keep.
// Several exports may be read, one after the other, if they agree.
type exportReader struct {
	t         *terms
	in        *interner
	w         *walker
	constants []*constant     // no unsafe or partial ones, which no proof may use
	heads     []int32         // of constants: name at the head of a proof; 0 for none
	index     map[int32]int32 // constants by name
	left      map[int32]bool  // names of unsafe and partial ones

	// of the export at hand
	about    exportMeta
	declared map[int32]bool
	names    []int32 // what is its number in the table
	levels   []int32
	nodes    []int32
	c        cursor
	e        exportEntry
}

// exportMeta is the first line of an export.
type exportMeta struct{ exporter, version, lean, githash, format string }

func (m exportMeta) String() string { return cut(m.exporter, 40) + " " + cut(m.version, 20) }

// exportEntry is a name, a level or a term before it is looked up. Its arrays are used
// again for each line.
type exportEntry struct {
	table  byte // the table that its number is of: 'n', 'l' or 'e'; 0 for a declaration
	number int32
	kind   byte // as in nameEntry ('.' and '#'), levelEntry and term; 'm' metadata; 0 for none
	a      [3]int32
	list   []int32
	text   string
}

// maxExportLine bounds one line. A declaration has no terms in it, only their numbers.
const maxExportLine = 64 << 20

func newExportReader(t *terms, in *interner) *exportReader {
	return &exportReader{t: t, in: in, w: newWalker(t), index: map[int32]int32{}, left: map[int32]bool{}}
}

// read reads one export. Anything that is not as described is an error: an unknown key, a
// number of something that has not come yet, a constant declared twice, another format, a
// last line without its end.
func (x *exportReader) read(src io.Reader) error {
	x.about, x.declared = exportMeta{}, map[int32]bool{}
	x.names, x.levels, x.nodes = append(x.names[:0], 0), append(x.levels[:0], 0), x.nodes[:0]
	in := bufio.NewReaderSize(src, 1<<20)
	var long []byte
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		for long = long[:0]; err == bufio.ErrBufferFull && len(long) < maxExportLine; {
			long = append(long, line...)
			line, err = in.ReadSlice('\n')
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		switch {
		case err == io.EOF && len(line) == 0 && n > 1:
			return nil
		case err == io.EOF:
			err = errors.New("its last line has no end")
		case err == nil:
			err = x.line(line, n == 1)
		}
		if err != nil {
			return fmt.Errorf("%w: export, line %d: %w", errIncomplete, n, err)
		}
	}
}

func (x *exportReader) line(b []byte, first bool) error {
	x.c = cursor{b: b}
	c, e := &x.c, &x.e
	*e = exportEntry{list: e.list[:0]}
	declarations := 0
	err := c.object(func(key []byte) error {
		switch string(key) {
		case "in", "il", "ie":
			if e.table != 0 {
				return errJSON
			}
			e.table = key[1]
			var err error
			e.number, err = c.number()
			return err
		}
		if e.kind != 0 || declarations > 0 || (string(key) == "meta") != first {
			return errJSON
		}
		if known, err := x.entry(string(key)); known {
			return err
		}
		declarations++
		if err := x.declaration(string(key)); err != nil {
			return fmt.Errorf("%s: %w", cut(string(key), 40), err)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !c.end() || (e.kind == 0) != (e.table == 0) || declarations == 0 && e.kind == 0:
		return errJSON
	case e.kind != 0:
		return x.add()
	}
	return nil
}

func (x *exportReader) meta() error {
	m := &x.about
	part := func(want ...field) error { return x.c.fields(want...) }
	seen := 0
	err := x.c.object(func(key []byte) error {
		seen++
		switch string(key) {
		case "exporter":
			return part(field{name: "name", text: &m.exporter}, field{name: "version", text: &m.version})
		case "lean":
			return part(field{name: "githash", text: &m.githash}, field{name: "version", text: &m.lean})
		case "format":
			return part(field{name: "version", text: &m.format})
		}
		return errJSON
	})
	if err != nil {
		return err
	}
	if major, _, _ := strings.Cut(m.format, "."); major != "3" {
		return fmt.Errorf("format %q, want 3", cut(m.format, 20))
	}
	if seen != 3 || m.exporter == "" || m.lean == "" {
		return errJSON
	}
	return nil
}

// entry reads the value of a name, level or term; it reports false if key is of none.
func (x *exportReader) entry(key string) (known bool, err error) {
	c, e := &x.c, &x.e
	num := func(name string, i int) field { return field{name: name, number: &e.a[i]} }
	binder := func(kind byte) error {
		e.kind = kind
		return c.fields(field{name: "name"}, num("type", 0), num("body", 1), field{name: "binderInfo"})
	}
	two := func(kind byte) error {
		e.kind = kind
		e.list, err = c.numbers(e.list)
		if err == nil && len(e.list) != 2 {
			err = errJSON
		}
		return err
	}
	switch key {
	case "str":
		e.kind = '.'
		err = c.fields(num("pre", 0), field{name: "str", text: &e.text})
	case "num":
		e.kind = '#'
		err = c.fields(num("pre", 0), field{name: "i", digits: &e.text})
	case "succ":
		e.kind = 'S'
		e.a[0], err = c.number()
	case "max":
		err = two('M')
	case "imax":
		err = two('I')
	case "param":
		e.kind = 'P'
		e.a[0], err = c.number()
	case "bvar":
		e.kind = 'v'
		e.a[0], err = c.number()
	case "sort":
		e.kind = 's'
		e.a[0], err = c.number()
	case "const":
		e.kind = 'c'
		err = c.fields(num("name", 0), field{name: "us", list: &e.list})
	case "app":
		e.kind = 'a'
		err = c.fields(num("fn", 0), num("arg", 1))
	case "lam":
		err = binder('l')
	case "forallE":
		err = binder('p')
	case "letE":
		e.kind = 'z'
		err = c.fields(field{name: "name"}, num("type", 0), num("value", 1), num("body", 2), field{name: "nondep"})
	case "proj":
		e.kind = 'j'
		err = c.fields(num("typeName", 0), num("idx", 1), num("struct", 2))
	case "natVal":
		e.kind = 'n'
		e.text, err = c.text()
		if err == nil && (e.text == "" || strings.Trim(e.text, "0123456789") != "" || len(e.text) > 1 && e.text[0] == '0') {
			err = errJSON
		}
	case "strVal":
		e.kind = 't'
		e.text, err = c.text()
	case "mdata":
		e.kind = 'm'
		err = c.fields(num("expr", 0), field{name: "data"})
	default:
		return false, nil
	}
	return true, err
}

// look finds entry i of a table of the export in the table of terms.
func look(table []int32, i int32) (int32, error) {
	if i < 0 || int(i) >= len(table) {
		return 0, errTable
	}
	return table[i], nil
}

func (x *exportReader) add() (err error) {
	e := &x.e
	table := map[byte]*[]int32{'n': &x.names, 'l': &x.levels, 'e': &x.nodes}[e.table]
	if int(e.number) != len(*table) {
		return fmt.Errorf("number %d where %d is next: %w", e.number, len(*table), errTable)
	}
	var i int32
	switch e.kind {
	case '.', '#':
		err = x.into('n')
		if err == nil {
			e.a[0], err = look(x.names, e.a[0])
		}
		if err == nil {
			i, err = x.in.name(e.a[0], e.text, e.kind == '#')
		}
	case 'S', 'M', 'I', 'P':
		err = x.into('l')
		of := x.levels
		if e.kind == 'P' {
			of = x.names
		}
		copy(e.a[:], e.list)
		n := 1 + len(e.list)/2 // how many there are
		for k := 0; k < n && err == nil; k++ {
			e.a[k], err = look(of, e.a[k])
		}
		if err == nil {
			i, err = x.in.level(e.kind, e.a[0], e.a[1])
		}
	default:
		if err = x.into('e'); err == nil {
			i, err = x.node()
		}
	}
	if err == nil {
		*table = append(*table, i)
	}
	return err
}

// into says that the entry must be one of a table.
func (x *exportReader) into(table byte) error {
	if x.e.table != table {
		return errJSON
	}
	return nil
}

func (x *exportReader) node() (i int32, err error) {
	e := &x.e
	of := func(k int, table []int32) {
		if err == nil {
			e.a[k], err = look(table, e.a[k])
		}
	}
	switch e.kind {
	case 's':
		of(0, x.levels)
	case 'c':
		of(0, x.names)
		for k := 0; k < len(e.list) && err == nil; k++ {
			e.list[k], err = look(x.levels, e.list[k])
		}
	case 'a', 'l', 'p':
		of(0, x.nodes)
		of(1, x.nodes)
	case 'z':
		of(0, x.nodes)
		of(1, x.nodes)
		of(2, x.nodes)
	case 'j':
		of(0, x.names)
		of(2, x.nodes)
	case 'm':
		of(0, x.nodes)
		return e.a[0], err
	}
	if err != nil {
		return 0, err
	}
	return x.in.node(term{kind: e.kind, a: e.a[0], b: e.a[1], c: e.a[2]}, e.list, e.text)
}
