package scan

// Calls returns the places of the names that are called: a name before a parenthesis,
// template arguments in between allowed, or a piece of the selector of a message send. A
// name right behind another name is a declaration and not a call.
func (s *Structure) Calls(name func([]byte) bool) []int {
	if s.calls == nil {
		s.calls = s.findCalls(s.f.memory.calls[:0])
		s.f.memory.calls = s.calls
	}
	var out []int
	for _, i := range s.calls {
		if name(s.f.Text(s.f.Tokens[s.sig[i]])) {
			out = append(out, int(i))
		}
	}
	return out
}

// findCalls appends the places of all names that are called.
func (s *Structure) findCalls(out []int32) []int32 {
	x := &finder{f: s.f, s: s, sig: s.sig, pos: s.pos}
	type bracket struct {
		at, end int
		square  bool
	}
	var open []bracket // around
	for i := range s.sig[:max(len(s.sig)-1, 0)] {
		t := x.token(i)
		if t.Kind == Punct {
			switch c := s.f.Src[t.Offset]; c {
			case '(', '[', '{':
				if p := x.partner(i, len(x.sig)); p > i {
					open = append(open, bracket{i, p, c == '['})
				}
			case ')', ']', '}':
				for len(open) > 0 && open[len(open)-1].end <= i {
					open = open[:len(open)-1]
				}
			}
			continue
		}
		if t.Kind != Ident {
			continue
		}
		next := x.token(i + 1)
		if next.Kind != Punct || next.Len != 1 {
			continue
		}
		switch s.f.Src[next.Offset] {
		case ']', ':':
			if n := len(open); n == 0 || !open[n-1].square || i <= open[n-1].at+1 {
				continue
			}
		case '(':
			if i > 0 && x.token(i-1).Kind == Ident && !isKeyword(x.text(i-1)) {
				continue
			}
		case '<':
			if e := x.angleEnd(i+1, len(x.sig)); e < 0 || e+1 >= len(x.sig) || !x.is(e+1, "(") {
				continue
			}
		default:
			continue
		}
		out = append(out, int32(i))
	}
	return out
}
