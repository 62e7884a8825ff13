package proofs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

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
