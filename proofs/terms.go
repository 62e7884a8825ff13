package proofs

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// terms holds names, universe levels and kernel terms of a project, each once. Children
// come before parents, so the order of the tables is an order of dependency, and nothing
// can be cyclic. Binder names, binder kinds and metadata are not kept: they do not change
// what is stated. The zero value is not ready; use newTerms.
type terms struct {
	names  []nameEntry  // 0 is the anonymous name
	levels []levelEntry // 0 is zero
	nodes  []term
	args   []int32             // levels of constants, by offset and count
	texts  []string            // literals
	known  map[nameEntry]int32 // number of a name
}

// nameEntry is one component of a name below another name.
type nameEntry struct {
	parent  int32
	numeric bool
	text    string // of a numeric component its digits
}

// levelEntry is a universe level. kind is 'S' (successor of a), 'M' (maximum of a and b),
// 'I' (the same, but 0 if b is), 'P' (the parameter with name a), or '0'.
type levelEntry struct {
	kind   byte
	params bool // a parameter occurs in it
	a, b   int32
}

// term is a kernel term. Its kind is
//
//	v  bound variable a (de Bruijn index)
//	s  sort of level a
//	c  constant named a, with the levels args[b:b+c]
//	a  application of a to b
//	l  lambda over type a with body b
//	p  dependent product over type a with body b
//	z  let with type a, value b and body c
//	n  number texts[a]
//	t  text texts[a]
//	j  field b of the structure named a, of term c
type term struct {
	kind    byte
	params  bool // a level parameter occurs in it
	a, b, c int32
}

func newTerms() *terms {
	return &terms{names: make([]nameEntry, 1), levels: []levelEntry{{kind: '0'}}, known: map[nameEntry]int32{}}
}

var errTable = errors.New("entry refers to one that does not exist")

// addName adds a name. One that is there already is an error: a constant is known by the
// number of its name, and with two numbers it could hide.
func (t *terms) addName(parent int32, text string, numeric bool) (int32, error) {
	e := nameEntry{parent, numeric, text}
	if _, twice := t.known[e]; twice || !t.isName(parent) {
		return 0, errTable
	}
	i := int32(len(t.names))
	t.names, t.known[e] = append(t.names, e), i
	return i, nil
}

func (t *terms) isName(i int32) bool  { return i >= 0 && int(i) < len(t.names) }
func (t *terms) isLevel(i int32) bool { return i >= 0 && int(i) < len(t.levels) }
func (t *terms) isTerm(i int32) bool  { return i >= 0 && int(i) < len(t.nodes) }

func (t *terms) addLevel(kind byte, a, b int32) (int32, error) {
	l := levelEntry{kind: kind, a: a, b: b}
	ok := t.isLevel(a)
	switch kind {
	case 'S':
		ok, l.b = ok && b == 0, 0
	case 'M', 'I':
		ok = ok && t.isLevel(b)
	case 'P':
		ok, l.params = t.isName(a) && b == 0, true
	default:
		ok = false
	}
	if !ok {
		return 0, errTable
	}
	if kind != 'P' {
		l.params = t.levels[a].params || t.levels[b].params
	}
	t.levels = append(t.levels, l)
	return int32(len(t.levels) - 1), nil
}

// addConst adds a constant with its levels.
func (t *terms) addConst(name int32, levels []int32) (int32, error) {
	n := term{kind: 'c', a: name, b: int32(len(t.args)), c: int32(len(levels))}
	if !t.isName(name) {
		return 0, errTable
	}
	for _, l := range levels {
		if !t.isLevel(l) {
			return 0, errTable
		}
		n.params = n.params || t.levels[l].params
	}
	t.args = append(t.args, levels...)
	t.nodes = append(t.nodes, n)
	return int32(len(t.nodes) - 1), nil
}

// addLiteral adds a number (kind 'n') or a text ('t').
func (t *terms) addLiteral(kind byte, text string) int32 {
	t.texts = append(t.texts, text)
	t.nodes = append(t.nodes, term{kind: kind, a: int32(len(t.texts) - 1)})
	return int32(len(t.nodes) - 1)
}

// addTerm adds a term that is neither a constant nor a literal.
func (t *terms) addTerm(kind byte, a, b, c int32) (int32, error) {
	n := term{kind: kind, a: a, b: b, c: c}
	ok := false
	with := func(i int32) bool {
		if !t.isTerm(i) {
			return false
		}
		n.params = n.params || t.nodes[i].params
		return true
	}
	switch kind {
	case 'v':
		ok = a >= 0 && b == 0 && c == 0
	case 's':
		ok = t.isLevel(a) && b == 0 && c == 0
		if ok {
			n.params = t.levels[a].params
		}
	case 'a', 'l', 'p':
		ok = with(a) && with(b) && c == 0
	case 'z':
		ok = with(a) && with(b) && with(c)
	case 'j':
		ok = t.isName(a) && b >= 0 && with(c)
	}
	if !ok {
		return 0, errTable
	}
	t.nodes = append(t.nodes, n)
	return int32(len(t.nodes) - 1), nil
}

// The tables as the inventory program prints them: entries with ";" between, names as a
// list of texts.

// readNames adds "PARENT TEXT" and "PARENT#NUMBER".
func (t *terms) readNames(list []string) error {
	for _, s := range list {
		i := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		parent, err := strconv.ParseInt(s[:i], 10, 32)
		if err != nil || i == len(s) || s[i] != ' ' && s[i] != '#' {
			return fmt.Errorf("name %q: %w", cut(s, 40), errTable)
		}
		if _, err := t.addName(int32(parent), s[i+1:], s[i] == '#'); err != nil {
			return fmt.Errorf("name %q: %w", cut(s, 40), err)
		}
	}
	return nil
}

func (t *terms) readLevels(s string) error {
	if s == "" {
		return nil
	}
	for entry := range strings.SplitSeq(s, ";") {
		var a [2]int32
		args, _, err := numbers(entry, nil)
		if err == nil && entry != "" && len(args) > 0 && len(args) <= len(a) {
			copy(a[:], args)
			_, err = t.addLevel(entry[0], a[0], a[1])
		} else {
			err = errTable
		}
		if err != nil {
			return fmt.Errorf("level %q: %w", cut(entry, 40), err)
		}
	}
	return nil
}

// readTerms adds terms; texts are the string literals that they bring, numbered on from
// those before.
func (t *terms) readTerms(s string, texts []string, seen *int) error {
	if s != "" {
		t.nodes = slices.Grow(t.nodes, strings.Count(s, ";")+1)
	}
	var args []int32
	for s != "" {
		entry, kind, err := s, s[0], error(nil)
		end := 1
		if kind == 'n' { // may be larger than any integer of ours
			for end < len(s) && s[end] != ';' {
				end++
			}
			entry = s[:end]
			if number, ok := strings.CutPrefix(entry, "n "); !ok || number == "" || strings.Trim(number, "0123456789") != "" {
				err = errTable
			} else {
				t.addLiteral('n', number)
			}
		} else {
			args = args[:0]
			if args, end, err = numbers(s, args); err == nil {
				entry = s[:end]
				err = t.readTerm(kind, args, texts, *seen)
			}
		}
		if err != nil {
			return fmt.Errorf("term %q: %w", cut(entry, 40), err)
		}
		if end == len(s) {
			break
		}
		if s = s[end+1:]; s == "" {
			return fmt.Errorf("term %q: %w", "", errTable)
		}
	}
	*seen += len(texts)
	return nil
}

func (t *terms) readTerm(kind byte, args []int32, texts []string, seen int) error {
	var err error
	switch {
	case kind == 'c' && len(args) > 0:
		_, err = t.addConst(args[0], args[1:])
	case kind == 't' && len(args) == 1 && int(args[0]) >= seen && int(args[0])-seen < len(texts):
		t.addLiteral('t', texts[int(args[0])-seen])
	case kind != 'c' && len(args) == arity(kind):
		var a [3]int32
		copy(a[:], args)
		_, err = t.addTerm(kind, a[0], a[1], a[2])
	default:
		err = errTable
	}
	return err
}

func arity(kind byte) int {
	switch kind {
	case 'v', 's':
		return 1
	case 'a', 'l', 'p':
		return 2
	case 'z', 'j':
		return 3
	}
	return -1
}

// numbers reads the integers after a letter, up to a semicolon or the end.
func numbers(s string, into []int32) (args []int32, end int, err error) {
	i := 1
	for i < len(s) && s[i] == ' ' {
		i++
		n, start := int64(0), i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			if n = n*10 + int64(s[i]-'0'); n > 1<<31-1 {
				return nil, i, errTable
			}
			i++
		}
		if i == start {
			return nil, i, errTable
		}
		into = append(into, int32(n))
	}
	if i < len(s) && s[i] != ';' {
		return nil, i, errTable
	}
	return into, i, nil
}

// walker finds the constants in terms. It keeps its scratch space between calls.
type walker struct {
	t     *terms
	mark  []int32 // last visit of each node
	named []int32 // last visit in which each name was met
	epoch int32
	stack []int32
}

func newWalker(t *terms) *walker { return &walker{t: t} }

// constants calls each, once, for every constant that occurs in one of the terms; negative
// terms are skipped.
func (w *walker) constants(roots []int32, each func(name int32)) {
	w.mark = append(w.mark, make([]int32, max(0, len(w.t.nodes)-len(w.mark)))...)
	w.named = append(w.named, make([]int32, max(0, len(w.t.names)-len(w.named)))...)
	w.epoch++
	push := func(i int32) {
		if i >= 0 && w.mark[i] != w.epoch {
			w.mark[i] = w.epoch
			w.stack = append(w.stack, i)
		}
	}
	for _, r := range roots {
		push(r)
	}
	for len(w.stack) > 0 {
		n := w.t.nodes[w.stack[len(w.stack)-1]]
		w.stack = w.stack[:len(w.stack)-1]
		switch n.kind {
		case 'c':
			if w.named[n.a] != w.epoch {
				w.named[n.a] = w.epoch
				each(n.a)
			}
		case 'a', 'l', 'p':
			push(n.b)
			push(n.a)
		case 'z':
			push(n.c)
			push(n.b)
			push(n.a)
		case 'j':
			push(n.c)
		}
	}
}

// nameText writes a name as Lean does: components that are no identifiers in « », private
// names with their prefix.
func (t *terms) nameText(i int32) string {
	if i == 0 {
		return "[anonymous]"
	}
	var parts []string
	for ; i != 0; i = t.names[i].parent {
		e := &t.names[i]
		if e.numeric || identifier(e.text) || strings.Contains(e.text, "»") {
			parts = append(parts, e.text)
		} else {
			parts = append(parts, "«"+e.text+"»")
		}
	}
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}

// identifier reports whether Lean writes a component without quotes: isIdFirst and
// isIdRest of its Init/Meta.
func identifier(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || letterLike(r)
		rest := r >= '0' && r <= '9' || r == '\'' || r == '!' || r == '?' || subscript(r)
		if !letter && (i == 0 || !rest) {
			return false
		}
	}
	return s != ""
}

func letterLike(r rune) bool {
	switch {
	case r == 'λ' || r == 'Π' || r == 'Σ' || r == '×' || r == '÷': // these are syntax
		return false
	case r >= 'α' && r <= 'ω', r >= 'Α' && r <= 'Ω', // Greek
		r >= 0x3ca && r <= 0x3fb,     // Coptic
		r >= 0x1f00 && r <= 0x1ffe,   // polytonic Greek
		r >= 0x2100 && r <= 0x214f,   // letter-like symbols
		r >= 0x1d49c && r <= 0x1d59f, // script, double-struck, Fraktur
		r >= 0xc0 && r <= 0x17f:      // Latin-1 and Latin Extended-A
		return true
	}
	return false
}

func subscript(r rune) bool {
	return r >= 0x2080 && r <= 0x2089 || r >= 0x2090 && r <= 0x209c || r >= 0x1d62 && r <= 0x1d6a || r == 0x2c7c
}
