package scan

// Runs says when a lambda or block runs that is passed to a call.
type Runs uint8

// Answers of the function given to [Structure.Graph].
const (
	Later   Runs = iota // later, or never: it is a body of its own
	Once                // exactly once before the call returns
	Anytime             // any number of times before the call returns
)

// split holds the separators of an expression at its top level, in order.
type split struct {
	lists     []int // , and ;
	questions []int
	ors, ands []int
}

// separators finds them between two positions, outside of brackets, lambdas and blocks.
func (b *body) separators(i, to int) split {
	var s split
	for k := i; k < to; k++ {
		if sc, ok := b.introAt(k); ok {
			k = min(b.s.Scopes[sc].close, to-1)
			continue
		}
		if p := b.partner(k, to); p > k {
			k = p
			continue
		}
		switch {
		case b.is(k, ",") || b.is(k, ";"):
			s.lists = append(s.lists, k)
		case b.is(k, "?"):
			s.questions = append(s.questions, k)
		case b.is(k, "||") || b.is(k, "or"):
			s.ors = append(s.ors, k)
		case b.is(k, "&&") && !b.reference(i, k, to) || b.is(k, "and"):
			s.ands = append(s.ands, k)
		}
	}
	return s
}

// reference reports whether the && at k belongs to a type rather than to a condition.
func (b *body) reference(from, k, to int) bool {
	if k == from || b.is(k-1, "auto") || k+1 >= to {
		return true
	}
	for _, w := range []string{">", ")", ",", "...", "]", ";"} {
		if b.is(k+1, w) {
			return true
		}
	}
	return k+2 < to && b.s.f.Tokens[b.s.sig[k+1]].Kind == Ident && b.is(k+2, "=")
}

// value reads an expression whose result decides nothing.
func (b *body) value(i, to int, cur int32) int32 {
	if i >= to {
		return cur
	}
	if b.ops[to-b.from] == b.ops[i-b.from] {
		return b.take(i, to, cur)
	}
	cur = b.node2(cur)
	s := b.separators(i, to)
	if len(s.lists) == 0 {
		return b.single(i, to, cur, s)
	}
	from := i
	for _, k := range append(s.lists, to) {
		if from < k {
			cur = b.single(from, k, cur, b.separators(from, k))
		}
		if k < to {
			cur = b.take(k, k+1, cur)
		}
		from = k + 1
	}
	return cur
}

// maxChoices bounds how deep ?: nest: each level reads the rest of the expression again.
const maxChoices = 200

// single reads an expression without commas at its top level.
func (b *body) single(i, to int, cur int32, s split) int32 {
	switch {
	case len(s.questions) > 0:
		q := s.questions[0]
		colon, depth := -1, 0
		for k := q + 1; k < to && colon < 0; k++ {
			if p := b.partner(k, to); p > k {
				k = p
				continue
			}
			switch {
			case b.is(k, "?"):
				depth++
			case b.is(k, ":") && depth > 0:
				depth--
			case b.is(k, ":"):
				colon = k
			}
		}
		if colon < 0 { // not the operator
			return b.leaf(i, to, cur)
		}
		if b.choices++; b.choices > maxChoices {
			b.fail(i, "more conditional operators in one another than anybody writes")
			return cur
		}
		yes, no, after := b.node(), b.node(), b.node()
		b.cond(i, q, cur, yes, no)
		b.edge(b.value(q, colon, yes), after)
		b.edge(b.value(colon, to, no), after)
		b.choices--
		return after
	case len(s.ors) > 0 || len(s.ands) > 0:
		after := b.node()
		b.cond(i, to, cur, after, after)
		return after
	}
	return b.leaf(i, to, cur)
}

// cond reads an expression whose result decides between two nodes.
func (b *body) cond(i, to int, cur, yes, no int32) {
	if i >= to {
		b.edge(cur, yes)
		b.edge(cur, no)
		return
	}
	cur = b.node2(cur)
	if b.is(i, "(") && b.partner(i, to) == to-1 {
		cur = b.take(i, i+1, cur)
		b.of[to-1-b.from] = cur
		b.cond(i+1, to-1, cur, yes, no)
		return
	}
	s := b.separators(i, to)
	switch {
	case len(s.lists) > 0:
		last := s.lists[len(s.lists)-1]
		b.cond(last+1, to, b.value(i, last+1, cur), yes, no)
	case len(s.questions) > 0:
		cur = b.single(i, to, cur, s)
		b.edge(cur, yes)
		b.edge(cur, no)
	case len(s.ors) > 0:
		b.chain(i, to, cur, s.ors, func(from, to int, cur, rest int32) { b.cond(from, to, cur, yes, rest) }, no)
	case len(s.ands) > 0:
		b.chain(i, to, cur, s.ands, func(from, to int, cur, rest int32) { b.cond(from, to, cur, rest, no) }, yes)
	case (b.is(i, "!") || b.is(i, "not")) && i+1 < to && (b.is(i+1, "!") || b.is(i+1, "(") && b.partner(i+1, to) == to-1):
		b.cond(i+1, to, b.take(i, i+1, cur), no, yes)
	default:
		constant := ""
		if to == i+1 {
			constant = string(b.s.f.Text(b.s.f.Tokens[b.s.sig[i]]))
		}
		cur = b.leaf(i, to, cur)
		if constant != "false" && constant != "0" && constant != "NO" {
			b.edge(cur, yes)
		}
		if constant != "true" && constant != "1" && constant != "YES" {
			b.edge(cur, no)
		}
	}
}

// chain reads the operands of one operator: each but the last leads to the next.
func (b *body) chain(i, to int, cur int32, ops []int, operand func(from, to int, cur, rest int32), last int32) {
	for _, k := range ops {
		rest := b.node()
		operand(i, k, cur, rest)
		cur = b.take(k, k+1, rest)
		i = k + 1
	}
	operand(i, to, cur, last)
}

// leaf reads an expression without operators at its top level.
func (b *body) leaf(i, to int, cur int32) int32 {
	from := i
	for k := i; k < to; k++ {
		if sc, ok := b.introAt(k); ok {
			cur = b.take(from, k, cur)
			cur = b.nested(sc, cur)
			k = b.s.Scopes[sc].close
			from = k + 1
			continue
		}
		p := b.partner(k, to)
		if p < k || b.ops[p-b.from] == b.ops[k+1-b.from] && b.scopeKind(k) == Braces {
			continue
		}
		if b.scopeKind(k) == Class { // nothing in it runs here
			cur = b.take(from, k+1, cur)
			k, from = p, p
			continue
		}
		cur = b.take(from, k+1, cur)
		if b.scopeKind(k) == Compound { // a statement expression of GNU C
			cur = b.list(k+1, p, cur)
		} else {
			cur = b.value(k+1, p, cur)
		}
		cur = b.take(p, p+1, cur)
		k, from = p, p+1
	}
	if from > to {
		return cur
	}
	return b.take(from, to, cur)
}

func (b *body) scopeKind(i int) ScopeKind {
	if sc, ok := b.scopeAt(i); ok && b.is(i, "{") {
		return b.s.Scopes[sc].Kind
	}
	return Braces
}

// nested reads a lambda or block: in place if it runs before the expression is done.
func (b *body) nested(scope int, cur int32) int32 {
	sc := b.s.Scopes[scope]
	runs := Later
	switch {
	case sc.Called:
		runs = Once
	case len(sc.Callees) > 0 && b.sync != nil:
		runs = b.sync(sc.Callees)
	}
	if runs == Later {
		cur = b.node2(cur)
		b.of[sc.head-b.from] = cur
		b.Nested = append(b.Nested, Nested{scope, sc.head})
		return cur
	}
	cur = b.node2(cur)
	inner, after := b.node(), b.node()
	b.edge(cur, inner)
	if runs == Anytime {
		b.edge(cur, after)
		b.edge(after, inner)
	}
	outer := *b
	b.returnTo, b.breakTo, b.continueTo, b.cases = after, -1, -1, nil
	out := b.take(sc.head, sc.open+1, inner)
	out = b.list(sc.open+1, sc.close, out)
	out = b.take(sc.close, sc.close+1, out)
	b.edge(out, after)
	b.returnTo, b.breakTo, b.continueTo, b.cases = outer.returnTo, outer.breakTo, outer.continueTo, outer.cases
	return after
}
