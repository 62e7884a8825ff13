package scan

import "strings"

// truth is what is known of a condition of #if without preprocessing.
type truth int8

const (
	unknown truth = iota
	never
	always
	// cplusplus is taken for true where structure is looked at, plainC for false; but
	// neither branch is dead, since a header may be read by both compilers.
	cplusplus
	plainC
)

// directive is one conditional line.
type directive struct {
	token int // index of its #
	end   int // index behind its last token
	name  string
	cond  truth
	text  string // the condition of #if, #ifdef and #ifndef in one form
}

// conditionals calls fn for each #if, #ifdef, #ifndef, #elif…, #else and #endif. Lines
// other than these are skipped.
func (f *File) conditionals(fn func(directive)) {
	if !f.asked {
		f.asked = true
		for _, i := range f.hashes {
			if d, ok := f.directive(int(i)); ok {
				f.conds = append(f.conds, d)
			}
		}
	}
	for _, d := range f.conds {
		fn(d)
	}
}

// directive reads the preprocessor line whose # is the token at i, if it is conditional.
func (f *File) directive(i int) (d directive, ok bool) {
	d = directive{token: i, end: i + 1}
	var line []string
	for ; d.end < len(f.Tokens) && f.Tokens[d.end].Directive; d.end++ {
		t := f.Tokens[d.end]
		switch {
		case t.Kind <= Comment:
		case line == nil && !conditional(f.Text(t)):
			return d, false
		default:
			line = append(line, string(f.Text(t)))
		}
	}
	if len(line) == 0 {
		return d, false
	}
	switch d.name = line[0]; d.name {
	case "if", "elif":
		line = line[1:]
	case "ifdef", "elifdef":
		line[0] = "defined"
	case "ifndef", "elifndef":
		line = append([]string{"!", "defined"}, line[1:]...)
	default:
		return d, true
	}
	d.cond = condition(line)
	d.text = strings.Join(bareDefined(line), " ")
	return d, true
}

// bareDefined writes defined(NAME) as defined NAME.
func bareDefined(line []string) []string {
	var out []string
	for i := 0; i < len(line); i++ {
		if line[i] == "defined" && i+3 < len(line) && line[i+1] == "(" && line[i+3] == ")" {
			out = append(out, "defined", line[i+2])
			i += 3
			continue
		}
		out = append(out, line[i])
	}
	return out
}

// negation is the opposite of a condition that is simple enough, "" of others.
func negation(text string) string {
	switch words := strings.Fields(text); {
	case len(words) > 0 && words[0] == "!" && (len(words) == 2 || len(words) == 3 && words[1] == "defined"):
		return strings.Join(words[1:], " ")
	case len(words) == 1 || len(words) == 2 && words[0] == "defined":
		return "! " + text
	}
	return ""
}

// conditional reports whether a word behind # is about branches.
func conditional(word []byte) bool {
	switch string(word) {
	case "if", "elif", "ifdef", "elifdef", "ifndef", "elifndef", "else", "endif":
		return true
	}
	return false
}

func not(t truth) truth {
	switch t {
	case never:
		return always
	case always:
		return never
	case cplusplus:
		return plainC
	case plainC:
		return cplusplus
	}
	return unknown
}

// condition decides 0, 1, false, true, their negations, __cplusplus, and a conjunction
// with one of the false ones. All else is unknown.
func condition(tok []string) truth {
	if len(tok) > 200 {
		return unknown
	}
	for len(tok) >= 3 && tok[0] == "(" && tok[len(tok)-1] == ")" && closes(tok) {
		tok = tok[1 : len(tok)-1]
	}
	switch s := strings.Join(tok, " "); s {
	case "0", "false":
		return never
	case "1", "true":
		return always
	case "defined __cplusplus", "defined ( __cplusplus )", "__cplusplus":
		return cplusplus
	}
	if len(tok) == 2 && tok[0] == "!" {
		return not(condition(tok[1:]))
	}
	depth, from := 0, 0
	var parts [][]string
	for i, s := range tok {
		switch s {
		case "(":
			depth++
		case ")":
			depth--
		case "||", "?", ":", ",":
			if depth == 0 {
				return unknown
			}
		case "&&":
			if depth == 0 {
				parts = append(parts, tok[from:i])
				from = i + 1
			}
		}
	}
	if parts != nil {
		for _, p := range append(parts, tok[from:]) {
			if condition(p) == never {
				return never
			}
		}
	}
	return unknown
}

// closes reports whether the first parenthesis is closed by the last token.
func closes(tok []string) bool {
	depth := 0
	for i, s := range tok {
		switch s {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 {
			return i == len(tok)-1
		}
	}
	return false
}

// markDead sets Dead on the tokens of branches that never compile.
func (f *File) markDead() {
	type level struct {
		outer bool // the whole group is dead
		taken bool // a branch that always compiles was seen
		dead  bool // this branch is dead
	}
	var stack []level
	dead, from := false, 0
	mark := func(to int) {
		if dead {
			for i := from; i < to; i++ {
				f.Tokens[i].Dead = true
			}
		}
		from = to
	}
	f.conditionals(func(d directive) {
		mark(d.token)
		switch d.name {
		case "if", "ifdef", "ifndef":
			stack = append(stack, level{outer: dead, taken: d.cond == always, dead: d.cond == never})
		case "endif":
			if len(stack) > 0 {
				dead = stack[len(stack)-1].outer
				stack = stack[:len(stack)-1]
			}
			if dead {
				return // the line belongs to a dead region: the next mark covers it
			}
			from = d.end
			return
		default:
			if len(stack) == 0 {
				return
			}
			l := &stack[len(stack)-1]
			l.dead = l.taken || d.cond == never
			l.taken = l.taken || d.cond == always
		}
		if len(stack) == 0 {
			return
		}
		l := stack[len(stack)-1]
		dead = l.outer || l.dead
		if !l.outer {
			from = d.end // the directive itself is read by the preprocessor
		}
	})
	mark(len(f.Tokens))
}
