package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/checks"
	"github.com/holdfast-ci/holdfast/runner"
)

// againstChecks finds what the violations of a job are compared with, and whose rule files
// judge it. A pull request, and a command that names a base, are judged by the base's
// unless checks.rules_from says otherwise; anything else by its own, and then its base is,
// too: a stored result of it serves only if the same rules made it.
func (a *app) againstChecks(ctx context.Context, repo *config.Repository, doc *runner.Run) (against, error) {
	ag, err := a.against(ctx, repo, doc, past{
		what: "checks",
		of:   func(sha string) (store.PastResult, bool, error) { return a.store.ChecksOf(ctx, doc.Repo, sha) },
		before: func(branch string) (store.PastResult, bool, error) {
			return a.store.ChecksBefore(ctx, doc.Repo, branch, doc.Number, doc.Commit.SHA)
		},
	})
	if err != nil {
		return against{}, err
	}
	if !repo.Checks.Ratchet && ag.past == nil {
		ag.commit = runner.Commit{} // not worth an examination of its own
	}
	m := a.x.mirror(repo)
	read := func(sha string) (map[string][]byte, error) {
		return m.Files(ctx, sha, func(name string) bool { return checks.RuleFile(repo.Checks.Rules, name) }, maxRuleFile)
	}
	fits := ag.past != nil && fits(ag.past.Result.Checks, repo.Checks)
	// A bisection looks for the commit that made its own rules fail, which may have changed them.
	if named(doc) && !probing(doc) && repo.Checks.RulesFrom != config.RulesFromHead {
		if doc.Base.SHA == "" {
			ag.warning = "the pull request shares no commit with its target: it was judged by its own rules, and compared with nothing"
			return ag, nil
		}
		// Not being able to read them must not let the change choose its own.
		if ag.rules, err = read(doc.Base.SHA); err != nil {
			return against{}, fmt.Errorf("rules of the base: %w", err)
		}
		ag.rulesOf = doc.Base
		if ag.past != nil && !fits {
			ag.commit, ag.past = ag.past.Commit, nil
		}
		return ag, nil
	}
	if ag.past == nil && ag.commit.SHA == "" {
		return ag, nil
	}
	own, err := read(doc.Commit.SHA)
	if err != nil {
		return against{}, fmt.Errorf("rules of the commit: %w", err)
	}
	if ag.past != nil {
		theirs, err := read(ag.past.Commit.SHA)
		if err != nil {
			return against{warning: fmt.Sprintf("the checks were compared with nothing: %v", err)}, nil
		}
		if fits && maps.EqualFunc(own, theirs, bytes.Equal) {
			return ag, nil
		}
		ag.commit, ag.past = ag.past.Commit, nil
	}
	ag.baseRules, ag.baseRulesOf = own, doc.Commit
	return ag, nil
}

// maxRuleFile is the largest rule file that is read from a commit.
const maxRuleFile = 4 << 20

// fits reports whether a stored result was made by the rules of its own commit and by
// what agent.toml says now.
func fits(c *runner.Checks, now config.Checks) bool {
	return c.Scheme == checks.Scheme && c.RulesOf.SHA == "" && c.Settings == checksSettings(now)
}

// checksSettings is a hash of what agent.toml says about which violations there are.
func checksSettings(c config.Checks) string {
	// The packs of another version of this program are other rules.
	packs := map[string][]checks.Rule{}
	for _, name := range checks.Packs() {
		packs[name], _ = checks.Pack(checks.PackUse{Name: name})
	}
	text, err := json.Marshal(struct {
		Shipped  map[string][]checks.Rule
		Files    []string
		Rules    []checks.Rule
		Packs    []string
		Programs []config.CheckProgram
	}{packs, c.Rules, rulesOnly(c.Rule), c.Packs, withoutLimits(c.Programs)})
	if err != nil {
		panic(err) // plain values only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// rulesOnly takes away where the rules are written: a line more above them changes nothing.
func rulesOnly(rules []checks.Rule) []checks.Rule {
	rules = slices.Clone(rules)
	for i := range rules {
		rules[i].Source = ""
	}
	return rules
}

func withoutLimits(programs []config.CheckProgram) []config.CheckProgram {
	programs = slices.Clone(programs)
	for i := range programs {
		programs[i].Limit = 0
	}
	return programs
}
