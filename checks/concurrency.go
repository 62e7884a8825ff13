package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/flow"
)

// conditionWait finds waits for a condition variable that nothing tests again.
type conditionWait struct{}

func (conditionWait) words() [][]string {
	return [][]string{{"wait"}, {"unique_lock", "pthread_cond_wait", "NSCondition"}}
}

type conditionNotes struct {
	conditions variables // NSCondition
	waits      []conditionUse
}

// conditionUse is a message wait outside of a loop; what it is sent to is known later.
type conditionUse struct {
	name, class string
	found       finding
}

var conditionType = regexp.MustCompile(`\bNSCondition\b`)

func (conditionWait) gather(x *flow.File, f *facts) {
	n := &conditionNotes{conditions: f.variables(func(d flow.Declared) bool { return conditionType.MatchString(d.Type) })}
	f.notes = n
	for _, b := range x.Bodies {
		if b.Labels { // a goto may be the loop
			continue
		}
		adopted := map[string]bool{} // guards of locks that the caller holds, and may loop over
		for _, op := range b.Root.Ops() {
			if op.Kind == flow.OpAssign && strings.Contains(x.Text(op.Value[0], op.Value[1]), "adopt_lock") {
				adopted[op.Name] = true
			}
		}
		wrapper := strings.Contains(strings.ToLower(b.Function), "wait")
		for _, op := range outsideLoops(b) {
			if op.Kind != flow.OpCall {
				continue
			}
			c := op.Call
			const text = "%s without a predicate and outside of a loop: it may return although nothing happened"
			switch {
			case c.Name == "pthread_cond_wait" && !wrapper:
				f.find(c.At, fmt.Sprintf(text, c.Name))
			case c.Message && c.Name == "wait" && !wrapper && pure.MatchString(c.Receiver):
				found := finding{f.place(c.At), fmt.Sprintf(text, "wait on "+c.Receiver)}
				if typ, local := b.TypeOf(c.Receiver); !local {
					n.waits = append(n.waits, conditionUse{c.Receiver, b.Class(), found})
				} else if conditionType.MatchString(typ) {
					f.findings = append(f.findings, found)
				}
			case !c.Message && c.Name == "wait" && len(c.Args) == 1 && c.Receiver != "":
				lock := flow.Variable(x.Text(c.Args[0][0], c.Args[0][1]))
				// A lock that the caller passed: the caller may loop.
				if typ, ok := b.Types[lock]; ok && !adopted[lock] && strings.Contains(typ, "unique_lock") && !strings.ContainsAny(typ, "&*") {
					f.find(c.At, fmt.Sprintf(text, "wait on "+c.Receiver))
				}
			}
		}
	}
}

func (conditionWait) conclude(all []*facts) {
	var vs variables
	for _, f := range all {
		if n, ok := f.notes.(*conditionNotes); ok {
			vs = append(vs, n.conditions...)
		}
	}
	for _, f := range all {
		n, ok := f.notes.(*conditionNotes)
		if !ok {
			continue
		}
		for _, w := range n.waits {
			if _, ok := vs.resolve(w.name, w.class, f.name); ok {
				f.findings = append(f.findings, w.found)
			}
		}
	}
}

// outsideLoops are the operations of a body that are in no loop.
func outsideLoops(b *flow.Body) (out []flow.Op) {
	loops := map[*flow.Stmt]bool{}
	b.Root.Visit(func(s *flow.Stmt) {
		if s.Kind == flow.Loop {
			s.Visit(func(t *flow.Stmt) { loops[t] = true })
		}
	})
	b.Root.Visit(func(s *flow.Stmt) {
		if loops[s] {
			return
		}
		for _, e := range []*flow.Expr{s.Init, s.Head, s.Next} {
			if e != nil {
				out = append(out, e.Ops...)
			}
		}
	})
	return out
}

// doubleChecked finds the double-checked pattern over a variable that is not atomic.
type doubleChecked struct{}

type doubleNotes struct {
	all  variables
	uses []doubleUse
}

type doubleUse struct {
	name, class string
	found       finding
}

var (
	// A test of one variable: !p, p == nullptr, nil == p.
	testOf = regexp.MustCompile(`^(?:!([\w:>-]+)|([\w:>-]+)==(?:nullptr|NULL|nil|0|false|NO)|(?:nullptr|NULL|nil|0|false|NO)==([\w:>-]+))$`)
	atomic = regexp.MustCompile(`(?i)atomic|once_flag|dispatch_once_t`)
)

func testedVariable(x *flow.File, e *flow.Expr) string {
	if e == nil {
		return ""
	}
	m := testOf.FindStringSubmatch(x.Text(e.From, e.To))
	if m == nil {
		return ""
	}
	return flow.Variable(m[1] + m[2] + m[3])
}

func (doubleChecked) words() [][]string { return [][]string{lockWords} }

func (doubleChecked) gather(x *flow.File, f *facts) {
	n := &doubleNotes{}
	for _, b := range x.Bodies {
		w := &lockWalk{entered: func(st *flow.Stmt, now []held) {
			if st.Kind != flow.If || len(now) > 0 {
				return
			}
			name := testedVariable(x, st.Head)
			if name == "" || !pure.MatchString(name) || !lockedAgain(x, st, name) {
				return
			}
			found := finding{f.place(st.Head.From), fmt.Sprintf("%s is read here without the lock that the second test takes, and it is not atomic", name)}
			typ, local := b.TypeOf(name)
			switch {
			case local && (strings.Contains(typ, "static") && !strings.Contains(typ, "thread_local")) && !atomic.MatchString(typ):
				f.findings = append(f.findings, found)
			case !local:
				n.uses = append(n.uses, doubleUse{name, b.Class(), found})
			}
		}}
		w.follow(b)
	}
	f.notes = n
	n.all = f.variables(nil)
}

// lockedAgain reports whether the body of an if takes a lock, tests the variable again and
// then assigns it.
func lockedAgain(x *flow.File, st *flow.Stmt, name string) bool {
	taken, again := false, false
	var look func(list []*flow.Stmt)
	look = func(list []*flow.Stmt) {
		for _, s := range list {
			switch s.Kind {
			case flow.Block, flow.Pool:
				if s.Body != nil {
					look([]*flow.Stmt{s.Body})
				}
				look(s.List)
			case flow.Synchronized:
				taken = true
				look([]*flow.Stmt{s.Body})
			case flow.Simple:
				for _, op := range ops(s.Head) {
					taken = taken || op.Kind == flow.OpAssign && op.Decl && guardType.MatchString(op.Type) ||
						op.Kind == flow.OpCall && op.Whole && lockCall.MatchString(op.Call.Name)
				}
			case flow.If:
				if !taken || testedVariable(x, s.Head) != name {
					continue
				}
				for _, op := range s.Body.Ops() {
					again = again || op.Kind == flow.OpAssign && op.Name == name ||
						op.Kind == flow.OpCall && op.Call.Receiver == name && op.Call.Name == "reset"
				}
			}
		}
	}
	look([]*flow.Stmt{st.Body})
	return again
}

func ops(e *flow.Expr) []flow.Op {
	if e == nil {
		return nil
	}
	return e.Ops
}

func (doubleChecked) conclude(all []*facts) {
	var vs variables
	for _, f := range all {
		if n, ok := f.notes.(*doubleNotes); ok {
			vs = append(vs, n.all...)
		}
	}
	for _, f := range all {
		n, ok := f.notes.(*doubleNotes)
		if !ok {
			continue
		}
		for _, u := range n.uses {
			if v, ok := vs.resolve(u.name, u.class, f.name); ok && !atomic.MatchString(v.Type) && !strings.Contains(v.Type, "thread_local") && !strings.Contains(v.Type, "__thread") {
				f.findings = append(f.findings, u.found)
			}
		}
	}
}

// tlsDestructor finds destructors of thread-local objects that use a global object without
// asking whether it is still there.
type tlsDestructor struct{}

type tlsNotes struct {
	globals variables
	types   []string // of thread-local variables
	uses    []globalUse
}

// globalUse is an unguarded use of a global in a destructor.
type globalUse struct {
	name, class string
	found       finding
}

var (
	threadLocal = regexp.MustCompile(`\b(?:thread_local|__thread|_Thread_local)\b`)
	// A global of such a type needs no destructor, or is never destroyed.
	trivial = regexp.MustCompile(`[*&]|(?i:atomic|once_flag)|\b(?:mutex|constexpr|extern|bool|char|int|long|short|float|double|size_t|u?int\d+_t|os_unfair_lock|pthread_\w+|NoDestructor|Leaky)\b`)
)

// outerType is a type without its template arguments.
func outerType(s string) string {
	from, to := strings.IndexByte(s, '<'), strings.LastIndexByte(s, '>')
	if from < 0 || to < from {
		return s
	}
	return s[:from] + s[to+1:]
}

func (tlsDestructor) words() [][]string { return [][]string{{"thread_local", "__thread", "~"}} }

func (tlsDestructor) gather(x *flow.File, f *facts) {
	n := &tlsNotes{}
	f.notes = n
	for _, d := range x.Variables() {
		switch {
		case threadLocal.MatchString(d.Type):
			n.types = append(n.types, d.Type)
		case !d.Class && !trivial.MatchString(outerType(d.Type)):
			n.globals = append(n.globals, variable{d, f.name})
		}
	}
	for _, b := range x.Bodies {
		for _, typ := range b.Types {
			if threadLocal.MatchString(typ) {
				n.types = append(n.types, typ)
			}
		}
		_, own, isDestructor := strings.Cut(b.Function, "~")
		if !isDestructor || b.Parent != nil || own == "" {
			continue
		}
		for _, op := range unguarded(b.Root.List) {
			var name string
			switch op.Kind {
			case flow.OpCall:
				name = op.Call.Receiver
			case flow.OpUse:
				name = op.Name
			}
			if i := strings.IndexAny(name, ".-(["); i > 0 {
				name = name[:i]
			}
			if _, local := b.TypeOf(name); name == "" || local || !pure.MatchString(name) {
				continue
			}
			n.uses = append(n.uses, globalUse{name, b.Class(), finding{f.place(op.At), name + " may be destroyed before the last thread ends, and nothing asks whether it is"}})
		}
	}
}

// unguarded are the operations of statements that no condition decides on: those before
// the first if that returns, and outside of all others.
func unguarded(list []*flow.Stmt) (out []flow.Op) {
	for _, s := range list {
		switch s.Kind {
		case flow.Simple:
			for _, op := range ops(s.Head) {
				if !op.Maybe {
					out = append(out, op)
				}
			}
		case flow.Block:
			out = append(out, unguarded(s.List)...)
		case flow.Pool, flow.Synchronized:
			out = append(out, unguarded(s.Body.List)...)
		default:
			// Whatever the condition is, what comes behind may rely on it.
			return out
		}
	}
	return out
}

func (tlsDestructor) conclude(all []*facts) {
	var globals variables
	var types []string
	for _, f := range all {
		if n, ok := f.notes.(*tlsNotes); ok {
			globals = append(globals, n.globals...)
			types = append(types, n.types...)
		}
	}
	for _, f := range all {
		n, ok := f.notes.(*tlsNotes)
		if !ok {
			continue
		}
		for _, u := range n.uses {
			class := u.class[strings.LastIndexByte(u.class, ':')+1:]
			word := regexp.MustCompile(`(?:^|[^\w])` + regexp.QuoteMeta(class) + `$`)
			if class == "" || !slices.ContainsFunc(types, word.MatchString) {
				continue
			}
			if v, ok := globals.resolve(u.name, "", f.name); ok && !v.Class && !slices.ContainsFunc(f.findings, func(o finding) bool { return o.evidence == u.found.evidence }) {
				f.findings = append(f.findings, u.found)
			}
		}
	}
}
