package proofs

import "strings"

// stripComments blanks comments of Lean source, keeping strings, line ends and the
// position of everything else within its line.
func stripComments(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	blank := func(part string) {
		for i := range len(part) {
			if part[i] == '\n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(' ')
			}
		}
	}
	for len(s) > 0 {
		n := 1
		switch {
		case strings.HasPrefix(s, "--"):
			if n = strings.IndexByte(s, '\n'); n < 0 {
				n = len(s)
			}
			blank(s[:n])
		case strings.HasPrefix(s, "/-"):
			n = blockEnd(s)
			blank(s[:n])
		case s[0] == '"':
			n = stringEnd(s)
			b.WriteString(s[:n])
		default:
			b.WriteByte(s[0])
		}
		s = s[n:]
	}
	return b.String()
}

// blockEnd is the length of the block comment at the start of s; they nest.
func blockEnd(s string) int {
	depth, i := 1, 2
	for i < len(s) && depth > 0 {
		switch {
		case strings.HasPrefix(s[i:], "/-"):
			depth++
			i += 2
		case strings.HasPrefix(s[i:], "-/"):
			depth--
			i += 2
		default:
			i++
		}
	}
	return i
}

// stringEnd is the length of the string literal at the start of s.
func stringEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// parseImports reads the header of a Lean file: the imported modules, as keys, in order.
// Everything before the first word that is no header is header.
func parseImports(src string) []string {
	words := headerWords(src)
	var out []string
	for {
		w, ok := words()
		if !ok {
			return out
		}
		switch w {
		case "module", "prelude", "public", "private", "meta":
			continue
		case "import":
		default:
			return out
		}
		name, ok := words()
		for ok && (name == "all" || name == "runtime") {
			name, ok = words()
		}
		if !ok {
			return out
		}
		if _, valid := splitName(name); !valid {
			return out
		}
		out = append(out, key(name))
	}
}

// headerWords yields words separated by space and comments, without reading further than
// asked: a header is short, a file may be long.
func headerWords(s string) func() (string, bool) {
	return func() (string, bool) {
		for {
			s = strings.TrimLeft(s, " \t\r\n")
			switch {
			case s == "":
				return "", false
			case strings.HasPrefix(s, "--"):
				i := strings.IndexByte(s, '\n')
				if i < 0 {
					i = len(s)
				}
				s = s[i:]
				continue
			case strings.HasPrefix(s, "/-"):
				s = s[blockEnd(s):]
				continue
			}
			i := 0
			for i < len(s) && !strings.ContainsRune(" \t\r\n", rune(s[i])) {
				if strings.HasPrefix(s[i:], "--") || strings.HasPrefix(s[i:], "/-") {
					break
				}
				if strings.HasPrefix(s[i:], "«") {
					end := strings.IndexAny(s[i:], "»\n")
					if end < 0 {
						i = len(s)
						break
					}
					i += end
					continue
				}
				i++
			}
			w := s[:i]
			s = s[i:]
			return w, true
		}
	}
}
