package scan

import "bytes"

const (
	// maxTokens bounds the memory that a file can cost; the rest of it becomes one token.
	maxTokens = 4 << 20
	// maxOpen bounds the problems kept until it is known which of them count.
	maxOpen = 10_000
)

type lexer struct {
	src       []byte
	f         *File
	pos       int
	start     int // offset of the current line
	line      int32
	fresh     bool // nothing but space and comments on this line yet
	directive bool
	problems  []lexProblem
}

// lexProblem is dropped if its token turns out to be one that the compiler never looks
// into: apostrophes are common in #error lines and under #if 0.
type lexProblem struct {
	token     int
	text      string
	tolerable bool
}

const (
	cSpace = 1 << iota
	cIdent // may start an identifier
	cDigit
)

var class = func() (t [256]uint8) {
	for _, c := range " \t\v\f\x00" {
		t[c] = cSpace
	}
	for c := range t {
		if c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80 {
			t[c] = cIdent
		}
		if c >= '0' && c <= '9' {
			t[c] = cDigit
		}
	}
	return t
}()

// at is the byte at offset i, 0 behind the end.
func (x *lexer) at(i int) byte {
	if i < len(x.src) {
		return x.src[i]
	}
	return 0
}

// emit makes a token of src[pos:end] and goes behind it, counting lines inside it.
func (x *lexer) emit(kind Kind, end int) {
	x.f.Tokens = append(x.f.Tokens, Token{
		Offset: int32(x.pos), Len: int32(end - x.pos), Line: x.line, Column: int32(x.pos - x.start + 1),
		Kind: kind, Directive: x.directive,
	})
	if kind <= Comment || kind == String || kind == Char {
		for i := x.pos; i < end; i++ {
			if c := x.src[i]; c != '\n' && c != '\r' {
				continue
			}
			i += newline(x.src, i) - 1
			x.line++
			x.start = i + 1
			x.f.lines = append(x.f.lines, int32(i+1))
		}
	}
	x.pos = end
}

func (x *lexer) problem(text string, tolerable bool) {
	if len(x.problems) == maxOpen {
		text, tolerable = "many places that cannot be read", false
	} else if len(x.problems) > maxOpen {
		return
	}
	x.problems = append(x.problems, lexProblem{token: len(x.f.Tokens), text: text, tolerable: tolerable})
}

func (x *lexer) report() {
	for _, p := range x.problems {
		t := x.f.Tokens[p.token]
		if p.tolerable && (t.Directive || t.Dead) {
			continue
		}
		x.f.Problems = append(x.f.Problems, Problem{Line: int(t.Line), Column: int(t.Column), Text: p.text})
	}
}

func (x *lexer) next() {
	c := x.src[x.pos]
	switch {
	case class[c] == cSpace:
		end := x.pos + 1
		for end < len(x.src) && class[x.src[end]] == cSpace {
			end++
		}
		x.emit(Space, end)
		return
	case c == '\n' || c == '\r':
		x.directive = false
		end := x.pos
		for end < len(x.src) && (class[x.src[end]] == cSpace || x.src[end] == '\n' || x.src[end] == '\r') {
			end++
		}
		x.emit(Space, end)
		x.fresh = true
		return
	case c == '\\' && x.splice(x.pos) > 0:
		x.emitSplice()
		return
	case c == '/' && x.at(x.pos+1) == '/':
		x.emit(Comment, x.lineComment())
		return
	case c == '/' && x.at(x.pos+1) == '*':
		x.emit(Comment, x.blockComment())
		return
	}
	if c == '#' && x.fresh {
		x.directive = true
		x.f.hashes = append(x.f.hashes, int32(len(x.f.Tokens)))
	}
	x.fresh = false
	switch {
	case class[c] == cIdent:
		end := x.identEnd(x.pos)
		switch x.at(end) {
		case '"':
			if raw, ok := stringPrefix(x.src[x.pos:end]); ok {
				if raw {
					x.rawString(end)
				} else {
					x.quoted(String, end, '"')
				}
				return
			}
		case '\'':
			if raw, ok := stringPrefix(x.src[x.pos:end]); ok && !raw {
				x.quoted(Char, end, '\'')
				return
			}
		}
		x.emit(Ident, end)
	case class[c] == cDigit, c == '.' && class[x.at(x.pos+1)] == cDigit:
		x.emit(Number, x.numberEnd())
	case c == '"':
		x.quoted(String, x.pos, '"')
	case c == '\'':
		x.quoted(Char, x.pos, '\'')
	case c == '@' && x.at(x.pos+1) == '"':
		x.quoted(String, x.pos+1, '"')
	case c == '@' && class[x.at(x.pos+1)] == cIdent:
		end := x.identEnd(x.pos + 1)
		if raw, ok := stringPrefix(x.src[x.pos+1 : end]); ok && x.at(end) == '"' { // @R"(…)"
			if raw {
				x.rawString(end)
			} else {
				x.quoted(String, end, '"')
			}
			return
		}
		x.emit(At, end)
	default:
		n := punct(x.src[x.pos:])
		if next := x.at(x.pos + 1); n == 2 && (c == '<' && next == '%' || c == '%' && next != '=') || x.squareDigraph(c, next) {
			n = 2
			x.problem("a digraph stands for a bracket here", true)
		}
		x.emit(Punct, x.pos+n)
	}
}

// squareDigraph reports whether <: or :> stands for a square bracket here. <:: does not,
// unless another : or a > follows: [lex.pptoken] of the C++ standard.
func (x *lexer) squareDigraph(c, next byte) bool {
	if c == '<' && next == ':' {
		third, fourth := x.at(x.pos+2), x.at(x.pos+3)
		return third != ':' || fourth == ':' || fourth == '>'
	}
	return c == ':' && next == '>'
}

// splice is the length of a line splice (a backslash before a line end) at offset i.
// Compilers let white space stand between the two, and so does this.
func (x *lexer) splice(i int) int {
	if x.at(i) != '\\' {
		return 0
	}
	j := i + 1
	for j < len(x.src) && (x.src[j] == ' ' || x.src[j] == '\t') {
		j++
	}
	if j >= len(x.src) {
		return 0
	}
	if n := newline(x.src, j); n > 0 {
		return j + n - i
	}
	return 0
}

func (x *lexer) emitSplice() {
	end := x.pos + x.splice(x.pos)
	// The compiler joins the lines before it looks for tokens. Two halves of a word, or
	// of a comment sign, would be read wrongly here.
	if x.pos > 0 && end < len(x.src) {
		a, b := x.src[x.pos-1], x.src[end]
		word := func(c byte) bool { return class[c]&(cIdent|cDigit) != 0 }
		if word(a) && word(b) || a == '/' && (b == '/' || b == '*') {
			x.problem("a line splice inside a token", false)
		}
	}
	x.emit(Space, end)
}

// lineComment is the end of a // comment: the line end, unless a splice continues it.
func (x *lexer) lineComment() int {
	for i := x.pos + 2; i < len(x.src); i++ {
		switch x.src[i] {
		case '\n', '\r':
			return i
		case '\\':
			if n := x.splice(i); n > 0 {
				i += n - 1
			}
		}
	}
	return len(x.src)
}

func (x *lexer) blockComment() int {
	i := x.pos + 2
	for {
		j := bytes.IndexByte(x.src[min(i, len(x.src)):], '*')
		if j < 0 {
			x.problem("a comment without end", false)
			return len(x.src)
		}
		i += j + 1
		k := i
		for n := x.splice(k); n > 0; n = x.splice(k) {
			k += n
		}
		if x.at(k) == '/' && k < len(x.src) {
			return k + 1
		}
	}
}

func (x *lexer) identEnd(i int) int {
	for i < len(x.src) && class[x.src[i]]&(cIdent|cDigit) != 0 {
		i++
	}
	return i
}

// numberEnd follows the grammar of preprocessing numbers, [lex.ppnumber] of the C++
// standard.
func (x *lexer) numberEnd() int {
	i := x.pos + 1
	for i < len(x.src) {
		c := x.src[i]
		switch {
		case class[c]&(cIdent|cDigit) != 0, c == '.':
			i++
		case c == '\'' && class[x.at(i+1)]&(cIdent|cDigit) != 0:
			i += 2
		case (c == '+' || c == '-') && bytes.IndexByte([]byte("eEpP"), x.src[i-1]) >= 0:
			i++
		default:
			return i
		}
	}
	return i
}

func stringPrefix(p []byte) (raw, ok bool) {
	switch string(p) {
	case "L", "u", "U", "u8":
		return false, true
	case "R", "LR", "uR", "UR", "u8R":
		return true, true
	}
	return false, false
}

// quoted reads a string or character literal whose opening quote is at offset open. One
// that does not end on its line ends there, with a problem.
func (x *lexer) quoted(kind Kind, open int, quote byte) {
	i := open + 1
	for i < len(x.src) {
		switch c := x.src[i]; {
		case c == quote:
			x.emit(kind, i+1)
			return
		case c == '\\' && x.splice(i) > 0:
			i += x.splice(i)
		case c == '\\' && i+1 < len(x.src) && newline(x.src, i+1) == 0:
			i += 2
		case c == '\n' || c == '\r':
			x.problem(unterminated(kind), true)
			x.emit(kind, i)
			return
		default:
			i++
		}
	}
	x.problem(unterminated(kind), true)
	x.emit(kind, len(x.src))
}

func unterminated(kind Kind) string {
	if kind == Char {
		return "a character literal without end"
	}
	return "a string without end"
}

// rawString reads R"delim(…)delim" whose opening quote is at offset open.
func (x *lexer) rawString(open int) {
	i := open + 1
	for i < len(x.src) && i-open <= 17 && bytes.IndexByte([]byte("()\\ \t\v\f\n\r\""), x.src[i]) < 0 {
		i++
	}
	if x.at(i) != '(' {
		x.quoted(String, open, '"')
		return
	}
	end := append(append([]byte{')'}, x.src[open+1:i]...), '"')
	j := bytes.Index(x.src[i:], end)
	if j < 0 {
		x.problem("a raw string without end", false)
		x.emit(String, len(x.src))
		return
	}
	x.emit(String, i+j+len(end))
}

// punct is the length of the operator at the start of p. A '>' always stands alone, so
// that vector<vector<int>> and vector<vector<int> > are the same tokens.
func punct(p []byte) int {
	if len(p) >= 3 && p[0] == '.' && p[1] == '.' && p[2] == '.' {
		return 3
	}
	if len(p) < 2 {
		return 1
	}
	switch string(p[:2]) {
	case "::", "->", "++", "--", "&&", "||", "==", "!=", "<=", "<<", "##",
		"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<%", "%>", "%:":
		return 2
	}
	return 1
}
