package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

const (
	rowsOpen   = 3   // rows that are seen before the rest is folded
	maxDiffs   = 100 // entries whose statements are compared; the others are in the JSON
	maxEntries = 1000
)

// changes in the order in which a reader cares, with what is no word of its own.
var changes = []string{
	runner.KernelRejected, runner.Lost, runner.Changed, runner.Redefined, runner.NewSorry, runner.NewAxiom, runner.NewNative,
	runner.Unchecked, runner.Unlocked, runner.Unreached, runner.Renamed, runner.Proved, runner.New,
}

// counted sums a ledger up: "412 theorems: 408 same, 1 changed, 1 lost, 2 new; 3 old debts".
// Each theorem counts once, as the gravest that happened to it. Our own words only.
func counted(l *runner.Ledger) string {
	by := map[string]int{}
	now := l.Same
	for i := range l.Entries {
		c := l.Entries[i].Change
		if !slices.Contains(changes, c) {
			c = "other"
		}
		by[c]++
		if c != runner.Lost {
			now++
		}
	}
	text := fmt.Sprintf("%s: %s same", plural(now, "theorem"), number(l.Same))
	for _, c := range append(slices.Clone(changes), "other") {
		if by[c] > 0 {
			text += fmt.Sprintf(", %s %s", number(by[c]), c)
		}
	}
	if l.Debt > 0 {
		text += "; " + plural(l.Debt, "old debt")
	}
	return text
}

// baseOf names what a ledger compares with, sure of its own words only.
func baseOf(l *runner.Ledger, show func(string) string) string {
	text := "the base"
	if l.Base.SHA != "" {
		text = show(l.Base.Short())
	}
	if l.Run > 0 {
		text += fmt.Sprintf(" (run %d)", l.Run)
	}
	return text
}

// open shows the first rows and folds the others. head stands before the first row.
func open(keep int, what, head string, rows []string) []section {
	if len(rows) == 0 {
		return nil
	}
	if n := len(rows) - maxEntries; n > 0 {
		rows = append(slices.Clone(rows[:maxEntries]), fmt.Sprintf("- and %s more, in the JSON of this run\n", number(n)))
	}
	n := len(rows)
	if n > rowsOpen+1 { // to fold a single one saves nothing
		n = rowsOpen
	}
	out := []section{{keep: keep, what: what, head: head, rows: rows[:n], tail: "\n"}}
	if n < len(rows) {
		rest := section{keep: keep - 30, what: "further " + what, rows: rows[n:]}
		rest.head, rest.tail = details(number(len(rows)-n)+" more "+what, "")
		out = append(out, rest)
	}
	return out
}

// ledger shows what a commit promised and does not hold, where what it must not rest on
// comes in, and what became of every theorem.
func ledger(p *runner.Proofs) []section {
	var out []section
	out = append(out, promises(p)...)
	worst := map[string]runner.Verdict{}
	for i := range p.Theorems {
		t := &p.Theorems[i]
		for _, a := range t.Axioms {
			if v, ok := worst[a]; !ok || rank(t.Verdict) < rank(v) {
				worst[a] = valid(t.Verdict)
			}
		}
	}
	var rows []string
	for i := range p.Roots {
		rows = append(rows, root(&p.Roots[i], worst))
	}
	out = append(out, open(87, "root causes", "**Root causes:**\n\n", rows)...)
	l := p.Ledger
	if l == nil {
		return out
	}
	rows = nil
	for i := range l.Entries {
		rows = append(rows, entry(&l.Entries[i], "", i < maxDiffs))
	}
	out = append(out, open(86, "changed theorems", "**What became of the theorems:**\n\n", rows)...)
	rows = nil
	for i := range l.Modules {
		rows = append(rows, entry(&l.Modules[i], "module ", false))
	}
	for _, n := range l.Notes {
		rows = append(rows, "- "+prose(n)+"\n")
	}
	return append(out, open(84, "notes on the comparison", "**Beside them:**\n\n", rows)...)
}

// promises shows the list of promised theorems where it does not hold, or got shorter.
func promises(p *runner.Proofs) []section {
	var out []section
	if names := unlocked(p.Ledger); len(names) > 0 {
		var list []string
		for _, n := range names[:min(len(names), maxNames)] {
			list = append(list, code(n))
		}
		if n := len(names) - maxNames; n > 0 {
			list = append(list, fmt.Sprintf("and %s more", number(n)))
		}
		out = append(out, section{keep: mustKeep, head: fmt.Sprintf("**Promised at the base and not any more:** %s.\n\n", strings.Join(list, ", "))})
	}
	if p.Lock == nil || len(p.Lock.Drift) == 0 {
		return out
	}
	var rows []string
	for i := range p.Lock.Drift {
		rows = append(rows, entry(&p.Lock.Drift[i], "", i < maxDiffs))
	}
	head := fmt.Sprintf("**%s of %s in %s %s not hold:**\n\n", number(len(rows)), plural(len(p.Lock.Promised), "promise"), code(p.Lock.File), choose(len(rows), "does", "do"))
	return append(out, open(89, "promises", head, rows)...)
}

func choose(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// unlocked names what the list of promises had at the base and has not now.
func unlocked(l *runner.Ledger) []string {
	if l == nil {
		return nil
	}
	var out []string
	for i := range l.Entries {
		if e := &l.Entries[i]; e.Change == runner.Unlocked || slices.Contains(e.Also, runner.Unlocked) {
			out = append(out, e.Name)
		}
	}
	return out
}

// entry is one theorem or module of a ledger, with its statements compared if they differ.
func entry(e *runner.Entry, kind string, compare bool) string {
	b := "- " + icon(valid(e.Verdict)) + " **" + changeWords(e, prose) + "** " + kind + code(e.Name)
	if e.Was != "" {
		b += ", was " + code(e.Was)
	}
	if p := place(e.File, e.Line, 0); p != "" {
		b += " (" + code(p) + ")"
	}
	if e.Reason != "" {
		b += " " + prose(e.Reason) // it goes on where the name ends
	}
	b += "\n"
	if compare && (e.Old != "" || e.New != "") {
		if block := diffBlock(e.Old, e.New); block != "" {
			b += "\n" + block
		}
	}
	return b
}

// changeWords lists what happened to an entry: "changed, new-sorry".
func changeWords(e *runner.Entry, show func(string) string) string {
	list := []string{orUnknown(e.Change, func(s string) string { return show(clip(visible(s), 40)) })}
	for _, a := range e.Also[:min(len(e.Also), len(changes))] {
		list = append(list, orUnknown(a, func(s string) string { return show(clip(visible(s), 40)) }))
	}
	return strings.Join(list, ", ")
}

// root is one place where what a proof may not rest on comes in.
func root(r *runner.Root, worst map[string]runner.Verdict) string {
	v, ok := worst[r.Axiom]
	if !ok {
		v = runner.Failure
	}
	b := "- " + icon(v) + " " + rootWords(r, code)
	if path := rootPath(r, code); path != "" {
		b += ", as " + path
	}
	return b + "\n"
}

func rootWords(r *runner.Root, show func(string) string) string {
	what := ""
	switch r.Kind {
	case runner.AxiomSorry:
		what = "sorry in " + show(r.Name)
	case runner.AxiomNative:
		what = "native evaluation in " + show(r.Name)
	default:
		what = "axiom " + show(r.Axiom)
		if r.Name != r.Axiom {
			what += " in " + show(r.Name)
		}
	}
	if p := place(r.File, r.Line, 0); p != "" {
		what += " (" + show(p) + ")"
	}
	if r.Theorems == 0 {
		return what + " is below no theorem"
	}
	return what + " taints " + plural(r.Theorems, "theorem")
}

// rootPath is the way from a theorem to the root, its middle left out if it is long.
func rootPath(r *runner.Root, show func(string) string) string {
	if len(r.Path) < 2 {
		return ""
	}
	const most = 6
	var names []string
	for i, n := range r.Path {
		if len(r.Path) > most && i == most/2 {
			names = append(names, "…")
		}
		if len(r.Path) <= most || i < most/2 || i >= len(r.Path)-most/2 {
			names = append(names, show(n))
		}
	}
	return strings.Join(names, " → ")
}

// ledgerText is the ledger for a terminal: counts, roots, and what fails.
func ledgerText(b *strings.Builder, p *runner.Proofs) {
	const most = 5
	more := func(n int, what string) {
		if n > most {
			fmt.Fprintf(b, "%sand %s, in the report\n", indent, plural(n-most, "more "+what))
		}
	}
	if l := p.Ledger; l != nil {
		fmt.Fprintf(b, "%sagainst %s: %s\n", indent, baseOf(l, line), counted(l))
	} else if len(p.Theorems) > 0 {
		b.WriteString(indent + alone + "\n")
	}
	for i := range p.Roots[:min(len(p.Roots), most)] {
		b.WriteString(indent + rootWords(&p.Roots[i], line))
		if path := rootPath(&p.Roots[i], line); path != "" {
			b.WriteString(", as " + path)
		}
		b.WriteString("\n")
	}
	more(len(p.Roots), "root cause")
	if names := unlocked(p.Ledger); len(names) > 0 {
		fmt.Fprintf(b, "%spromised at the base and not any more: %s", indent, line(strings.Join(names[:min(len(names), most)], ", ")))
		if n := len(names) - most; n > 0 {
			fmt.Fprintf(b, " and %s more", number(n))
		}
		b.WriteString("\n")
	}
	var grave []*runner.Entry
	seen := map[string]bool{}
	add := func(list []runner.Entry) {
		for i := range list {
			if e := &list[i]; rank(e.Verdict) < rank(runner.Success) && !seen[e.Name+"\x00"+e.Change] {
				seen[e.Name+"\x00"+e.Change] = true
				grave = append(grave, e)
			}
		}
	}
	if p.Lock != nil {
		add(p.Lock.Drift)
	}
	if p.Ledger != nil {
		add(p.Ledger.Entries)
		add(p.Ledger.Modules)
	}
	slices.SortStableFunc(grave, func(x, y *runner.Entry) int { return cmp.Compare(rank(x.Verdict), rank(y.Verdict)) })
	for _, e := range grave[:min(len(grave), most)] {
		b.WriteString(indent + changeWords(e, line) + " " + line(e.Name))
		if p := place(line(e.File), e.Line, 0); p != "" {
			b.WriteString(" (" + p + ")")
		}
		b.WriteString("\n")
		if e.Old != "" {
			b.WriteString(indent + "  - " + line(strings.Join(strings.Fields(e.Old), " ")) + "\n")
		}
		if e.New != "" {
			b.WriteString(indent + "  + " + line(strings.Join(strings.Fields(e.New), " ")) + "\n")
		}
	}
	more(len(grave), "changed theorem")
}
