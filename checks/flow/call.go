package flow

import (
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// Call is one call in an expression.
type Call struct {
	// Name is the selector of a message ("addCompletedHandler:"), or the name of a
	// function as it is written ("std::lock").
	Name     string
	Receiver string // text of what it is called on, without "this->"; "" for a plain function
	Of       int    // position where the receiver begins; the call's own for a plain function
	Message  bool   // an Objective-C message
	At       int    // position of the name
	From, To int    // whole call, with its receiver
	Args     [][2]int
}

// made is the call whose result a value is: the outermost one, behind casts and what
// hands its receiver through.
func (r *reader) made(v [2]int) *Call {
	x := r.p.x
	from, to := v[0], v[1]
	for range 8 {
		for x.Is(from, "(") && x.Match(from) > from && x.Match(from)+1 < to {
			from = x.Match(from) + 1 // a cast
		}
		if x.Is(from, "(") && x.Match(from) == to-1 {
			from, to = from+1, to-1
			continue
		}
		var found *Call
		for _, c := range r.calls {
			if c.From == from && c.To == to {
				found = c
			}
		}
		if found == nil {
			return nil
		}
		switch found.Name {
		case "retain", "autorelease":
			from, to = found.Of, found.At
		case "NS::RetainPtr", "NS::TransferPtr", "std::move", "CFBridgingRelease":
			if len(found.Args) != 1 {
				return found
			}
			from, to = found.Args[0][0], found.Args[0][1]
		default:
			return found
		}
		if found.Name == "retain" && !found.Message {
			to -= 1 // before the arrow
		}
	}
	return nil
}

// argumentOf is the innermost call around a name.
func (r *reader) argumentOf(from, to int) *Call {
	var best *Call
	for _, c := range r.calls {
		if c.From <= from && to <= c.To && c.To-c.From > to-from && (best == nil || c.To-c.From < best.To-best.From) {
			best = c
		}
	}
	return best
}

// call reads a call of a function or member whose name is at i. It returns false if the
// name declares a variable, which is added as an assignment.
func (r *reader) call(i, open int, add func(Op)) bool {
	x := r.p.x
	end := x.Match(open) + 1
	first := r.chain(i)
	// a && f(b) and a * f(b) declare nothing; T& f(b) is rare enough.
	if first == i && open == i+1 && (x.Ident(i-1) || x.Is(i-1, ">")) && r.declares(i) {
		typ := x.Text(r.typeStart(i), i)
		add(Op{Kind: OpAssign, At: i, end: end*2 + 1, Name: x.Word(i), Decl: true, Type: typ, Value: [2]int{open + 1, end - 1}})
		r.fix(true, typ, x.Word(i))
		return true
	}
	c := &Call{At: i, Of: first, From: first, To: end, Args: x.args(open, end-1)}
	sep := i - 1
	for sep > first && x.Is(sep, "::") { // x.A::f(): the qualified name
		sep -= 2
	}
	if sep > first && (x.Is(sep, ".") || x.Is(sep, "->")) {
		c.Receiver, c.Name = r.variable(first, sep), x.Text(sep+1, i+1)
	} else {
		c.Name = x.Text(first, i+1)
	}
	c.Name = strings.TrimPrefix(c.Name, "::")
	r.calls = append(r.calls, c)
	add(Op{Kind: OpCall, At: i, end: end * 2, Call: c, Whole: first == r.e.From && end == r.e.To})
	return true
}

// args are the ranges between the commas of a bracket.
func (x *File) args(open, end int) (out [][2]int) {
	start := open + 1
	for i := start; i < end; i++ {
		if m := x.Match(i); m > i {
			i = m
			continue
		}
		if x.Is(i, "<") {
			if m := x.angle(i, end); m > i {
				i = m
				continue
			}
		}
		if x.Is(i, ",") {
			out = append(out, [2]int{start, i})
			start = i + 1
		}
	}
	if start < end {
		out = append(out, [2]int{start, end})
	}
	return out
}

// message reads an Objective-C message that begins at open; nil if the bracket is
// something else.
func (r *reader) message(open int) *Call {
	x := r.p.x
	end := x.Match(open)
	if end <= open+1 || end >= r.e.To+1 {
		return nil
	}
	if open > r.e.From && (x.Ident(open-1) && !keyword(x.Word(open-1)) || x.Is(open-1, "]") || x.Is(open-1, "@")) {
		return nil // an index, or a literal array
	}
	i := open + 1
	if x.Is(i, "(") && x.Match(i) > i && (x.Ident(x.Match(i)+1) && (x.Ident(x.Match(i)+2) || x.Is(x.Match(i)+2, ".") || x.Is(x.Match(i)+2, "->")) || x.Is(x.Match(i)+1, "[")) {
		i = x.Match(i) + 1 // a cast of the receiver
	}
	from := i
	// The receiver ends where a name follows an operand.
	for operand := false; i < end; i++ {
		if x.Ident(i) && operand {
			break
		}
		if m := x.Match(i); m > i {
			i = m
			operand = true
			continue
		}
		operand = x.Ident(i)
		if !operand && !x.Is(i, ".") && !x.Is(i, "->") && !x.Is(i, "::") && !x.Is(i, "*") && !x.Is(i, "&") {
			return nil
		}
	}
	if i >= end {
		return nil
	}
	c := &Call{Message: true, At: i, Of: from, From: open, To: end + 1, Receiver: r.variable(from, i)}
	if i+1 == end {
		c.Name = x.Word(i)
		r.claimed[i] = true
	} else {
		var b strings.Builder
		operand, start, ternary := false, -1, 0
		for k := i; k < end; k++ {
			if x.Is(k, "?") {
				ternary++
			}
			if ternary > 0 && (x.Is(k, ":") || x.Ident(k) && x.Is(k+1, ":")) {
				if x.Ident(k) {
					k++
				}
				ternary--
				operand = false
				continue
			}
			if (x.Ident(k) && x.Is(k+1, ":") || x.Is(k, ":")) && (operand || k == i) {
				if start >= 0 {
					c.Args = append(c.Args, [2]int{start, k})
				}
				if x.Ident(k) {
					b.WriteString(x.Word(k))
					r.claimed[k] = true
					k++
				}
				b.WriteByte(':')
				operand, start = false, k+1
				continue
			}
			if m := x.Match(k); m > k {
				k = m
				operand = true
				continue
			}
			kind := x.Token(k).Kind
			operand = kind == scan.Ident || kind == scan.Number || kind == scan.String || kind == scan.Char || kind == scan.At
		}
		if start >= 0 {
			c.Args = append(c.Args, [2]int{start, end})
		}
		if c.Name = b.String(); c.Name == "" {
			return nil
		}
	}
	r.calls = append(r.calls, c)
	return c
}
