package scan

import "fmt"

// Graph is the control-flow graph of one body: the order in which its code may run. Nodes
// are stretches of tokens that run one after the other. It knows the statements of C++ and
// Objective-C, && || ?: and branches of #if, which it takes for branches that may go
// either way. It takes for granted that a call returns, that a macro is one expression
// (one with a block behind it may run the block any number of times), and that an
// exception is thrown only where a try surrounds it.
//
// A lambda or block inside of the body is another body, unless it is called where it
// stands or passed to a call that the caller of [Structure.Graph] names as synchronous.
type Graph struct {
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

// body builds a Graph.
type body struct {
	*Graph
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
	choices             int // conditional operators around
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

// Graph returns the graph of the body of a scope of kind Func, Lambda or Block. sync says
// when a lambda or block runs that is passed to one of callees; nil means later. The error
// is for code whose order cannot be told.
func (s *Structure) Graph(scope int, sync func(callees []string) Runs) (*Graph, error) {
	sc := s.Scopes[scope]
	if sc.Torn {
		return nil, fmt.Errorf("line %d: the body begins and ends in different branches of an #if", sc.Line)
	}
	first := sc.from
	if sc.Kind != Func { // captures and parameters declare names
		first = sc.head
	}
	gr := &Graph{s: s, from: first, to: sc.close + 1}
	b := &body{Graph: gr, sync: sync, breakTo: -1, continueTo: -1, labels: map[string]int32{}}
	size := gr.to - gr.from
	scratch := ints(&s.f.memory.scratch, 3*size+1)
	clear(scratch)
	gr.of, b.scopeOf, b.introOf, b.ops = s.f.memory.stretch(size), scratch[:size:size], scratch[size:2*size:2*size], scratch[2*size:]
	for i := scope + 1; i < len(s.Scopes) && s.Scopes[i].Offset < sc.End; i++ {
		in := s.Scopes[i]
		if in.open < gr.from || in.open >= gr.to {
			continue
		}
		b.scopeOf[in.open-gr.from] = int32(i) + 1
		if (in.Kind == Lambda || in.Kind == Block) && in.head >= gr.from {
			b.introOf[in.head-gr.from] = int32(i) + 1
		}
		if in.Torn {
			return nil, fmt.Errorf("line %d: a block begins and ends in different branches of an #if", in.Line)
		}
	}
	for i := range gr.of {
		gr.of[i] = -1
	}
	for i := gr.from; i < gr.to; i++ {
		n := b.ops[i-gr.from]
		if b.operator(i) || b.introOf[i-gr.from] > 0 || b.scopeKind(i) != Braces {
			n++
		}
		b.ops[i-gr.from+1] = n
	}
	b.groups = s.ppGroups(gr.from, gr.to)
	entry := b.node()
	gr.exit = b.node()
	b.returnTo = gr.exit
	cur := entry
	if sc.Kind == Func { // the initialisers of a constructor
		cur = b.value(first, sc.open, cur)
	} else {
		cur = b.take(first, sc.open, cur)
	}
	cur = b.take(sc.open, sc.open+1, cur)
	cur = b.list(sc.open+1, sc.close, cur)
	cur = b.take(sc.close, sc.close+1, cur)
	b.edge(cur, gr.exit)
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
	return gr, nil
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
