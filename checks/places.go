package checks

import "strings"

// place is where a key or a table header stands in a TOML text. The TOML module gives
// positions for syntax errors only; what is wrong with a value is found later.
type place struct {
	table string // "" for the top, "rule" for [[rule]]
	index int    // of the table among those of its name, 0-based
	key   string // "" for the header itself
	line  int
	col   int
}

// places lists headers and keys of a text that the TOML module accepted. It reads any
// other text too, without making sense of it.
func places(src string) []place {
	var out []place
	count := map[string]int{}
	table, index := "", 0
	line, start := 1, 0
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case c == '\n':
			i++
			line, start = line+1, i
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '#':
			i = lineEnd(src, i)
		case c == '[':
			end := lineEnd(src, i)
			name := src[i:end]
			if j := strings.IndexByte(name, ']'); j >= 0 {
				name = name[:j]
			}
			table = unquoted(strings.TrimLeft(name, "["))
			index = count[table]
			count[table]++
			out = append(out, place{table: table, index: index, line: line, col: i - start + 1})
			i = end
		default:
			end := i
			for end < len(src) && src[end] != '=' && src[end] != '\n' {
				if src[end] == '"' || src[end] == '\'' {
					end = stringEnd(src, end)
					continue
				}
				end++
			}
			out = append(out, place{table: table, index: index, key: unquoted(src[i:min(end, len(src))]), line: line, col: i - start + 1})
			for i = end; i < len(src) && src[i] != '\n'; {
				i = skipValue(src, i)
			}
			line += strings.Count(src[start:i], "\n")
			start = strings.LastIndexByte(src[:i], '\n') + 1
		}
	}
	return out
}

// skipValue goes behind the next piece of a value: a string, a whole array or table, a
// comment, or one byte.
func skipValue(src string, i int) int {
	depth := 0
	for i < len(src) {
		switch src[i] {
		case '"', '\'':
			i = stringEnd(src, i)
		case '#':
			i = lineEnd(src, i)
		case '[', '{':
			depth++
			i++
		case ']', '}':
			depth--
			i++
		default:
			i++
		}
		if depth <= 0 {
			return i
		}
	}
	return i
}

// stringEnd is the offset behind the TOML string that begins at i.
func stringEnd(src string, i int) int {
	q := src[i : i+1]
	if strings.HasPrefix(src[i:], q+q+q) {
		for j := i + 3; j < len(src); j++ {
			if src[j] == '\\' && q == `"` {
				j++
			} else if strings.HasPrefix(src[j:], q+q+q) {
				for j += 3; j < len(src) && src[j] == q[0]; j++ {
				}
				return j
			}
		}
		return len(src)
	}
	for j := i + 1; j < len(src) && src[j] != '\n'; j++ {
		if src[j] == '\\' && q == `"` {
			j++
		} else if src[j] == q[0] {
			return j + 1
		}
	}
	return lineEnd(src, i)
}

func lineEnd(src string, i int) int {
	if j := strings.IndexByte(src[i:], '\n'); j >= 0 {
		return i + j
	}
	return len(src)
}

func unquoted(s string) string { return strings.Trim(strings.TrimSpace(s), `"'`) }

// find returns the place of a key of a table, or of the table's header.
func find(ps []place, table string, index int, key string) place {
	var header place
	for _, p := range ps {
		if p.table != table || p.index != index {
			continue
		}
		if p.key == key && key != "" {
			return p
		}
		if p.key == "" {
			header = p
		}
	}
	return header
}
