package scan

// lambda returns the position of the brace of a lambda whose introducer begins at i and
// ends at p, or -1 if there is none.
func (x *finder) lambda(i, p int) int {
	if x.operandEnds(i - 1) {
		return -1
	}
	if i >= 2 && (x.is(i-1, "&") || x.is(i-1, "&&")) && x.is(i-2, "auto") { // a structured binding
		return -1
	}
	n := len(x.sig)
	j := p + 1
	if j < n && x.is(j, "<") {
		e := x.angleEnd(j, n)
		if e < 0 {
			return -1
		}
		j = e + 1
	}
	result := false
	for from := j; j < n && j < from+maxTrailer; j++ {
		switch t := x.token(j); {
		case x.is(j, "{"):
			return j
		case x.is(j, "(") || x.is(j, "["):
			e := x.partner(j, n)
			if e < j {
				return -1
			}
			j = e
		case x.is(j, "->"):
			result = true
		case t.Kind == Ident:
			switch w := x.text(j); w {
			case "mutable", "constexpr", "consteval", "static", "requires":
				result = result || w == "requires"
			default:
				if !result && !attributeLike(w) && !macroName(w) {
					return -1
				}
			}
		case !result:
			return -1
		case x.is(j, ";"), x.is(j, ")"), x.is(j, "]"), x.is(j, "}"), x.is(j, "="):
			return -1
		}
	}
	return -1
}

// block returns the position of the ^ of an Objective-C block whose brace is at i, or -1.
func (x *finder) block(i int) int {
	k := i - 1
	if k >= 0 && x.is(k, ")") {
		if k = x.partner(k, len(x.sig)) - 1; k < 0 {
			return -1
		}
	}
	for from := k; k >= 0 && from-k < 24; k-- { // the type of the result
		switch t := x.token(k); {
		case x.is(k, "^"):
			if x.operandEnds(k - 1) {
				return -1
			}
			return k
		case t.Kind == Ident && !isKeyword(x.text(k)), x.is(k, "*"), x.is(k, "<"), x.is(k, ">"), x.is(k, "::"):
		default:
			return -1
		}
	}
	return -1
}

// callees are the names of what a lambda or block is passed to.
func (s *sweeper) callees(top *frame, intro int) []string {
	if top.open < 0 || top.scope >= 0 && top.kind != Braces {
		// NAME = [] {…}
		if intro >= 2 && s.is(intro-1, "=") && s.token(intro-2).Kind == Ident {
			return []string{s.text(intro - 2)}
		}
		return nil
	}
	if s.is(top.open, "[") {
		return s.selectorAt(top.open, intro)
	}
	k := top.open - 1
	if k > 0 && s.is(k, ">") {
		k = s.angleStart(k, 0) - 1
	}
	if k < 0 || s.token(k).Kind != Ident || isKeyword(s.text(k)) {
		return nil
	}
	out := []string{s.text(k)}
	k--
	if k >= 0 && s.is(k, ">") {
		k = s.angleStart(k, 0) - 1
	}
	if k >= 0 && s.token(k).Kind == Ident && !isKeyword(s.text(k)) { // std::thread worker([] {…})
		out = append(out, s.text(k))
	}
	return out
}

// selectorAt reads the selector of the message send that opens at open: the piece before
// the argument at arg, and the whole.
func (s *sweeper) selectorAt(open, arg int) []string {
	end := s.partner(open, len(s.sig))
	if end > open+maxMessage {
		return nil
	}
	piece, all := "", ""
	for k := open + 1; k < end; k++ {
		if p := s.partner(k, end); p > k {
			k = p
			continue
		}
		if k > open+1 && s.is(k, ":") && s.token(k-1).Kind == Ident {
			all += s.text(k-1) + ":"
			if k < arg {
				piece = s.text(k - 1)
			}
		}
	}
	if piece == "" {
		return nil
	}
	out := []string{piece, piece + ":"}
	if all != piece+":" {
		out = append(out, all)
	}
	return out
}
