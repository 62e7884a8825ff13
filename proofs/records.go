package proofs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// inventory is what some compiled modules declare.
type inventory struct {
	lean    string
	modules map[string]int    // by key: number of declarations
	failed  map[string]string // by key: why a module could not be loaded
	decls   []declaration
	axioms  map[string]axiomRecord
}

// declaration is one constant of a project module.
type declaration struct {
	Name     string // as the kernel has it; private ones have a prefix
	User     string // as it was written
	Module   string
	Kind     string // see [constant]
	Line     int    // 1-based; 0 if generated
	Column   int
	Internal bool     // generated, not written by a person
	Axioms   []string // sorted
	Opaque   int      // constants of the tool chain's library without bodies
	Unknown  []string // constants of anything else without bodies
	PP       string   // printed statement, "" if it was not asked for
	Head     string   // constant at the head of a proof

	statement, meaning string   // hashes; "" if this listing has none
	refs               []int32  // declarations of the project that it names, by number
	direct             []string // axioms that it names itself
}

// axiomRecord is what is known of an axiom that something rests on.
type axiomRecord struct {
	Module string
	Origin string // project, dependency or core
	Line   int    // 0 if nobody wrote it
	PP     string
	result bool // it states that some closed computation is true
}

// errIncomplete is a listing that cannot be trusted to be the whole.
var errIncomplete = errors.New("inventory is not complete")

// record is any line that inventory.lean prints; Record says which fields count.
type record struct {
	Record string `json:"record"`
	Format int    `json:"format"`
	Lean   string `json:"lean"`

	// entries that the tables gain
	NewNames  []string `json:"names"`
	NewLevels string   `json:"levels"`
	NewTerms  string   `json:"terms"`
	NewTexts  []string `json:"texts"`

	Name      json.RawMessage `json:"name"` // a text, of a decl a number
	Module    string          `json:"module"`
	Text      string          `json:"text"`
	Decls     int             `json:"decls"`
	Modules   int             `json:"modules"`
	User      string          `json:"user"`
	Kind      string          `json:"kind"`
	Line      int             `json:"line"`
	Column    int             `json:"column"`
	Internal  bool            `json:"internal"`
	Params    []int32         `json:"params"`
	Type      int32           `json:"type"`
	Value     int32           `json:"value"`
	Refs      []int32         `json:"refs"`
	Under     int32           `json:"under"`
	Ctors     []int32         `json:"ctors"`
	Head      string          `json:"head"`
	Set       int             `json:"set"`
	Statement string          `json:"statement"`
	Meaning   string          `json:"meaning"`
	PP        string          `json:"pp"`
	Origin    string          `json:"origin"`

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
	p.meanings = newMeanings(p.terms)
	stop := make(chan struct{})
	defer close(stop)
	for batch := range decode(out, prefix, stop) {
		for i := range batch {
			if err := errors.Join(batch[i].err, p.record(&batch[i].record)); err != nil {
				return nil, fmt.Errorf("%w: line %d: %w", errIncomplete, batch[i].line, err)
			}
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

// decoded is one record, or why it is none.
type decoded struct {
	record record
	line   int
	err    error
}

// decode reads records ahead of what is made of them, in batches: the one takes about as
// long as the other.
func decode(out []byte, prefix string, stop <-chan struct{}) <-chan []decoded {
	const size = 256
	batches := make(chan []decoded, 4)
	go func() {
		defer close(batches)
		batch := make([]decoded, 0, size)
		send := func() bool {
			select {
			case batches <- batch:
				batch = make([]decoded, 0, size)
				return true
			case <-stop:
				return false
			}
		}
		n := 0
		for line := range bytes.Lines(out) {
			n++
			line, ok := bytes.CutPrefix(line, []byte(prefix))
			if !ok || len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			batch = append(batch, decoded{line: n})
			d := &batch[len(batch)-1]
			d.err = json.Unmarshal(line, &d.record)
			if len(batch) == size && !send() {
				return
			}
		}
		send()
	}()
	return batches
}

func (p *reader) record(r *record) error {
	if p.ended {
		return errors.New("something follows the end")
	}
	if !p.header && r.Record != "header" {
		return errors.New("no header")
	}
	if err := p.terms.readNames(r.NewNames); err != nil {
		return err
	}
	if err := p.terms.readLevels(r.NewLevels); err != nil {
		return err
	}
	if err := p.terms.readTerms(r.NewTerms, r.NewTexts, &p.texts); err != nil {
		return err
	}
	k := key(r.Module)
	switch r.Record {
	case "header":
		if p.header || r.Format != 2 {
			return errors.New("second header, or another format")
		}
		p.header, p.inv.lean = true, r.Lean
	case "module":
		var name string
		if err := json.Unmarshal(r.Name, &name); err != nil {
			return err
		}
		k = key(name)
		if _, twice := p.inv.modules[k]; twice || r.Decls < 0 {
			return fmt.Errorf("module %s twice", cut(k, 80))
		}
		p.inv.modules[k] = r.Decls
		p.open = true
	case "error":
		p.inv.failed[k] = r.Text
	case "decl":
		p.counts[k]++
		return p.declaration(r)
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

func (p *reader) declaration(r *record) error {
	name, err := strconv.ParseInt(string(r.Name), 10, 32)
	if err != nil || r.Text == "" || r.Kind == "" || r.Line < 0 || r.Column < 0 || r.Set < 0 {
		return errors.New("declaration without name or kind")
	}
	c := &constant{
		name: int32(name), kind: r.Kind, params: r.Params, typ: r.Type, value: r.Value - 1, refs: r.Refs,
		under: r.Under, ctors: r.Ctors, generated: r.Internal,
	}
	if !c.valid(p.terms) {
		return fmt.Errorf("declaration %s: %w", cut(r.Text, 80), errTable)
	}
	var digests [2]uint64
	for i, text := range []string{r.Statement, r.Meaning} {
		if digests[i], err = strconv.ParseUint(text, 10, 64); err != nil {
			return err
		}
	}
	if r.User == "" {
		r.User = r.Text
	}
	p.group, p.sets, p.digests = append(p.group, c), append(p.sets, r.Set), append(p.digests, digests)
	p.inv.decls = append(p.inv.decls, declaration{
		Name: r.Text, User: r.User, Module: r.Module, Kind: r.Kind, Line: r.Line, Column: r.Column,
		Internal: r.Internal, PP: r.PP, Head: r.Head,
	})
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
		if t := leaves[i].text; leaves[i].kind != leafAxiom && (t == sorryAxiom || native(t) || slices.Contains(defaultAxioms, t)) {
			err = fmt.Errorf("%s is an axiom, and not %s", cut(t, 80), leaves[i].kind)
		}
		if err != nil || !p.terms.isName(leaves[i].name) {
			return errors.Join(err, errTable)
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
	rests, err := closures(p.group, p.meanings.w, s,
		func(n int32) (int32, bool) { set, ok := outside[n]; return set, ok },
		func(n int32) int32 {
			if l, ok := own[n]; ok {
				return l
			}
			return -1
		})
	if err != nil {
		return err
	}
	hs := p.meanings.group(p.group)
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
		p.meanings.w.constants([]int32{c.typ, c.value}, each)
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
