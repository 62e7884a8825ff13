package scan

import (
	"slices"
)

// match is one search.
type match struct {
	p     *Pattern
	f     *File
	code  []int32
	bound [][2]int32 // the tokens of each name; -1 before it is bound
	steps int
}

func (m *match) same(i int, text []byte) bool {
	t := m.f.Tokens[m.code[i]]
	return int(t.Len) == len(text) && string(m.f.Src[t.Offset:t.End()]) == string(text)
}

// at matches the items from k on at position i and returns the position behind, or -1.
func (m *match) at(i, k int) int {
	for ; k < len(m.p.items); k++ {
		it := m.p.items[k]
		if it.hole == 2 {
			return m.run(i, k+1)
		}
		if i >= len(m.code) {
			return -1
		}
		switch {
		case it.hole == 0:
			if !m.same(i, it.text) {
				return -1
			}
		case it.re != nil:
			if !it.re.Match(m.f.Text(m.f.Tokens[m.code[i]])) {
				return -1
			}
		case it.hole > 2:
			b := &m.bound[it.hole-3]
			switch {
			case b[0] >= 0:
				for n := b[0]; n < b[1]; n++ {
					if i >= len(m.code) || !m.same(i, m.f.Text(m.f.Tokens[m.code[n]])) {
						return -1
					}
					i++
				}
				continue
			case m.p.operands:
				return m.operand(i, k)
			}
			*b = [2]int32{int32(i), int32(i) + 1}
		}
		i++
	}
	return i
}

// operand matches the operand at item k, the longest first, and the items behind it.
func (m *match) operand(i, k int) int {
	n := m.p.items[k].hole - 3
	if i > 0 && (m.is(i-1, ".") || m.is(i-1, "->") || m.is(i-1, "::")) {
		return -1
	}
	ends := m.operandEnds(i)
	saved := slices.Clone(m.bound)
	for _, end := range slices.Backward(ends) {
		m.steps++
		m.bound[n] = [2]int32{int32(i), int32(end)}
		if e := m.at(end, k+1); e >= 0 {
			return e
		}
		copy(m.bound, saved)
	}
	return -1
}

func (m *match) is(i int, text string) bool {
	t := m.f.Tokens[m.code[i]]
	return int(t.Len) == len(text) && string(m.f.Src[t.Offset:t.End()]) == text
}

// operandEnds returns the places behind the operands that begin at i, in order.
func (m *match) operandEnds(i int) []int {
	t := m.f.Tokens[m.code[i]]
	var ends []int
	k := i + 1
	switch {
	case t.Kind == Ident && !isKeyword(string(m.f.Text(t))), t.Kind == Number, t.Kind == String, t.Kind == Char:
	case m.is(i, "(") || m.is(i, "["):
		if k = m.group(i); k < 0 {
			return nil
		}
	case m.is(i, "&") || m.is(i, "*"):
		if i+1 >= len(m.code) || m.is(i+1, "&") || m.is(i+1, "*") {
			return nil
		}
		return m.operandEnds(i + 1)
	default:
		return nil
	}
	ends = append(ends, k)
	for k < len(m.code) && len(ends) < 64 && m.steps < maxSteps {
		m.steps++
		switch {
		case (m.is(k, ".") || m.is(k, "->") || m.is(k, "::")) && k+1 < len(m.code) && m.f.Tokens[m.code[k+1]].Kind == Ident:
			k += 2
		case m.is(k, "(") || m.is(k, "["):
			e := m.group(k)
			if e < 0 {
				return ends
			}
			k = e
		default:
			return ends
		}
		ends = append(ends, k)
	}
	return ends
}

// run tries the items from k on behind 0, 1, 2, … tokens or bracket groups.
func (m *match) run(i, k int) int {
	saved := slices.Clone(m.bound)
	for i < len(m.code) && m.steps < maxSteps {
		m.steps++
		if end := m.at(i, k); end >= 0 {
			return end
		}
		copy(m.bound, saved)
		t := m.f.Tokens[m.code[i]]
		if t.Kind == Punct {
			switch m.f.Src[t.Offset] {
			case ';', ')', ']', '}':
				return -1
			case '(', '[', '{':
				if i = m.group(i); i < 0 {
					return -1
				}
				continue
			}
		}
		i++
	}
	return -1
}

// group is the position behind the bracket group that begins at i, or -1.
func (m *match) group(i int) int {
	depth := 0
	for ; i < len(m.code) && m.steps < maxSteps; i++ {
		m.steps++
		t := m.f.Tokens[m.code[i]]
		if t.Kind != Punct {
			continue
		}
		switch m.f.Src[t.Offset] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
