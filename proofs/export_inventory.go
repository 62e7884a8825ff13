package proofs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// byExport is the level of an inventory made of an export. Its hashes are made like those
// of "term/1" and mostly are the same, but two things that enter them can only be guessed
// here, so they must not be compared with those: which of the constants that stand in no
// index file belong to the project (an instance derived for a type of a library does not
// say so), and which of them nobody wrote.
func byExport(by string) level {
	return level{"every declaration that the index files of the build name, with all that it needs, as " + by + " exported them; hashes and axioms computed from the terms", "export/1"}
}

// exportInventory makes an inventory of exports, with names and places from the index
// files of the build.
func (e *examination) exportInventory(ctx context.Context, by *exporter, modules []*module, groups string) (*inventory, level, error) {
	inv := &inventory{modules: map[string]int{}, failed: map[string]string{}, axioms: map[string]axiomRecord{}}
	for _, m := range modules {
		inv.modules[m.key] = 0
	}
	t := newTerms()
	in, hash := newInterner(t), newMeanings(t)
	index := map[int32]int32{}
	about := ""
	for _, g := range groupList(groups) {
		x := newExportReader(t, in)
		p := &exportedProject{x: x, standIn: e.tool.standIn, places: map[string]exportPlace{}, modules: map[string]bool{}}
		var names []string
		for _, name := range g {
			m := e.project.byKey[key(name)]
			if m == nil {
				return nil, level{}, fmt.Errorf("module %s is not known", name)
			}
			places, lines, err := e.index(m)
			if err != nil {
				return nil, level{}, fmt.Errorf("index of module %s: %w", m.name, err)
			}
			p.modules[m.key] = true
			for _, at := range places {
				word := at.word(lines)
				if askable(at.name) {
					names = append(names, at.name)
				} else if word != "" {
					return nil, level{}, fmt.Errorf("%w: %s cannot be asked for", errIncomplete, cut(at.name, 80))
				}
				p.places[key(at.name)] = exportPlace{m.name, word, at.line + 1, at.column + 1}
			}
		}
		if len(names) == 0 {
			continue
		}
		if err := e.export(ctx, by, x, g, names); err != nil {
			return nil, level{}, err
		}
		about = x.about.String() + by.own
		if err := p.list(inv, hash, index); err != nil {
			return nil, level{}, err
		}
	}
	if len(inv.decls) == 0 {
		return nil, level{}, fmt.Errorf("%w: no declaration in the index files", errIncomplete)
	}
	e.ws.Report(runner.StageProofs, "listed %s with %s", plural(len(inv.decls), "declaration"), about)
	return inv, byExport(about), nil
}

// listExport makes an inventory with the first exporter that can; it is nil if none can,
// and unusable says why.
func (e *examination) listExport(ctx context.Context, modules []*module, groups string) (inv *inventory, how level, unusable string) {
	for _, by := range e.exporters() {
		inv, how, err := e.exportInventory(ctx, by, modules, groups)
		if err == nil {
			return inv, how, ""
		}
		unusable = join(unusable, err.Error())
	}
	return nil, level{}, unusable
}

// exportPlace is where a constant of an index file is written.
type exportPlace struct {
	module       string
	word         string // "theorem", "lemma", "axiom"; "" for anything else
	line, column int
}

// exportedProject is what is known of a project when its export has been read.
type exportedProject struct {
	x       *exportReader
	standIn bool
	places  map[string]exportPlace // by name without quotes
	modules map[string]bool        // by key
}

// list adds the constants of the project to an inventory: those that are known to be, and
// then all that needs any of these, since no library can.
func (p *exportedProject) list(inv *inventory, hash *meanings, index map[int32]int32) error {
	x := p.x
	mine, err := p.mine()
	if err != nil {
		return err
	}
	isMine := func(name int32) bool { _, ok := mine[name]; return ok }
	leaves, own := x.leaves(p.standIn, func(n int32) bool {
		return isMine(n) || inv.axioms[x.t.nameText(n)].Origin == "project" // of an earlier group
	})
	marker := int32(len(leaves))
	leaves = append(leaves, leaf{kind: "project"})
	s, rests, err := x.closure(func(n int32) int32 {
		if l, ok := own[n]; ok {
			return l
		}
		if isMine(n) {
			return marker
		}
		return -1
	})
	if err != nil {
		return err
	}
	project := func(set int32) bool {
		return slices.ContainsFunc(s.table[set], func(l int32) bool { return l == marker || isMine(leaves[l].name) })
	}
	var group []*constant
	first := len(inv.decls)
	for i, c := range x.constants {
		if !isMine(c.name) && !project(rests[i]) {
			continue
		}
		at := mine[c.name]
		text := x.t.nameText(c.name)
		d := declaration{Name: text, User: userName(text), Module: at.module, Kind: c.kind, Line: at.line, Column: at.column, Internal: at.line == 0}
		if x.heads[i] != 0 {
			d.Head = x.t.nameText(x.heads[i])
		}
		if c.kind == "axiom" && at.word != "" && at.word != "axiom" { // a theorem without its proof
			d.Kind = "withheld"
		}
		if d.Module == "" {
			d.Module = p.module(c, mine)
		}
		c.generated = d.Internal && p.generated(c)
		for _, l := range s.table[rests[i]] {
			switch l := leaves[l]; l.kind {
			case leafAxiom:
				d.Axioms = append(d.Axioms, l.text)
			case leafOpaque:
				d.Opaque++
			}
		}
		slices.Sort(d.Axioms)
		inv.decls, group = append(inv.decls, d), append(group, c)
		inv.modules[key(d.Module)]++
		index[c.name] = int32(first + len(group) - 1)
	}
	hs := hash.group(group)
	for i, c := range group {
		d := &inv.decls[first+i]
		d.statement, d.meaning = hs[i].statement.text(), hs[i].meaning.text()
		each := func(name int32) {
			if j, ok := index[name]; ok && int(j) != first+i {
				d.refs = append(d.refs, j)
			}
			if l, ok := own[name]; ok && leaves[l].kind == leafAxiom {
				d.direct = append(d.direct, leaves[l].text)
			}
		}
		x.w.constants([]int32{c.typ, c.value}, each)
		for _, n := range c.refs {
			each(n)
		}
	}
	for name, l := range own {
		if _, known := inv.axioms[leaves[l].text]; known || leaves[l].kind != leafAxiom {
			continue
		}
		at, ok := mine[name]
		rec := axiomRecord{Module: at.module, Origin: "dependency", Line: at.line, result: x.t.isResult(x.constants[x.index[name]].typ)}
		if j, listed := index[name]; ok || listed && int(j) >= first {
			rec.Origin = "project"
		} else if slices.Contains(coreAxioms, leaves[l].text) {
			rec.Origin = "core"
		}
		inv.axioms[leaves[l].text] = rec
	}
	return nil
}

// mine are the constants of the project with their places, as far as these are known: what
// an index file names, what is named below such a name or is private to one of the modules.
func (p *exportedProject) mine() (map[int32]exportPlace, error) {
	x := p.x
	mine := map[int32]exportPlace{}
	seen := map[string]bool{}
	for _, c := range x.constants {
		text := key(x.t.nameText(c.name))
		if at, ok := p.places[text]; ok {
			seen[text] = true
			mine[c.name] = at
		} else if module := x.t.privateModule(c.name); module != "" {
			if p.modules[key(module)] {
				mine[c.name] = exportPlace{module: module}
			}
		} else if at, ok := p.below(text); ok {
			mine[c.name] = exportPlace{module: at.module}
		}
	}
	for name, at := range p.places {
		if at.word != "" && !seen[name] {
			return nil, fmt.Errorf("%w: %s exported nothing about %s", errIncomplete, x.about, cut(name, 80))
		}
	}
	return mine, nil
}

// below finds the constant of an index file that a name is below of.
func (p *exportedProject) below(name string) (exportPlace, bool) {
	for i := strings.LastIndexByte(name, '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
		if at, ok := p.places[name[:i]]; ok {
			return at, true
		}
	}
	return exportPlace{}, false
}

// module guesses the module of a constant that no index file names.
func (p *exportedProject) module(c *constant, mine map[int32]exportPlace) string {
	module := ""
	see := func(n int32) {
		if at, ok := mine[n]; ok && module == "" {
			module = at.module
		}
	}
	p.x.w.constants([]int32{c.typ, c.value}, see)
	for _, n := range c.refs {
		see(n)
	}
	return module
}

// generated guesses whether nobody wrote a constant that no index file names: parts of
// names with "_" and numbered ones, and what is named below a constant but for
// constructors, instances and the like.
func (p *exportedProject) generated(c *constant) bool {
	text := userName(p.x.t.nameText(c.name))
	for part := range strings.SplitSeq(key(text), ".") {
		if strings.HasPrefix(part, "_") {
			return true
		}
	}
	last := text[strings.LastIndexByte(text, '.')+1:]
	for _, stem := range []string{"match_", "proof_", "eq_"} {
		if n, ok := strings.CutPrefix(last, stem); ok && n != "" && strings.Trim(n, "0123456789_") == "" {
			return true
		}
	}
	if _, below := p.below(key(p.x.t.nameText(c.name))); !below || c.kind == "constructor" || strings.HasPrefix(last, "inst") {
		return false
	}
	return true
}

// leaves lists the axioms of an export. A stand-in has no proofs of its library, whose
// theorems are axioms there.
func (x *exportReader) leaves(standIn bool, mine func(name int32) bool) (leaves []leaf, own map[int32]int32) {
	own = map[int32]int32{}
	for _, c := range x.constants {
		if c.kind != "axiom" {
			continue
		}
		l := leaf{c.name, x.t.nameText(c.name), leafAxiom}
		if standIn && !mine(c.name) && !slices.Contains(coreAxioms, l.text) {
			l.kind = leafOpaque
		}
		own[c.name] = int32(len(leaves))
		leaves = append(leaves, l)
	}
	return leaves, own
}

// closure computes what every constant of an export rests on, libraries included.
func (x *exportReader) closure(leafOf func(name int32) int32) (*sets, []int32, error) {
	s := newSets()
	rests, err := closures(x.constants, x.w, s, func(int32) (int32, bool) { return 0, false }, leafOf)
	return s, rests, err
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
