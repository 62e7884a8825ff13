package proofs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// exportReader reads what lean4export (in newer tool chains leanexport) prints: constants
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

// exported is a declaration as an export has it, by the export's own numbers.
type exported struct {
	name, typ, value, under, induct int32
	params, all, ctors              []int32
	rules                           []int32 // right-hand sides
	unsafe                          bool
	safety                          string
}

// common are the fields that every declaration has.
func (d *exported) common(more ...field) []field {
	return append([]field{{name: "name", number: &d.name}, {name: "levelParams", list: &d.params}, {name: "type", number: &d.typ}}, more...)
}

func (x *exportReader) declaration(kind string) error {
	c := &x.c
	d := &exported{value: -1}
	value, all, unsafe := field{name: "value", number: &d.value}, field{name: "all"}, field{name: "isUnsafe", flag: &d.unsafe}
	switch kind {
	case "meta":
		return x.meta()
	case "axiom":
		if err := c.fields(d.common(unsafe)...); err != nil {
			return err
		}
		d.unsafe = false // counts as any other
		return x.declare("axiom", d)
	case "def":
		if err := c.fields(d.common(value, all, field{name: "hints"}, field{name: "safety", text: &d.safety})...); err != nil {
			return err
		}
		if !slices.Contains([]string{"safe", "unsafe", "partial"}, d.safety) {
			return fmt.Errorf("safety %q: %w", cut(d.safety, 20), errJSON)
		}
		d.unsafe = d.safety != "safe"
		return x.declare("def", d)
	case "opaque":
		if err := c.fields(d.common(value, all, unsafe)...); err != nil {
			return err
		}
		return x.declare("opaque", d)
	case "thm":
		if err := c.fields(d.common(value, all)...); err != nil {
			return err
		}
		return x.declare("theorem", d)
	case "quot":
		if err := c.fields(d.common(field{name: "kind"})...); err != nil {
			return err
		}
		return x.declare("quot", d)
	case "inductive":
		return x.inductive()
	}
	return errors.New("is no element of an export")
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

// inductive reads a group of inductive types with their constructors and recursors.
func (x *exportReader) inductive() error {
	c := &x.c
	var types, ctors, recs []*exported
	element := func(list *[]*exported, more func(*exported) []field, ignored ...string) func() error {
		return func() error {
			d := &exported{value: -1}
			*list = append(*list, d)
			want := append(d.common(more(d)...), field{name: "isUnsafe", flag: &d.unsafe})
			for _, name := range ignored {
				want = append(want, field{name: name})
			}
			return c.fields(want...)
		}
	}
	err := c.fields(
		field{name: "types", each: element(&types, func(d *exported) []field {
			return []field{{name: "numParams", number: &d.under}, {name: "all", list: &d.all}, {name: "ctors", list: &d.ctors}}
		}, "numIndices", "numNested", "isRec", "isReflexive")},
		field{name: "ctors", each: element(&ctors, func(d *exported) []field {
			return []field{{name: "induct", number: &d.induct}}
		}, "cidx", "numParams", "numFields")},
		field{name: "recs", each: element(&recs, func(d *exported) []field {
			rule := func() error {
				var rhs int32
				err := c.fields(field{name: "rhs", number: &rhs}, field{name: "ctor"}, field{name: "nfields"})
				d.rules = append(d.rules, rhs)
				return err
			}
			return []field{{name: "all", list: &d.all}, {name: "rules", each: rule}}
		}, "numParams", "numIndices", "numMotives", "numMinors", "k")},
	)
	if err != nil {
		return err
	}
	if len(types) == 0 {
		return errJSON
	}
	for _, part := range []struct {
		kind string
		list []*exported
	}{{"inductive", types}, {"constructor", ctors}, {"recursor", recs}} {
		for _, d := range part.list {
			if part.kind == "constructor" {
				d.all = []int32{d.induct}
			}
			if err := x.declare(part.kind, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// declare adds a constant. It names what inventory.lean lets it name.
func (x *exportReader) declare(kind string, d *exported) (err error) {
	find := func(table []int32, i int32) int32 {
		j, e := look(table, i)
		if err == nil {
			err = e
		}
		return j
	}
	each := func(list []int32) []int32 {
		out := make([]int32, len(list))
		for k, i := range list {
			if out[k] = find(x.names, i); out[k] == 0 && err == nil {
				err = errTable
			}
		}
		return out
	}
	c := &constant{
		name: each([]int32{d.name})[0], kind: kind, params: each(d.params), typ: find(x.nodes, d.typ), value: -1,
		under: d.under, ctors: each(d.ctors),
	}
	named := each(d.all)
	roots := make([]int32, len(d.rules))
	for k, r := range d.rules {
		roots[k] = find(x.nodes, r)
	}
	value := int32(-1)
	if d.value >= 0 {
		value = find(x.nodes, d.value)
	}
	if err != nil {
		return err
	}
	if x.declared[c.name] {
		return fmt.Errorf("constant %s is declared twice", cut(x.t.nameText(c.name), 80))
	}
	x.declared[c.name] = true
	if d.unsafe {
		x.left[c.name] = true
		return nil
	}
	head := int32(0)
	switch kind {
	case "theorem": // a proof counts by what it names, and so a proof is compared
		roots = []int32{value}
		head = x.head(value)
	case "inductive":
		named = append(named, c.ctors...)
	default:
		c.value = value
	}
	x.w.constants(roots, func(n int32) { named = append(named, n) })
	c.refs = slices.Clip(named)
	if i, ok := x.index[c.name]; ok { // of an earlier export
		if !c.equal(x.constants[i]) {
			return fmt.Errorf("two exports do not agree on constant %s", cut(x.t.nameText(c.name), 80))
		}
		return nil
	}
	if x.left[c.name] {
		return fmt.Errorf("two exports do not agree on constant %s", cut(x.t.nameText(c.name), 80))
	}
	x.index[c.name] = int32(len(x.constants))
	x.constants, x.heads = append(x.constants, c), append(x.heads, head)
	return nil
}

func (c *constant) equal(d *constant) bool {
	return c.name == d.name && c.kind == d.kind && c.typ == d.typ && c.value == d.value && c.under == d.under &&
		slices.Equal(c.params, d.params) && slices.Equal(c.refs, d.refs) && slices.Equal(c.ctors, d.ctors)
}

// head is the name of the constant at the head of a proof, below its binders.
func (x *exportReader) head(i int32) int32 {
	for {
		switch n := &x.t.nodes[i]; n.kind {
		case 'l':
			i = n.b
		case 'z':
			i = n.c
		case 'a':
			i = n.a
		case 'c':
			return n.a
		default:
			return 0
		}
	}
}

// privateModule is the module of a private constant, "" for any other: their names begin
// with _private, the name of the module and 0.
func (t *terms) privateModule(i int32) string {
	var chain []int32
	for at := i; at != 0; at = t.names[at].parent {
		chain = append(chain, at)
	}
	slices.Reverse(chain)
	if len(chain) == 0 || t.names[chain[0]].text != "_private" {
		return ""
	}
	for k, at := range chain {
		if t.names[at].numeric && k > 1 {
			return strings.TrimPrefix(t.nameText(chain[k-1]), "_private.")
		}
	}
	return ""
}
