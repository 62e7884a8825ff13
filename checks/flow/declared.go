package flow

import (
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// Declared is a variable outside of functions, or one in a function that outlives its calls.
type Declared struct {
	Scope string // namespaces and classes around it, "a::B"
	Class bool   // it is a member of a class
	Name  string
	Type  string // all that stands before the name
}

// Variables lists the variables that the file declares.
func (x *File) Variables() []Declared {
	skip := map[int]int{}
	for _, b := range x.Bodies {
		if b.Parent == nil {
			skip[b.From] = b.To
		}
	}
	d := declarer{x: x, skip: skip}
	d.scope(0, x.Len(), "", false)
	return d.out
}

type declarer struct {
	x     *File
	skip  map[int]int
	out   []Declared
	depth int
}

// scope reads the declarations between two positions.
func (d *declarer) scope(i, to int, name string, class bool) {
	x := d.x
	if d.depth++; d.depth > maxNesting {
		return
	}
	defer func() { d.depth-- }()
	start := i
	objc, outer := false, name
	for ; i < to; i++ {
		if end, ok := d.skip[i]; ok {
			i, start = end-1, end
			continue
		}
		switch t := x.Token(i); {
		case t.Kind == scan.At:
			switch x.Word(i) {
			case "@interface", "@implementation", "@protocol":
				name, class, objc = x.Word(i+1), true, true
				start = i + 2
				for k := i + 1; k < to && k < i+40; k++ { // its variables in braces
					if x.Is(k, "{") && x.Match(k) > k && x.Match(k) < to {
						d.scope(k+1, x.Match(k), name, true)
						i, start = x.Match(k), x.Match(k)+1
						break
					}
					if x.Is(k, ";") || x.Token(k).Kind == scan.At && k > i || x.Is(k, "-") || x.Is(k, "+") {
						break
					}
				}
			case "@end":
				if objc {
					name, class, objc = outer, false, false
				}
				start = i + 1
			case "@property":
				if x.Is(i+1, "(") && x.Match(i+1) > i {
					i = x.Match(i + 1)
				}
				start = i + 1
			case "@public", "@private", "@protected", "@package", "@optional", "@required":
				start = i + 1
			}
		case x.Is(i, ";"):
			d.declaration(start, i, name, class)
			start = i + 1
		case x.Is(i, ":") && i-start == 1:
			start = i + 1 // public:
		case x.Is(i, "(") || x.Is(i, "["):
			if m := x.Match(i); m > i && m < to {
				i = m
			}
		case x.Is(i, "{"):
			m := x.Match(i)
			if m < i || m >= to {
				return
			}
			inner, kind := d.head(start, i)
			if kind == "" { // an initialiser, or something that was not understood
				i = m
				continue
			}
			if inner != "" && name != "" {
				inner = name + "::" + inner
			} else if inner == "" {
				inner = name
			}
			d.scope(i+1, m, inner, kind == "class")
			i = m
			if kind != "class" {
				start = m + 1
			} else { // struct X { … } x;
				start = m
			}
		case x.Is(i, "}"):
			start = i + 1
		}
	}
}

// maxHead is how many tokens the head of a class or namespace has at most.
const maxHead = 400

// head says what the brace at open begins: "namespace" or "class" with its name, or "".
func (d *declarer) head(from, open int) (name, kind string) {
	x := d.x
	if open-from > maxHead {
		return "", ""
	}
	for i := from; i < open; i++ {
		switch x.Word(i) {
		case "namespace":
			var parts []string
			for k := i + 1; k < open; k++ {
				if x.Ident(k) && !x.Is(k, "inline") {
					parts = append(parts, x.Word(k))
				}
			}
			return strings.Join(parts, "::"), "namespace"
		case "extern":
			if i+2 == open {
				return "", "namespace"
			}
		case "enum", "=", "(":
			if kind == "" {
				return "", ""
			}
		case "class", "struct", "union":
			kind = "class"
			continue
		case "<":
			if e := x.angle(i, open); e > 0 {
				i = e
			}
			continue
		case ":":
			return name, kind
		case "final":
			continue
		}
		if kind == "class" && x.Ident(i) && !(len(x.Word(i)) > 1 && strings.ToUpper(x.Word(i)) == x.Word(i) && x.Ident(i+1) && !x.Is(i+1, "final")) {
			name = x.Word(i)
		}
	}
	return name, kind
}

// declaration notes the variable that is declared between two positions, if it is one.
func (d *declarer) declaration(from, to int, scope string, class bool) {
	x := d.x
	if to-from < 2 || to-from > 200 || x.Is(from, "}") {
		return
	}
	switch x.Word(from) {
	case "using", "typedef", "friend", "template", "return", "namespace", "extern", "@class", "static_assert":
		return
	}
	end := to
	for i := from; i < to; i++ {
		w := x.Word(i)
		if w == "<" {
			if e := x.angle(i, to); e > 0 {
				i = e
				continue
			}
		}
		if w == "operator" {
			return
		}
		if w == "=" || w == "{" || w == "[" || w == ":" || w == "," {
			end = i
			break
		}
		if w == "(" {
			k := i - 1
			if k > from && x.Ident(k) && strings.ToUpper(x.Word(k)) == x.Word(k) && x.Ident(k-1) { // int v GUARDED_BY(m);
				end = k
				break
			}
			if x.Is(k, "__attribute__") || x.Is(k, "alignas") {
				if m := x.Match(i); m > i {
					i = m
				}
				continue
			}
			return // a function
		}
	}
	k := end - 1
	if k <= from || !x.Ident(k) || keyword(x.Word(k)) || x.Is(k-1, "::") {
		return
	}
	typ := x.Text(from, k)
	if typ == "struct" || typ == "class" || typ == "enum" || typ == "union" || typ == "goto" {
		return
	}
	d.out = append(d.out, Declared{Scope: scope, Class: class, Name: x.Word(k), Type: typ})
}

// Class is the class that the function around a body belongs to, qualified, "" for none.
func (b *Body) Class() string {
	name := b.Function
	if strings.HasSuffix(name, "]") && len(name) > 2 {
		name, _, _ = strings.Cut(name[2:], " ")
		name, _, _ = strings.Cut(name, "(")
		return name
	}
	i := strings.LastIndex(name, "::")
	return name[:max(i, 0)]
}
