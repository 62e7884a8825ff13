package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks"
	"github.com/holdfast-ci/holdfast/metal"
)

// checks judges what the settings of the checks say together. For a repository only what its
// own tables say is looked at.
func (d *decoder) checks(p path, check Checks) {
	at := p.key("programs")
	for i, g := range check.Programs {
		d.command(at.index(i), g.Command)
		if expect := at.index(i).key("expect"); len(g.Expect) > 0 && g.Format != "clang" && d.set[expect] {
			d.key(expect, `add format = "clang"`, "expect has no effect with format %q", g.Format)
		}
	}
	d.names(at, len(check.Programs), func(i int) string { return check.Programs[i].Name })
	d.rules(p.key("rule"), check.Rule)
	for i, name := range check.Packs {
		if _, err := checks.Pack(checks.PackUse{Name: name}); err != nil && d.set[p.key("packs")] {
			d.value(p.key("packs").index(i), "packs: "+strings.Join(checks.Packs(), ", "), "%v", err)
		}
	}
	d.acks(p.key("ack"), check.Ack)
}

// bench judges what the settings of the benchmarks say together, likewise.
func (d *decoder) bench(p path, bench Bench) {
	at := p.key("programs")
	for i, g := range bench.Programs {
		d.command(at.index(i), g.Command)
		if d.set[at.index(i).key("command")] {
			d.pattern(at.index(i), g)
		}
	}
	d.names(at, len(bench.Programs), func(i int) string { return bench.Programs[i].Name })
	d.kernel(p, bench)
	// The settings for all may leave the programs to the repositories.
	if p != path("").key("bench") && d.set[p] && bench.Enabled && bench.Backend == "none" && len(bench.Programs) == 0 {
		d.key(p, "add [[bench.programs]], or enabled = false", "bench has neither a backend nor a program")
	}
}

// pattern checks the expression that reads what a program prints.
func (d *decoder) pattern(at path, g BenchProgram) {
	place := at.key("pattern")
	if g.Format != "regexp" {
		if g.Pattern != "" {
			d.key(place, `add format = "regexp"`, "pattern has no effect with format %q", g.Format)
		}
		return
	}
	re, err := regexp.Compile(g.Pattern)
	switch {
	case g.Pattern == "" && (!d.set[place] || d.clean(place)):
		d.key(at, `pattern = '(?P<name>\S+): (?P<value>[0-9.]+) (?P<unit>\S+)'`, "format regexp needs a pattern")
	case err == nil && g.Pattern != "" && (re.SubexpIndex("value") < 0 || re.SubexpIndex("unit") < 0):
		d.value(place, `for example '(?P<name>\S+): (?P<value>[0-9.]+) (?P<unit>\S+)'`, "the pattern needs the named groups value and unit")
	}
}

// kernel checks the two settings that name a kernel of the checkout, where either is set.
func (d *decoder) kernel(at path, bench Bench) {
	place := at.key("kernel")
	if !d.set[place] {
		place = at.key("function")
	}
	if !d.set[place] || !d.clean(place) {
		return
	}
	if err := metal.CheckKernel(bench.Kernel, bench.Function); err != nil {
		d.key(place, `for example kernel = "gpu/bench.metal" and function = "spin"`, "%v", err)
	} else if bench.Backend != metal.BackendMetal {
		d.key(place, `add backend = "metal"`, "%s has no effect with backend %s", bench.Kernel, quote(bench.Backend))
	}
}

// rules has package checks judge the rules that the file gives at p.
func (d *decoder) rules(p path, list []checks.Rule) {
	if !d.set[p] {
		return
	}
	for i := range list {
		list[i].Source = d.source(p.index(i))
		d.mistakes(p.index(i), list[i].Validate())
	}
	seen := map[string]bool{}
	for i, r := range list {
		if seen[r.ID] && r.ID != "" {
			d.value(p.index(i).key("id"), "", "rule %s comes twice", quote(r.ID))
		}
		seen[r.ID] = true
	}
}

// acks has package checks judge the acknowledgements that the file gives at p.
func (d *decoder) acks(p path, list []checks.Ack) {
	if !d.set[p] {
		return
	}
	for i := range list {
		list[i].Source = d.source(p.index(i))
		d.mistakes(p.index(i), list[i].Validate())
	}
}

// source is the place of a table, as "agent.toml:12".
func (d *decoder) source(at path) string {
	line, _, _ := locate(d.text, d.where(d.pos.keys, at).start)
	return fmt.Sprintf("%s:%d", filepath.Base(d.file), line)
}

// mistakes reports what package checks says of the table at a path.
func (d *decoder) mistakes(at path, err error) {
	told := slices.Clone(d.failed)
	var bad []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		bad = joined.Unwrap()
	} else if err != nil {
		bad = []error{err}
	}
	for _, err := range bad {
		var m *checks.Mistake
		if !errors.As(err, &m) {
			d.key(at, hintOf(err), "%s: %v", at, err)
			continue
		}
		// What could not be read was told already, and then things may seem to be missing.
		if where := at.key(m.Key); d.set[where] && !under(told, where) {
			d.value(where, m.Advice, "%s: %s", where, m.Text)
		} else if !d.set[where] && !under(told, at) {
			d.key(at, m.Advice, "%s: %s", at, m.Text)
		}
	}
}

// command checks the program and arguments of a table.
func (d *decoder) command(p path, command []string) {
	if !d.set[p.key("command")] {
		return
	}
	for i, arg := range command {
		if i == 0 && arg == "" || strings.ContainsRune(arg, 0) {
			d.value(p.key("command").index(i), "", "%s: %s is not a program or argument", p.key("command"), quote(arg))
		}
	}
}

// names reports programs of one list with the same name, if the list is in the file at p.
func (d *decoder) names(p path, n int, name func(int) string) {
	seen := map[string]bool{}
	for i := range n {
		if seen[name(i)] && name(i) != "" && d.set[p.index(i).key("name")] {
			d.value(p.index(i).key("name"), "", "program %s comes twice", quote(name(i)))
		}
		seen[name(i)] = true
	}
}
