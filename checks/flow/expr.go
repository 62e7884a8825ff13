package flow

import (
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// Closure is a lambda or block inside of an expression.
type Closure struct {
	Block    bool // ^{ … }; else a lambda
	From     int  // position of the ^ or the [
	Captures int  // position behind a lambda's captures
	Open     int  // position of the brace
	To       int  // position behind the closing brace
	Call     *Call
}

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

func (r *reader) closure(c *Closure) {
	for _, call := range r.calls {
		if call.From <= c.From && c.To <= call.To && (c.Call == nil || call.To-call.From < c.Call.To-c.Call.From) {
			c.Call = call
		}
	}
	r.p.closures = append(r.p.closures, c)
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

// keyword names are no variables and call nothing.
func keyword(s string) bool {
	switch s {
	case "if", "for", "while", "switch", "catch", "return", "sizeof", "alignof", "decltype", "typeof", "__typeof__", "__typeof", "static_assert",
		"co_return", "co_await", "co_yield", "else", "do", "new", "delete", "const", "constexpr", "static", "auto", "void", "bool", "char", "int", "long",
		"short", "float", "double", "unsigned", "signed", "operator", "noexcept", "__attribute__", "alignas", "throw", "nil", "nullptr", "NULL", "true",
		"false", "YES", "NO", "this", "self", "super", "__block", "__weak", "__strong", "__unsafe_unretained", "struct", "class", "enum", "union",
		"typename", "template", "using", "namespace", "mutable", "volatile", "thread_local", "id", "in", "case", "default", "__bridge", "__auto_type":
		return true
	}
	return false
}

// name reads what begins or ends at a name: a call, an assignment, or a use.
func (r *reader) name(i int, add func(Op)) {
	x := r.p.x
	w := x.Word(i)
	if r.claimed[i] {
		return
	}
	// std::lock_guard<std::mutex> g(m): behind template arguments, too.
	open := i + 1
	if x.Is(open, "<") {
		if e := x.angle(open, r.e.To); e > 0 && x.Is(e+1, "(") {
			open = e + 1
		}
	}
	if x.Is(open, "(") && x.Match(open) > open && x.Match(open) < r.e.To && !keyword(w) {
		if r.call(i, open, add) {
			return
		}
	}
	if keyword(w) && w != "this" && w != "self" {
		return
	}
	first := r.chain(i)
	after := i + 1
	switch {
	case x.Is(after, "=") || (x.Is(after, ";") || after == r.e.To || x.Is(after, ",")) && first == i && !x.Is(i-1, "&") && !x.Is(i-1, "&&") && r.declares(i):
		decl, typ := first == i && r.declares(i), ""
		end := after
		if x.Is(after, "=") {
			end = r.valueEnd(after + 1)
		}
		if decl {
			typ = x.Text(r.typeStart(i), i)
		}
		v := [2]int{min(after+1, end), end}
		add(Op{Kind: OpAssign, At: i, end: end*2 + 1, Name: r.variable(first, i+1), Decl: decl, Type: typ, Value: v})
		r.fix(decl, typ, w)
	case x.Is(after, "{") && first == i && r.declares(i) && x.Match(after) > after:
		end := x.Match(after) + 1
		typ := x.Text(r.typeStart(i), i)
		add(Op{Kind: OpAssign, At: i, end: end*2 + 1, Name: w, Decl: true, Type: typ, Value: [2]int{after + 1, end - 1}})
		r.fix(true, typ, w)
	case x.Is(after, ":") && first == i && r.declares(i), x.Is(after, "in") && first == i && r.declares(i): // over a range
		typ := x.Text(r.typeStart(i), i)
		add(Op{Kind: OpAssign, At: i, end: r.e.To*2 + 1, Name: w, Decl: true, Type: typ, Value: [2]int{after, after}})
		r.fix(true, typ, w)
	case x.Is(after, ".") || x.Is(after, "->") || x.Is(after, "::"): // the end of the chain says what it is
	case r.harmless(first, i):
	case r.isType(i):
	default:
		add(Op{Kind: OpUse, At: i, end: r.outer(first, i+1)*2 - 1, Name: r.variable(first, i+1), Call: r.argumentOf(first, i+1)})
	}
}

func (r *reader) fix(decl bool, typ, name string) {
	if decl {
		r.p.b.declare(name, typ)
	}
}

func (b *Body) declare(name, typ string) {
	if old, ok := b.Types[name]; ok && old != typ {
		typ = ""
	}
	b.Types[name] = typ
}

// parameters notes the names that a head declares.
func (b *Body) parameters(from, to int) {
	x := b.File
	for i := from; i < to; i++ {
		if !x.Ident(i) || keyword(x.Word(i)) {
			continue
		}
		switch {
		case x.Is(i+1, ",") || x.Is(i+1, ")") || x.Is(i+1, "=") || x.Is(i+1, "["):
			start := i
			for start > from && !x.Is(start-1, ",") && !x.Is(start-1, "(") {
				start--
			}
			if start < i {
				b.declare(x.Word(i), x.Text(start, i))
			}
		case x.Is(i-1, ")") && x.Match(i-1) > 0: // - (void)submit:(id<MTLCommandBuffer>)buffer
			b.declare(x.Word(i), x.Text(x.Match(i-1)+1, i-1))
		}
	}
}

// TypeOf is the declared type of a variable in a body or one around it. known is false if
// the name is not declared there.
func (b *Body) TypeOf(name string) (typ string, known bool) {
	for ; b != nil; b = b.Parent {
		if t, ok := b.Types[name]; ok {
			return t, true
		}
	}
	return "", false
}

// angle is the position of the > that closes the < at i, or -1.
func (x *File) angle(i, to int) int {
	depth := 0
	for to = min(to, i+200); i < to; i++ {
		switch x.Word(i) {
		case "<":
			depth++
		case ">":
			depth--
		case ">>":
			depth -= 2
		case ";", "{", "}", "&&", "||", ")":
			return -1
		case "(":
			if m := x.Match(i); m > i {
				i = m
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return -1
}

// chain is the position where a.b->c, x(…).y or A::b begins that ends at i.
func (r *reader) chain(i int) int {
	x := r.p.x
	for i-1 >= r.e.From {
		switch x.Word(i - 1) {
		case ".", "->", "::", ".*", "->*":
		default:
			return i
		}
		k := i - 2
		if k < r.e.From {
			return i - 1
		}
		for k >= r.e.From && (x.Is(k, ")") || x.Is(k, "]")) && x.Match(k) >= r.e.From && x.Match(k) < k {
			k = x.Match(k)
			if k-1 >= r.e.From && (x.Ident(k-1) && !keyword(x.Word(k-1)) || x.Is(k-1, ")") || x.Is(k-1, "]")) {
				k--
			} else {
				break
			}
		}
		if !x.Ident(k) && !x.Is(k, "(") && !x.Is(k, "[") {
			return i
		}
		i = k
	}
	return i
}

// variable is the name of the variable between two positions: the object itself is left
// out of it.
func (r *reader) variable(from, to int) string { return Variable(r.p.x.Text(from, to)) }

// Variable strips what says the same with more words: this->, self->, (*this)., outer
// parentheses and a leading & or *.
func Variable(s string) string {
	for {
		t := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(s, "this->"), "self->"), "(*this).")
		t = strings.TrimLeft(t, "&*")
		if len(t) > 2 && t[0] == '(' && t[len(t)-1] == ')' && strings.Count(t, "(") == 1 {
			t = t[1 : len(t)-1]
		}
		if t == s {
			return s
		}
		s = t
	}
}

// declares reports whether the name at i is declared there: a type stands before it.
func (r *reader) declares(i int) bool {
	x := r.p.x
	k := i - 1
	for k >= r.e.From && (x.Is(k, "*") || x.Is(k, "&") || x.Is(k, "&&") || x.Is(k, "const") || x.Is(k, "__strong") || x.Is(k, "__weak")) {
		k--
	}
	if k < r.e.From {
		return false
	}
	stars := k < i-1
	switch {
	case x.Is(k, ">"):
		return r.typeStart(i) < k
	case x.Ident(k):
		w := x.Word(k)
		switch w {
		case "return", "co_return", "throw", "new", "delete", "else", "case", "goto", "in", "nil", "nullptr", "NULL", "this", "self", "sizeof":
			return false
		}
		// a * b = … is a product only where it is no statement.
		return !stars || r.typeStart(i) == r.e.From
	case x.Is(k, "]"): // auto [a, b] = …
		return false
	case x.Is(k, ","):
		return false
	}
	return false
}

// typeStart is where the type before the name at i begins.
func (r *reader) typeStart(i int) int {
	x := r.p.x
	k := i
	for k > r.e.From {
		switch w := x.Word(k - 1); {
		case w == ">" || w == ">>":
			depth, j := 0, k-1
			for ; j >= r.e.From; j-- {
				switch x.Word(j) {
				case ">":
					depth++
				case ">>":
					depth += 2
				case "<":
					depth--
				}
				if depth == 0 {
					break
				}
			}
			if j < r.e.From {
				return k
			}
			k = j
		case x.Ident(k-1) || w == "::" || w == "*" || w == "&" || w == "&&":
			k--
		default:
			return k
		}
	}
	return k
}

// valueEnd is where the value that begins at i ends.
func (r *reader) valueEnd(i int) int {
	x := r.p.x
	for ; i < r.e.To; i++ {
		if x.Is(i, ",") || x.Is(i, ";") || x.Is(i, ")") || x.Is(i, "]") || x.Is(i, "}") {
			return i
		}
		if m := x.Match(i); m > i {
			i = m
		}
	}
	return min(i, r.e.To)
}

// harmless reports whether a name is only looked at: compared, tested, or the receiver of
// a message.
func (r *reader) harmless(first, i int) bool {
	x := r.p.x
	before, after := x.Word(first-1), x.Word(i+1)
	if first-1 < r.e.From {
		before = ""
	}
	if i+1 >= r.e.To {
		after = ""
	}
	test := func(s string) bool {
		switch s {
		case "", "!", "==", "!=", "&&", "||", "?":
			return true
		}
		return false
	}
	switch {
	case before == "[" && (x.Ident(i+1) || after == ")"): // a receiver
		return true
	case after == "=" || after == "(":
		return true
	case before == "(" && after == ")":
		return false
	}
	return test(before) && test(after) && (before != "" || after != "" || r.e.From == i)
}

// isType reports whether a name is part of a type: a declared name follows.
func (r *reader) isType(i int) bool {
	x := r.p.x
	return x.Ident(i+1) && i+1 < r.e.To && !keyword(x.Word(i+1)) && !x.Is(i-1, "[") && !x.Is(i-1, ":") || x.Is(i+1, "<") || x.Is(i+1, "*") && x.Ident(i+2) && i == r.e.From
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

// closureAt is the closure whose brace is at open, or nil.
func (x *File) closureAt(open int) *Closure {
	for i := open; i > 0 && i > open-60; i-- {
		switch {
		case x.Is(i, ";") || x.Is(i, "}"):
			return nil
		case x.Is(i, "^") || x.Is(i, "["):
			if c := x.closureFrom(i); c != nil && c.Open == open {
				return c
			}
		}
	}
	return nil
}

// closureFrom is the lambda or block that begins at i, or nil.
func (x *File) closureFrom(i int) *Closure {
	switch x.Word(i) {
	case "^":
		k := i + 1
		for n := 0; n < 8 && (x.Ident(k) || x.Is(k, "*") || x.Is(k, "<") || x.Is(k, ">")); n++ {
			k++
		}
		if x.Is(k, "(") && x.Match(k) > k {
			k = x.Match(k) + 1
		}
		if x.Is(k, "{") && x.Match(k) > k {
			return &Closure{Block: true, From: i, Captures: i + 1, Open: k, To: x.Match(k) + 1}
		}
	case "[":
		m := x.Match(i)
		if m < i || x.Is(i+1, "[") || i > 0 && (x.Ident(i-1) && !returning(x.Word(i-1)) || x.Is(i-1, ")") || x.Is(i-1, "]")) {
			return nil
		}
		k := m + 1
		if x.Is(k, "<") {
			if e := x.angle(k, x.Len()); e > 0 {
				k = e + 1
			}
		}
		if x.Is(k, "(") && x.Match(k) > k {
			k = x.Match(k) + 1
		} else if !x.Is(k, "{") && !x.Is(k, "mutable") && !x.Is(k, "noexcept") {
			return nil
		}
		for n := 0; n < 40; n++ {
			switch {
			case x.Is(k, "{"):
				if x.Match(k) < k {
					return nil
				}
				return &Closure{From: i, Captures: m + 1, Open: k, To: x.Match(k) + 1}
			case x.Is(k, "("), x.Is(k, "["):
				if x.Match(k) < k {
					return nil
				}
				k = x.Match(k) + 1
			case x.Ident(k), x.Is(k, "->"), x.Is(k, "::"), x.Is(k, "<"), x.Is(k, ">"), x.Is(k, "*"), x.Is(k, "&"), x.Is(k, ","):
				k++
			default:
				return nil
			}
		}
	}
	return nil
}

func returning(s string) bool {
	return s == "return" || s == "co_return" || s == "co_await" || s == "case" || s == "in" || s == "else"
}
