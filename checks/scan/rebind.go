package scan

import (
	"strings"
)

// Rebinds returns the places of the body where an operand comes to mean something else:
// a name in it is declared or assigned. operand is its tokens.
func (gr *Graph) Rebinds(operand []string) []int {
	var out []int
	for k := gr.from; k < gr.to; k++ {
		t := gr.s.f.Tokens[gr.s.sig[k]]
		if t.Kind != Ident || gr.of[k-gr.from] < 0 {
			continue
		}
		for n, o := range operand {
			if len(o) == int(t.Len) && o == string(gr.s.f.Text(t)) && gr.rebinds(operand, n, k) {
				out = append(out, k)
				break
			}
		}
	}
	return out
}

// rebinds reports whether the token at k, which is the one of index n in the operand, is
// assigned or declared there.
func (gr *Graph) rebinds(operand []string, n, k int) bool {
	x := &finder{f: gr.s.f, s: gr.s, sig: gr.s.sig, pos: gr.s.pos}
	start := k
	if member := n > 0 && (operand[n-1] == "." || operand[n-1] == "->" || operand[n-1] == "::"); member {
		for i := 1; i <= n; i++ {
			if k-i < gr.from || !x.is(k-i, operand[n-i]) {
				return false
			}
		}
		start = k - n
	}
	if start > gr.from && (x.is(start-1, ".") || x.is(start-1, "->") || x.is(start-1, "::")) {
		return false
	}
	if k+1 >= len(x.sig) {
		return false
	}
	next := x.text(k + 1)
	switch next {
	case "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "++", "--":
		return next != "=" || k+2 >= len(x.sig) || !x.is(k+2, "=")
	}
	if start > gr.from && (x.is(start-1, "++") || x.is(start-1, "--")) {
		return true
	}
	return start == k && x.declares(k, next, gr.from)
}

// declares reports whether the name at k is being declared: types stand before it, back to
// the begin of the statement or parameter.
func (x *finder) declares(k int, next string, from int) bool {
	switch next {
	case ";", "(", "{", ":", "in", ",", ")", "[":
	default:
		return false
	}
	types, depth := 0, 0
	i := k - 1
	for ; i >= from && i > k-60; i-- {
		t := x.token(i)
		switch {
		case x.is(i, ">"):
			depth++
			types++
		case x.is(i, "<"):
			depth--
		case t.Kind == Ident:
			if isKeyword(x.text(i)) || x.is(i, "delete") || x.is(i, "new") || x.is(i, "goto") {
				return false
			}
			types++
		case x.is(i, "*"), x.is(i, "&"), x.is(i, "&&"), x.is(i, "::"), x.is(i, ",") && depth > 0, t.Kind == Number && depth > 0:
		default:
			if types == 0 || depth != 0 {
				return false
			}
			switch x.text(i) {
			case ";", "{", "}":
				return next != ")"
			case "(", ",":
				return x.parameter(i)
			case ")": // after if (…)
				return next != ")" && !strings.ContainsAny(next, "[(")
			}
			return false
		}
	}
	return i < from && types > 0
}

// parameter reports whether the parenthesis around position i holds parameters or the
// head of a loop or catch.
func (x *finder) parameter(i int) bool {
	for from := i; i >= 0 && i > from-200; i-- {
		if x.is(i, ")") || x.is(i, "]") || x.is(i, "}") {
			if p := x.partner(i, len(x.sig)); p >= 0 && p < i {
				i = p
				continue
			}
		}
		if x.is(i, "(") {
			if i == 0 {
				return false
			}
			switch x.text(i - 1) {
			case "for", "catch", "if", "while", "switch", "@catch", "^", "]":
				return true
			}
			p := x.partner(i, len(x.sig)) // a function: its brace follows
			return p > 0 && p+1 < len(x.sig) && (x.is(p+1, "{") || x.is(p+1, "mutable") || x.is(p+1, "->"))
		}
		if x.is(i, ";") || x.is(i, "{") {
			return false
		}
	}
	return false
}
