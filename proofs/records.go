package proofs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxAhead bounds the room made for declarations that are only announced.
const maxAhead = 1 << 16

// record is any line of inventory.lean that is a JSON object; Record says which fields
// count.
type record struct {
	Record  string               `json:"record"`
	Format  int                  `json:"format"`
	Lean    string               `json:"lean"`
	Name    string               `json:"name"`
	Module  string               `json:"module"`
	Text    string               `json:"text"`
	Decls   int                  `json:"decls"`
	Modules int                  `json:"modules"`
	Line    int                  `json:"line"`
	Type    int32                `json:"type"`
	PP      string               `json:"pp"`
	Origin  string               `json:"origin"`
	Leaves  [][3]json.RawMessage `json:"leaves"`
	Sets    [][]int32            `json:"sets"`
	Outside [][2]int32           `json:"outside"`
}

// parseInventory reads the records behind prefix. Lines without it are none of ours. It
// fails closed: anything missing, doubled, unreadable or contradictory is an error, and so
// is a difference between what the program computed and what is computed here from the
// terms that it printed. wanted are the keys of the modules that were asked for.
func parseInventory(out []byte, prefix string, wanted []string) (*inventory, error) {
	p := &reader{
		inv:   &inventory{modules: map[string]int{}, failed: map[string]string{}, axioms: map[string]axiomRecord{}},
		terms: newTerms(), counts: map[string]int{}, index: map[int32]int32{},
	}
	// Room as real listings need it; growing bit by bit would copy most of it again.
	p.terms.nodes = make([]term, 0, len(out)/20)
	p.terms.names = slices.Grow(p.terms.names, len(out)/200)
	p.terms.known = make(map[nameEntry]int32, len(out)/200)
	p.meanings = newMeanings(p.terms)
	n := 0
	for line := range strings.Lines(string(out)) { // one copy, of which all texts are parts
		n++
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), prefix)
		if !ok || line == "" {
			continue
		}
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", errIncomplete, n, err)
		}
	}
	if err := p.end(wanted); err != nil {
		return nil, fmt.Errorf("%w: %w", errIncomplete, err)
	}
	return p.inv, nil
}

// reader puts an inventory together.
type reader struct {
	inv      *inventory
	terms    *terms
	meanings *meanings
	texts    int // string literals so far
	counts   map[string]int
	index    map[int32]int32 // declarations by name, of this group and earlier ones
	header   bool
	ended    bool

	// of the group at hand
	open    bool
	group   []*constant
	first   int // its first declaration in inv.decls
	sets    []int
	digests [][2]uint64
}

func (p *reader) line(line string) error {
	if p.ended {
		return errors.New("something follows the end")
	}
	if line[0] == '{' {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return err
		}
		if !p.header && r.Record != "header" {
			return errors.New("no header")
		}
		return p.record(&r)
	}
	if !p.header {
		return errors.New("no header")
	}
	f := fields{rest: line}
	switch kind := f.next(); kind {
	case "tables":
		return p.tables(&f)
	case "decl":
		return p.declaration(&f)
	default:
		return fmt.Errorf("unknown record %q", cut(kind, 40))
	}
}

// tables adds new entries to the tables.
func (p *reader) tables(f *fields) error {
	names, levels, nodes, texts := f.texts(), f.next(), f.next(), f.texts()
	if err := f.end(); err != nil {
		return err
	}
	if err := p.terms.readNames(names); err != nil {
		return err
	}
	if err := p.terms.readLevels(levels); err != nil {
		return err
	}
	return p.terms.readTerms(nodes, texts, &p.texts)
}

func (p *reader) record(r *record) error {
	k := key(r.Module)
	switch r.Record {
	case "header":
		if p.header || r.Format != 2 {
			return errors.New("second header, or another format")
		}
		p.header, p.inv.lean = true, r.Lean
	case "module":
		k = key(r.Name)
		if _, twice := p.inv.modules[k]; twice || r.Decls < 0 {
			return fmt.Errorf("module %s twice", cut(k, 80))
		}
		p.inv.modules[k] = r.Decls
		p.inv.decls = slices.Grow(p.inv.decls, min(r.Decls, maxAhead))
		p.open = true
	case "error":
		p.inv.failed[k] = r.Text
	case "sets":
		if !p.open {
			return errors.New("the end of no group")
		}
		p.open = false
		return p.closeGroup(r)
	case "axiom":
		if !p.terms.isTerm(r.Type) {
			return errTable
		}
		p.inv.axioms[r.Text] = axiomRecord{Module: r.Module, Origin: r.Origin, Line: r.Line, PP: r.PP, result: p.terms.isResult(r.Type)}
	case "end":
		p.ended = true
		if r.Modules != len(p.inv.modules) || r.Decls != len(p.inv.decls) {
			return fmt.Errorf("%d modules and %d declarations announced, %d and %d seen", r.Modules, r.Decls, len(p.inv.modules), len(p.inv.decls))
		}
	default:
		return fmt.Errorf("unknown record %q", cut(r.Record, 40))
	}
	return nil
}

func (p *reader) declaration(f *fields) error {
	c := &constant{name: f.number()}
	d := declaration{Name: f.text(), User: f.text(), Module: f.text(), Kind: f.next(), Line: int(f.number()), Column: int(f.number())}
	d.Internal = f.next() == "true"
	c.kind, c.generated = d.Kind, d.Internal
	c.params, c.typ, c.value, c.refs, c.under, c.ctors = f.numbers(), f.number(), f.number()-1, f.numbers(), f.number(), f.numbers()
	d.Head = f.text()
	set := f.number()
	digests := [2]uint64{f.digest(), f.digest()}
	d.PP = f.text()
	if err := f.end(); err != nil {
		return err
	}
	if d.Name == "" || d.Kind == "" || !c.valid(p.terms) {
		return fmt.Errorf("declaration %s: %w", cut(d.Name, 80), errTable)
	}
	if d.User == "" {
		d.User = d.Name
	}
	p.counts[key(d.Module)]++
	p.group, p.sets, p.digests = append(p.group, c), append(p.sets, int(set)), append(p.digests, digests)
	p.inv.decls = append(p.inv.decls, d)
	return nil
}

// valid reports whether all that the declaration refers to exists.
func (c *constant) valid(t *terms) bool {
	for _, list := range [][]int32{c.params, c.refs, c.ctors, {c.name}} {
		for _, n := range list {
			if !t.isName(n) || n == 0 {
				return false
			}
		}
	}
	return t.isTerm(c.typ) && (c.value == -1 || t.isTerm(c.value)) && c.under >= 0
}

// closeGroup computes again what the declarations of a group mean and rest on, and
// compares it with what the program says.
func (p *reader) closeGroup(r *record) error {
	leaves := make([]leaf, len(r.Leaves))
	own := map[int32]int32{}
	for i, l := range r.Leaves {
		err := errors.Join(json.Unmarshal(l[0], &leaves[i].name), json.Unmarshal(l[1], &leaves[i].text), json.Unmarshal(l[2], &leaves[i].kind))
		switch leaves[i].kind {
		case leafAxiom, leafOpaque, leafUnknown:
		default:
			err = fmt.Errorf("no leaf can be %q", cut(leaves[i].kind, 20))
		}
		if t := leaves[i].text; leaves[i].kind != leafAxiom && slices.Contains(coreAxioms, t) {
			err = fmt.Errorf("%s is an axiom, and not %s", cut(t, 80), leaves[i].kind)
		}
		if err == nil && !p.terms.isName(leaves[i].name) {
			err = errTable
		}
		if err != nil {
			return err
		}
		own[leaves[i].name] = int32(i)
	}
	// The program's sets under our numbers.
	s := newSets()
	said := make([]int32, len(r.Sets))
	for i, list := range r.Sets {
		for k, n := range list {
			if n < 0 || int(n) >= len(leaves) || k > 0 && n <= list[k-1] {
				return fmt.Errorf("set %d: %w", i, errTable)
			}
		}
		said[i] = s.intern(list)
	}
	outside := map[int32]int32{}
	for _, o := range r.Outside {
		if !p.terms.isName(o[0]) || o[1] < 0 || int(o[1]) >= len(said) {
			return fmt.Errorf("constant outside of the project: %w", errTable)
		}
		outside[o[0]] = said[o[1]]
	}
	names := make(map[int32]bool, len(p.group))
	for _, c := range p.group {
		if names[c.name] {
			return fmt.Errorf("declaration %s twice", cut(p.terms.nameText(c.name), 80))
		}
		names[c.name] = true
	}
	for _, c := range p.group {
		c.constants(p.meanings.w) // looked for once, before two look at them
	}
	// What the declarations rest on and what they mean has nothing to do with each other.
	var rests []int32
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { // a bug in here must not take the agent with it
			if bug := recover(); bug != nil {
				err = fmt.Errorf("bug in the computation of closures: %v", bug)
			}
		}()
		rests, err = closures(p.group, newWalker(p.terms), s,
			func(n int32) (int32, bool) { set, ok := outside[n]; return set, ok },
			func(n int32) int32 {
				if l, ok := own[n]; ok {
					return l
				}
				return -1
			})
	}()
	hs := p.meanings.group(p.group)
	<-done
	if err != nil {
		return err
	}
	lists := map[int32][3][]string{} // of a set: axioms, opaque, unknown
	for i, c := range p.group {
		d := &p.inv.decls[p.first+i]
		if p.sets[i] >= len(said) || said[p.sets[i]] != rests[i] {
			return fmt.Errorf("the program and Holdfast do not agree on what %s rests on", cut(d.Name, 80))
		}
		if p.digests[i] != [2]uint64{hs[i].statement.digest, hs[i].meaning.digest} {
			return fmt.Errorf("the program and Holdfast do not agree on what %s states or means", cut(d.Name, 80))
		}
		// An axiom has a leaf of its own, or it would be hidden from all that use it.
		if l, ok := own[c.name]; (c.kind == "axiom") != (ok && leaves[l].kind == leafAxiom) || (c.kind == "withheld") != (ok && leaves[l].kind != leafAxiom) {
			return fmt.Errorf("%s is an axiom in one place and none in another", cut(d.Name, 80))
		}
		list, ok := lists[rests[i]]
		if !ok {
			for _, n := range s.table[rests[i]] {
				k := slices.Index([]string{leafAxiom, leafOpaque, leafUnknown}, leaves[n].kind)
				list[k] = append(list[k], leaves[n].text)
			}
			slices.Sort(list[0])
			slices.Sort(list[2])
			lists[rests[i]] = list
		}
		d.Axioms, d.Opaque, d.Unknown = list[0], len(list[1]), list[2]
		d.statement, d.meaning = hs[i].statement.text(), hs[i].meaning.text()
		p.index[c.name] = int32(p.first + i)
	}
	for i, c := range p.group {
		d := &p.inv.decls[p.first+i]
		each := func(name int32) {
			if j, ok := p.index[name]; ok && int(j) != p.first+i {
				d.refs = append(d.refs, j)
			}
			if l, ok := own[name]; ok && leaves[l].kind == leafAxiom {
				d.direct = append(d.direct, leaves[l].text)
			}
		}
		for _, name := range c.constants(p.meanings.w) {
			each(name)
		}
		for _, n := range c.refs {
			each(n)
		}
	}
	p.group, p.sets, p.digests, p.first = nil, nil, nil, len(p.inv.decls)
	return nil
}

func (p *reader) end(wanted []string) error {
	switch {
	case !p.ended:
		return errors.New("it has no end")
	case p.open || len(p.group) > 0:
		return errors.New("a group has no end")
	}
	for k, n := range p.inv.modules {
		if p.counts[k] != n {
			return fmt.Errorf("module %s announced %d declarations, %d seen", k, n, p.counts[k])
		}
	}
	for _, k := range wanted {
		if _, ok := p.inv.modules[k]; !ok && p.inv.failed[k] == "" {
			return fmt.Errorf("nothing about module %s", k)
		}
	}
	if len(p.inv.decls) == 0 && len(p.inv.failed) == 0 {
		return fmt.Errorf("no declaration in %s", plural(len(wanted), "module"))
	}
	return nil
}

// isResult reports whether a type is `x = true` for a closed x of type Bool: what the
// result of native evaluation states.
func (t *terms) isResult(typ int32) bool {
	n := t.nodes[typ]
	var args []int32
	for n.kind == 'a' {
		args = append(args, n.b)
		n = t.nodes[n.a]
	}
	if len(args) != 3 || n.kind != 'c' || t.nameText(n.a) != "Eq" {
		return false
	}
	is := func(i int32, name string) bool { return t.nodes[i].kind == 'c' && t.nameText(t.nodes[i].a) == name }
	return is(args[2], "Bool") && is(args[0], "Bool.true")
}
