package scan

import "fmt"

// Flow is the order in which the code of one body may run: a graph whose nodes are
// stretches of tokens that run one after the other. It knows the statements of C++ and
// Objective-C, && || ?: and branches of #if, which it takes for branches that may go
// either way. It takes for granted that a call returns, that a macro is one expression
// (one with a block behind it may run the block any number of times), and that an
// exception is thrown only where a try surrounds it.
//
// A lambda or block inside of the body is another body, unless it is called where it
// stands or passed to a call that the caller of [Structure.Flow] names as synchronous.
type Flow struct {
	s        *Structure
	from, to int // positions of the body's tokens, braces included
	nodes    []node
	of       []int32 // node of each position from from on; -1 for a nested body
	exit     int32
	// Nested are the lambdas and blocks that are bodies of their own.
	Nested []Nested
	// Controls are the statements that decide how often others run.
	Controls []ControlStatement
}

// Nested is a lambda or block inside of a body.
type Nested struct {
	Scope int // index in Structure.Scopes
	At    int // place where it is made
}

// ControlStatement is an if, a loop or a switch with what it decides about, as places.
type ControlStatement struct {
	Head, Body, End int
}

type node struct {
	runs [][2]int32 // stretches of positions
	next []int32
}

// body builds a Flow.
type body struct {
	*Flow
	sync    func(callees []string) Runs
	scopeOf []int32 // 1 + scope whose brace opens there, by position from from on
	introOf []int32 // 1 + lambda or block that is introduced there
	ops     []int32 // number of operators and introducers before each position, to skip simple stretches
	groups  map[int][]ppGroup

	breakTo, continueTo int32
	returnTo            int32
	cases               *caseList
	catches             []int32
	labels              map[string]int32
	gotos               []jump
	err                 error
}

type caseList struct {
	head     int32
	fallback bool
}

type jump struct {
	from  int32
	label string
	at    int
}

// ppGroup is an #if … #endif in positions of significant tokens.
type ppGroup struct {
	from, to int
	branches [][2]int
	other    bool // it has an #else
}

const unreachable = int32(-1)

// Flow returns the graph of the body of a scope of kind Func, Lambda or Block. sync says
// when a lambda or block runs that is passed to one of callees; nil means later. The error
// is for code whose order cannot be told.
func (s *Structure) Flow(scope int, sync func(callees []string) Runs) (*Flow, error) {
	sc := s.Scopes[scope]
	if sc.Torn {
		return nil, fmt.Errorf("line %d: the body begins and ends in different branches of an #if", sc.Line)
	}
	first := sc.from
	if sc.Kind != Func { // captures and parameters declare names
		first = sc.head
	}
	fl := &Flow{s: s, from: first, to: sc.close + 1}
	b := &body{Flow: fl, sync: sync, breakTo: -1, continueTo: -1, labels: map[string]int32{}}
	size := fl.to - fl.from
	scratch := ints(&s.f.memory.scratch, 3*size+1)
	clear(scratch)
	fl.of, b.scopeOf, b.introOf, b.ops = s.f.memory.stretch(size), scratch[:size:size], scratch[size:2*size:2*size], scratch[2*size:]
	for i := scope + 1; i < len(s.Scopes) && s.Scopes[i].Offset < sc.End; i++ {
		in := s.Scopes[i]
		if in.open < fl.from || in.open >= fl.to {
			continue
		}
		b.scopeOf[in.open-fl.from] = int32(i) + 1
		if (in.Kind == Lambda || in.Kind == Block) && in.head >= fl.from {
			b.introOf[in.head-fl.from] = int32(i) + 1
		}
		if in.Torn {
			return nil, fmt.Errorf("line %d: a block begins and ends in different branches of an #if", in.Line)
		}
	}
	for i := range fl.of {
		fl.of[i] = -1
	}
	for i := fl.from; i < fl.to; i++ {
		n := b.ops[i-fl.from]
		if b.operator(i) || b.introOf[i-fl.from] > 0 || b.scopeKind(i) != Braces {
			n++
		}
		b.ops[i-fl.from+1] = n
	}
	b.groups = s.ppGroups(fl.from, fl.to)
	entry := b.node()
	fl.exit = b.node()
	b.returnTo = fl.exit
	cur := entry
	if sc.Kind == Func { // the initialisers of a constructor
		cur = b.value(first, sc.open, cur)
	} else {
		cur = b.take(first, sc.open, cur)
	}
	cur = b.take(sc.open, sc.open+1, cur)
	cur = b.list(sc.open+1, sc.close, cur)
	cur = b.take(sc.close, sc.close+1, cur)
	b.edge(cur, fl.exit)
	for _, g := range b.gotos {
		to, ok := b.labels[g.label]
		if !ok {
			b.fail(g.at, "a goto to a label that is not in this body")
			break
		}
		b.edge(g.from, to)
	}
	if b.err != nil {
		return nil, b.err
	}
	return fl, nil
}

// ppGroups lists the #if groups that lie inside a stretch of positions, by their begin.
func (s *Structure) ppGroups(from, to int) map[int][]ppGroup {
	out := map[int][]ppGroup{}
	for _, g := range s.conditionalGroups() {
		if g.from >= from && g.to <= to && g.to > g.from {
			out[g.from] = append(out[g.from], g)
		}
	}
	return out
}

// conditionalGroups lists the #if groups of the file, outer ones before inner ones that
// begin at the same place.
func (s *Structure) conditionalGroups() []ppGroup {
	if s.groups != nil {
		return s.groups
	}
	s.groups = []ppGroup{}
	var open []int
	s.f.conditionals(func(d directive) {
		if s.f.Tokens[d.token].Dead {
			return
		}
		at := int(s.pos[d.token])
		switch d.name {
		case "if", "ifdef", "ifndef":
			open = append(open, len(s.groups))
			s.groups = append(s.groups, ppGroup{from: at, branches: [][2]int{{at, at}}})
			return
		}
		if len(open) == 0 {
			return
		}
		g := &s.groups[open[len(open)-1]]
		g.branches[len(g.branches)-1][1] = at
		g.to = at
		if d.name == "endif" {
			open = open[:len(open)-1]
			return
		}
		g.other = g.other || d.name == "else"
		g.branches = append(g.branches, [2]int{at, at})
	})
	return s.groups
}

func (b *body) is(i int, text string) bool {
	t := b.s.f.Tokens[b.s.sig[i]]
	return int(t.Len) == len(text) && string(b.s.f.Src[t.Offset:t.End()]) == text
}

// operator reports whether the token at i is && || ? or one of their names.
func (b *body) operator(i int) bool {
	t := b.s.f.Tokens[b.s.sig[i]]
	if t.Len > 3 {
		return false
	}
	switch c := b.s.f.Src[t.Offset]; {
	case c == '?':
		return true
	case c == '&' || c == '|':
		return t.Len == 2 && b.s.f.Src[t.Offset+1] == c
	case c == 'a' || c == 'o':
		return b.is(i, "and") || b.is(i, "or")
	}
	return false
}

// scopeAt is the index of the scope whose brace opens at i.
func (b *body) scopeAt(i int) (int, bool) {
	n := b.scopeOf[i-b.from]
	return int(n) - 1, n > 0
}

// introAt is the index of the lambda or block that is introduced at i.
func (b *body) introAt(i int) (int, bool) {
	n := b.introOf[i-b.from]
	return int(n) - 1, n > 0
}

func (b *body) word(i int) string {
	t := b.s.f.Tokens[b.s.sig[i]]
	if t.Kind == Ident || t.Kind == At {
		return string(b.s.f.Text(t))
	}
	return ""
}

func (b *body) partner(i, to int) int {
	p := b.s.partner[b.s.sig[i]]
	if p < 0 || int(b.s.pos[p]) >= to {
		return -1
	}
	return int(b.s.pos[p])
}

func (b *body) fail(i int, text string) {
	if b.err == nil {
		b.err = fmt.Errorf("line %d: %s", b.s.f.Tokens[b.s.sig[i]].Line, text)
	}
}

func (b *body) node() int32 {
	b.nodes = append(b.nodes, node{})
	n := int32(len(b.nodes) - 1)
	for _, c := range b.catches { // any call in a try may throw
		b.edge(n, c)
	}
	return n
}

func (b *body) edge(from, to int32) {
	if from == unreachable || to == unreachable {
		return
	}
	b.nodes[from].next = append(b.nodes[from].next, to)
}

// take appends positions to a node. Code that nothing leads to gets a node of its own.
func (b *body) take(from, to int, cur int32) int32 {
	if from >= to {
		return cur
	}
	if cur == unreachable {
		cur = b.node()
	}
	runs := b.nodes[cur].runs
	if n := len(runs); n > 0 && runs[n-1][1] == int32(from) {
		runs[n-1][1] = int32(to)
	} else {
		b.nodes[cur].runs = append(runs, [2]int32{int32(from), int32(to)})
	}
	for i := from; i < to; i++ {
		b.of[i-b.from] = cur
	}
	return cur
}

// list reads the statements between two positions and returns the node behind them.
func (b *body) list(i, to int, cur int32) int32 {
	for i < to && b.err == nil {
		var next int
		next, cur = b.statement(i, to, cur)
		if next <= i {
			b.fail(i, "a statement that cannot be read")
			return cur
		}
		i = next
	}
	return cur
}

// branches reads an #if group whose branches hold whole statements.
func (b *body) branches(g ppGroup, cur int32) int32 {
	join := b.node()
	for _, br := range g.branches {
		n := b.node()
		b.edge(cur, n)
		b.edge(b.list(br[0], br[1], n), join)
	}
	if !g.other {
		b.edge(cur, join)
	}
	return join
}

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
