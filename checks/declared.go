package checks

import (
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/flow"
)

// variable is a variable outside of functions, as an analysis notes it.
type variable struct {
	flow.Declared
	file string
}

// variables are those of all files.
type variables []variable

func (f *facts) variables(want func(flow.Declared) bool) (out variables) {
	for _, d := range f.file.Variables() {
		if want == nil || want(d) {
			out = append(out, variable{d, f.name})
		}
	}
	return out
}

// resolve finds what a name in a method of a class, or in a function of a namespace,
// means: a member, else a variable of a namespace. It answers only if there is one
// candidate.
func (vs variables) resolve(name, class, file string) (found variable, ok bool) {
	scope, last := "", name
	if i := strings.LastIndex(name, "::"); i >= 0 {
		scope, last = name[:i], name[i+2:]
	}
	var members, others variables
	for _, v := range vs {
		switch {
		case v.Name != last:
		case scope != "":
			if tail(v.Scope, scope) {
				members = append(members, v)
			}
		case v.Class && class != "" && (tail(class, v.Scope) || tail(v.Scope, class)):
			members = append(members, v)
		case !v.Class:
			others = append(others, v)
		}
	}
	members, others = once(members), once(others)
	for _, list := range [][]variable{members, others} {
		if len(list) == 0 {
			continue
		}
		var here []variable
		for _, v := range list {
			if v.file == file {
				here = append(here, v)
			}
		}
		switch {
		case len(list) == 1:
			return list[0], true
		case len(here) == 1:
			return here[0], true
		}
		return variable{}, false
	}
	return variable{}, false
}

// once takes what one file declares several times, in branches of an #if, for one variable
// with all of its types.
func once(vs variables) (out variables) {
	for _, v := range vs {
		i := slices.IndexFunc(out, func(o variable) bool {
			return o.file == v.file && o.Scope == v.Scope && o.Name == v.Name && o.Class == v.Class
		})
		switch {
		case i < 0:
			out = append(out, v)
		case !strings.Contains(out[i].Type, v.Type):
			out[i].Type += " | " + v.Type
		}
	}
	return out
}

// tail reports whether a qualified name ends with another.
func tail(name, end string) bool {
	return end != "" && (name == end || strings.HasSuffix(name, "::"+end))
}

// key names a variable across files. What is static in a file, or in no namespace with a
// name, is its file's own.
func (v variable) key() string {
	if !v.Class && strings.Contains(v.Type, "static") {
		return v.file + ":" + v.Scope + "::" + v.Name
	}
	return v.Scope + "::" + v.Name
}

// pure is a name that means one variable: no object before it.
var pure = regexp.MustCompile(`^(?:::)?[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*$`)
