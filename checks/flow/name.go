package flow

import (
	"strings"
)

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

// maxChain bounds how many members, or words of a type, are followed back from a name.
const maxChain = 100

// chain is the position where a.b->c, x(…).y or A::b begins that ends at i.
func (r *reader) chain(i int) int {
	x := r.p.x
	for n := 0; n < maxChain && i-1 >= r.e.From; n++ {
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
	for n := 0; n < maxChain && k > r.e.From; n++ {
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
