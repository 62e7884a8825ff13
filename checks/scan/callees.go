package scan

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
