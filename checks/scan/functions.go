package scan

import "strings"

// Function is one function with a body.
type Function struct {
	// Name is qualified by the namespaces and classes around it, without template
	// arguments: "at::mps::Pool::~Pool", "Pool::operator==", "-[Queue submit:after:]".
	Name   string
	Line   int // of the name's head, 1-based
	Column int
	// Body is Src[Offset:End]: from the opening brace, or the colon of a constructor's
	// initialisers, to behind the closing brace.
	Offset, End int
	// Torn: opening and closing brace stand in different branches of an #if, so the
	// extent depends on the configuration.
	Torn bool
}

// Is reports whether name means this function: its whole name, a part of it from some
// "::" on, or the selector of a method.
func (fn Function) Is(name string) bool {
	if fn.Name == name || strings.HasSuffix(fn.Name, "::"+name) {
		return true
	}
	if strings.HasSuffix(fn.Name, "]") && name != "" {
		_, sel, _ := strings.Cut(strings.TrimSuffix(fn.Name, "]"), " ")
		return sel == name
	}
	return false
}

// finder looks for functions in the scopes where they are declared: the file, namespaces,
// classes, @implementation. The heads of declarations are judged by their shape.
type finder struct {
	f   *File
	s   *Structure
	sig []int32 // indices of significant tokens outside of directives
	pos []int32 // the other way round
	out []Function

	decls  []Scope // namespaces, classes and functions at the level of the file
	scopes []Scope // all, filled by sweep
}

func (x *finder) all() []Function {
	b := x.f.memory
	x.pos, x.sig, x.scopes = ints(&b.pos, len(x.f.Tokens)), ints(&b.sig, len(x.f.Tokens)), b.scopes[:0]
	n := 0
	for i := range x.f.Tokens {
		t := &x.f.Tokens[i]
		x.pos[i] = int32(n)
		if t.significant() && !t.Directive {
			x.sig[n] = int32(i)
			n++
		}
	}
	x.sig = x.sig[:n]
	x.scope(0, len(x.sig), "")
	return x.out
}

func (x *finder) token(i int) Token { return x.f.Tokens[x.sig[i]] }

// is compares the text of a significant token without allocating a string.
func (x *finder) is(i int, s string) bool { return string(x.f.Text(x.token(i))) == s }

func (x *finder) text(i int) string { return string(x.f.Text(x.token(i))) }

// partner is the position of the matching bracket if it lies before to, else -1.
func (x *finder) partner(i, to int) int {
	p := x.s.partner[x.sig[i]]
	if p < 0 || int(x.pos[p]) >= to {
		return -1
	}
	return int(x.pos[p])
}

// scope reads the declarations between two positions. prefix ends with "::" unless empty.
func (x *finder) scope(from, to int, prefix string) {
	head, class := from, ""
	for i := from; i < to; i++ {
		t := x.token(i)
		if t.Kind == At {
			switch x.text(i) {
			case "@implementation":
				if class = ""; i+1 < to {
					class = x.text(i + 1)
				}
				head = i
			case "@interface", "@protocol":
				head = i
			case "@end":
				head, class = i+1, ""
			}
			continue
		}
		if t.Kind != Punct {
			continue
		}
		switch x.f.Src[t.Offset] {
		case ';', '}':
			head = i + 1
		case '-', '+':
			if t.Len == 1 && class != "" && i+1 < to && x.methodStarts(head, i) {
				head = i
			}
		case ':':
			if t.Len == 1 && i > head && i-head <= 2 && accessSpecifier(x.text(head)) {
				head = i + 1
			}
		case '(', '[':
			if p := x.partner(i, to); p > i {
				i = p
			}
		case '{':
			p := x.partner(i, to)
			if p < 0 {
				head = i + 1
				continue
			}
			if !x.member(head, i, p, prefix, class) {
				head = p + 1
			}
			i = p
		}
	}
}

func accessSpecifier(s string) bool { return s == "public" || s == "private" || s == "protected" }

// methodStarts reports whether the sign at i begins a method: nothing stands before it,
// or only the @implementation line, which has no end of its own.
func (x *finder) methodStarts(head, i int) bool {
	return head == i || x.token(head).Kind == At
}

// member judges the brace at position open by the head before it. It reports whether it
// was the initialiser of a member in a constructor's head, which goes on behind it.
func (x *finder) member(head, open, end int, prefix, class string) bool {
	if head == open || x.token(head).Kind == At {
		return false
	}
	if class != "" && (x.is(head, "-") || x.is(head, "+")) {
		name := x.text(head) + "[" + class + " " + x.selector(head+1, open) + "]"
		x.add(name, head, open, open, end)
		return false
	}
	k := x.skipTemplate(head, open)
	for k < open && (x.is(k, "inline") || x.is(k, "export")) {
		k++
	}
	switch {
	case k == open:
		return false
	case x.is(k, "namespace"):
		name := x.namespace(k+1, open)
		x.decl(Namespace, strings.TrimSuffix(prefix+name, "::"), head, open)
		x.scope(open+1, end, prefix+name)
		return false
	case x.is(k, "extern") && k+2 == open && x.token(k+1).Kind == String:
		x.decl(Compound, "", head, open)
		x.scope(open+1, end, prefix)
		return false
	}
	shape := x.shape(k, open)
	switch {
	case shape.initialiser || shape.typedef && shape.class < 0:
	case shape.function >= 0:
		body := open
		if shape.init >= 0 {
			if x.bracedMember(open) {
				return true
			}
			body = shape.init
		}
		x.add(prefix+shape.name, head, body, open, end)
	case shape.class >= 0 && !shape.enum:
		inner := prefix
		if name := x.className(shape.class+1, open); name != "" {
			inner += name + "::"
		}
		x.decl(Class, strings.TrimSuffix(inner, "::"), head, open)
		x.scope(open+1, end, inner)
	}
	return false
}

func (x *finder) decl(kind ScopeKind, name string, head, open int) {
	x.decls = append(x.decls, Scope{Kind: kind, Name: name, head: head, from: open, open: open})
}

func (x *finder) add(name string, head, body, open, end int) {
	x.decls = append(x.decls, Scope{Kind: Func, Name: name, head: head, from: body, open: open})
	t := x.token(head)
	x.out = append(x.out, Function{
		Name: name, Line: int(t.Line), Column: int(t.Column),
		Offset: int(x.token(body).Offset), End: x.token(end).End(), Torn: x.s.torn[x.sig[open]],
	})
}

// bracedMember reports whether the brace opens the initialiser of a member, as in
// Pool() : slots_{8} {…}: a body follows a closing bracket, an initialiser a name.
func (x *finder) bracedMember(open int) bool {
	return x.token(open-1).Kind == Ident && !x.is(open-1, "try") || x.is(open-1, ">")
}

// selector reads the selector of a method from its head behind the sign.
func (x *finder) selector(i, to int) string {
	var parts strings.Builder
	first := ""
	for ; i < to; i++ {
		switch t := x.token(i); {
		case x.is(i, "("):
			if p := x.partner(i, to); p > i {
				i = p
			}
		case t.Kind == Ident:
			if first == "" {
				first = x.text(i)
			}
			if i+1 < to && x.is(i+1, ":") {
				parts.WriteString(x.text(i))
			}
		case x.is(i, ":"):
			parts.WriteByte(':')
		}
	}
	if parts.Len() > 0 {
		return parts.String()
	}
	return first
}

// skipTemplate goes behind template <…> and its requires clause's keyword.
func (x *finder) skipTemplate(i, to int) int {
	for i+1 < to && x.is(i, "template") && x.is(i+1, "<") {
		p := x.angleEnd(i+1, to)
		if p < 0 {
			return i
		}
		i = p + 1
	}
	return i
}

// maxAngle is how far the other end of template arguments is looked for, in tokens.
const maxAngle = 2000

// angleEnd is the position of the > that closes the < at i, or -1. No statement ends inside
// of template arguments, and no bracket around them.
func (x *finder) angleEnd(i, to int) int {
	depth := 0
	for to = min(to, i+maxAngle); i < to; i++ {
		t := x.token(i)
		if t.Kind != Punct {
			continue
		}
		switch x.f.Src[t.Offset] {
		case '<':
			if t.Len == 1 {
				depth++
			}
		case '>':
			if depth--; depth == 0 {
				return i
			}
		case '(', '[', '{':
			if p := x.partner(i, to); p > i {
				i = p
			}
		case ';', ')', ']', '}':
			return -1
		}
	}
	return -1
}

// angleStart is the position of the < that is closed by the > at i, or -1.
func (x *finder) angleStart(i, from int) int {
	depth := 0
	for from = max(from, i-maxAngle); i >= from; i-- {
		t := x.token(i)
		if t.Kind != Punct {
			continue
		}
		switch x.f.Src[t.Offset] {
		case '>':
			depth++
		case '<':
			if t.Len != 1 {
				continue
			}
			if depth--; depth == 0 {
				return i
			}
		case ')', ']', '}':
			if p := x.partner(i, len(x.sig)); p >= from {
				i = p
			}
		case ';', '(', '[', '{':
			return -1
		}
	}
	return -1
}

// namespace is the name before a namespace's brace, with "::" behind it.
func (x *finder) namespace(i, to int) string {
	var b strings.Builder
	for ; i < to; i++ {
		switch {
		case x.is(i, "[") || x.is(i, "("):
			if p := x.partner(i, to); p > i {
				i = p
			}
		case x.token(i).Kind == Ident && !x.is(i, "inline") && !attributeLike(x.text(i)):
			if b.Len() > 0 && !x.is(i-1, "::") && !x.is(i-1, "inline") {
				b.Reset() // a macro stood before the name
			}
			b.WriteString(x.text(i) + "::")
		}
	}
	return b.String()
}

// className is the name behind class, struct or union: the last one before the bases.
func (x *finder) className(i, to int) string {
	name := ""
	for ; i < to; i++ {
		switch {
		case x.is(i, "[") || x.is(i, "("):
			if p := x.partner(i, to); p > i {
				i = p
			}
		case x.is(i, "<"):
			if p := x.angleEnd(i, to); p > i {
				i = p
			}
		case x.is(i, ":") || x.is(i, "final"):
			return name
		case x.token(i).Kind == Ident:
			if i > 0 && x.is(i-1, "::") && name != "" {
				name += "::" + x.text(i)
			} else {
				name = x.text(i)
			}
		}
	}
	return name
}
