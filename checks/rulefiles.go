package checks

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// DefaultRuleFolder is the folder whose rule files are read beside [DefaultRuleFile]. The
// fixtures of the rules of both are in it, too, in folders.
const DefaultRuleFolder = "holdfast.rules/"

// ruleGlobs are globs for the rule files that a configuration names: files, globs, and
// folders, which end with a slash. None, and [DefaultRuleFile] alone, mean the default file
// and folder, of which neither has to be there.
func ruleGlobs(configured []string) (globs []string, standard bool) {
	if standard = len(configured) == 0 || len(configured) == 1 && configured[0] == DefaultRuleFile; standard {
		configured = []string{DefaultRuleFile, DefaultRuleFolder}
	}
	for _, text := range configured {
		if strings.HasSuffix(text, "/") {
			text += "*.toml"
		}
		globs = append(globs, text)
	}
	return globs, standard
}

// RuleFile reports whether a file of a checkout is one of the rule files that configured
// names: see [Config].
func RuleFile(configured []string, name string) bool {
	globs, _ := ruleGlobs(configured)
	return slices.ContainsFunc(globs, func(text string) bool {
		g, err := parseGlob(text)
		return err == nil && g.match(name)
	})
}

// RuleFilesOf reads the rule files in a checkout, by name. A file that cannot be read is left
// out: the stage says so when it judges that folder. The error is for a folder that cannot
// be listed.
func RuleFilesOf(ctx context.Context, dir string, configured []string) (map[string][]byte, error) {
	t, err := openTree(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer t.root.Close()
	if slices.ContainsFunc(configured, hiddenGlob) {
		if err := t.list(ctx, true); err != nil {
			return nil, err
		}
	}
	out := map[string][]byte{}
	for _, name := range t.files {
		if !RuleFile(configured, name) {
			continue
		}
		if text, err := t.read(name, maxRuleFile); err == nil {
			out[name] = text
		}
	}
	return out, nil
}

// ruleSet is what was collected from all sources.
type ruleSet struct {
	rules    []*compiled
	acks     []Ack
	standing []Ack // those of the checkout itself: a change may have renewed one
	mistakes []*Mistake
	rows     []row // one for each mistake
	warnings []string

	written  []Rule            // of the rule files
	ackings  []Ack             // likewise
	told     map[string]string // id of a rule that only tells: why
	leaving  map[string]string // id of a rule that judges for the last time: what becomes of it
	findings []runner.Finding  // about the rules themselves
}

// ruleFiles is where rule files are read from.
type ruleFiles struct {
	names []string
	read  func(name string) ([]byte, error)
}

func (t *tree) ruleFiles() ruleFiles {
	return ruleFiles{t.files, func(name string) ([]byte, error) { return t.read(name, maxRuleFile) }}
}

// collect reads the rule files and adds the rules of agent.toml. A file with a mistake is
// not judged by at all: what its author meant is not known. quiet says nothing of files
// that are not there.
func (s *Stage) collect(src ruleFiles, quiet bool) *ruleSet {
	set := &ruleSet{}
	// The absence of the standard files is fine if there are other rules.
	wanted, standard := ruleGlobs(s.cfg.RuleFiles)
	seen := map[string]bool{}
	for _, text := range wanted {
		g, err := parseGlob(text)
		if err != nil {
			set.mistake(&Mistake{Key: "rules", Text: fmt.Sprintf("rule file glob %q: %v", text, err)})
			continue
		}
		found := false
		for _, name := range src.names {
			if !g.match(name) {
				continue
			}
			found = true
			if !seen[name] {
				seen[name] = true
				set.file(src, name)
			}
		}
		if !found && !quiet && !standard {
			set.mistake(&Mistake{File: text, Text: "no such rule file", Advice: "rule files are named by checks.rules in agent.toml"})
		}
	}
	if standard && len(seen) == 0 && !quiet && len(s.cfg.Rules)+len(s.cfg.Programs)+len(s.cfg.Packs) > 0 {
		set.warnings = append(set.warnings, "there is no rule file "+DefaultRuleFile+": only what agent.toml names was judged")
	}
	inline := make([]Rule, len(s.cfg.Rules))
	for i, r := range s.cfg.Rules {
		if r.Source == "" {
			r.Source = "agent.toml"
		}
		inline[i] = r
	}
	set.add(inline)
	set.packs(s.cfg.Packs)
	set.acks = append(set.acks, s.cfg.Acks...)
	set.standing = set.acks
	return set
}

func (set *ruleSet) file(src ruleFiles, name string) {
	text, err := src.read(name)
	if err != nil {
		set.mistake(&Mistake{File: name, Text: err.Error()})
		return
	}
	rs, err := Load(name, text)
	if err != nil {
		for _, m := range mistakes(err) {
			set.mistake(m)
		}
		return
	}
	set.add(rs.Rules)
	set.written = append(set.written, rs.Rules...)
	set.acks = append(set.acks, rs.Acks...)
	set.ackings = append(set.ackings, rs.Acks...)
}

func (set *ruleSet) add(rules []Rule) {
	for _, r := range rules {
		c, bad := r.compile()
		if i := slices.IndexFunc(set.rules, func(o *compiled) bool { return o.ID == r.ID }); i >= 0 {
			bad = append(bad, &Mistake{Rule: r.ID, Key: "id", Text: "the id is already used at " + set.rules[i].Source})
		}
		for _, m := range bad {
			if m.File == "" {
				m.File = r.Source
			}
			set.mistake(m)
		}
		if len(bad) == 0 {
			set.rules = append(set.rules, c)
		}
	}
}

func (set *ruleSet) mistake(m *Mistake) {
	set.mistakes = append(set.mistakes, m)
	source := m.File
	if m.Line > 0 {
		source = fmt.Sprintf("%s:%d", m.File, m.Line)
	}
	r := runner.Rule{ID: "rules/" + source, Title: "rule set " + m.File, Outcome: runner.RuleError, Reason: m.Text, Source: source}
	if m.Rule != "" {
		r.Reason = "rule " + m.Rule + ": " + m.Text
	}
	if m.Line > 0 {
		r.Evidence = []runner.Evidence{{File: m.File, Line: m.Line, Column: max(1, m.Col)}}
	}
	set.rows = append(set.rows, row{Rule: r})
}
