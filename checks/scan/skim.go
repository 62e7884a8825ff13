package scan

import "bytes"

// Skimmed is what one quick pass over a source tells: where its comments and literals are.
type Skimmed struct {
	// Clean: Scan would find no problem. It is false for some sources without any; those
	// need a Scan, and nothing else here holds for them.
	Clean bool
	// Plain: no branch of an #if is known to be dead, so that View does what File.View does.
	Plain bool

	src     []byte
	regions []region
}

// region is a comment or literal, with its quotes but without prefix.
type region struct {
	from, to int32
	comment  bool
}

// Skim reads src. Its memory is that of s, which may be nil.
func (s *Skimmed) Skim(src []byte) *Skimmed {
	if s == nil {
		s = new(Skimmed)
	}
	*s = Skimmed{src: src, Plain: true, regions: s.regions[:0]}
	s.Clean = len(src) <= maxTokens && s.read(src)
	return s
}

func (s *Skimmed) add(from, to int, comment bool) {
	s.regions = append(s.regions, region{int32(from), int32(to), comment})
}

func (s *Skimmed) read(src []byte) bool {
	for i := 0; i < len(src); {
		c := src[i]
		if !notable[c] {
			i++
			continue
		}
		switch c {
		case '/':
			if i+1 < len(src) && (src[i+1] == '/' || src[i+1] == '*') {
				end := commentEnd(src, i)
				if end < 0 {
					return false
				}
				s.add(i, end, true)
				i = end
				continue
			}
		case '"':
			end := literalEnd(src, i, '"')
			if end < 0 || i > 0 && src[i-1] == 'R' { // perhaps raw
				return false
			}
			s.add(i, end, false)
			i = end
			continue
		case '\'':
			if i > 0 && class[src[i-1]]&(cIdent|cDigit) != 0 {
				k := i
				for k > 0 && (class[src[k-1]]&(cIdent|cDigit) != 0 || src[k-1] == '\'') {
					k--
				}
				if class[src[k]]&cDigit == 0 || i+1 >= len(src) || class[src[i+1]]&(cIdent|cDigit) == 0 {
					return false // L'a', or not a number
				}
				i++ // of the digits of a number
				continue
			}
			end := literalEnd(src, i, '\'')
			if end < 0 {
				return false
			}
			s.add(i, end, false)
			i = end
			continue
		case '\\':
			if !harmlessSplice(src, i) {
				return false
			}
		case '<':
			if i+1 < len(src) && (src[i+1] == '%' || src[i+1] == ':') {
				return false
			}
		case '%':
			if i+1 < len(src) && (src[i+1] == '>' || src[i+1] == ':') {
				return false
			}
		case ':':
			if i+1 < len(src) && src[i+1] == '>' {
				return false
			}
		case '#':
			s.Plain = s.Plain && !decided(src, i)
		}
		i++
	}
	return true
}

// notable are the bytes at which a token may begin that needs a look.
var notable = func() (t [256]bool) {
	for _, c := range "/\"'\\<%:#" {
		t[c] = true
	}
	return t
}()

// commentEnd is the offset behind the comment that begins at i, or -1 if it is not plain.
func commentEnd(src []byte, i int) int {
	if src[i+1] == '*' {
		n := bytes.Index(src[i+2:], []byte("*/"))
		if n < 0 || bytes.Contains(src[i+2:i+2+n], []byte("*\\")) {
			return -1
		}
		return i + n + 4
	}
	end := len(src)
	if n := bytes.IndexByte(src[i:], '\n'); n >= 0 {
		end = i + n
	}
	if end > i && end < len(src) && src[end-1] == '\r' {
		end--
	}
	line := src[i:end]
	last := len(line) - 1
	for last > 0 && (line[last] == ' ' || line[last] == '\t') {
		last--
	}
	if line[last] == '\\' || bytes.IndexByte(line, '\r') >= 0 {
		return -1
	}
	return end
}

// literalEnd is the offset behind the literal that opens at i, or -1 if it has no end on
// its line.
func literalEnd(src []byte, i int, quote byte) int {
	for i++; i < len(src); i++ {
		switch c := src[i]; c {
		case quote:
			return i + 1
		case '\\':
			i++
			if i >= len(src) || src[i] == '\n' || src[i] == '\r' || src[i] == ' ' || src[i] == '\t' {
				return -1 // a splice, perhaps
			}
		case '\n', '\r':
			return -1
		}
	}
	return -1
}

// harmlessSplice reports whether the backslash at i, outside of literals and comments, is
// no splice, or one with blanks on a side: inside of a token it would be a problem.
func harmlessSplice(src []byte, i int) bool {
	k := i + 1
	for k < len(src) && (src[k] == ' ' || src[k] == '\t') {
		k++
	}
	if k >= len(src) || newline(src, k) == 0 || i == 0 {
		return true
	}
	end := k + newline(src, k)
	return src[i-1] == ' ' || src[i-1] == '\t' || end < len(src) && (src[end] == ' ' || src[end] == '\t')
}

// decided reports whether the # at i may begin a condition that is known: #if 0.
func decided(src []byte, i int) bool {
	i++
	for i < len(src) && (src[i] == ' ' || src[i] == '\t') {
		i++
	}
	rest := src[i:]
	switch {
	case bytes.HasPrefix(rest, []byte("if")), bytes.HasPrefix(rest, []byte("elif")):
	case len(rest) > 0 && (rest[0] == '/' || rest[0] == '\\'): // a comment or splice before the word
		return true
	default:
		return false
	}
	// Whether a number or true or false stands by itself in the line, or the line goes on.
	for k := 0; k < len(rest) && rest[k] != '\n' && rest[k] != '\r'; {
		c := rest[k]
		if class[c]&(cIdent|cDigit) == 0 {
			if c == '\\' || c == '/' {
				return true
			}
			k++
			continue
		}
		from := k
		for k < len(rest) && class[rest[k]]&(cIdent|cDigit) != 0 {
			k++
		}
		switch string(rest[from:k]) {
		case "0", "1", "true", "false":
			return true
		}
	}
	return false
}

// View is File.View for a source that is Clean and Plain. It is written to out if that is
// large enough.
func (s *Skimmed) View(v View, out []byte) []byte {
	if v == Raw {
		return s.src
	}
	out = append(out[:0], s.src...)
	if v == Comments {
		at := bom(s.src)
		for _, r := range s.regions {
			blankCode(out[at:r.from])
			if !r.comment {
				blank(out[r.from:r.to])
			}
			at = int(r.to)
		}
		blankCode(out[at:])
		return out
	}
	for _, r := range s.regions {
		switch {
		case r.comment:
			blank(out[r.from:r.to])
		case v == Code:
			blank(out[r.from+1 : r.to-1])
		}
	}
	return out
}

// blankCode overwrites all but white space.
func blankCode(p []byte) {
	for i, c := range p {
		if class[c] != cSpace && c != '\n' && c != '\r' {
			p[i] = ' '
		}
	}
}

// Lacks reports whether a word, an identifier or keyword, is surely no token of a source
// that is Clean.
func (s *Skimmed) Lacks(word []byte) bool {
	k := 0
	for from := 0; ; {
		at := bytes.Index(s.src[from:], word)
		if at < 0 {
			return true
		}
		from += at
		end := from + len(word)
		for k < len(s.regions) && int(s.regions[k].to) <= from {
			k++
		}
		switch {
		case k < len(s.regions) && int(s.regions[k].from) <= from:
			end = int(s.regions[k].to)
		case from > bom(s.src) && class[s.src[from-1]]&(cIdent|cDigit) != 0, end < len(s.src) && class[s.src[end]]&(cIdent|cDigit) != 0:
		default:
			return false
		}
		from = end
	}
}
