package scan

import (
	"slices"
	"strings"
)

// ScopeKind says what a pair of braces encloses.
type ScopeKind uint8

// Kinds of scopes.
const (
	Braces    ScopeKind = iota // an initialiser, an enumeration, a collection literal
	Compound                   // a compound statement by itself, extern "C"
	Namespace                  // of C++
	Class                      // class, struct, union; @interface or @implementation to @end
	Func                       // function or method, from a constructor's initialisers on
	Lambda                     // [captures] (…) {…}
	Block                      // Objective-C ^(…) {…}
	Control                    // the block of a statement: if, for, @synchronized, a macro
)

// Scope is one pair of braces. Scopes nest: each lies wholly inside of its parent.
type Scope struct {
	Kind ScopeKind
	// Name is qualified for namespaces, classes and functions; the keyword (or the name of
	// the macro) of a control statement; "" for others.
	Name string
	// Callees are what a lambda or block is passed to: the name of the function, or the
	// piece of the selector before it and the whole selector; for a variable that is
	// initialised with it the name of the variable and of its type.
	Callees []string
	// Called: the lambda or block is called where it stands.
	Called bool
	Torn   bool // its end depends on an #if
	Parent int  // index in Structure.Scopes; -1 for none

	Line, Column int // of its head, 1-based
	Offset, End  int // its bytes are Src[Offset:End], braces included

	// Positions in the significant tokens: where the head begins, where the body begins
	// (the opening brace, or the colon of a constructor's initialisers), its braces.
	head, from, open, close int
}

// frame is an open bracket during the sweep.
type frame struct {
	open  int // position of the bracket
	scope int // index of its scope; -1 for parentheses and square brackets
	kind  ScopeKind
	start int // where the current statement or argument begins
}

// sweeper builds the tree of scopes. Declarations at the level of the file were found by
// a finder already.
type sweeper struct {
	*finder
	known  []Scope     // that are yet to come, by the begin of their body
	intro  map[int]int // by position of a lambda's brace: its [
	frames []frame
}

// sweep returns the scopes in order of their begin.
func (x *finder) sweep() []Scope {
	slices.SortStableFunc(x.decls, func(a, b Scope) int { return a.from - b.from })
	s := sweeper{finder: x, known: x.decls, intro: map[int]int{}}
	s.frames = append(s.frames, frame{open: -1, scope: -1, kind: Namespace})
	for i := range x.sig {
		s.step(i)
	}
	for len(s.frames) > 1 { // @implementation without @end
		s.pop(len(x.sig) - 1)
	}
	x.f.memory.scopes = s.scopes
	return s.scopes
}

func (s *sweeper) top() *frame { return &s.frames[len(s.frames)-1] }

func (s *sweeper) step(i int) {
	t := s.token(i)
	if t.Kind == At {
		switch s.text(i) {
		case "@implementation", "@interface":
			if top := s.top(); top.kind <= Namespace && top.open < 0 || top.kind == Compound {
				name := ""
				if i+1 < len(s.sig) {
					name = s.text(i + 1)
				}
				s.push(i, Scope{Kind: Class, Name: name, head: i, from: i, open: i, close: -1})
			}
		case "@end":
			if top := s.top(); top.scope >= 0 && s.scopes[top.scope].close < 0 {
				s.pop(i)
			}
		}
		return
	}
	for len(s.known) > 0 && s.known[0].from < i {
		s.known = s.known[1:]
	}
	if len(s.known) > 0 && s.known[0].from == i {
		d := s.known[0]
		s.push(i, d)
		if d.open != i {
			return
		}
	}
	if t.Kind != Punct {
		return
	}
	switch s.f.Src[t.Offset] {
	case ';':
		s.top().start = i + 1
	case ',':
		if s.top().scope < 0 {
			s.top().start = i + 1
		}
	case '(', '[':
		p := s.partner(i, len(s.sig))
		if p < i {
			return
		}
		if s.f.Src[t.Offset] == '[' {
			if b := s.lambda(i, p); b > 0 {
				s.intro[b] = i
			}
		}
		s.frames = append(s.frames, frame{open: i, scope: -1, kind: Braces, start: i + 1})
	case '{':
		if s.partner(i, len(s.sig)) < i {
			return
		}
		if top := s.top(); top.scope >= 0 && s.scopes[top.scope].open == i {
			top.start = i + 1
			return
		}
		s.push(i, s.classify(i))
	case ')', ']', '}':
		p := s.partner(i, len(s.sig))
		if p < 0 || p > i {
			return
		}
		for len(s.frames) > 1 && s.top().open > p {
			s.pop(i)
		}
		if top := s.top(); len(s.frames) > 1 && (top.open == p || top.scope >= 0 && s.scopes[top.scope].open == p) {
			s.pop(i)
		}
	}
}

func (s *sweeper) push(i int, d Scope) {
	d.Parent = -1
	for k := len(s.frames) - 1; k >= 0; k-- {
		if s.frames[k].scope >= 0 {
			d.Parent = s.frames[k].scope
			break
		}
	}
	t := s.token(d.head)
	d.Line, d.Column = int(t.Line), int(t.Column)
	d.Offset = int(s.token(d.from).Offset)
	if s.is(d.open, "{") {
		d.Torn = s.s.torn[s.sig[d.open]]
	}
	s.scopes = append(s.scopes, d)
	s.frames = append(s.frames, frame{open: i, scope: len(s.scopes) - 1, kind: d.Kind, start: i + 1})
}

func (s *sweeper) pop(i int) {
	top := *s.top()
	s.frames = s.frames[:len(s.frames)-1]
	if top.scope < 0 {
		return
	}
	d := &s.scopes[top.scope]
	d.close, d.End = i, s.token(i).End()
	if d.Kind == Lambda || d.Kind == Block {
		d.Called = i+1 < len(s.sig) && s.is(i+1, "(") ||
			i+2 < len(s.sig) && s.is(i+1, ")") && s.is(i+2, "(") && s.top().start == d.head && s.top().scope < 0
	}
	if d.Kind != Braces && d.Kind != Lambda && d.Kind != Block {
		s.top().start = i + 1
	}
}

// classify says what the brace at i encloses.
func (s *sweeper) classify(i int) Scope {
	top := s.top()
	d := Scope{Kind: Braces, head: i, from: i, open: i}
	if k, ok := s.intro[i]; ok {
		d.Kind, d.head, d.Callees = Lambda, k, s.callees(top, k)
		return d
	}
	if k := s.block(i); k >= 0 {
		d.Kind, d.head, d.Callees = Block, k, s.callees(top, k)
		return d
	}
	prev := i - 1
	for prev > 0 && s.is(prev, "]") && s.is(prev-1, "]") { // [[likely]]
		p := s.partner(prev, len(s.sig))
		if p < 0 || p >= prev {
			break
		}
		prev = p - 1
	}
	statements := top.scope >= 0 && top.kind != Braces && top.kind != Class && top.kind != Namespace
	if prev < 0 {
		return d
	}
	t := s.token(prev)
	switch {
	case t.Kind == At:
		switch w := s.text(prev); w {
		case "@try", "@finally", "@autoreleasepool":
			d.Kind, d.Name, d.head = Control, w, prev
		}
	case t.Kind == Ident:
		switch w := s.text(prev); w {
		case "else", "do", "try", "__try", "__finally":
			d.Kind, d.Name, d.head = Control, w, prev
			return d
		}
		s.declared(&d, top, i)
	case s.is(prev, ")"):
		s.parenthesised(&d, top, i, prev, statements)
	case s.is(prev, "("):
		// ({ … }) of GNU C has statements, f({…}) has none.
		for k, end := i+1, s.partner(i, len(s.sig)); k < end; k++ {
			if s.is(k, ";") {
				d.Kind = Compound
				break
			}
			if p := s.partner(k, end); p > k {
				k = p
			}
		}
	case prev < top.start && statements, statements && s.is(prev, ":"):
		d.Kind = Compound
	default:
		s.declared(&d, top, i)
	}
	return d
}

// parenthesised classifies a brace behind the parenthesis that closes at prev.
func (s *sweeper) parenthesised(d *Scope, top *frame, i, prev int, statements bool) {
	k := s.partner(prev, len(s.sig)) - 1
	if k >= 0 && (s.is(k, "constexpr") || s.is(k, "consteval") || s.is(k, "co_await")) {
		k--
	}
	if k >= 0 && s.token(k).Kind == At {
		if w := s.text(k); w == "@synchronized" || w == "@catch" {
			d.Kind, d.Name, d.head = Control, w, k
		}
		return
	}
	if k < 0 || s.token(k).Kind != Ident {
		s.declared(d, top, i)
		return
	}
	switch w := s.text(k); {
	case w == "if", w == "for", w == "while", w == "switch", w == "catch":
		d.Kind, d.Name, d.head = Control, w, k
	case statements && k == top.start:
		d.Kind, d.Name, d.head = Control, w, k // a macro
	default:
		s.declared(d, top, i)
	}
}

// declared classifies the brace of a declaration inside of a body: a local class, its
// members, or an initialiser.
func (s *sweeper) declared(d *Scope, top *frame, i int) {
	if top.scope < 0 || top.start >= i || i-top.start > maxTrailer || s.token(top.open).Kind == At {
		return
	}
	switch shape := s.shape(top.start, i); {
	case shape.initialiser || shape.enum:
	case shape.function >= 0 && top.kind == Class:
		d.Kind, d.Name, d.head = Func, s.scopes[top.scope].Name+"::"+shape.name, top.start
	case shape.class >= 0 && shape.function < 0:
		names := 0
		for k := shape.class + 1; k < i && s.token(k).Kind == Ident; k++ {
			if !macroName(s.text(k)) && !s.is(k, "final") {
				names++
			}
		}
		if names < 2 { // struct A a{…} initialises
			d.Kind, d.Name, d.head = Class, s.className(shape.class+1, i), top.start
		}
	}
}

// maxMessage bounds how much of a message send is read for its selector, in tokens.
const maxMessage = 4000

// Head is the text before the scope's braces, as byte offsets: "for (int i = 0; …)".
func (s *Structure) Head(sc Scope) (from, to int) {
	return int(s.f.Tokens[s.sig[sc.head]].Offset), int(s.f.Tokens[s.sig[sc.from]].Offset)
}

// At returns the index of the innermost scope around a byte offset, or -1.
func (s *Structure) At(offset int) int {
	i, _ := slices.BinarySearchFunc(s.Scopes, offset+1, func(sc Scope, o int) int { return sc.Offset - o })
	i--
	for i >= 0 && s.Scopes[i].End <= offset {
		i = s.Scopes[i].Parent
	}
	return i
}

// Is reports whether name means this scope: as much of its qualified name as is needed, or
// the selector of a method.
func (sc Scope) Is(name string) bool {
	if sc.Kind == Func {
		return Function{Name: sc.Name}.Is(name)
	}
	return name != "" && (sc.Name == name || strings.HasSuffix(sc.Name, "::"+name))
}
