package flow

import "sort"

// Domain is what a walk carries along the paths of a body. S is a state that the domain
// owns; a walk copies it with Clone before it follows two paths.
type Domain[S any] interface {
	Clone(S) S
	// Join is the state where two paths meet.
	Join(a, b S) S
	// Apply is the state behind an operation.
	Apply(S, *Op) S
	// Forget drops what the operations may change: they happen any number of times.
	Forget(s S, ops []Op) S
	// Unknown is a state of which nothing is known.
	Unknown() S
	// Enter and Leave are called at both ends of a statement that has a scope of its own:
	// a block, a loop, if, switch, @synchronized, @autoreleasepool.
	Enter(S, *Stmt) S
	Leave(S, *Stmt) S
}

// Walk follows all paths of a body from a state and returns the state at its end; alive is
// false if no path gets there.
func Walk[S any](b *Body, d Domain[S], start S) (end S, alive bool) {
	w := &walker[S]{b: b, d: d}
	p := w.stmt(b.Root, path[S]{start, true})
	return p.state, p.alive
}

// path is the state on the paths that get to a place, if any does.
type path[S any] struct {
	state S
	alive bool
}

type walker[S any] struct {
	b      *Body
	d      Domain[S]
	breaks []*path[S] // one for each loop and switch around
	loops  []*path[S] // continue, one for each loop around
	enter  []path[S]  // state at the head, one for each switch around
}

func (w *walker[S]) join(a, b path[S]) path[S] {
	switch {
	case !a.alive:
		return b
	case !b.alive:
		return a
	}
	return path[S]{w.d.Join(a.state, b.state), true}
}

func (w *walker[S]) clone(p path[S]) path[S] {
	if p.alive {
		p.state = w.d.Clone(p.state)
	}
	return p
}

func (w *walker[S]) unknown(p path[S]) path[S] {
	if p.alive {
		p.state = w.d.Unknown()
	}
	return p
}

// crosses reports whether a branch of an #if begins or ends between two positions.
func (x *File) crosses(from, to int) bool {
	for _, c := range x.conds[x.condsFrom(from):] {
		if c.from > to {
			break
		}
		if c.from < c.to || c.others {
			return true
		}
	}
	for _, c := range x.conds {
		if c.to >= from && c.to <= to && c.from < c.to {
			return true
		}
	}
	return false
}

// condsFrom is the index of the first branch that begins at or behind a position.
func (x *File) condsFrom(i int) int {
	return sort.Search(len(x.conds), func(k int) bool { return x.conds[k].from >= i })
}

// around is a branch of an #if that the walk is in.
type around[S any] struct {
	stretch
	before path[S] // the state in front of it
}

// list follows the statements between two positions. A branch of an #if that holds whole
// statements is a path beside the one that leaves it out; what another branch does is not
// known.
func (w *walker[S]) list(list []*Stmt, from, to int, p path[S]) path[S] {
	x := w.b.File
	next := x.condsFrom(from)
	if next == len(x.conds) || x.conds[next].from >= to {
		for _, c := range list {
			p = w.stmt(c, p)
		}
		return p
	}
	var open []around[S]
	leave := func(upto int) {
		for n := len(open) - 1; n >= 0 && open[n].to <= upto; n-- {
			if open[n].others {
				p = path[S]{w.d.Unknown(), true}
			} else {
				p = w.join(p, open[n].before)
			}
			open = open[:n]
		}
	}
	enter := func(upto int) {
		for ; next < len(x.conds) && x.conds[next].from <= upto; next++ {
			if c := x.conds[next]; c.from < c.to || c.others {
				leave(c.from)
				open = append(open, around[S]{c, w.clone(p)})
			}
		}
		leave(upto)
	}
	for _, c := range list {
		enter(c.From)
		cut := len(open) > 0 && open[len(open)-1].to < c.To // it ends inside of the statement
		for k := next; k < len(x.conds) && x.conds[k].from < c.To; k++ {
			cut = cut || x.conds[k].to > c.To // or begins there
		}
		if cut {
			p = w.unknown(p)
		}
		p = w.stmt(c, p)
		if cut {
			p = w.unknown(p)
		}
		for next < len(x.conds) && x.conds[next].from < c.To { // inside of the statement, which knows of it
			next++
		}
	}
	enter(to)
	if len(open) > 0 {
		p = w.unknown(p)
	}
	return p
}

func (w *walker[S]) expr(e *Expr, p path[S]) path[S] {
	if e == nil || !p.alive {
		return p
	}
	for i := range e.Ops {
		op := &e.Ops[i]
		switch {
		case op.Kind == OpHavoc:
			p = w.unknown(p)
		case op.Maybe:
			done := w.clone(p)
			done.state = w.d.Apply(done.state, op)
			p = w.join(p, done)
		default:
			p.state = w.d.Apply(p.state, op)
		}
	}
	return p
}

func (w *walker[S]) scoped(s *Stmt, p path[S], f func(path[S]) path[S]) path[S] {
	if p.alive {
		p.state = w.d.Enter(p.state, s)
	}
	p = f(p)
	if p.alive {
		p.state = w.d.Leave(p.state, s)
	}
	return p
}

// sub follows a statement that another one governs.
func (w *walker[S]) sub(s *Stmt, p path[S]) path[S] {
	if s == nil || s.Kind == Block {
		return w.stmt(s, p)
	}
	return w.list([]*Stmt{s}, s.From, s.To, p)
}

func (w *walker[S]) stmt(s *Stmt, p path[S]) path[S] {
	if s == nil {
		return p
	}
	switch s.Kind {
	case Case:
		if n := len(w.enter); n > 0 {
			p = w.join(p, w.clone(w.enter[n-1]))
		}
		return p
	case Label:
		return path[S]{w.d.Unknown(), true}
	}
	if !p.alive && s.Kind != Block && s.Kind != Loop && s.Kind != Switch && s.Kind != If && s.Kind != Try && s.Kind != Pool && s.Kind != Synchronized {
		return p
	}
	switch s.Kind {
	case Simple:
		return w.expr(s.Head, p)
	case Return:
		w.expr(s.Head, p)
		return path[S]{}
	case Break:
		if n := len(w.breaks); n > 0 {
			*w.breaks[n-1] = w.join(*w.breaks[n-1], p)
		}
		return path[S]{}
	case Continue:
		if n := len(w.loops); n > 0 {
			*w.loops[n-1] = w.join(*w.loops[n-1], p)
		}
		return path[S]{}
	case Block:
		return w.scoped(s, p, func(p path[S]) path[S] {
			return w.list(s.List, s.From+1, s.To-1, p)
		})
	case Synchronized, Pool:
		p = w.expr(s.Head, p)
		return w.scoped(s, p, func(p path[S]) path[S] { return w.sub(s.Body, p) })
	case If:
		return w.scoped(s, p, func(p path[S]) path[S] {
			p = w.expr(s.Head, p)
			other := w.clone(p)
			yes := w.sub(s.Body, p)
			if s.Else != nil {
				other = w.sub(s.Else, other)
				if w.b.File.crosses(s.Body.To, s.Else.From) { // #if A } else #endif {
					return w.unknown(w.join(yes, other))
				}
			}
			return w.join(yes, other)
		})
	case Loop:
		return w.scoped(s, p, func(p path[S]) path[S] { return w.loop(s, p) })
	case Switch:
		return w.scoped(s, p, func(p path[S]) path[S] { return w.choice(s, p) })
	case Try:
		before := w.clone(p)
		if before.alive {
			before.state = w.d.Forget(before.state, s.Body.Ops())
		}
		end := w.stmt(s.Body, p)
		for _, h := range s.Handlers {
			end = w.join(end, w.stmt(h, w.clone(before)))
		}
		return end
	}
	return p
}

func (w *walker[S]) loop(s *Stmt, p path[S]) path[S] {
	p = w.expr(s.Init, p)
	if p.alive {
		p.state = w.d.Forget(p.state, s.Ops())
	}
	var out, again path[S]
	w.breaks, w.loops = append(w.breaks, &out), append(w.loops, &again)
	if !s.Once {
		p = w.expr(s.Head, p)
		if !s.Endless {
			out = w.clone(p)
		}
	}
	p = w.join(w.sub(s.Body, p), again)
	w.breaks, w.loops = w.breaks[:len(w.breaks)-1], w.loops[:len(w.loops)-1]
	p = w.expr(s.Next, p)
	if s.Once {
		return w.join(w.expr(s.Head, p), out)
	}
	// What a later round leaves is what the head forgot.
	return out
}

func (w *walker[S]) choice(s *Stmt, p path[S]) path[S] {
	p = w.expr(s.Head, p)
	var out path[S]
	w.breaks, w.enter = append(w.breaks, &out), append(w.enter, w.clone(p))
	end := w.sub(s.Body, path[S]{})
	w.breaks, w.enter = w.breaks[:len(w.breaks)-1], w.enter[:len(w.enter)-1]
	complete := false
	if s.Body.Kind == Block {
		for _, c := range s.Body.List {
			complete = complete || c.Kind == Case && c.Word == "default"
		}
	}
	if !complete {
		end = w.join(end, p)
	}
	return w.join(end, out)
}

// Ops are all operations of a statement and those inside of it, in the order of the text.
func (s *Stmt) Ops() []Op {
	var out []Op
	s.Visit(func(t *Stmt) {
		for _, e := range []*Expr{t.Init, t.Head, t.Next} {
			if e != nil {
				out = append(out, e.Ops...)
			}
		}
	})
	return out
}

// Visit calls f for a statement and all inside of it.
func (s *Stmt) Visit(f func(*Stmt)) {
	if s == nil {
		return
	}
	f(s)
	s.Body.Visit(f)
	s.Else.Visit(f)
	for _, c := range s.List {
		c.Visit(f)
	}
	for _, c := range s.Handlers {
		c.Visit(f)
	}
}
