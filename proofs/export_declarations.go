package proofs

import (
	"errors"
	"fmt"
	"slices"
)

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
