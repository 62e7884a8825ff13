package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// reused says how many modules an earlier build had left up to date; "" for none.
func reused(p *runner.Proofs) string {
	n := 0
	for i := range p.Modules {
		if p.Modules[i].Reused {
			n++
		}
	}
	switch {
	case n == 0:
		return ""
	case n == len(p.Modules):
		return ", all reused from an earlier build"
	}
	return fmt.Sprintf(", %s of them reused from an earlier build", number(n))
}

// examined says whether there is anything to tell but that nothing was there: without a
// toolchain nothing is built, and the stage's own line says why.
func examined(p *runner.Proofs) bool {
	return p.Toolchain != "" || len(p.Modules) > 0 || p.Ledger != nil
}

// proofs shows the ledger first, then status, job count and every named theorem with its
// file.
func proofs(in *Input, p *runner.Proofs) []section {
	var b strings.Builder
	b.WriteString("### Proofs\n\n")
	if l := p.Ledger; l != nil {
		fmt.Fprintf(&b, "**%s.** Compared with %s.\n\n", counted(l), baseOf(l, code))
	}
	built := 0
	for i := range p.Modules {
		if p.Modules[i].Verdict == runner.Success {
			built++
		}
	}
	modules := fmt.Sprintf("%s of %s built", number(built), plural(len(p.Modules), "module"))
	if built == len(p.Modules) {
		modules = plural(built, "module") + " built"
	}
	modules += reused(p)
	fmt.Fprintf(&b, "%s, %s, %s.", upper(proved(p)), modules, plural(p.Jobs, "build job"))
	if p.Toolchain != "" {
		b.WriteString(" Toolchain: " + prose(clip(visible(p.Toolchain), 160)))
		if p.Requested != "" {
			b.WriteString(", asked for: " + code(p.Requested))
		}
		b.WriteString(".")
	}
	if p.Inventory != "" {
		fmt.Fprintf(&b, " Inventory: %s.", strings.TrimRight(prose(p.Inventory), "."))
	}
	b.WriteString("\n\n")
	if p.Toolchain != "" && !p.Authority {
		b.WriteString("**Stand-in toolchain:** “proved” here is a convenience, not the authority of the installed Lean.\n\n")
	}
	b.WriteString(trust(in, p))
	out := append([]section{{keep: mustKeep, head: b.String()}}, rejections(&p.Replay)...)
	out = append(out, ledger(p)...)

	bad := section{keep: 80, what: "modules and theorems that do not hold"}
	for _, m := range p.Modules {
		if m.Verdict == runner.Success {
			continue
		}
		line := fmt.Sprintf("- %s module %s %s", icon(valid(m.Verdict)), code(m.Name), word(m.Verdict))
		if m.Reason != "" {
			line += ": " + prose(m.Reason)
		}
		bad.rows = append(bad.rows, line+"\n")
	}
	for _, f := range p.Orphans {
		bad.rows = append(bad.rows, fmt.Sprintf("- ❔ %s belongs to no library and was not built\n", code(f)))
	}
	more := slices.Concat(debts(p), builds(in.Builds), astray(p), foundation(p))
	if len(p.Theorems) == 0 {
		return append(append(out, ended(bad)), more...)
	}
	list := section{keep: 20, what: "theorems"}
	order := make([]*runner.Theorem, len(p.Theorems))
	for i := range p.Theorems {
		order[i] = &p.Theorems[i]
	}
	slices.SortStableFunc(order, func(x, y *runner.Theorem) int { return cmp.Compare(rank(x.Verdict), rank(y.Verdict)) })
	told := map[string]bool{} // by the ledger already
	if p.Ledger != nil {
		for i := range p.Ledger.Entries {
			told[p.Ledger.Entries[i].Name] = true
		}
	}
	for i, t := range order {
		list.rows = append(list.rows, theorem(t))
		if t.Verdict != runner.Success && t.Verdict != runner.Neutral && i < 10 && !told[t.Name] {
			bad.rows = append(bad.rows, unproved(t))
		}
	}
	list.head, list.tail = details(plural(len(order), "name")+" with file and axioms", "| | Theorem | Where | Axioms |\n|---|---|---|---|\n")
	return append(append(append(out, ended(bad)), more...), list)
}

// debts are theorems that do not hold and are tolerated: old debt, or by the policy.
func debts(p *runner.Proofs) []section {
	var rows []string
	for i := range p.Theorems {
		if t := &p.Theorems[i]; t.Verdict == runner.Neutral {
			rows = append(rows, unproved(t))
		}
	}
	return open(63, "tolerated theorems", "**Tolerated:**\n\n", rows)
}

// ended puts a blank line after a list.
func ended(s section) section {
	if len(s.rows) > 0 {
		s.tail = "\n"
	}
	return s
}

func unproved(t *runner.Theorem) string {
	line := fmt.Sprintf("- %s %s (%s)", icon(valid(t.Verdict)), code(t.Name), code(place(t.File, t.Line, 0)))
	if t.Reason != "" {
		line += ": " + prose(t.Reason)
	}
	return line + "\n"
}

func theorem(t *runner.Theorem) string {
	name := code(t.Name)
	if t.Kind != "" && t.Kind != "theorem" {
		name = prose(t.Kind) + " " + name
	}
	if t.Verdict != runner.Success && t.Reason != "" {
		name += " " + prose(t.Reason)
	}
	axioms := "none"
	if len(t.Axioms) > 0 {
		var list []string
		for _, a := range t.Axioms[:min(len(t.Axioms), 8)] {
			list = append(list, code(a))
		}
		if n := len(t.Axioms) - len(list); n > 0 {
			list = append(list, fmt.Sprintf("and %s more", number(n)))
		}
		axioms = strings.Join(list, ", ")
	}
	if t.Verdict == runner.Error && len(t.Axioms) == 0 {
		axioms = "not known"
	}
	return "| " + icon(valid(t.Verdict)) + " | " + name + " | " + code(place(t.File, t.Line, 0)) + " | " + axioms + " |\n"
}
