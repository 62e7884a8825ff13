package flow

// Kind says what a statement is.
type Kind uint8

// Kinds of statements.
const (
	Simple       Kind = iota // an expression or a declaration
	Block                    // { … }
	If                       // Head is the condition; Body and Else
	Loop                     // for, while, do and macros that look like one
	Switch                   // Body holds Case statements
	Case                     // a label of a switch
	Label                    // a label for goto
	Return                   // also throw, goto and what never comes back
	Break                    //
	Continue                 //
	Try                      // Body; Handlers
	Synchronized             // @synchronized (Head) Body
	Pool                     // @autoreleasepool Body
)

// Stmt is one statement. Positions are those of File; From and To are its own tokens.
type Stmt struct {
	Kind     Kind
	From, To int
	Word     string // the keyword it begins with, "" for an expression
	Head     *Expr  // expression, condition or value
	Init     *Expr  // first part of a for
	Next     *Expr  // last part of a for
	Body     *Stmt
	Else     *Stmt
	List     []*Stmt // statements of a block
	Handlers []*Stmt // blocks of catch and finally
	Endless  bool    // a loop without condition
	Once     bool    // do: the body runs at least once
}

// maxNesting bounds how deep statements nest before the rest is read as one expression.
const maxNesting = 200

type parser struct {
	x        *File
	b        *Body
	closures []*Closure
	nesting  int
}

// block reads the block whose brace is at open.
func (p *parser) block(open int) *Stmt {
	end := p.x.Match(open)
	if end < open {
		return &Stmt{Kind: Block, From: open, To: open + 1}
	}
	s := &Stmt{Kind: Block, From: open, To: end + 1}
	s.List = p.list(open+1, end)
	return s
}

func (p *parser) list(i, to int) (out []*Stmt) {
	for i < to {
		s := p.statement(i, to)
		if s.To <= i { // nothing was read
			s.To = i + 1
		}
		out = append(out, s)
		i = s.To
	}
	return out
}

// statement reads one statement that begins at i and ends before to.
func (p *parser) statement(i, to int) *Stmt {
	x := p.x
	if i >= to {
		return &Stmt{From: i, To: i}
	}
	p.nesting++
	defer func() { p.nesting-- }()
	if p.nesting > maxNesting {
		return p.simple(i, to)
	}
	word := x.Word(i)
	switch word {
	case "{":
		if e := x.Match(i); e > i && e < to {
			return p.block(i)
		}
	case ";":
		return &Stmt{From: i, To: i + 1}
	case "if":
		if s := p.branch(i, to); s != nil {
			return s
		}
	case "for", "while":
		if s := p.loop(i, to); s != nil {
			return s
		}
	case "do":
		if x.Is(i+1, "{") {
			body := p.statement(i+1, to)
			s := &Stmt{Kind: Loop, Word: "do", From: i, To: body.To, Body: body, Once: true}
			if x.Is(body.To, "while") && x.Is(body.To+1, "(") {
				if e := x.Match(body.To + 1); e > 0 && e < to {
					s.Head = p.expr(body.To+2, e)
					s.To = e + 1
					if x.Is(s.To, ";") {
						s.To++
					}
				}
			}
			return s
		}
	case "switch":
		if e := p.parens(i+1, to); e > 0 {
			s := &Stmt{Kind: Switch, Word: word, From: i, Head: p.expr(i+2, e)}
			s.Body = p.statement(e+1, to)
			s.To = s.Body.To
			return s
		}
	case "case", "default":
		for k := i + 1; k < to && !x.Is(k, ";") && !x.Is(k, "{"); k++ {
			if x.Is(k, ":") {
				return &Stmt{Kind: Case, Word: word, From: i, To: k + 1}
			}
			if e := x.Match(k); e > k {
				k = e
			}
		}
	case "return", "co_return", "throw", "@throw", "goto":
		s := p.simple(i+1, to)
		return &Stmt{Kind: Return, Word: word, From: i, To: s.To, Head: s.Head}
	case "abort", "exit", "_exit", "terminate", "__builtin_unreachable", "__builtin_trap":
		if x.Is(i+1, "(") {
			s := p.simple(i, to)
			s.Kind, s.Word = Return, word
			return s
		}
	case "break", "continue":
		if x.Is(i+1, ";") {
			return &Stmt{Kind: map[string]Kind{"break": Break, "continue": Continue}[word], Word: word, From: i, To: i + 2}
		}
	case "try", "@try":
		if x.Is(i+1, "{") {
			return p.try(i, to)
		}
	case "@synchronized":
		if e := p.parens(i+1, to); e > 0 && x.Is(e+1, "{") {
			s := &Stmt{Kind: Synchronized, Word: word, From: i, Head: p.expr(i+2, e), Body: p.statement(e+1, to)}
			s.To = s.Body.To
			return s
		}
	case "@autoreleasepool":
		if x.Is(i+1, "{") {
			s := &Stmt{Kind: Pool, Word: word, From: i, Body: p.statement(i+1, to)}
			s.To = s.Body.To
			return s
		}
	case "struct", "class", "union", "enum":
		return p.local(i, to)
	}
	if x.Ident(i) && x.Is(i+1, ":") && i+1 < to {
		p.b.Labels = true
		return &Stmt{Kind: Label, From: i, To: i + 2}
	}
	return p.simple(i, to)
}

// parens is the position of the parenthesis that closes the one at i, or -1.
func (p *parser) parens(i, to int) int {
	if !p.x.Is(i, "(") {
		return -1
	}
	if e := p.x.Match(i); e > i && e < to {
		return e
	}
	return -1
}

func (p *parser) branch(i, to int) *Stmt {
	x := p.x
	open := i + 1
	if x.Is(open, "constexpr") {
		open++
	}
	e := p.parens(open, to)
	if e < 0 {
		return nil
	}
	s := &Stmt{Kind: If, Word: "if", From: i, Head: p.expr(open+1, e)}
	s.Body = p.statement(e+1, to)
	s.To = s.Body.To
	if x.Is(s.To, "else") && s.To < to {
		s.Else = p.statement(s.To+1, to)
		s.To = s.Else.To
	}
	return s
}

func (p *parser) loop(i, to int) *Stmt {
	x := p.x
	e := p.parens(i+1, to)
	if e < 0 {
		return nil
	}
	s := &Stmt{Kind: Loop, Word: x.Word(i), From: i}
	if s.Word == "while" {
		s.Head = p.expr(i+2, e)
		s.Endless = e == i+3 && (x.Is(i+2, "true") || x.Is(i+2, "1") || x.Is(i+2, "YES"))
	} else {
		var cut []int
		for k := i + 2; k < e; k++ {
			if m := x.Match(k); m > k {
				k = m
			} else if x.Is(k, ";") {
				cut = append(cut, k)
			}
		}
		switch len(cut) {
		case 2:
			s.Init, s.Head, s.Next = p.expr(i+2, cut[0]), p.expr(cut[0]+1, cut[1]), p.expr(cut[1]+1, e)
			s.Endless = cut[0]+1 == cut[1]
		default: // over a range
			s.Head = p.expr(i+2, e)
		}
	}
	s.Body = p.statement(e+1, to)
	s.To = s.Body.To
	return s
}

func (p *parser) try(i, to int) *Stmt {
	x := p.x
	s := &Stmt{Kind: Try, Word: x.Word(i), From: i, Body: p.statement(i+1, to)}
	s.To = s.Body.To
	for s.To < to {
		k := s.To
		switch x.Word(k) {
		case "catch", "@catch":
			e := p.parens(k+1, to)
			if e < 0 || !x.Is(e+1, "{") {
				return s
			}
			k = e + 1
		case "@finally":
			k++
		default:
			return s
		}
		if !x.Is(k, "{") {
			return s
		}
		h := p.statement(k, to)
		s.Handlers = append(s.Handlers, h)
		s.To = h.To
	}
	return s
}

// local reads a statement that begins like a class: its definition is not followed, but
// `struct stat s = …` is a declaration.
func (p *parser) local(i, to int) *Stmt {
	x := p.x
	for k := i + 1; k < to; k++ {
		switch {
		case x.Is(k, ";") || x.Is(k, "=") || x.Is(k, "("):
			return p.simple(i, to)
		case x.Is(k, "{"):
			e := x.Match(k)
			if e < 0 || e >= to {
				return p.simple(i, to)
			}
			for e++; e < to && !x.Is(e, ";"); e++ {
				if m := x.Match(e); m > e {
					e = m
				}
			}
			return &Stmt{Word: x.Word(i), From: i, To: min(e+1, to)}
		}
	}
	return p.simple(i, to)
}

// simple reads an expression or declaration up to its semicolon. A block that follows
// parentheses without one belongs to a macro that looks like a loop.
func (p *parser) simple(i, to int) *Stmt {
	x := p.x
	for k := i; k < to; k++ {
		switch {
		case x.Is(k, ";"):
			return &Stmt{From: i, To: k + 1, Head: p.expr(i, k)}
		case x.Is(k, "{"):
			e := x.Match(k)
			if e < 0 || e >= to {
				continue
			}
			if x.closureAt(k) == nil && k > i && x.Is(k-1, ")") && x.Ident(i) && x.Is(i+1, "(") && x.Match(i+1) == k-1 {
				s := &Stmt{Kind: Loop, Word: x.Word(i), From: i, Head: p.expr(i+2, k-1), Body: p.statement(k, to)}
				s.To = s.Body.To
				return s
			}
			k = e
		default:
			if e := x.Match(k); e > k && e < to {
				k = e
			}
		}
	}
	return &Stmt{From: i, To: to, Head: p.expr(i, to)}
}
