package flow

import (
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// maxConfigurations bounds how often a file is read to see all branches of its #if.
const maxConfigurations = 32

// configuration says by the token of each #if which of its branches is read.
type configuration map[int]int

// conditional is one #if … #endif.
type conditional struct {
	at       int // index of its token #
	branches []*alternative
}

// alternative is one branch of a conditional.
type alternative struct {
	inner []*conditional
	live  bool // it has tokens that may compile
	does  bool // among them one that a call, a message, a block or an assignment needs
	seen  bool // by some configuration, with all branches inside of it
}

// configurations are choices of branches such that each branch that does something is in
// one of them. complete is false if they would be too many.
func configurations(f *scan.File) (out []configuration, complete bool) {
	root := conditionals(f)
	for range maxConfigurations {
		c := configuration{}
		root.choose(c)
		out = append(out, c)
		root.visit(c)
		if root.seen {
			return out, true
		}
	}
	return out, false
}

// choose takes of each conditional the first branch that was not seen yet.
func (a *alternative) choose(c configuration) {
	for _, g := range a.inner {
		pick := slices.IndexFunc(g.branches, func(b *alternative) bool { return b.does && !b.seen })
		if pick < 0 {
			pick = max(slices.IndexFunc(g.branches, func(b *alternative) bool { return b.live }), 0)
		}
		c[g.at] = pick
		g.branches[pick].choose(c)
	}
}

// visit notes what a configuration has seen.
func (a *alternative) visit(c configuration) {
	a.seen = true
	for _, g := range a.inner {
		g.branches[c[g.at]].visit(c)
		for _, b := range g.branches {
			a.seen = a.seen && (b.seen || !b.does)
		}
	}
}

// conditionals reads the tree of the branches of a file.
func conditionals(f *scan.File) *alternative {
	root := &alternative{live: true}
	at, open := []*alternative{root}, []*conditional(nil) // the branches around, and their conditionals
	for i, t := range f.Tokens {
		if t.Kind <= scan.Comment || t.Dead {
			continue
		}
		if !t.Directive {
			top := at[len(at)-1]
			top.live = true
			top.does = top.does || t.Kind == scan.Punct && strings.IndexByte("([{}=", f.Src[t.Offset]) >= 0
			continue
		}
		switch n := len(open) - 1; branching(f, i) {
		case "if", "ifdef", "ifndef":
			g := &conditional{at: i, branches: []*alternative{{}}}
			top := at[len(at)-1]
			top.inner = append(top.inner, g)
			open, at = append(open, g), append(at, g.branches[0])
		case "elif", "else", "elifdef", "elifndef":
			if n >= 0 {
				open[n].branches = append(open[n].branches, &alternative{})
				at[len(at)-1] = open[n].branches[len(open[n].branches)-1]
			}
		case "endif":
			if n >= 0 {
				g, around := open[n], at[n]
				open, at = open[:n], at[:n+1]
				for _, b := range g.branches {
					around.live, around.does = around.live || b.live, around.does || b.does
				}
			}
		}
	}
	return root
}

// branching is the word of the preprocessor line that begins at a token, "" if none does.
func branching(f *scan.File, i int) string {
	if string(f.Text(f.Tokens[i])) != "#" {
		return ""
	}
	for k := i + 1; k < len(f.Tokens) && f.Tokens[k].Directive; k++ {
		if f.Tokens[k].Kind > scan.Comment {
			return string(f.Text(f.Tokens[k]))
		}
	}
	return ""
}
