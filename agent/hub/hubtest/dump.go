package hubtest

import (
	"fmt"
	"sort"
	"strings"
)

// Dump prints the whole state, sorted and without numbers that depend on the order of
// requests: two dumps are equal when a reader of the web pages would see the same. The
// count of statuses that a context went through is shown, since each one is visible in the
// API for good.
func (f *Fake) Dump() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	names := make([]string, 0, len(f.repos))
	for n := range f.repos {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		f.repos[n].dump(&b)
	}
	return b.String()
}

func (r *Repo) dump(b *strings.Builder) {
	fmt.Fprintf(b, "repository %s\n", r.slug)
	branches := make([]string, 0, len(r.branches))
	for n := range r.branches {
		branches = append(branches, n)
	}
	sort.Strings(branches)
	for _, n := range branches {
		fmt.Fprintf(b, "  branch %s %s\n", n, short(r.branches[n]))
	}
	shas := map[string]bool{}
	for _, s := range r.statuses {
		shas[s.sha] = true
	}
	for _, k := range r.onCommits {
		shas[k.sha] = true
	}
	for _, k := range r.checks {
		shas[k.sha] = true
	}
	for _, sha := range sorted(shas) {
		fmt.Fprintf(b, "  commit %s\n", short(sha))
		r.dumpChecks(b, sha)
		for _, s := range r.latest(sha) {
			n := 0
			for _, o := range r.statuses {
				if o.sha == sha && strings.EqualFold(o.context, s.context) {
					n++
				}
			}
			fmt.Fprintf(b, "    status %s %s %q by %s (%d in all)", s.context, s.state, s.text, s.who, n)
			if s.url != "" {
				fmt.Fprintf(b, " -> %s", s.url)
			}
			b.WriteString("\n")
		}
		for _, k := range r.onCommits {
			if k.sha == sha {
				k.dump(b)
			}
		}
	}
	for _, i := range r.issues {
		kind := "issue"
		if i.pull != nil {
			kind = "pull"
		}
		fmt.Fprintf(b, "  %s %d %s %q by %s", kind, i.number, state(i), i.title, i.author)
		if p := i.pull; p != nil {
			fmt.Fprintf(b, " %s@%s -> %s", p.Head, short(p.SHA), p.Base)
		}
		b.WriteString("\n")
		if i.body != "" {
			indent(b, i.body)
		}
		for _, k := range i.comments {
			k.dump(b)
		}
	}
}

func (k *comment) dump(b *strings.Builder) {
	fmt.Fprintf(b, "    comment by %s", k.author)
	if k.edits > 0 {
		b.WriteString(", edited")
	}
	for _, r := range k.by {
		fmt.Fprintf(b, ", %s", r)
	}
	b.WriteString("\n")
	indent(b, k.body)
}

func indent(b *strings.Builder, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(b, "      | %s\n", strings.TrimRight(line, "\r\n"))
	}
}

func short(sha string) string { return sha[:min(10, len(sha))] }

func sorted(m map[string]bool) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	sort.Strings(list)
	return list
}
