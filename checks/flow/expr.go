package flow

import (
	"slices"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// OpKind says what an operation is.
type OpKind uint8

// Kinds of operations.
const (
	OpCall   OpKind = iota
	OpAssign        // Name gets the value of Value; also a declaration that does not say what of
	OpUse           // Name is mentioned in a way that may copy it, keep it or hand it on
	OpBody          // a closure is made, which may run now or later
	OpHavoc         // a branch of an #if was left out here
)

// Op is one thing that an expression does.
type Op struct {
	Kind    OpKind
	At      int  // position
	end     int  // when it happens: twice a position, one more for what comes behind a call
	Maybe   bool // it may be left out: behind && or ?, or inside of an #if
	Call    *Call
	Name    string // OpAssign, OpUse: text of the variable
	Type    string // OpAssign: text before the name in a declaration
	Decl    bool   // OpAssign: it declares Name
	Value   [2]int // OpAssign: positions of the value; equal if there is none
	Made    *Call  // OpAssign: the call whose result is the value, if it is one
	Closure *Closure
	Within  *Call // OpCall: the innermost call that this one is an argument of
	// Whole is set for a call that is a statement of its own, its result not used.
	Whole bool
}

// Expr is the operations of an expression, in the order in which they happen: arguments
// before their call, values before they are assigned.
type Expr struct {
	From, To int
	Ops      []Op
}

// expr reads the expression between two positions.
func (p *parser) expr(from, to int) *Expr {
	x := p.x
	e := &Expr{From: from, To: to}
	if from >= to {
		return e
	}
	r := reader{p: p, e: e, base: x.depth[from]}
	if to < x.Len() { // a branch that ends inside of the statement may be another one
		r.base = min(r.base, x.depth[to])
	}
	r.read()
	return e
}

type reader struct {
	p       *parser
	e       *Expr
	base    int16
	calls   []*Call
	claimed map[int]bool // names that are no use of a variable
}

func (r *reader) read() {
	x := r.p.x
	r.claimed = map[int]bool{}
	maybe := -1
	type bracket struct{ open, end int }
	var stack []bracket
	var ops []Op
	add := func(op Op) {
		op.Maybe = op.Maybe || op.At < maybe || x.depth[op.At] > r.base
		ops = append(ops, op)
	}
	for i := r.e.From; i < r.e.To; i++ {
		for len(stack) > 0 && i >= stack[len(stack)-1].end {
			stack = stack[:len(stack)-1]
		}
		if int(x.gaps[i]) > r.e.From {
			add(Op{Kind: OpHavoc, At: i, end: i * 2})
		}
		t := x.Token(i)
		switch {
		case x.Is(i, "{"), x.Is(i, "("), x.Is(i, "["):
			if c := x.closureFrom(i); c != nil {
				r.closure(c)
				add(Op{Kind: OpBody, At: i, end: r.outer(c.From, c.To)*2 - 1, Closure: c})
				i = c.To - 1
				continue
			}
			if m := x.Match(i); m > i {
				stack = append(stack, bracket{i, m})
			}
			if x.Is(i, "[") {
				if c := r.message(i); c != nil {
					add(Op{Kind: OpCall, At: c.At, end: c.To * 2, Call: c, Whole: c.From == r.e.From && c.To == r.e.To})
				}
			}
		case x.Is(i, "^"):
			if c := x.closureFrom(i); c != nil {
				r.closure(c)
				add(Op{Kind: OpBody, At: i, end: r.outer(c.From, c.To)*2 - 1, Closure: c})
				i = c.To - 1
				continue
			}
		case x.Is(i, "&&"), x.Is(i, "||"), x.Is(i, "?"):
			end := r.e.To
			if len(stack) > 0 {
				end = stack[len(stack)-1].end
			}
			maybe = max(maybe, end)
		case t.Kind == scan.Ident:
			r.name(i, add)
		}
	}
	slices.SortStableFunc(ops, func(a, b Op) int { return a.end - b.end })
	for i := range ops {
		switch ops[i].Kind {
		case OpAssign:
			ops[i].Made = r.made(ops[i].Value)
		case OpCall:
			ops[i].Within = r.argumentOf(ops[i].Call.From, ops[i].Call.To)
		}
	}
	r.e.Ops = ops
}

// outer is the end of the innermost call around a closure or a name: what is an argument
// counts when the call happens.
func (r *reader) outer(from, to int) int {
	end := to
	var best *Call
	for _, c := range r.calls {
		if c.From <= from && to <= c.To && (best == nil || c.To-c.From < best.To-best.From) {
			best = c
		}
	}
	if best != nil {
		end = best.To
	}
	return end
}
