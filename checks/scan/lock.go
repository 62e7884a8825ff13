package scan

import (
	"slices"
	"strings"
)

// Lock is one place where a lock is taken.
type Lock struct {
	Held
	Text    string // what is locked, or the guard: "guard(mutex_)"
	Certain bool   // it is held behind At whatever happens: no try_lock
}

// MaxLocks is how many locks of one body are looked at. Locks returns one more if there
// are more.
const MaxLocks = 2000

// isGuard are the guards of the C++ standard library.
func isGuard(s string) bool {
	return s == "lock_guard" || s == "unique_lock" || s == "scoped_lock" || s == "shared_lock"
}

// lockCall says what a function of C does with the lock that is its argument.
func lockCall(s string) (takes, gives, certain bool) {
	switch s {
	case "os_unfair_lock_lock", "os_unfair_lock_lock_with_options", "pthread_mutex_lock", "pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "OSSpinLockLock", "mtx_lock", "pthread_spin_lock":
		return true, false, true
	case "os_unfair_lock_trylock", "pthread_mutex_trylock", "pthread_rwlock_tryrdlock", "pthread_rwlock_trywrlock", "OSSpinLockTry", "mtx_trylock", "pthread_spin_trylock":
		return true, false, false
	case "os_unfair_lock_unlock", "pthread_mutex_unlock", "pthread_rwlock_unlock", "OSSpinLockUnlock", "mtx_unlock", "pthread_spin_unlock":
		return false, true, false
	}
	return false, false, false
}

// lockMethod likewise for the methods of C++ and Objective-C.
func lockMethod(s string) (takes, gives, certain bool) {
	switch s {
	case "lock", "lock_shared":
		return true, false, true
	case "try_lock", "try_lock_for", "try_lock_until", "try_lock_shared", "tryLock", "lockBeforeDate", "lockWhenCondition":
		return true, false, false
	case "unlock", "unlock_shared", "release", "unlockWithCondition":
		return false, true, false
	}
	return false, false, false
}

// locker finds the locks of one body.
type locker struct {
	*finder
	gr       *Graph
	from, to int
	locks    []Lock
	adopted  [][2]int            // arguments of guards that adopt
	names    []string            // what the lock is taken and given back by
	declared map[string]declared // guards by name; the last declaration counts
}

// declared is a guard.
type declared struct {
	from, to int
	text     string
}

// Locks returns the places of a body where a lock is taken: the guards of the standard
// library and further types that guards names, .lock(), [x lock], std::lock,
// @synchronized, and the functions of pthread and os_unfair_lock. A guard holds to the end
// of the block or statement that declares it, or to its .unlock() or .release(); any other
// lock to where the same operand is unlocked, or the end of the body. If not all, only
// what guards names.
func (s *Structure) Locks(gr *Graph, scope int, guards func(string) bool, all bool) []Lock {
	x := &locker{finder: &finder{f: s.f, s: s, sig: s.sig, pos: s.pos}, gr: gr, from: gr.from, to: gr.to, declared: map[string]declared{}}
	given := map[string][]int{}
	for k := x.from; k < x.to && len(x.locks) <= MaxLocks; k++ {
		if !gr.Runs(k) {
			continue
		}
		t := x.token(k)
		switch {
		case t.Kind == At && all && x.is(k, "@synchronized") && k+1 < x.to && x.is(k+1, "("):
			p := x.partner(k+1, x.to)
			if p > 0 && p+1 < x.to && x.is(p+1, "{") {
				if e := x.partner(p+1, x.to); e > 0 {
					x.add("", "@synchronized ("+x.span(k+2, p)+")", p+1, k, e, true)
				}
			}
		case t.Kind != Ident:
		case isGuard(x.text(k)) && all || guards != nil && guards(x.text(k)):
			x.guard(k)
		case !all:
		default:
			x.call(k, given)
		}
	}
	for _, a := range x.adopted {
		for from, i := a[0], a[0]; i <= a[1]; i++ {
			if i == a[1] || x.is(i, ",") {
				arg := x.argument(from, i)
				given[arg] = append(given[arg], a[1])
				from = i + 1
			}
		}
	}
	same := map[declared]int{}
	for i := range x.locks {
		l := &x.locks[i]
		key := declared{l.From, l.To, x.names[i]}
		if first, ok := same[key]; ok && key.text != "" {
			l.ID = first
		} else {
			l.ID = i
			same[key] = i
		}
		if x.names[i] != "" {
			x.locks[i].Released = given[x.names[i]]
		}
	}
	return x.locks
}

// Locked reports whether some word in a body may have to do with a lock, as Locks sees it.
// Where none has, no Graph is needed to know that nothing is held.
func (s *Structure) Locked(scope int, guards func(string) bool, all bool) bool {
	from, to := s.Bounds(scope)
	for _, i := range s.sig[from:to] {
		t := s.f.Tokens[i]
		if t.Kind != Ident && t.Kind != At {
			continue
		}
		if guards != nil && guards(string(s.f.Text(t))) {
			return true
		}
		if !all {
			continue
		}
		switch w := s.f.Text(t); string(w) {
		case "lock_guard", "unique_lock", "scoped_lock", "shared_lock", "@synchronized":
			return true
		default:
			if takes, _, _ := lockCall(string(w)); takes {
				return true
			}
			if takes, _, _ := lockMethod(string(w)); takes {
				return true
			}
		}
	}
	return false
}

func (x *locker) add(name, text string, at, from, to int, certain bool) {
	x.locks = append(x.locks, Lock{Held: Held{At: at, From: from, To: to}, Text: text, Certain: certain})
	x.names = append(x.names, name)
}

// extent is where a declaration at k ends: the block around it, or the statement in whose
// head it stands. statement is false for an argument of a call.
func (x *locker) extent(k int) (from, to int, declared bool) {
	i := k - 1
	for ; i >= x.from; i-- {
		if x.is(i, ")") || x.is(i, "]") || x.is(i, "}") {
			if p := x.partner(i, len(x.sig)); p >= 0 && p < i {
				i = p
				continue
			}
		}
		if x.is(i, "(") || x.is(i, "{") || x.is(i, "[") {
			break
		}
	}
	switch {
	case i < x.from:
		return x.from, x.to, true
	case x.is(i, "{"):
		if p := x.partner(i, len(x.sig)); p > i {
			return i, p, true
		}
	case x.is(i, "(") && i > 0:
		switch x.text(i - 1) {
		case "if", "for", "while", "switch", "constexpr":
			return i - 1, x.statementEnd(i - 1), true
		}
	}
	return k, x.semicolon(k), false
}

// semicolon is the place of the semicolon that ends the statement around k.
func (x *locker) semicolon(k int) int {
	for ; k < x.to; k++ {
		if x.is(k, ";") || x.is(k, "}") {
			return k
		}
		if p := x.partner(k, x.to); p > k {
			k = p
		}
	}
	return x.to
}

// statementEnd is the place behind the statement that begins with the keyword at k.
func (x *locker) statementEnd(k int) int {
	for _, s := range x.gr.Controls {
		if s.Head == k {
			end := s.End
			for end+1 < x.to && x.is(end, "else") {
				if x.is(end+1, "{") {
					return x.partner(end+1, len(x.sig)) + 1
				}
				next := slices.IndexFunc(x.gr.Controls, func(t ControlStatement) bool { return t.Head == end+1 })
				if next < 0 {
					return x.semicolon(end)
				}
				end = x.gr.Controls[next].End
			}
			return end
		}
	}
	return x.to
}

// guard reads the declaration of a guard whose type's last name is at k.
func (x *locker) guard(k int) {
	j := k + 1
	if j < x.to && x.is(j, "<") {
		e := x.angleEnd(j, x.to)
		if e < 0 {
			return
		}
		j = e + 1
	}
	if j >= x.to {
		return
	}
	name, open := "", j
	switch {
	case x.token(j).Kind == Ident:
		name, open = x.text(j), j+1
		from, to, inBlock := x.extent(k)
		if inBlock {
			x.declared[name] = declared{from, to, name}
		}
		if open < x.to && x.is(open, "=") { // std::unique_lock l = take();
			x.add(name, name, j, from, to, true)
			return
		}
	case !x.is(j, "(") && !x.is(j, "{"):
		return
	}
	if open >= x.to || !x.is(open, "(") && !x.is(open, "{") {
		return // declared without a lock
	}
	p := x.partner(open, x.to)
	if p < 0 || p == open+1 && name != "" && (x.is(k, "unique_lock") || x.is(k, "shared_lock")) {
		return
	}
	args := x.span(open+1, p)
	certain := !strings.Contains(args, "try_to_lock")
	if d, ok := x.declared[name]; ok && name != "" {
		d.text = name + "(" + args + ")"
		x.declared[name] = d
	}
	if strings.Contains(args, "defer_lock") {
		return
	}
	if strings.Contains(args, "adopt_lock") { // the guard goes on with what std::lock took
		x.adopted = append(x.adopted, [2]int{open + 1, p})
	}
	from, to, inBlock := x.extent(k)
	text := args
	if name != "" {
		text = name + "(" + args + ")"
		if !inBlock {
			return // a parameter
		}
		x.add(name, text, p, from, to, certain)
		return
	}
	// A guard without name: assigned to one, or gone at the end of the statement.
	q := k
	for q-2 >= x.from && x.is(q-1, "::") {
		q -= 2
	}
	if q-2 >= x.from && x.is(q-1, "=") && x.token(q-2).Kind == Ident {
		x.add(x.text(q-2), x.text(q-2)+"("+args+")", p, from, to, certain)
		return
	}
	if q-1 >= x.from && x.token(q-1).Kind == Ident {
		return // return std::unique_lock(…)
	}
	x.add("", args, p, k, x.semicolon(k), certain)
}

// call reads a lock or unlock that is not a guard. The places of unlocks go to given, by
// the operand.
func (x *locker) call(k int, given map[string][]int) {
	w := x.text(k)
	next := func(s string) bool { return k+1 < x.to && x.is(k+1, s) }
	if takes, gives, certain := lockCall(w); (takes || gives) && next("(") {
		p := x.partner(k+1, x.to)
		if p < 0 {
			return
		}
		arg := x.argument(k+2, p)
		if gives {
			given[arg] = append(given[arg], k)
		} else {
			x.add(arg, x.span(k, p+1), k, x.from, x.to, certain)
		}
		return
	}
	if (w == "lock" || w == "move") && next("(") && k-2 >= x.from && x.is(k-1, "::") && x.is(k-2, "std") {
		p := x.partner(k+1, x.to)
		if p < 0 {
			return
		}
		if w == "move" {
			arg := x.span(k+2, p)
			given[arg] = append(given[arg], k)
			return
		}
		from := k + 2
		for i := k + 2; i <= p; i++ {
			if i == p || x.is(i, ",") {
				x.take(x.argument(from, i), k, true)
				from = i + 1
			} else if e := x.partner(i, p); e > i {
				i = e
			}
		}
		return
	}
	takes, gives, certain := lockMethod(w)
	if !takes && !gives || k == x.from {
		return
	}
	start := -1
	switch {
	case (x.is(k-1, ".") || x.is(k-1, "->")) && next("("):
		p := x.partner(k+1, x.to)
		if start = x.operandStart(k - 2); start < 0 || p < 0 {
			return
		}
		// weak.lock() has a result that is used, mutex.lock() has none.
		if w == "lock" && !(p+1 < x.to && x.is(p+1, ";") && (start == x.from || !x.used(start-1))) {
			return
		}
		x.result(x.span(start, k-1), k, takes, gives, certain, given)
	case next("]") || next(":"):
		open := k - 1
		for ; open > x.from && !x.is(open, "["); open-- {
			if p := x.partner(open, len(x.sig)); p >= 0 && p < open {
				open = p
			}
		}
		if open >= x.from && x.is(open, "[") && open+1 < k {
			x.result(x.span(open+1, k), k, takes, gives, certain, given)
		}
	}
}

func (x *locker) result(operand string, k int, takes, gives, certain bool, given map[string][]int) {
	if gives {
		given[operand] = append(given[operand], k)
	} else if takes {
		x.take(operand, k, certain)
	}
}

// take adds a lock that is taken by hand: in the block of its guard if it is one.
func (x *locker) take(operand string, k int, certain bool) {
	from, to, text := x.from, x.to, operand
	if d, ok := x.declared[operand]; ok && k >= d.from && k < d.to {
		from, to, text = d.from, d.to, d.text
	}
	x.add(operand, text, k, from, to, certain)
}

// argument is the operand between two places without & in front.
func (x *locker) argument(from, to int) string {
	if from < to && x.is(from, "&") {
		from++
	}
	return x.span(from, to)
}
