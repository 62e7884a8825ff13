package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/flow"
)

// capturedThis finds callbacks that run later and hold this, self or references to
// variables that may be gone by then.
type capturedThis struct{}

type captureNotes struct {
	uses    []captureUse
	classes []string // that wait for their callbacks, or are never destroyed
}

type captureUse struct {
	class string
	found finding
}

var (
	// later calls return before the callback has run, and nothing joins it.
	later = regexp.MustCompile(`^(?:add(?:Completed|Scheduled)Handler:?|notifyListener:atValue:block:|dispatch_(?:async|after|group_async|group_notify|barrier_async|async_f))$`)
	// waits end a function, or a class, only after its callbacks.
	waits = regexp.MustCompile(`(?i)wait|join|sync|semaphore|drain|flush|finish|stop|cancel|invalidate|shutdown|quiesce`)
	// keeps are names that tell that somebody thought of it.
	keeps = regexp.MustCompile(`(?i)weak|protect|shared_from_this|keep_?alive|strong|retain|guard|alive|token|lifetime`)
	// lasting are functions of classes of which one object lives as long as the program.
	lasting = regexp.MustCompile(`(?i)^(?:get)?(?:shared|instance|default|singleton|global|current)`)
)

func (capturedThis) words() [][]string {
	return [][]string{{"addCompletedHandler", "addScheduledHandler", "notifyListener", "dispatch_", "detach", "^"}, {"this", "self", "&"}}
}

func (capturedThis) gather(x *flow.File, f *facts) {
	n := &captureNotes{}
	f.notes = n
	for _, b := range x.Bodies {
		class := b.Class()
		method := b.Function[strings.LastIndexByte(b.Function, ':')+1:]
		if strings.HasSuffix(b.Function, "]") {
			_, method, _ = strings.Cut(strings.TrimSuffix(b.Function, "]"), " ")
		}
		if class != "" && (lasting.MatchString(method) || strings.HasPrefix(method, "~") && b.Parent == nil && waitsIn(b, b.From)) {
			n.classes = append(n.classes, class)
		}
	}
	for _, b := range x.Bodies {
		c := b.Closure
		if c == nil || b.Parent == nil {
			continue
		}
		outer := b.Parent
		what := ""
		switch {
		case c.Call != nil && (later.MatchString(c.Call.Name) || detached(x, c)):
			if what = holds(x, b); what != "" && (waitsIn(outer, c.To) || expected(outer, c.From)) {
				what = ""
			}
			if what == "it" && c.Block { // self is retained, and goes with the block
				what = ""
			}
		case c.Block && storedInSelf(x, c) && mentions(x, c.Open, c.To, "self"):
			what = "it"
		}
		if what == "" || kept(x, outer) {
			continue
		}
		text := map[string]string{
			"this":       "the callback holds this, which may be gone when it runs",
			"references": "the callback holds references to variables that may be gone when it runs",
			"it":         "the block holds self, and self holds the block: neither is ever released",
		}[what]
		use := captureUse{b.Class(), finding{f.place(c.From), text}}
		if what == "this" {
			n.uses = append(n.uses, use)
		} else {
			f.findings = append(f.findings, use.found)
		}
	}
}

// holds says what a closure holds without owning it: "this", "references", "it" (self), or "".
func holds(x *flow.File, b *flow.Body) string {
	c := b.Closure
	if c.Block {
		switch {
		case mentions(x, c.Open, c.To, "this"):
			return "this"
		case mentions(x, c.Open, c.To, "self"):
			return "it"
		}
		return ""
	}
	this, ref := false, false
	for i := c.From + 1; i < c.Captures-1; i++ {
		switch {
		case x.Is(i, "this") && !x.Is(i-1, "*") && !x.Is(i-1, "=") && !x.Is(i-1, "(") && !x.Is(i+1, "->"):
			this = true
		case x.Is(i, "&") && (x.Is(i-1, "[") || x.Is(i-1, ",")):
			ref = true
		case x.Is(i, "=") && x.Is(i-1, "[") && mentions(x, c.Open, c.To, "this"):
			this = true
		}
	}
	switch {
	case ref && usesLocals(x, b):
		return "references"
	case this:
		return "this"
	}
	return ""
}

// usesLocals reports whether a lambda names a local variable or a parameter of the
// functions around it that is no static, reference or pointer.
func usesLocals(x *flow.File, b *flow.Body) bool {
	for i := b.Closure.From; i < b.Closure.To; i++ {
		name := x.Word(i)
		if _, own := b.Types[name]; own || !x.Ident(i) || x.Is(i-1, ".") || x.Is(i-1, "->") {
			continue
		}
		if typ, ok := b.Parent.TypeOf(name); ok && typ != "" && !strings.Contains(typ, "static") && !strings.ContainsAny(typ, "&") {
			return true
		}
	}
	return false
}

// detached reports whether a closure is what a thread runs that nobody joins.
func detached(x *flow.File, c *flow.Closure) bool {
	if c.Call.Name != "std::thread" && c.Call.Name != "thread" {
		return false
	}
	return (x.Is(c.Call.To, ".") && x.Is(c.Call.To+1, "detach"))
}

// storedInSelf reports whether a block is assigned to a property or variable of self.
func storedInSelf(x *flow.File, c *flow.Closure) bool {
	if !x.Is(c.From-1, "=") || !x.Is(c.To, ";") {
		return false
	}
	return x.Ident(c.From-2) && (x.Is(c.From-3, ".") || x.Is(c.From-3, "->")) && x.Is(c.From-4, "self") && !x.Is(c.From-5, ".")
}

func mentions(x *flow.File, from, to int, word string) bool {
	for i := from; i < to; i++ {
		if x.Is(i, word) {
			return true
		}
	}
	return false
}

// kept reports whether a name in the function around tells that the lifetime is seen to.
func kept(x *flow.File, b *flow.Body) bool {
	for b.Parent != nil {
		b = b.Parent
	}
	for i := b.Head; i < b.To; i++ {
		if x.Ident(i) && keeps.MatchString(x.Word(i)) {
			return true
		}
	}
	return false
}

// waitsIn reports whether a body, or one around it, waits for something behind a position.
func waitsIn(b *flow.Body, at int) bool {
	for ; b != nil; b = b.Parent {
		for _, op := range b.Root.Ops() {
			if op.Kind == flow.OpCall && op.At >= at && (waits.MatchString(op.Call.Name) && !later.MatchString(op.Call.Name) || op.Call.Name == "get") {
				return true
			}
		}
	}
	return false
}

func (capturedThis) conclude(all []*facts) {
	var classes []string
	for _, f := range all {
		if n, ok := f.notes.(*captureNotes); ok {
			classes = append(classes, n.classes...)
		}
	}
	for _, f := range all {
		n, ok := f.notes.(*captureNotes)
		if !ok {
			continue
		}
		for _, u := range n.uses {
			if u.class == "" || slices.ContainsFunc(classes, func(c string) bool { return tail(c, u.class) || tail(u.class, c) }) {
				continue
			}
			f.findings = append(f.findings, u.found)
		}
	}
}

// poolInLoop finds loops that make command buffers without draining an autorelease pool.
type poolInLoop struct{}

func (poolInLoop) words() [][]string { return [][]string{{"commandBuffer"}} }

var (
	makesBuffer = regexp.MustCompile(`^commandBuffer(?:WithDescriptor:|WithUnretainedReferences)?$`)
	queueLike   = regexp.MustCompile(`(?i)queue`)
	poolLike    = regexp.MustCompile(`(?i)autorelease_?pool`)
	// few is a loop that a number bounds: 64 command buffers is what a queue holds anyway.
	few = regexp.MustCompile(`^\w+(?:<|<=|!=)(\d{1,2})$`)
)

func (poolInLoop) gather(x *flow.File, f *facts) {
	for _, b := range x.Bodies {
		if b.Parent == nil && poolLike.MatchString(b.Function) {
			continue
		}
		var visit func(s *flow.Stmt, inPool bool)
		visit = func(s *flow.Stmt, drained bool) {
			if s == nil {
				return
			}
			if s.Kind == flow.Loop && !drained {
				if at := buffersWithoutPool(x, b, s); at >= 0 {
					f.find(at, fmt.Sprintf("every round of the loop of line %d leaves an autoreleased command buffer behind", x.Token(s.From).Line))
				}
				drained = true // the innermost or outermost: once is enough
			}
			visit(s.Body, drained)
			visit(s.Else, drained)
			for _, c := range s.List {
				visit(c, drained)
			}
			for _, c := range s.Handlers {
				visit(c, drained)
			}
		}
		visit(b.Root, false)
	}
}

// collects are calls that keep their argument.
var collects = regexp.MustCompile(`^(?:addObject:|insertObject:atIndex:|setObject:\w+:|(?:\w+(?:\.|->))*(?:push_back|emplace_back|push|emplace|insert|append))$`)

// collected reports whether what a call in a loop makes is kept for later: it would be there
// with a pool, too.
func collected(x *flow.File, loop *flow.Stmt, made *flow.Call) bool {
	element := func(at int) bool { return x.Is(at-1, "=") && x.Is(at-2, "]") } // buffers[i] = …
	if element(made.From) {
		return true
	}
	name := ""
	for _, op := range loop.Body.Ops() {
		switch {
		case op.Kind == flow.OpAssign && op.Made == made && op.Decl:
			name = op.Name
		case name == "":
		case op.Kind == flow.OpUse && op.Name == name && element(op.At):
			return true
		case op.Kind == flow.OpUse && op.Name == name && op.Call != nil && collects.MatchString(op.Call.Name):
			return true
		}
	}
	return false
}

// buffersWithoutPool is where a loop makes a command buffer outside of any pool in it, or
// -1.
func buffersWithoutPool(x *flow.File, b *flow.Body, loop *flow.Stmt) int {
	if loop.Head != nil {
		head := x.Text(loop.Head.From, loop.Head.To)
		if m := few.FindStringSubmatch(head); m != nil || loop.Once && (head == "0" || head == "false" || head == "NO") {
			if m == nil || len(m[1]) < 2 || m[1] <= "64" {
				return -1
			}
		}
	}
	for i := loop.From; i < loop.To; i++ {
		if x.Is(i, "@autoreleasepool") || x.Ident(i) && poolLike.MatchString(x.Word(i)) {
			return -1
		}
	}
	last := loop.Body
	if last.Kind == flow.Block && len(last.List) > 0 {
		last = last.List[len(last.List)-1]
	}
	if last.Kind == flow.Return || last.Kind == flow.Break { // it runs once
		return -1
	}
	for _, op := range loop.Body.Ops() {
		if op.Kind != flow.OpCall || !makesBuffer.MatchString(op.Call.Name) {
			continue
		}
		typ, _ := b.TypeOf(op.Call.Receiver)
		if collected(x, loop, op.Call) {
			continue
		}
		if queueLike.MatchString(op.Call.Receiver) || queueLike.MatchString(typ) {
			return op.Call.At
		}
	}
	return -1
}
