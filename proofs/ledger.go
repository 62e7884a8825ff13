package proofs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// Verdicts of what became of theorems since the base.
const (
	ChangesFailure = "failure" // the default
	ChangesWarn    = "warn"    // it is told, and fails nothing
)

// gravity orders changes, gravest first.
var gravity = []string{
	runner.KernelRejected, runner.Lost, runner.Changed, runner.Redefined, runner.NewSorry, runner.NewAxiom,
	runner.NewNative, runner.Unchecked, runner.Unlocked, runner.Unreached, runner.Renamed, runner.Proved, runner.New,
}

// policy says what the changes of a comparison lead to.
type policy struct {
	warn      bool     // lost, changed and redefined theorems, and modules no longer reached, fail nothing
	sorryWarn bool     // nor does sorry
	allowed   []string // axioms
	lock      *lock    // promises of the head; nil if it has none, or none that can be read
	broken    bool     // it has a list of promises that cannot be read
	partial   bool     // of some project of the head neither modules nor theorems are known
}

// comparison is a ledger in the making.
type comparison struct {
	base, head *runner.Proofs
	policy     policy
	kinds      map[string]string // of the head's axioms
	baseMods   map[string]moduleState
	headMods   map[string]moduleState
	baseLock   map[string]bool // promised at the base; nil if nothing was
	sameHashes bool            // one scheme: hashes compare
	sameTools  bool            // one toolchain, as far as known
	headBlame  bool            // if hashes do not compare, it is the head that lacks them
	fails      bool            // some module of the head does not build
	rejected   rejections
	ledger     runner.Ledger
	filed      []filed
	old        []int32 // for each theorem of the head its index at the base, or -1
	debt       []bool  // for each theorem of the head: all that it may not rest on, it rested on at the base
	likened    int     // theorems whose terms differ, but the toolchain does too
}

// moduleState is what is known of all modules of one name.
type moduleState struct {
	known, good bool
	reason      string
}

// filed is an entry with the gravest change that made it fail, or that could not be told.
type filed struct {
	runner.Entry
	cause string
}

// change is one thing that happened to one theorem.
type change struct {
	what    string
	verdict runner.Verdict
	reason  string
}

// compare makes the ledger of every theorem of base and head. The same two inventories
// in any order of their theorems give the same ledger. Time and memory are linear in the
// number of theorems, but for sorting those to which something happened.
func compare(base, head *runner.Proofs, p policy) *comparison {
	c := &comparison{
		base: base, head: head, policy: p, kinds: make(map[string]string, len(head.Axioms)),
		baseMods: moduleStates(base), headMods: moduleStates(head), rejected: newRejections(head.Replay.Rejected),
		sameTools: base.Toolchain == "" || head.Toolchain == "" || toolchainID(base.Toolchain) == toolchainID(head.Toolchain),
	}
	c.fails = slices.ContainsFunc(head.Modules, func(m runner.Module) bool { return m.Verdict == runner.Failure })
	c.sameHashes = base.Scheme == head.Scheme && head.Scheme != ""
	c.headBlame = rankScheme(head.Scheme) == 0 || rankScheme(head.Scheme) < rankScheme(base.Scheme)
	for _, a := range head.Axioms {
		c.kinds[a.Name] = a.Kind
	}
	// A list without promises, or one that could not be read, frees no theorem from review.
	if base.Lock != nil && len(base.Lock.Promised) > 0 {
		c.baseLock = make(map[string]bool, len(base.Lock.Promised))
		for _, n := range base.Lock.Promised {
			c.baseLock[n] = true
		}
	}
	c.notes()
	c.old = matchNames(base.Theorems, head.Theorems, c.sameHashes)
	c.debt = make([]bool, len(head.Theorems))
	matched := make([]bool, len(base.Theorems))
	for _, b := range c.old {
		if b >= 0 {
			matched[b] = true
		}
	}
	var lost, fresh []int32
	for i := range base.Theorems {
		if !matched[i] && c.seesLost(&base.Theorems[i]) {
			lost = append(lost, int32(i))
		}
	}
	for i, b := range c.old {
		if b < 0 && c.newUnknown(&head.Theorems[i]) == "" {
			fresh = append(fresh, int32(i))
		}
	}
	if c.sameHashes {
		matchStatements(base.Theorems, head.Theorems, lost, fresh, func(b, h int32) {
			c.old[h], matched[b] = b, true
		})
	}
	for i, b := range c.old {
		if b >= 0 {
			c.pair(int32(i), b)
		} else {
			c.appeared(&head.Theorems[i])
		}
	}
	for i := range base.Theorems {
		if !matched[i] {
			c.vanished(&base.Theorems[i])
		}
	}
	c.brokenPromises()
	c.modules()
	slices.SortFunc(c.filed, func(a, b filed) int { return compareEntries(&a.Entry, &b.Entry) })
	for i := range c.filed {
		c.ledger.Entries = append(c.ledger.Entries, c.filed[i].Entry)
	}
	sortEntries(c.ledger.Modules)
	return c
}

// pair compares a theorem with itself at the base.
func (c *comparison) pair(hi, bi int32) {
	b, h := &c.base.Theorems[bi], &c.head.Theorems[hi]
	var changes []change
	add := func(what string, v runner.Verdict, reason string) {
		changes = append(changes, change{what, v, reason})
	}
	if why, ok := c.rejected.of(h); ok {
		add(runner.KernelRejected, runner.Failure, "was rejected by the kernel: "+why)
	}
	changes = c.statement(changes, b, h)
	told := len(changes) > 0
	switch {
	case h.Verdict == runner.Error:
		add(runner.Unchecked, runner.Error, "could not be judged: "+h.Reason)
	case b.Verdict == runner.Error && c.restsOnBad(h):
		add(runner.Unchecked, runner.Neutral, "was not judged at the base, so what it rests on may be new or not")
	case b.Kind != h.Kind && h.Kind == "axiom":
		v := runner.Failure
		if c.kindOf(h.Name) == "" {
			v = runner.Neutral
		}
		add(runner.NewAxiom, v, "was a "+b.Kind+" and is an axiom now")
	default:
		news := c.newDebt(b, h)
		changes = append(changes, news...)
		// An axiom that says something else is no old one, and a proof that the kernel
		// rejects is none at all.
		c.debt[hi] = len(news) == 0 && c.restsOnBad(h) && !(told && (h.Kind == "axiom" || changes[0].what == runner.KernelRejected))
		if b.Kind == "axiom" && h.Kind == "theorem" && !h.Sorry() {
			add(runner.Proved, runner.Neutral, "was an axiom and is proved now")
		} else if b.Sorry() && !h.Sorry() {
			add(runner.Proved, runner.Neutral, "rested on sorry and does not any more")
		}
	}
	if c.unlocked(b.Name, h.Name) {
		add(runner.Unlocked, runner.Neutral, "was promised at the base and is not any more")
	}
	e := runner.Entry{Name: h.Name, File: h.File, Line: h.Line}
	switch {
	case b.Name != h.Name:
		e.Was = b.Name
		add(runner.Renamed, runner.Neutral, "was called "+b.Name)
	case b.Private != h.Private:
		e.Was = b.Name
		add(runner.Renamed, runner.Neutral, choose(b2i(h.Private), "is private now", "was private"))
	}
	if len(changes) == 0 {
		c.ledger.Same++
		if c.debt[hi] {
			c.ledger.Debt++
		}
		return
	}
	if !samePrint(b.Statement, h.Statement) {
		e.Old, e.New = cut(b.Statement, maxStatement), cut(h.Statement, maxStatement)
	}
	c.enter(e, changes)
}

// appeared enters a theorem that the base has not.
func (c *comparison) appeared(h *runner.Theorem) {
	var changes []change
	if why, ok := c.rejected.of(h); ok {
		changes = append(changes, change{runner.KernelRejected, runner.Failure, "was rejected by the kernel: " + why})
	}
	if h.Verdict == runner.Error {
		changes = append(changes, change{runner.Unchecked, runner.Error, "could not be judged: " + h.Reason})
	}
	if why := c.newUnknown(h); why != "" {
		changes = append(changes, change{runner.Unchecked, runner.Neutral, "cannot be compared: " + why})
	} else {
		var natives, others []string
		sorry := false
		for _, a := range h.Axioms {
			switch c.kindOf(a) {
			case runner.AxiomSorry:
				sorry = true
			case runner.AxiomNative:
				natives = append(natives, a)
			case runner.AxiomOther:
				if a != h.Name || h.Kind != "axiom" {
					others = append(others, a)
				}
			}
		}
		if h.Kind == "axiom" && c.kindOf(h.Name) != "" {
			changes = append(changes, change{runner.NewAxiom, runner.Failure, "is an axiom"})
		}
		changes = append(changes, c.debts(sorry, others, natives, "")...)
		changes = append(changes, change{runner.New, runner.Neutral, "is new"})
	}
	c.enter(runner.Entry{Name: h.Name, File: h.File, Line: h.Line, New: cut(h.Statement, maxStatement)}, changes)
}

// vanished enters a theorem that the head has not.
func (c *comparison) vanished(b *runner.Theorem) {
	e := runner.Entry{Name: b.Name, File: b.File, Line: b.Line, Old: cut(b.Statement, maxStatement)}
	var changes []change
	switch m := c.headMods[key(b.Module)]; {
	case c.seesLost(b):
		reason := "is lost: module " + b.Module + " does not state it any more"
		if !m.known {
			reason = "is lost: module " + b.Module + " is gone"
			if slices.Contains(c.head.Orphans, b.File) {
				reason += " (" + b.File + " belongs to no library any more)"
			}
		}
		if !c.head.Complete {
			reason += ", unless it moved to one that was not built"
		}
		v := c.grave(b.Name, nil)
		if b.Kind == "axiom" {
			v, reason = runner.Neutral, "is gone; it was an axiom"
		}
		changes = append(changes, change{runner.Lost, v, reason + c.tolerance(v, b.Name, nil)})
	case !m.known:
		changes = append(changes, change{runner.Unchecked, runner.Error, "could not be found: the inventory is not complete and does not know module " + b.Module})
	case !m.good:
		changes = append(changes, change{runner.Unchecked, runner.Error, "could not be checked: module " + b.Module + " was not built: " + oneLine(m.reason)})
	default:
		changes = append(changes, change{runner.Unchecked, runner.Error, "is not in module " + b.Module + " any more, and the inventory of the others is not complete"})
	}
	if c.unlocked(b.Name, b.Name) {
		changes = append(changes, change{runner.Unlocked, runner.Neutral, "was promised at the base and is not any more"})
	}
	c.enter(e, changes)
}

// seesLost reports whether the head is able to tell that a theorem is gone. A complete
// inventory is. One that lacks modules is if the theorem's own was listed or is gone, and
// the commit fails whatever became of it: then it may at worst have moved to a module that
// does not build, and no verdict is wrong.
func (c *comparison) seesLost(b *runner.Theorem) bool {
	switch m := c.headMods[key(b.Module)]; {
	case c.head.Complete:
		return true
	case c.policy.partial || c.head.Inventory == "" || m.known && !m.good:
		return false
	}
	return c.fails
}

// newUnknown says why the base is unable to tell that it did not have a theorem, or "".
func (c *comparison) newUnknown(h *runner.Theorem) string {
	if c.base.Complete {
		return ""
	}
	if m := c.baseMods[key(h.Module)]; m.known && !m.good {
		return "its module did not build at the base"
	}
	if c.base.Inventory == "" && len(c.base.Theorems) == 0 {
		return "the theorems of the base were not listed"
	}
	return ""
}

// enter files what happened to one theorem.
func (c *comparison) enter(e runner.Entry, changes []change) {
	changes = merged(changes)
	e.Verdict = runner.Neutral
	reasons := make([]string, 0, len(changes))
	for i, ch := range changes {
		if i == 0 {
			e.Change = ch.what
		} else {
			e.Also = append(e.Also, ch.what)
		}
		e.Verdict = runner.Worst(e.Verdict, ch.verdict)
		reasons = append(reasons, ch.reason)
	}
	e.Reason = strings.Join(reasons, "; ")
	i := slices.IndexFunc(changes, func(ch change) bool { return ch.verdict == e.Verdict })
	c.filed = append(c.filed, filed{e, changes[i].what})
}

// merged sorts changes, gravest first, and makes one of two of a kind.
func merged(changes []change) []change {
	if len(changes) < 2 {
		return changes
	}
	slices.SortStableFunc(changes, func(a, b change) int {
		return cmp.Compare(slices.Index(gravity, a.what), slices.Index(gravity, b.what))
	})
	out := changes[:1]
	for _, ch := range changes[1:] {
		last := &out[len(out)-1]
		if ch.what != last.what {
			out = append(out, ch)
			continue
		}
		last.verdict = runner.Worst(last.verdict, ch.verdict)
		last.reason += "; " + ch.reason
	}
	return out
}

func sortEntries(list []runner.Entry) {
	slices.SortFunc(list, func(a, b runner.Entry) int { return compareEntries(&a, &b) })
}

// compareEntries orders entries: what fails, what could not be told, what is only told;
// of those the gravest first, then by place.
func compareEntries(a, b *runner.Entry) int {
	rank := func(v runner.Verdict) int {
		switch v {
		case runner.Failure:
			return 0
		case runner.Error:
			return 1
		}
		return 2
	}
	return cmp.Or(
		cmp.Compare(rank(a.Verdict), rank(b.Verdict)),
		cmp.Compare(slices.Index(gravity, a.Change), slices.Index(gravity, b.Change)),
		cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Was, b.Was), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New),
	)
}
