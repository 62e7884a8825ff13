package checks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/flow"
)

// States of an object or a part.
const (
	stUnknown = iota // nothing is known but that it exists
	stFresh          // an object: made, nothing called that changes it
	stEntered        // an object: in the state
	stOpen           // a part: made, not ended
	stEnded          // a part: ended
)

// object is what is known of the object in a variable.
type object struct {
	state int
	at    int    // position of the call that put it there
	decl  int    // position of the declaration of its variable, -1 if that is elsewhere
	owner string // of a part: the variable of its object
	name  string // of a part: how it was called where it was made
}

// objects are the objects in the variables of a body, by name. What is not in it is not
// known.
type objects map[string]object

// typestateWalk follows one body.
type typestateWalk struct {
	*typestate
	body *flow.Body
	file *flow.File
	note func(at int, format string, args ...any)
}

// expected reports whether a test wants what happens at a position to fail: it stands in
// an @try, which in Objective-C is for programming errors only.
func expected(b *flow.Body, at int) bool {
	for ; b != nil; b = b.Parent {
		found := false
		b.Root.Visit(func(s *flow.Stmt) {
			found = found || s.Kind == flow.Try && s.Word == "@try" && at >= s.Body.From && at < s.Body.To
		})
		if found {
			return true
		}
	}
	return false
}

func (w *typestateWalk) Clone(s objects) objects { return maps.Clone(s) }

func (w *typestateWalk) Unknown() objects { return objects{} }

func (w *typestateWalk) Enter(s objects, _ *flow.Stmt) objects { return s }

// Leave forgets the variables of a scope. A part that is open when its variable goes can
// no longer be ended.
func (w *typestateWalk) Leave(s objects, st *flow.Stmt) objects {
	if len(s) == 0 {
		return s
	}
	declared := map[string]bool{}
	for _, op := range st.Ops() {
		if op.Kind == flow.OpAssign && op.Decl {
			declared[op.Name] = true
		}
	}
	for name, o := range maps.Clone(s) {
		switch {
		case declared[o.owner]: // its object is out of reach
			delete(s, name)
		case o.decl < st.From || o.decl >= st.To:
		case o.state == stOpen:
			delete(s, name)
			o.decl = -1
			s[fmt.Sprintf("%s@%d", o.name, o.at)] = o
		default:
			delete(s, name)
		}
	}
	return s
}

func (w *typestateWalk) Join(a, b objects) objects {
	for name, o := range a {
		p, ok := b[name]
		switch {
		case !ok || p.owner != o.owner || p.decl != o.decl:
			delete(a, name)
		case p.state != o.state:
			o.state = stUnknown
			a[name] = o
		}
	}
	return a
}

func (w *typestateWalk) Forget(s objects, ops []flow.Op) objects {
	for i := range ops {
		op := &ops[i]
		switch op.Kind {
		case flow.OpCall:
			if n := op.Call.Name; match(w.enter, n) || match(w.leave, n) || match(w.end, n) {
				w.drop(s, op.Call.Receiver)
			}
			w.foreign(s, op.Call)
		case flow.OpAssign:
			w.assigned(s, op.Name)
		case flow.OpUse:
			w.drop(s, op.Name)
		case flow.OpBody:
			w.captured(s, op)
		}
	}
	return s
}

func match(re *regexp.Regexp, s string) bool { return re != nil && re.MatchString(s) }

// drop forgets the state of a variable's object.
func (w *typestateWalk) drop(s objects, name string) {
	if o, ok := s[name]; ok {
		if o.owner != "" {
			delete(s, name)
			return
		}
		o.state = stUnknown
		s[name] = o
	}
}

// assigned forgets a variable's object, and what belongs to it.
func (w *typestateWalk) assigned(s objects, name string) {
	delete(s, name)
	for k, o := range s {
		if o.owner == name || strings.HasPrefix(k, name+"->") {
			delete(s, k)
		}
	}
}

func (w *typestateWalk) local(name string) bool {
	_, ok := w.body.TypeOf(name)
	return ok
}

var (
	// plainName is a variable that holds the same object until it is assigned; a property
	// ("self.buffer") is a call, which may give another one each time.
	plainName = regexp.MustCompile(`^[A-Za-z_]\w*(?:->[A-Za-z_]\w*)*$`)
	// onlooker calls neither keep an argument's state from being known nor change members.
	onlooker = regexp.MustCompile(`^(?:NSLog|f?printf|snprintf|assert|NSAssert\w*|NSCAssert\w*|os_log\w*|addObject:|(?:std::)?(?:push_back|emplace_back)|isEqual:|static_cast|CFAbsoluteTimeGetCurrent|status|error|label|set[A-Z]\w*:.*|dispatchThread\w*:.*|draw\w+:.*|GPU(?:Start|End)Time|device|newBuffer\w*:.*)$`)
	// expecting calls want what is inside of them to go wrong.
	expecting = regexp.MustCompile(`^(?:XCTAssert(?:No)?Throws?\w*|(?:EXPECT|ASSERT)_(?:\w*THROW|DEATH|EXIT)\w*|[A-Z][A-Z0-9_]*(?:THROW|DEATH)[A-Z0-9_]*)$`)
)

// foreign forgets the members that a call of something else may change.
func (w *typestateWalk) foreign(s objects, c *flow.Call) {
	if onlooker.MatchString(c.Name) || match(w.forbid, c.Name) || match(w.enter, c.Name) || match(w.part, c.Name) || match(w.end, c.Name) || match(w.made, c.Name) {
		return
	}
	if _, tracked := s[c.Receiver]; tracked {
		return
	}
	for name := range s {
		if !w.local(name) {
			w.assigned(s, name)
		}
	}
}

// captured forgets what a closure may change: it may run at once, later or never.
func (w *typestateWalk) captured(s objects, op *flow.Op) {
	x, c := w.file, op.Closure
	for i := c.From; i < c.To; i++ {
		if !x.Ident(i) {
			continue
		}
		o, ok := s[x.Word(i)]
		if ok && (o.state != stEntered || x.Is(i+1, "=")) {
			w.drop(s, x.Word(i))
		}
	}
	for name := range s {
		if !w.local(name) {
			w.assigned(s, name)
		}
	}
}

func (w *typestateWalk) Apply(s objects, op *flow.Op) objects {
	switch op.Kind {
	case flow.OpCall:
		w.call(s, op)
	case flow.OpAssign:
		w.assign(s, op)
	case flow.OpBody:
		w.captured(s, op)
	case flow.OpUse:
		if op.Call != nil && onlooker.MatchString(op.Call.Name) {
			break
		}
		// A message cannot assign to a variable of its caller.
		o, ok := s[op.Name]
		if ok && o.state == stEntered && op.Call != nil && op.Call.Message && !w.file.Is(op.At-1, "&") {
			break
		}
		w.drop(s, op.Name)
	}
	return s
}

// known reports whether a variable holds an object of the kind that the rule is about.
func (w *typestateWalk) known(s objects, name string) bool {
	if w.typ == nil && w.made == nil {
		return true
	}
	if o, ok := s[name]; ok && o.owner == "" {
		return true
	}
	typ, ok := w.body.TypeOf(name)
	return ok && typ != "" && match(w.typ, typ)
}

func (w *typestateWalk) call(s objects, op *flow.Op) {
	c := op.Call
	defer w.foreign(s, c)
	name := c.Receiver
	if !plainName.MatchString(name) || name == "self" || name == "this" || name == "super" {
		return
	}
	o, have := s[name]
	line := func(at int) int { return int(w.file.Token(at).Line) }
	if match(w.forbid, c.Name) && (op.Within == nil || !expecting.MatchString(op.Within.Name)) {
		switch {
		case w.when == "entered" && have && o.state == stEntered:
			w.note(c.At, "%s on %s, which had %s on line %d", selector(c), name, w.file.Word(o.at), line(o.at))
		case w.when == "fresh" && have && o.state == stFresh:
			w.note(c.At, "%s on %s, which was made on line %d and not touched since", selector(c), name, line(o.at))
		case w.when == "ended" && have && o.state == stEnded:
			w.note(c.At, "%s on %s, which had %s on line %d", selector(c), name, w.file.Word(o.at), line(o.at))
		case w.when == "open":
			for _, k := range slices.Sorted(maps.Keys(s)) {
				if p := s[k]; p.owner == name && p.state == stOpen {
					w.note(c.At, "%s on %s while %s, made on line %d, is not ended", selector(c), name, p.name, line(p.at))
					break
				}
			}
		}
	}
	switch {
	case match(w.end, c.Name):
		if have && o.owner != "" {
			o.state, o.at = stEnded, c.At
			s[name] = o
		}
	case match(w.leave, c.Name):
		w.drop(s, name)
	case match(w.enter, c.Name):
		if w.known(s, name) {
			if !have {
				o.decl = -1
			}
			o.state, o.at, o.owner = stEntered, c.At, ""
			s[name] = o
		}
	}
}

// selector is a call as a reader would name it.
func selector(c *flow.Call) string { return c.Name }

func (w *typestateWalk) assign(s objects, op *flow.Op) {
	w.assigned(s, op.Name)
	if !plainName.MatchString(op.Name) {
		return
	}
	o := object{decl: -1, name: op.Name}
	if op.Decl {
		o.decl = op.At
	}
	made := op.Made
	switch {
	case made != nil && match(w.part, made.Name) && plainName.MatchString(made.Receiver):
		o.state, o.at, o.owner = stOpen, made.At, made.Receiver
		s[op.Name] = o
	case made != nil && match(w.made, made.Name) && w.maker(made):
		o.state, o.at = stFresh, made.At
		s[op.Name] = o
	}
}

// maker reports whether a call is on what makes objects.
func (w *typestateWalk) maker(c *flow.Call) bool {
	if w.by == nil || w.by.MatchString(c.Receiver) {
		return true
	}
	typ, _ := w.body.TypeOf(c.Receiver)
	return w.by.MatchString(typ)
}
