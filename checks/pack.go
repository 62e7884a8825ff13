package checks

import (
	"embed"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

//go:embed packs/*.toml
var packFiles embed.FS

// packGlobs are the files that the rules of packs read if nothing else is said.
var packGlobs = []string{"**/*.{c,cc,cpp,cxx,h,hh,hpp,hxx,inl,ipp,m,mm}"}

// packSource begins the Source of a rule of a pack.
const packSource = "pack "

func ofPack(source string) bool { return strings.HasPrefix(source, packSource) }

// PackUse says that a rule pack is wanted, and how it differs from its default.
type PackUse struct {
	Name    string
	Files   []string          // globs instead of those of the C family
	Exclude []string          // globs of files that are left out
	Rules   map[string]string // by id: "off", "warn" or "fail"
}

// Packs lists the names of the rule packs that are part of this program.
func Packs() []string {
	entries, _ := packFiles.ReadDir("packs") // embedded: it is there
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".toml"))
	}
	return names
}

// Pack returns the rules of a pack as they are wanted. Its rules skip a repository that
// has none of their files. The error is an errors.Join of *[Mistake] about use.
func Pack(use PackUse) ([]Rule, error) {
	rules, bad := use.rules()
	return rules, joinMistakes(bad)
}

func (use PackUse) rules() ([]Rule, []*Mistake) {
	var bad []*Mistake
	wrong := func(key, advice, format string, args ...any) {
		bad = append(bad, &Mistake{Key: key, Text: fmt.Sprintf(format, args...), Advice: advice})
	}
	text, err := packFiles.ReadFile(path.Join("packs", use.Name+".toml"))
	if err != nil || strings.ContainsAny(use.Name, "/\\.") {
		wrong("packs", suggest(use.Name, Packs()), "unknown pack %q", use.Name)
		return nil, bad
	}
	globs := use.Files
	if len(globs) == 0 {
		globs = packGlobs
	}
	l := loader{name: packSource + use.Name, src: string(text), pack: func(r *Rule) {
		r.Files, r.Exclude = globs, slices.Concat(r.Exclude, use.Exclude)
		if r.OnMissing == "" {
			r.OnMissing = "skip"
		}
		if s := use.Rules[r.ID]; s == "warn" || s == "fail" {
			r.Severity = s
		}
	}}
	set := l.load()
	for _, m := range l.bad { // a pack itself is right, so it is the globs
		m.Line, m.Col, m.Rule = 0, 0, ""
		if !slices.ContainsFunc(bad, func(o *Mistake) bool { return o.Text == m.Text }) {
			bad = append(bad, m)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(use.Rules)) {
		if !slices.ContainsFunc(set.Rules, func(r Rule) bool { return r.ID == id }) {
			var ids []string
			for _, r := range set.Rules {
				ids = append(ids, r.ID)
			}
			wrong("rules", suggest(id, ids), "the pack %s has no rule %q", use.Name, id)
		}
		if s := use.Rules[id]; s != "off" && s != "warn" && s != "fail" {
			wrong("rules", suggest(s, []string{"off", "warn", "fail"}), "rule %s of the pack %s: %q is not off, warn or fail", id, use.Name, s)
		}
	}
	return slices.DeleteFunc(set.Rules, func(r Rule) bool { return use.Rules[r.ID] == "off" }), bad
}

// packTable is one [pack.NAME] of a rule file.
type packTable struct {
	Files   []string          `toml:"files"`
	Exclude []string          `toml:"exclude"`
	Rules   map[string]string `toml:"rules"`
}

// packs adds the rules of the packs that a rule file asks for.
func (l *loader) packs(set *RuleSet, names []string, tables map[string]packTable) {
	at := find(l.places, "", 0, "packs")
	var seen []string
	for _, name := range names {
		if slices.Contains(seen, name) {
			l.wrong(at, "", "the pack %s is named twice", name)
			continue
		}
		seen = append(seen, name)
		t := tables[name]
		rules, bad := PackUse{Name: name, Files: t.Files, Exclude: t.Exclude, Rules: t.Rules}.rules()
		for _, m := range bad {
			where := at
			for _, table := range []string{"pack." + name, "pack." + name + ".rules"} {
				if p := find(l.places, table, 0, m.Key); p.line > 0 && m.Key != "packs" {
					where = p
				}
			}
			l.wrong(where, m.Advice, "%s", m.Text)
		}
		set.Rules = append(set.Rules, rules...)
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if !slices.Contains(names, name) {
			p := find(l.places, "pack."+name, 0, "")
			if p.line == 0 {
				p = find(l.places, "pack."+name+".rules", 0, "")
			}
			l.wrong(p, fmt.Sprintf("add it to the top of the file: packs = [%q]", name), "settings of the pack %q, which is not asked for", name)
		}
	}
}

// packs adds the packs that agent.toml asks for. Where a rule file has one too, the rule
// file says how.
func (set *ruleSet) packs(names []string) {
	for _, name := range names {
		rules, bad := PackUse{Name: name}.rules()
		for _, m := range bad {
			m.File = "agent.toml"
			set.mistake(m)
		}
		set.add(slices.DeleteFunc(rules, func(r Rule) bool {
			return slices.ContainsFunc(set.rules, func(c *compiled) bool { return c.ID == r.ID && c.Source == r.Source })
		}))
	}
}
