package scan

import (
	"strings"
)

// span is the text of tokens, without spaces but between words.
func (x *finder) span(from, to int) string {
	var b strings.Builder
	for k := from; k < to && b.Len() < 80; k++ {
		if k > from && x.token(k).Kind == Ident && x.token(k-1).Kind == Ident {
			b.WriteByte(' ')
		}
		b.WriteString(x.text(k))
	}
	return b.String()
}

// operandStart is the place where the operand begins whose last token is at k, or -1.
func (x *finder) operandStart(k int) int {
	for k >= 0 {
		if x.is(k, ")") || x.is(k, "]") {
			p := x.partner(k, len(x.sig))
			if p < 0 || p > k {
				return -1
			}
			k = p
			if k > 0 && (x.token(k-1).Kind == Ident && !isKeyword(x.text(k-1)) || x.is(k-1, ")") || x.is(k-1, "]")) {
				k--
				continue
			}
		} else if x.token(k).Kind != Ident {
			return -1
		}
		if k > 1 && (x.is(k-1, ".") || x.is(k-1, "->") || x.is(k-1, "::")) {
			k -= 2
			continue
		}
		return k
	}
	return -1
}

// used reports whether the token before an expression makes use of its value.
func (x *finder) used(i int) bool {
	switch x.text(i) {
	case ";", "{", "}", ")", ":", "else", "do":
		return false
	}
	return true
}

// isKeyword reports whether s is a word behind which an expression begins.
func isKeyword(s string) bool {
	switch s {
	case "return", "co_return", "co_yield", "co_await", "else", "do", "case", "throw", "in", "and", "or", "not":
		return true
	}
	return false
}

// operandEnds reports whether the token at i may end an operand.
func (x *finder) operandEnds(i int) bool {
	if i < 0 {
		return false
	}
	switch t := x.token(i); t.Kind {
	case Ident:
		return !isKeyword(x.text(i))
	case Number, String, Char:
		return true
	case Punct:
		return x.is(i, ")") || x.is(i, "]") || x.is(i, "@")
	}
	return false
}
