package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/flow"
	"github.com/holdfast-ci/holdfast/runner"
)

var (
	guardType = regexp.MustCompile(`\b(?:lock_guard|unique_lock|scoped_lock|shared_lock|\w*[a-z]Lock|\w*Locker|\w*LockGuard)\b`)
	mutexType = regexp.MustCompile(`\b(?:\w*mutex|\w*Mutex|os_unfair_lock|pthread_mutex_t|NSLock|NSRecursiveLock|SpinLock|\w*spinlock\w*)\b`)
	// lockCall and unlockCall take the lock that they name, or that they are called on.
	lockCall   = regexp.MustCompile(`^(?:lock|lock_shared|Lock|pthread_mutex_lock|os_unfair_lock_lock)$`)
	unlockCall = regexp.MustCompile(`^(?:unlock|unlock_shared|Unlock|pthread_mutex_unlock|os_unfair_lock_unlock)$`)
	gpuWait    = regexp.MustCompile(`^(?:waitUntilCompleted|waitUntilScheduled|waitUntilSignaledValue:timeoutMS:|waitUntilSignaledValue)$`)
)

// held is one lock that is held.
type held struct {
	name string // of the mutex
	by   string // variable of its guard, "" without one
	at   int    // position where it was taken
	decl int    // position of the guard's declaration, or of the statement that holds it; -1
	off  bool   // of a guard: it does not hold the lock now
}

// lockWalk follows which locks a body holds. A lock that only some paths hold is not.
type lockWalk struct {
	file *flow.File
	// taken is called when locks are taken that may be waited for; several at once have no
	// order among each other.
	taken func(names []string, at int, before []held)
	// called is called for each call.
	called func(op *flow.Op, now []held)
	// entered is called before a statement with a scope.
	entered func(st *flow.Stmt, now []held)
}

func (w *lockWalk) Clone(s []held) []held { return slices.Clone(s) }
func (w *lockWalk) Unknown() []held       { return nil }

func (w *lockWalk) Join(a, b []held) []held {
	return slices.DeleteFunc(a, func(h held) bool { return !slices.Contains(b, h) })
}

func (w *lockWalk) Enter(s []held, st *flow.Stmt) []held {
	if w.entered != nil {
		w.entered(st, locked(s))
	}
	if st.Kind == flow.Synchronized {
		name := flow.Variable(w.file.Text(st.Head.From, st.Head.To))
		w.take([]string{name}, st.From, s)
		s = append(s, held{name: name, at: st.From, decl: st.From})
	}
	return s
}

func (w *lockWalk) Leave(s []held, st *flow.Stmt) []held {
	return slices.DeleteFunc(s, func(h held) bool { return h.decl >= st.From && h.decl < st.To })
}

func (w *lockWalk) Forget(s []held, ops []flow.Op) []held {
	for i := range ops {
		op := &ops[i]
		switch {
		case op.Kind == flow.OpCall && (lockCall.MatchString(op.Call.Name) || unlockCall.MatchString(op.Call.Name)):
			for _, name := range w.subjects(op.Call) {
				s = slices.DeleteFunc(s, func(h held) bool { return h.name == name || h.by == name })
			}
		case op.Kind == flow.OpUse || op.Kind == flow.OpAssign:
			s = slices.DeleteFunc(s, func(h held) bool { return h.by == op.Name && h.by != "" })
		case op.Kind == flow.OpBody:
			s = w.captured(s, op.Closure)
		}
	}
	return s
}

// subjects are the mutexes or guards that a call of lock or unlock is about.
func (w *lockWalk) subjects(c *flow.Call) []string {
	if c.Receiver != "" {
		return []string{c.Receiver}
	}
	var out []string
	for _, a := range c.Args {
		out = append(out, flow.Variable(w.file.Text(a[0], a[1])))
	}
	return out
}

func (w *lockWalk) captured(s []held, c *flow.Closure) []held {
	return slices.DeleteFunc(s, func(h held) bool {
		if h.by == "" {
			return false
		}
		for i := c.From; i < c.To; i++ {
			if w.file.Is(i, h.by) {
				return true
			}
		}
		return false
	})
}

// locked are the locks that are held now.
func locked(s []held) (out []held) {
	for _, h := range s {
		if !h.off {
			out = append(out, h)
		}
	}
	return out
}

func (w *lockWalk) take(names []string, at int, s []held) {
	if w.taken != nil {
		w.taken(names, at, locked(s))
	}
}

func (w *lockWalk) Apply(s []held, op *flow.Op) []held {
	switch op.Kind {
	case flow.OpBody:
		return w.captured(s, op.Closure)
	case flow.OpUse:
		// Whoever gets the guard may give the lock back. A condition variable takes it again.
		if op.Call == nil || !strings.HasPrefix(op.Call.Name, "wait") {
			s = slices.DeleteFunc(s, func(h held) bool { return h.by != "" && h.by == op.Name })
		}
	case flow.OpAssign:
		s = slices.DeleteFunc(s, func(h held) bool { return h.by != "" && h.by == op.Name })
		return w.guard(s, op)
	case flow.OpCall:
		return w.call(s, op)
	}
	return s
}

// guard takes the locks of a guard that is declared.
func (w *lockWalk) guard(s []held, op *flow.Op) []held {
	args, typ := op.Value, op.Type
	if op.Made != nil && guardType.MatchString(op.Made.Name) { // auto lock = std::unique_lock(m);
		typ = op.Made.Name
		args = [2]int{op.Made.At + 1, op.Made.To}
		if n := len(op.Made.Args); n > 0 {
			args = [2]int{op.Made.Args[0][0], op.Made.Args[n-1][1]}
		}
	}
	if !op.Decl || !guardType.MatchString(typ) || args[0] >= args[1] || strings.Contains(typ, "*") || strings.Contains(typ, "&") {
		return s
	}
	var names []string
	deferred, adopted, maybe := false, false, false
	for _, text := range splitArgs(w.file, args) {
		switch {
		case strings.HasSuffix(text, "defer_lock") || strings.HasSuffix(text, "defer_lock_t{}"):
			deferred = true
		case strings.HasSuffix(text, "adopt_lock") || strings.HasSuffix(text, "adopt_lock_t{}"):
			adopted = true
		case strings.HasSuffix(text, "try_to_lock"):
			maybe = true
		default:
			names = append(names, flow.Variable(text))
		}
	}
	if maybe || len(names) == 0 || strings.Contains(typ, "unique_lock") && len(names) > 1 { // with a time limit
		return s
	}
	if !deferred && !adopted {
		w.take(names, op.At, s)
	}
	for _, name := range names {
		s = append(s, held{name: name, by: op.Name, at: op.At, decl: op.At, off: deferred})
	}
	return s
}

// splitArgs are the texts of arguments.
func splitArgs(x *flow.File, r [2]int) (out []string) {
	start := r[0]
	for i := r[0]; i <= r[1]; i++ {
		if i == r[1] || x.Is(i, ",") {
			out = append(out, x.Text(start, i))
			start = i + 1
			continue
		}
		if m := x.Match(i); m > i {
			i = m
		}
	}
	return out
}

func (w *lockWalk) call(s []held, op *flow.Op) []held {
	c := op.Call
	if w.called != nil {
		w.called(op, locked(s))
	}
	switch {
	case c.Name == "std::lock":
		names := w.subjects(c)
		for i, name := range names { // of guards, their mutexes
			for _, h := range s {
				if h.by == name {
					names[i] = h.name
				}
			}
		}
		w.take(names, c.At, s)
		for k := range s {
			if slices.Contains(w.subjects(c), s[k].by) && s[k].by != "" {
				s[k].off = false
			}
		}
		for _, name := range names {
			if !slices.ContainsFunc(s, func(h held) bool { return h.name == name && !h.off }) {
				s = append(s, held{name: name, at: c.At, decl: -1})
			}
		}
	case lockCall.MatchString(c.Name) && op.Whole: // p = weak.lock() is no lock
		for _, name := range w.subjects(c) {
			if i := slices.IndexFunc(s, func(h held) bool { return h.by == name }); i >= 0 {
				if s[i].off {
					w.take([]string{s[i].name}, c.At, s)
					s[i].off, s[i].at = false, c.At
				}
				continue
			}
			w.take([]string{name}, c.At, s)
			s = append(s, held{name: name, at: c.At, decl: -1})
		}
	case unlockCall.MatchString(c.Name):
		for _, name := range w.subjects(c) {
			for k := range s {
				if s[k].by == name && s[k].by != "" {
					s[k].off = true
				}
			}
			s = slices.DeleteFunc(s, func(h held) bool { return h.name == name && h.by == "" })
		}
	}
	return s
}

func (w *lockWalk) follow(b *flow.Body) {
	w.file = b.File
	flow.Walk(b, w, nil)
}

// waitUnderLock finds waits for the GPU while a lock is held.
type waitUnderLock struct{}

func (waitUnderLock) words() [][]string { return [][]string{{"waitUntil"}, lockWords} }

// lockWords are in every file that takes a lock.
var lockWords = []string{"lock", "Lock", "@synchronized"}

func (waitUnderLock) gather(x *flow.File, f *facts) {
	for _, b := range x.Bodies {
		w := &lockWalk{called: func(op *flow.Op, now []held) {
			if len(now) > 0 && gpuWait.MatchString(op.Call.Name) {
				h := now[len(now)-1]
				f.find(op.Call.At, fmt.Sprintf("%s while %s, locked on line %d, is held", op.Call.Name, h.name, x.Token(h.at).Line))
			}
		}}
		w.follow(b)
	}
}

// lockOrder finds two mutexes that are taken in both orders.
type lockOrder struct{}

// taking is one mutex taken while another is held.
type taking struct {
	first, second string // as written
	class         string
	file          string
	gates         []string // other locks that are held
	at            runner.Evidence
	a, b          string // keys, once resolved
	shut          []string
}

type lockNotes struct {
	takings []taking
	mutexes variables
}

func (lockOrder) words() [][]string { return [][]string{lockWords} }

func (lockOrder) gather(x *flow.File, f *facts) {
	n := &lockNotes{mutexes: f.variables(func(d flow.Declared) bool { return mutexType.MatchString(d.Type) })}
	f.notes = n
	for _, b := range x.Bodies {
		class := b.Class()
		global := func(name string) bool { // not a local variable or parameter
			if name == "self" {
				return class != ""
			}
			_, local := b.TypeOf(name)
			return pure.MatchString(name) && !local
		}
		w := &lockWalk{taken: func(names []string, at int, before []held) {
			for _, h := range before {
				for _, name := range names {
					if name == h.name || !global(name) || !global(h.name) {
						continue
					}
					t := taking{first: h.name, second: name, class: class, file: f.name, at: f.place(at)}
					for _, g := range before {
						if g.name != h.name && global(g.name) {
							t.gates = append(t.gates, g.name)
						}
					}
					if len(n.takings) < maxHits {
						n.takings = append(n.takings, t)
					}
				}
			}
		}}
		w.follow(b)
	}
}

func (lockOrder) conclude(all []*facts) {
	var mutexes variables
	for _, f := range all {
		if n, ok := f.notes.(*lockNotes); ok {
			mutexes = append(mutexes, n.mutexes...)
		}
	}
	type pair struct{ a, b string }
	orders := map[pair][]*taking{}
	key := func(name, class, file string) string {
		if name == "self" {
			return class + "::self"
		}
		if v, ok := mutexes.resolve(name, class, file); ok {
			return v.key()
		}
		return ""
	}
	var list []*taking
	for _, f := range all {
		n, ok := f.notes.(*lockNotes)
		if !ok {
			continue
		}
		for i := range n.takings {
			t := &n.takings[i]
			t.a, t.b = key(t.first, t.class, t.file), key(t.second, t.class, t.file)
			for _, g := range t.gates {
				t.shut = append(t.shut, key(g, t.class, t.file))
			}
			if t.a != "" && t.b != "" && t.a != t.b {
				orders[pair{t.a, t.b}] = append(orders[pair{t.a, t.b}], t)
				list = append(list, t)
			}
		}
	}
	for _, t := range list {
		for _, o := range orders[pair{t.b, t.a}] {
			// A lock that both hold keeps them apart.
			if slices.ContainsFunc(t.shut, func(g string) bool { return g != "" && slices.Contains(o.shut, g) }) {
				continue
			}
			i := slices.IndexFunc(all, func(f *facts) bool { return f.name == t.file })
			text := fmt.Sprintf("%s is taken while %s is held, and in %s:%d it is the other way round", t.second, t.first, o.file, o.at.Line)
			if !slices.ContainsFunc(all[i].findings, func(x finding) bool { return x.evidence == t.at }) {
				all[i].findings = append(all[i].findings, finding{t.at, text})
			}
			break
		}
	}
}
