// Package flow follows the statements of function bodies of the C family: which calls and
// assignments happen, in what order, on which paths. It takes the tokens and brackets of
// package scan and gives bodies (functions, lambdas, Objective-C blocks), statements,
// operations, and a walk that carries an abstract state along every path.
//
// It does not know types, macros or other functions. What follows from that is left to
// the state: an operation that may or may not happen is marked as such, and code that one
// configuration leaves out makes everything before it uncertain.
//
// It serves rules that speak only of what they are sure of. Rules of users, whose silence
// counts as a pass, ask [scan.Graph], which refuses what it cannot read.
package flow

import (
	"sort"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// File is the code of one source file in one configuration.
type File struct {
	Scan   *scan.File
	Bodies []*Body
	Lost   []scan.Function // functions that cannot be followed: an #if cuts them apart

	sig   []int32   // indices of the tokens that are followed
	pos   []int32   // for each token index, its position in sig or the next one's
	depth []int16   // for each position, how many #if are open
	conds []stretch // where the branches are that were taken, in the order of their begin
	gaps  []int32   // for each position, where the #if begins of which code was left out before it; -1
	match []int32   // position of the matching bracket, -1 for all other tokens
}

// stretch is the branch of an #if that was taken, as positions.
type stretch struct {
	from, to int
	others   bool // another branch has code, which was left out
}

// Body is the code of one function, lambda or block.
type Body struct {
	File     *File
	Function string // qualified name of the function around
	Closure  *Closure
	Parent   *Body // the body around a closure
	Root     *Stmt
	From, To int // positions: the opening brace, and behind the closing one
	Head     int // position where a function's head begins
	Labels   bool
	// Types are the declared types of parameters and local variables, by name; "" where
	// two declarations differ.
	Types map[string]string
}

// Read reads the bodies of a file whose structure is complete, as often as is needed to see
// every branch of its #if once. complete is false if there are too many.
func Read(f *scan.File, s *scan.Structure) (files []*File, complete bool) {
	cs, complete := configurations(f)
	for _, c := range cs {
		files = append(files, read(f, s, c))
	}
	return files, complete
}

func read(f *scan.File, s *scan.Structure, c configuration) *File {
	x := &File{Scan: f}
	x.tokens(c)
	for _, fn := range s.Functions {
		if fn.Torn {
			x.Lost = append(x.Lost, fn)
			continue
		}
		open, end := x.at(fn.Offset), x.at(fn.End)
		for open < end && !x.Is(open, "{") { // initialisers of a constructor
			open++
		}
		// The body is the last brace: initialisers may have some of their own.
		for open < end && x.match[open] >= 0 && int(x.match[open])+1 < end {
			open = int(x.match[open]) + 1
			for open < end && !x.Is(open, "{") {
				open++
			}
		}
		if open >= end { // in a branch that is left out
			continue
		}
		if int(x.match[open])+1 != end {
			x.Lost = append(x.Lost, fn)
			continue
		}
		x.body(&Body{Function: fn.Name, From: open, To: int(x.match[open]) + 1, Head: x.head(open)})
	}
	return x
}

// head goes back from a body to where its declaration begins.
func (x *File) head(open int) int {
	i := open
	for i > 0 && open-i < 400 {
		switch {
		case x.Is(i-1, ";") || x.Is(i-1, "}") || x.Is(i-1, "{"):
			return i
		case (x.Is(i-1, ")") || x.Is(i-1, "]")) && x.match[i-1] >= 0:
			i = int(x.match[i-1])
		default:
			i--
		}
	}
	return i
}

func (x *File) body(b *Body) {
	b.File = x
	b.Types = map[string]string{}
	if b.Parent == nil {
		b.parameters(b.Head, b.From)
	} else if b.Closure != nil {
		b.parameters(b.Closure.From, b.From)
	}
	p := parser{x: x, b: b}
	b.Root = p.block(b.From)
	x.Bodies = append(x.Bodies, b)
	for _, c := range p.closures {
		x.body(&Body{Function: b.Function, Closure: c, Parent: b, From: c.Open, To: int(x.match[c.Open]) + 1, Head: c.From})
	}
}

// tokens selects the tokens that are followed: of a conditional, the branch of the
// configuration.
func (x *File) tokens(c configuration) {
	f := x.Scan
	x.pos = make([]int32, len(f.Tokens)+1)
	type group struct{ take, branch, cond int }
	var groups []group
	skip, pending := 0, -1
	out := func(g group) int { // whether its branch is left out
		if g.branch != g.take {
			return 1
		}
		return 0
	}
	for i, t := range f.Tokens {
		x.pos[i] = int32(len(x.sig))
		if t.Kind <= scan.Comment || t.Dead {
			continue
		}
		if t.Directive {
			n := len(groups) - 1
			switch branching(f, i) {
			case "if", "ifdef", "ifndef":
				g := group{take: c[i], cond: -1}
				if skip == 0 {
					g.cond = len(x.conds)
					x.conds = append(x.conds, stretch{from: len(x.sig)})
				}
				groups = append(groups, g)
				skip += out(g)
			case "elif", "else", "elifdef", "elifndef":
				if n >= 0 {
					skip -= out(groups[n])
					groups[n].branch++
					skip += out(groups[n])
				}
			case "endif":
				if n >= 0 {
					skip -= out(groups[n])
					if k := groups[n].cond; k >= 0 {
						x.conds[k].to = len(x.sig)
					}
					groups = groups[:n]
				}
			}
			continue
		}
		if skip > 0 {
			for k := len(groups) - 1; k >= 0; k-- { // the outermost that is left out
				if g := groups[k]; g.cond >= 0 {
					x.conds[g.cond].others = true
					pending = x.conds[g.cond].from
					break
				}
			}
			continue
		}
		x.sig = append(x.sig, int32(i))
		x.depth = append(x.depth, int16(min(len(groups), 1<<14)))
		x.gaps = append(x.gaps, int32(pending))
		pending = -1
	}
	x.pos[len(f.Tokens)] = int32(len(x.sig))
	x.pair()
}

// pair finds the matching brackets: those of this configuration, which are not always those
// of the whole file.
func (x *File) pair() {
	x.match = make([]int32, len(x.sig))
	var open []int32
	for i, t := range x.sig {
		x.match[i] = -1
		if x.Scan.Tokens[t].Kind != scan.Punct {
			continue
		}
		switch c := x.Scan.Src[x.Scan.Tokens[t].Offset]; c {
		case '(', '[', '{':
			open = append(open, int32(i))
		case ')', ']', '}':
			if n := len(open) - 1; n >= 0 {
				if o := x.Scan.Src[x.Token(int(open[n])).Offset]; c-o == 1 || c-o == 2 {
					x.match[i], x.match[open[n]] = open[n], int32(i)
				}
				open = open[:n]
			}
		}
	}
}

// at is the position of the first token at or behind a byte offset.
func (x *File) at(offset int) int {
	return sort.Search(len(x.sig), func(i int) bool { return int(x.Scan.Tokens[x.sig[i]].Offset) >= offset })
}

// Token is the token at a position.
func (x *File) Token(i int) scan.Token { return x.Scan.Tokens[x.sig[i]] }

// Len is the number of positions.
func (x *File) Len() int { return len(x.sig) }

// Is reports whether the token at a position, if there is one, has this text.
func (x *File) Is(i int, s string) bool {
	return i >= 0 && i < len(x.sig) && string(x.Scan.Text(x.Token(i))) == s
}

// Word is the text of the token at a position, "" outside of the file.
func (x *File) Word(i int) string {
	if i < 0 || i >= len(x.sig) {
		return ""
	}
	return string(x.Scan.Text(x.Token(i)))
}

// Ident reports whether the token at a position is a name.
func (x *File) Ident(i int) bool {
	return i >= 0 && i < len(x.sig) && x.Token(i).Kind == scan.Ident
}

// Match is the position of the matching bracket, or -1.
func (x *File) Match(i int) int {
	if i < 0 || i >= len(x.match) {
		return -1
	}
	return int(x.match[i])
}

// maxText bounds the text of an expression: nobody names a variable like that.
const maxText = 200

// Text is the text of the tokens from a position to another, without white space but
// between words. It is cut where it is long.
func (x *File) Text(from, to int) string {
	var b strings.Builder
	for i := max(from, 0); i < min(to, len(x.sig)) && b.Len() < maxText; i++ {
		if i > from && x.wordy(i) && x.wordy(i-1) {
			b.WriteByte(' ')
		}
		b.Write(x.Scan.Text(x.Token(i)))
	}
	return b.String()
}

func (x *File) wordy(i int) bool {
	k := x.Token(i).Kind
	return k == scan.Ident || k == scan.Number
}
