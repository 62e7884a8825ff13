package scan

import "strings"

// shape is what the head of a declaration with a brace looks like.
type shape struct {
	initialiser bool // it has a = outside of brackets
	typedef     bool
	enum        bool
	class       int // position of class, struct or union; -1
	function    int // position of the parenthesis of the parameters; -1
	init        int // position of the colon of the constructor's initialisers; -1
	name        string
}

// shape looks at the head between two positions, outside of brackets.
func (x *finder) shape(from, to int) shape {
	s := shape{class: -1, function: -1, init: -1}
	operator := -1
	for i := from; i < to; i++ {
		t := x.token(i)
		switch {
		case t.Kind == Ident:
			switch x.text(i) {
			case "typedef":
				s.typedef = true
			case "enum":
				s.enum = true
			case "class", "struct", "union":
				if s.class < 0 {
					s.class = i
				}
			case "operator":
				if operator < 0 {
					operator = i
				}
			}
		case t.Kind != Punct:
		case x.is(i, "="):
			if operator < 0 || i != operator+1 {
				s.initialiser = true
				return s
			}
		case x.is(i, "(") || x.is(i, "[") || x.is(i, "{"):
			p := x.partner(i, to)
			if p < i {
				continue
			}
			if x.is(i, "(") && s.function < 0 {
				if operator >= 0 && i == operator+1 && p == i+1 { // the name operator()
					i = p
					continue
				}
				x.candidate(&s, from, i, p, to, operator)
			}
			i = p
		}
		if s.function >= 0 {
			return s
		}
	}
	return s
}

// candidate accepts the parentheses from open to end as the parameters of a function if
// a name stands before them and behind them only what may stand behind parameters.
func (x *finder) candidate(s *shape, from, open, end, to, operator int) {
	init, ok := x.trailer(end+1, to)
	if !ok {
		return
	}
	name, start := "", open-1
	switch {
	case operator >= 0:
		name, start = "operator", operator
		for i := operator + 1; i < open; i++ {
			if x.token(i).Kind == Ident && (x.token(i-1).Kind == Ident) {
				name += " "
			}
			name += x.text(i)
		}
	default:
		if start >= from && x.is(start, ">") {
			start = x.angleStart(start, from) - 1
		}
		if start < from || x.token(start).Kind != Ident || notFunction(x.text(start)) {
			return
		}
		name = x.text(start)
		if start-1 >= from && x.is(start-1, "~") {
			name, start = "~"+name, start-1
		}
	}
	s.name, s.function, s.init = x.qualifiers(start, from)+name, open, init
}

// qualifiers reads A::B<T>:: backwards from the name at position i.
func (x *finder) qualifiers(i, from int) string {
	q := ""
	for i-2 >= from && x.is(i-1, "::") {
		k := i - 2
		if x.is(k, ">") {
			if k = x.angleStart(k, from) - 1; k < from {
				break
			}
		}
		if x.token(k).Kind != Ident {
			break
		}
		q = x.text(k) + "::" + q
		i = k
	}
	return q
}

// trailer reports whether all from i to the brace may stand behind the parameters of a
// function, and where the initialisers of a constructor begin (-1 if they do not).
func (x *finder) trailer(i, to int) (init int, ok bool) {
	for from := i; i < to; i++ {
		if i-from > maxTrailer {
			return -1, false
		}
		t := x.token(i)
		switch {
		case t.Kind == Ident:
			name := x.text(i)
			switch name {
			case "const", "volatile", "override", "final", "mutable", "try", "constexpr", "consteval":
				continue
			case "requires":
				return -1, true
			}
			if !attributeLike(name) && !macroName(name) {
				return -1, false
			}
			if i+1 < to && x.is(i+1, "(") {
				if p := x.partner(i+1, to); p > i {
					i = p
				}
			}
		case x.is(i, "&") || x.is(i, "&&"):
		case x.is(i, "->"):
			return -1, true
		case x.is(i, ":"):
			return i, true
		case x.is(i, "["):
			p := x.partner(i, to)
			if p < 0 {
				return -1, false
			}
			i = p
		default:
			return -1, false
		}
	}
	return -1, true
}

// maxTrailer bounds what may stand behind parameters and before the initialisers of a
// constructor, in tokens.
const maxTrailer = 300

// attributeLike names take parentheses without being a function.
func attributeLike(s string) bool {
	switch s {
	case "__attribute__", "__attribute", "__declspec", "alignas", "noexcept", "throw", "asm", "__asm__", "_Nonnull", "_Nullable":
		return true
	}
	return false
}

// notFunction names stand before parentheses without naming a function.
func notFunction(s string) bool {
	switch s {
	case "if", "for", "while", "switch", "catch", "return", "sizeof", "alignof", "decltype", "typeof", "__typeof__",
		"static_assert", "_Static_assert", "explicit", "requires", "co_return", "co_await", "else", "do", "new", "delete",
		"void", "bool", "char", "short", "int", "long", "float", "double", "auto", "signed", "unsigned", "half",
		"NS_ENUM", "NS_OPTIONS", "NS_CLOSED_ENUM", "NS_ERROR_ENUM", "CF_ENUM", "CF_OPTIONS":
		return true
	}
	return attributeLike(s)
}

// macroName reports whether s looks like a macro: thread-safety annotations and the like
// stand behind parameters in capitals.
func macroName(s string) bool {
	return len(s) > 1 && strings.ToUpper(s) == s && strings.ToLower(s) != s
}
