package flow

// Closure is a lambda or block inside of an expression.
type Closure struct {
	Block    bool // ^{ … }; else a lambda
	From     int  // position of the ^ or the [
	Captures int  // position behind a lambda's captures
	Open     int  // position of the brace
	To       int  // position behind the closing brace
	Call     *Call
}

func (r *reader) closure(c *Closure) {
	for _, call := range r.calls {
		if call.From <= c.From && c.To <= call.To && (c.Call == nil || call.To-call.From < c.Call.To-c.Call.From) {
			c.Call = call
		}
	}
	r.p.closures = append(r.p.closures, c)
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
