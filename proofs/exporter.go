package proofs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// byExport is the level of an inventory made of an export. Its hashes are made like those
// of "term/1" and mostly are the same, but two things that enter them can only be guessed
// here, so they must not be compared with those: which of the constants that stand in no
// index file belong to the project (an instance derived for a type of a library does not
// say so), and which of them nobody wrote.
func byExport(by string) level {
	return level{"every declaration that the index files of the build name, with all that it needs, as " + by + " exported them; hashes and axioms computed from the terms", "export/1"}
}

// exporter is a program that prints an export.
type exporter struct {
	program string
	own     string // "" or, in words, that it is the project's own
	runs    int
}

// exporters lists the exporters at hand, best first: the tool chain's, the one that the
// project has among its packages for this very tool chain, those in other folders that
// the configuration names.
func (e *examination) exporters() []*exporter {
	var out []*exporter
	add := func(own string, parts ...string) {
		for _, name := range []string{"leanexport", "lean4export"} {
			p := filepath.Join(append(slices.Clone(parts), name)...)
			if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
				out = append(out, &exporter{program: p, own: own})
			}
		}
	}
	add("", e.tool.dir, "bin")
	if e.ws.Trusted { // it can print what it likes
		for _, d := range e.dependencies() {
			if d.name != "lean4export" {
				continue
			}
			if b, err := readSmall(filepath.Join(d.dir, "lean-toolchain")); err == nil && strings.TrimSpace(string(b)) == e.tool.requested {
				add(" of the project's own packages", d.dir, ".lake", "build", "bin")
			}
		}
	}
	for _, dir := range e.cfg.Toolchains {
		if dir != e.tool.dir {
			add("", dir, "bin")
		}
	}
	return out
}

// maxArgs bounds the names in one command line; macOS allows 1 MiB with the environment.
const maxArgs = 256 << 10

// export runs an exporter on modules that fit into one environment, for some constants,
// and reads what it prints as it comes.
func (e *examination) export(ctx context.Context, by *exporter, x *exportReader, modules, names []string) error {
	limit := inventoryLimit
	if end, ok := ctx.Deadline(); ok { // a library as large as Mathlib must not take the stage with it
		limit = min(limit, time.Until(end)/2)
	}
	for len(names) > 0 {
		// Private names are "internal" to an exporter that is not asked for them by name.
		args := append([]string{by.program, "--export-unsafe", "--ignore-missing"}, modules...)
		args = append(args, "--")
		size := 0
		for len(names) > 0 && size < maxArgs {
			args, size, names = append(args, names[0]), size+len(names[0])+1, names[1:]
		}
		log := e.log + "-export"
		if by.runs++; by.runs > 1 {
			log += strconv.Itoa(by.runs)
		}
		r, w := io.Pipe()
		inner, cancel := context.WithCancelCause(ctx)
		read := make(chan error, 1)
		go func() {
			err := x.read(r)
			if err != nil {
				cancel(err)
				_, _ = io.Copy(io.Discard, r)
			}
			read <- err
		}()
		exit, err := e.ws.Exec(inner, log, proc.Cmd{
			Args: args, Dir: e.dir, Stdout: w, Bulk: true, LogCap: 4 << 20, Limit: limit,
			Env: e.environ(e.tool, "LEAN_PATH="+strings.Join(e.searchPath(), string(os.PathListSeparator))),
		})
		w.Close()
		rerr := <-read
		cancel(nil)
		// Lean goes on after a panic, with less.
		panicked := strings.Contains(exit.Stderr.String(), "PANIC at")
		switch cause := context.Cause(ctx); {
		case cause != nil:
			return cause
		case err != nil && rerr == nil:
			return err
		case !exit.OK() && !exit.Stopped || panicked:
			return fmt.Errorf("%s: %s: %s", filepath.Base(by.program), exit, firstLine(exit.Stderr.String()))
		case rerr != nil:
			return rerr
		case !e.tool.is(x.about):
			return fmt.Errorf("%s is for Lean %s", x.about, cut(x.about.lean, 40))
		}
	}
	return nil
}

// is reports whether an export was made by this Lean.
func (t *toolchain) is(m exportMeta) bool {
	return m.lean == t.number || len(m.githash) >= 12 && strings.Contains(t.version, m.githash[:12])
}

// groupList is what groups tells, as lists of names.
func groupList(groups string) [][]string {
	var out [][]string
	for g := range strings.SplitSeq(groups, "\n\n") {
		if names := strings.Fields(g); len(names) > 0 {
			out = append(out, names)
		}
	}
	return out
}

// askable reports whether an exporter can be asked for a name in text: it is read as a
// name literal.
func askable(name string) bool {
	if name == "" {
		return false
	}
	for name != "" {
		if rest, ok := strings.CutPrefix(name, "«"); ok {
			part, after, ok := strings.Cut(rest, "»")
			if !ok || part == "" || after != "" && after[0] != '.' {
				return false
			}
			name = strings.TrimPrefix(after, ".")
			continue
		}
		part, after, more := strings.Cut(name, ".")
		if !identifier(part) && (part == "" || strings.Trim(part, "0123456789") != "") || more && after == "" {
			return false
		}
		name = after
	}
	return true
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

// witness has an inventory confirmed by an exporter, where an examination from nothing is
// asked for and there is one. One that cannot be used says nothing against the inventory;
// one that says another thing does.
func (e *examination) witness(ctx context.Context, inv *inventory, groups string) (how level, warnings []string, err error) {
	how = byWalk
	if !e.fromNothing || len(inv.failed) > 0 {
		return how, nil, nil
	}
	unusable := ""
	for _, by := range e.exporters() {
		e.ws.Report(runner.StageProofs, "comparing the theorems with what %s exports", filepath.Base(by.program))
		words, err := e.agree(ctx, by, inv, groups)
		var differ *crosscheck
		switch {
		case err == nil:
			how.words = join(how.words, words)
			return how, nil, nil
		case errors.As(err, &differ) || context.Cause(ctx) != nil:
			return how, nil, err
		}
		unusable = join(unusable, err.Error())
	}
	if unusable != "" {
		warnings = []string{"the theorems were not compared with an export: " + unusable}
	}
	return how, warnings, nil
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

// list adds the constants of the project to an inventory.
func (p *exportedProject) list(inv *inventory, hash *meanings, index map[int32]int32) error {
	x := p.x
	// Of the project is what an index file names, what is named below such a name or
	// is private to one of the modules, and then all that needs any of these: no library
	// can.
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
			return fmt.Errorf("%w: %s exported nothing about %s", errIncomplete, x.about, cut(name, 80))
		}
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

// agree compares an inventory with exports of the same modules: every theorem must
// state, mean and rest on the same there. It returns in words who confirms it. Which
// constants are of the project, and which of them nobody wrote, it takes from the
// inventory; terms, hashes and axioms it does not.
func (e *examination) agree(ctx context.Context, by *exporter, inv *inventory, groups string) (words string, err error) {
	c := &crosscheck{standIn: e.tool.standIn, decls: map[string]*declaration{}}
	for i := range inv.decls {
		c.decls[key(inv.decls[i].Name)] = &inv.decls[i]
	}
	t := newTerms()
	tables, hash := newInterner(t), newMeanings(t)
	for _, g := range groupList(groups) {
		own := map[string]bool{}
		for _, name := range g {
			own[key(name)] = true
		}
		var names []string
		for i := range inv.decls {
			if d := &inv.decls[i]; own[key(d.Module)] && d.stated() {
				if askable(d.Name) {
					names = append(names, d.Name)
				} else {
					c.skipped++
				}
			}
		}
		if len(names) == 0 {
			continue
		}
		x := newExportReader(t, tables)
		if err := e.export(ctx, by, x, g, names); err != nil {
			return "", err
		}
		if err := c.compare(x, hash, names, func(d *declaration) bool { return own[key(d.Module)] }); err != nil {
			return "", err
		}
		words = "confirmed by " + x.about.String() + by.own
	}
	switch {
	case c.differences > 0:
		return "", c
	case c.compared == 0:
		return "", errors.New("nothing was exported")
	case c.skipped > 0:
		words += fmt.Sprintf(" but for %s with names that it cannot be asked for", plural(c.skipped, "theorem"))
	}
	return words, nil
}

// stated reports whether the declaration is a theorem or axiom that somebody wrote.
func (d *declaration) stated() bool {
	return (d.Kind == "theorem" || d.Kind == "axiom") && !d.Internal && d.Line > 0
}

// crosscheck is an inventory being compared with exports. As an error it tells the
// differences.
type crosscheck struct {
	standIn     bool
	decls       map[string]*declaration // by name without quotes
	compared    int
	skipped     int
	differences int
	first       []string
}

func (c *crosscheck) Error() string {
	s := "the inventory program and the exporter do not agree: " + strings.Join(c.first, "; ")
	if n := c.differences - len(c.first); n > 0 {
		s += fmt.Sprintf("; and %d more", n)
	}
	return s
}

func (c *crosscheck) differ(d *declaration, format string, args ...any) {
	if c.differences++; c.differences <= 3 {
		c.first = append(c.first, cut(d.User, 80)+" "+fmt.Sprintf(format, args...))
	}
}

// compare looks at the theorems called names. own tells which declarations are of the
// group of modules that was exported.
func (c *crosscheck) compare(x *exportReader, hash *meanings, names []string, own func(*declaration) bool) error {
	of := map[int32]*declaration{}
	for _, k := range x.constants {
		if d := c.decls[key(x.t.nameText(k.name))]; d != nil {
			of[k.name] = d
		}
	}
	leaves, ends := x.leaves(c.standIn, func(n int32) bool { return of[n] != nil })
	s, rests, err := x.closure(func(n int32) int32 {
		if l, ok := ends[n]; ok {
			return l
		}
		return -1
	})
	if err != nil {
		return err
	}
	var group []*constant
	var at []int
	for i, k := range x.constants {
		if d := of[k.name]; d != nil && own(d) {
			k.generated = d.Internal
			group, at = append(group, k), append(at, i)
		}
	}
	seen := map[string]bool{}
	for i, h := range hash.group(group) {
		d := of[group[i].name]
		if !d.stated() {
			continue
		}
		seen[d.Name] = true
		c.compared++
		var axioms []string
		opaque := 0
		for _, l := range s.table[rests[at[i]]] {
			if leaves[l].kind == leafAxiom {
				axioms = append(axioms, leaves[l].text)
			} else {
				opaque++
			}
		}
		slices.Sort(axioms)
		more := slices.ContainsFunc(axioms, func(a string) bool { return !slices.Contains(d.Axioms, a) })
		less := slices.ContainsFunc(d.Axioms, func(a string) bool { return !slices.Contains(axioms, a) })
		switch {
		case group[i].kind != d.Kind:
			c.differ(d, "is a %s for one and a %s for the other", d.Kind, group[i].kind)
		case h.statement.text() != d.statement:
			c.differ(d, "does not state the same")
		case h.meaning.text() != d.meaning:
			c.differ(d, "does not mean the same")
		case less, more && d.Opaque == opaque: // who sees bodies that the other does not may see more
			c.differ(d, "rests on %s for one and on %s for the other", orNone(d.Axioms), orNone(axioms))
		}
	}
	for _, name := range names {
		if d := c.decls[key(name)]; !seen[d.Name] {
			c.differ(d, "was not exported")
		}
	}
	return nil
}
