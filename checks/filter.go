package checks

import (
	"regexp"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// nameFilter is one name of In.
type nameFilter struct {
	name string
	re   *regexp.Regexp
}

func (f nameFilter) match(names ...string) bool {
	for _, n := range names {
		if f.name == "*" || f.re != nil && f.re.MatchString(n) || f.re == nil && f.name == n {
			return true
		}
	}
	return false
}

// scopeFilter is In that can be looked for.
type scopeFilter struct {
	namespace, class, function, control, argument *nameFilter
	lambda, block                                 bool
	needs                                         [][]byte // all of these are tokens of a file that has such a scope
}

func (c *compiled) compileIn(wrong wrongFunc) {
	name := func(text string) *nameFilter {
		if text == "" {
			return nil
		}
		if n := len(text); n > 2 && text[0] == '/' && text[n-1] == '/' {
			re, err := regexp.Compile(text[1 : n-1])
			if err != nil {
				wrong("in", "between slashes stands a Go regular expression", "in %q: %s", text, plainRegexp(err))
				return nil
			}
			return &nameFilter{re: re}
		}
		return &nameFilter{name: text}
	}
	if f := c.In.Function; f != "" && f != "*" && (f[0] != '/' || len(f) < 3) {
		c.In.Function = normalName(f)
	}
	c.in = scopeFilter{
		namespace: name(c.In.Namespace), class: name(c.In.Class), function: name(c.In.Function), control: name(c.In.Control),
		argument: name(c.In.ArgumentOf), lambda: c.In.Lambda, block: c.In.Block,
	}
	for _, s := range []string{c.In.ArgumentOf, c.In.Function, c.In.Class, c.In.Namespace} {
		if s == "" || s == "*" || s[0] == '/' || strings.Contains(s, "operator") {
			continue
		}
		c.in.needs = append(c.in.needs, words(strings.FieldsFunc(s, func(r rune) bool {
			return r != '_' && r != '$' && r < 0x80 && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
		}))...)
	}
}

// scopes returns the indices of the scopes that In asks for.
func (f scopeFilter) scopes(st *scan.Structure) []int {
	var out []int
	for i, sc := range st.Scopes {
		if f.innermost(st, i) && f.around(st, sc.Parent) {
			out = append(out, i)
		}
	}
	return out
}

// innermost reports whether a scope is of the innermost kind asked for.
func (f scopeFilter) innermost(st *scan.Structure, i int) bool {
	sc := st.Scopes[i]
	switch {
	case f.argument != nil || f.lambda || f.block:
		if sc.Kind != scan.Lambda && sc.Kind != scan.Block {
			return false
		}
		if (f.lambda || f.block) && !(f.lambda && sc.Kind == scan.Lambda || f.block && sc.Kind == scan.Block) {
			return false
		}
		return f.argument == nil || f.argument.match(sc.Callees...)
	case f.control != nil:
		return sc.Kind == scan.Control && f.control.match(sc.Name)
	case f.function != nil:
		return f.isFunction(st, i)
	case f.class != nil:
		return sc.Kind == scan.Class && f.class.named(sc)
	case f.namespace != nil:
		return sc.Kind == scan.Namespace && f.namespace.named(sc)
	}
	return false
}

func (f nameFilter) named(sc scan.Scope) bool {
	return f.match(sc.Name) || f.re == nil && sc.Is(f.name)
}

// isFunction reports whether a scope is the function asked for. Functions of local classes
// belong to the function around them.
func (f scopeFilter) isFunction(st *scan.Structure, i int) bool {
	sc := st.Scopes[i]
	if sc.Kind != scan.Func || !f.function.named(sc) {
		return false
	}
	for p := sc.Parent; p >= 0; p = st.Scopes[p].Parent {
		if st.Scopes[p].Kind == scan.Func {
			return false
		}
	}
	return true
}

// around reports whether the scopes around a scope are those asked for.
func (f scopeFilter) around(st *scan.Structure, p int) bool {
	inner := f.argument != nil || f.lambda || f.block
	function := f.function == nil || !inner && f.control == nil
	control := f.control == nil || !inner
	class := f.class == nil || !inner && f.control == nil && f.function == nil
	namespace := f.namespace == nil || !inner && f.control == nil && f.function == nil && f.class == nil
	for ; p >= 0; p = st.Scopes[p].Parent {
		sc := st.Scopes[p]
		function = function || f.isFunction(st, p)
		control = control || sc.Kind == scan.Control && f.control.match(sc.Name)
		class = class || sc.Kind == scan.Class && f.class.named(sc)
		namespace = namespace || sc.Kind == scan.Namespace && f.namespace.named(sc)
	}
	return function && control && class && namespace
}
