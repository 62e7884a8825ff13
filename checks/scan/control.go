package scan

func (b *body) statement(i, to int, cur int32) (next int, after int32) {
	if gs := b.groups[i]; len(gs) > 0 {
		g := gs[0]
		if g.to <= to {
			b.groups[i] = gs[1:]
			return g.to, b.branches(g, cur)
		}
	}
	start := i
	defer func() {
		if next > to {
			b.fail(start, "a statement that an #if cuts in two")
		}
		b.whole(start, next)
	}()
	if b.is(i, ";") {
		return i + 1, b.take(i, i+1, cur)
	}
	if b.is(i, "{") {
		p := b.partner(i, to)
		if p < 0 {
			b.fail(i, "a block that an #if cuts in two")
			return to, cur
		}
		cur = b.take(i, i+1, cur)
		cur = b.list(i+1, p, cur)
		return p + 1, b.take(p, p+1, cur)
	}
	if i+1 < to && b.is(i+1, ":") && b.s.f.Tokens[b.s.sig[i]].Kind == Ident && b.word(i) != "default" {
		n := b.node()
		b.edge(cur, n)
		b.labels[b.word(i)] = n
		return i + 2, b.take(i, i+2, n)
	}
	if i+2 < to && b.is(i, "[") && b.is(i+1, "[") { // [[likely]] and the like
		if p := b.partner(i, to); p > i && b.is(p-1, "]") && b.partner(p-1, to) == i+1 {
			return p + 1, b.take(i, p+1, cur)
		}
	}
	switch w := b.word(i); w {
	case "if":
		return b.ifStatement(i, to, cur)
	case "for", "while":
		return b.loop(i, to, cur)
	case "do":
		return b.doLoop(i, to, cur)
	case "switch":
		return b.switchStatement(i, to, cur)
	case "try", "@try":
		return b.tryStatement(i, to, cur)
	case "case", "default":
		return b.caseLabel(i, to, cur)
	case "return", "co_return", "throw", "@throw", "break", "continue", "goto":
		return b.leave(i, to, cur, w)
	case "@synchronized", "@autoreleasepool":
		j := i + 1
		if w == "@synchronized" && j < to && b.is(j, "(") {
			p := b.partner(j, to)
			if p < 0 {
				return to + 1, cur
			}
			cur = b.take(i, j, cur)
			cur = b.value(j, p+1, cur)
			j = p + 1
		} else {
			cur = b.take(i, j, cur)
		}
		if j >= to {
			return to + 1, cur
		}
		return b.statement(j, to, cur)
	}
	return b.simple(i, to, cur)
}

// sub reads the statement that an if or a loop governs.
func (b *body) sub(i, to int, cur int32) (int, int32) {
	if len(b.groups[i]) > 0 {
		b.fail(i, "an if or loop that an #if cuts in two")
	}
	return b.statement(i, to, cur)
}

// whole checks that no #if group begins inside of a statement and ends outside of it.
func (b *body) whole(from, to int) {
	for k := from + 1; k < to; k++ {
		for _, g := range b.groups[k] {
			if g.to > to {
				b.fail(k, "a statement that an #if cuts in two")
			}
		}
	}
}

// simple reads an expression statement or a declaration up to its semicolon.
func (b *body) simple(i, to int, cur int32) (int, int32) {
	end := i
	for end < to && !b.is(end, ";") {
		if sc, ok := b.scopeAt(end); ok && b.is(end, "{") {
			switch in := b.s.Scopes[sc]; in.Kind {
			case Control: // a macro with a block
				cur = b.value(i, end, cur)
				body, after := b.node(), b.node()
				b.edge(cur, body)
				b.edge(cur, after)
				saved := [2]int32{b.breakTo, b.continueTo}
				b.breakTo, b.continueTo = after, body
				next, out := b.statement(end, to, body)
				b.breakTo, b.continueTo = saved[0], saved[1]
				b.edge(out, body)
				b.edge(out, after)
				return next, after
			}
		}
		if p := b.partner(end, to); p > end {
			end = p
		}
		end++
	}
	w := b.word(i)
	stop := min(end+1, to)
	cur = b.value(i, stop, cur)
	if w == "std" && i+2 < end && b.is(i+1, "::") {
		w = b.word(i + 2)
	}
	switch w {
	case "abort", "exit", "_exit", "quick_exit", "terminate", "__builtin_trap", "__builtin_unreachable", "unreachable":
		if b.is(i, w) || b.is(i, "std") {
			return stop, unreachable
		}
	}
	return stop, cur
}

func (b *body) ifStatement(i, to int, cur int32) (int, int32) {
	j := i + 1
	for j < to && (b.is(j, "constexpr") || b.is(j, "consteval") || b.is(j, "!")) {
		j++
	}
	yes, no, after := b.node(), b.node(), b.node()
	if j < to && b.is(j, "(") {
		p := b.partner(j, to)
		if p < 0 {
			return to + 1, cur
		}
		cur = b.take(i, j+1, cur)
		b.cond(j+1, p, cur, yes, no)
		b.of[p-b.from] = cur
		j = p + 1
	} else { // if consteval
		cur = b.take(i, j, cur)
		b.edge(cur, yes)
		b.edge(cur, no)
	}
	if j >= to {
		return to + 1, cur
	}
	next, out := b.sub(j, to, yes)
	b.Controls = append(b.Controls, ControlStatement{i, j, next})
	b.edge(out, after)
	if next < to && b.is(next, "else") && len(b.groups[next]) == 0 {
		no = b.take(next, next+1, no)
		if next+1 >= to {
			return to + 1, cur
		}
		next, out = b.sub(next+1, to, no)
		b.edge(out, after)
	} else {
		b.edge(no, after)
	}
	return next, after
}

func (b *body) loop(i, to int, cur int32) (int, int32) {
	j := i + 1
	if j < to && b.is(j, "co_await") {
		j++
	}
	p := -1
	if j < to && b.is(j, "(") {
		p = b.partner(j, to)
	}
	if p < 0 || p+1 >= to {
		return to + 1, cur
	}
	cur = b.take(i, j+1, cur)
	head, inner, step, after := b.node(), b.node(), b.node(), b.node()
	var semi []int
	for k := j + 1; k < p; k++ {
		if b.is(k, ";") {
			semi = append(semi, k)
		} else if e := b.partner(k, p); e > k {
			k = e
		}
	}
	switch {
	case b.word(i) == "while":
		b.edge(cur, head)
		b.cond(j+1, p, head, inner, after)
		b.edge(step, head)
	case len(semi) == 2:
		cur = b.value(j+1, semi[0]+1, cur)
		b.edge(cur, head)
		if semi[1] > semi[0]+1 {
			b.cond(semi[0]+1, semi[1], head, inner, after)
		} else {
			b.edge(head, inner)
		}
		b.edge(b.value(semi[1], p, step), head)
	default: // over a range, whose variable is new in each round
		cur = b.node2(cur)
		b.edge(cur, head)
		head = b.value(j+1, p, head)
		b.edge(head, inner)
		b.edge(head, after)
		b.edge(step, head)
	}
	b.of[p-b.from] = b.of[j-b.from]
	saved := [2]int32{b.breakTo, b.continueTo}
	b.breakTo, b.continueTo = after, step
	next, out := b.sub(p+1, to, inner)
	b.Controls = append(b.Controls, ControlStatement{i, p + 1, next})
	b.breakTo, b.continueTo = saved[0], saved[1]
	b.edge(out, step)
	return next, after
}

// node2 makes sure that cur is a node.
func (b *body) node2(cur int32) int32 {
	if cur == unreachable {
		return b.node()
	}
	return cur
}

func (b *body) doLoop(i, to int, cur int32) (int, int32) {
	cur = b.take(i, i+1, cur)
	inner, head, after := b.node(), b.node(), b.node()
	b.edge(cur, inner)
	saved := [2]int32{b.breakTo, b.continueTo}
	b.breakTo, b.continueTo = after, head
	if i+1 >= to {
		return to + 1, cur
	}
	next, out := b.sub(i+1, to, inner)
	b.breakTo, b.continueTo = saved[0], saved[1]
	b.edge(out, head)
	if next+1 >= to || !b.is(next, "while") || !b.is(next+1, "(") {
		b.fail(i, "a do without while")
		return to, cur
	}
	p := b.partner(next+1, to)
	if p < 0 {
		return to + 1, cur
	}
	head = b.take(next, next+2, head)
	b.cond(next+2, p, head, inner, after)
	b.of[p-b.from] = head
	next = p + 1
	if next < to && b.is(next, ";") {
		next++
	}
	return next, after
}

func (b *body) switchStatement(i, to int, cur int32) (int, int32) {
	if i+1 >= to || !b.is(i+1, "(") {
		return to + 1, cur
	}
	p := b.partner(i+1, to)
	if p < 0 || p+1 >= to {
		return to + 1, cur
	}
	cur = b.take(i, i+2, cur)
	cur = b.value(i+2, p+1, cur)
	after := b.node()
	list := &caseList{head: cur}
	savedCases, savedBreak := b.cases, b.breakTo
	b.cases, b.breakTo = list, after
	next, out := b.statement(p+1, to, unreachable)
	b.cases, b.breakTo = savedCases, savedBreak
	b.edge(out, after)
	if !list.fallback {
		b.edge(cur, after)
	}
	return next, after
}

func (b *body) caseLabel(i, to int, cur int32) (int, int32) {
	k := i + 1
	ternaries := 0
	for k < to && (!b.is(k, ":") || ternaries > 0) {
		switch {
		case b.is(k, "?"):
			ternaries++
		case b.is(k, ":"):
			ternaries--
		case b.is(k, ";"):
			b.fail(i, "a case without :")
			return to, cur
		}
		if p := b.partner(k, to); p > k {
			k = p
		}
		k++
	}
	if k >= to {
		return to + 1, cur
	}
	n := b.node()
	b.edge(cur, n)
	if b.cases == nil {
		b.fail(i, "a case outside of a switch")
		return k + 1, n
	}
	b.edge(b.cases.head, n)
	b.cases.fallback = b.cases.fallback || b.is(i, "default")
	return k + 1, b.take(i, k+1, n)
}

func (b *body) tryStatement(i, to int, cur int32) (int, int32) {
	if i+1 >= to || !b.is(i+1, "{") {
		return to + 1, cur
	}
	handler, after := b.node(), b.node()
	cur = b.take(i, i+1, cur)
	inner := b.node()
	b.edge(cur, inner)
	b.edge(inner, handler)
	b.catches = append(b.catches, handler)
	begin := b.node()
	b.edge(inner, begin)
	next, out := b.statement(i+1, to, begin)
	b.catches = b.catches[:len(b.catches)-1]
	b.edge(out, after)
	uncaught := true
	for next+1 < to && (b.is(next, "catch") || b.is(next, "@catch")) {
		p := b.partner(next+1, to)
		if p < 0 || p+1 >= to {
			return to + 1, cur
		}
		n := b.node()
		b.edge(handler, n)
		uncaught = uncaught && !b.is(next+2, "...")
		n = b.take(next, p+1, n)
		next, out = b.statement(p+1, to, n)
		b.edge(out, after)
	}
	if uncaught {
		b.edge(handler, b.returnTo)
	}
	if next+1 < to && b.is(next, "@finally") {
		after = b.take(next, next+1, after)
		b.edge(handler, after)
		return b.statement(next+1, to, after)
	}
	return next, after
}

func (b *body) leave(i, to int, cur int32, word string) (int, int32) {
	end := i
	for end < to && !b.is(end, ";") {
		if p := b.partner(end, to); p > end {
			end = p
		}
		end++
	}
	stop := min(end+1, to)
	cur = b.value(i, stop, b.node2(cur))
	switch word {
	case "throw", "@throw":
		if len(b.catches) == 0 {
			b.edge(cur, b.returnTo)
		}
	case "break":
		b.edge(cur, b.breakTo)
	case "continue":
		b.edge(cur, b.continueTo)
	case "goto":
		if stop-i != 3 {
			b.fail(i, "a goto whose aim is computed")
			break
		}
		b.gotos = append(b.gotos, jump{from: cur, label: b.word(i + 1), at: i})
	default:
		b.edge(cur, b.returnTo)
	}
	return stop, unreachable
}
