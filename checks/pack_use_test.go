package checks

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

func TestPackUse(t *testing.T) {
	const twice = "void f(id<MTLCommandBuffer> b) { [b commit]; [b commit]; }\n"
	files := map[string]string{"src/a.mm": twice, "old/b.mm": twice, "lib/c.txt": twice}
	for _, tt := range []struct {
		name, rules string
		packs       []string
		verdict     runner.Verdict
		want        string // what is told of metal.commit-twice, or all of it
	}{
		{"in the rule file", `packs = ["metal"]`, nil, runner.Failure, "fail 2 places in 2 files: commit on b, which had commit on line 1"},
		{"in agent.toml", "", []string{"metal"}, runner.Failure, "fail 2 places in 2 files: commit on b, which had commit on line 1"},
		{"in both", "packs = ['metal']\n[pack.metal]\nfiles = ['src/*.mm']", []string{"metal"}, runner.Failure, "fail 1 place in 1 file: commit on b, which had commit on line 1"},
		{"excluded", "packs = ['metal']\n[pack.metal]\nexclude = ['old/**', 'src/**']", nil, runner.Neutral, "skip no file matches " + packGlobs[0]},
		{"a warning", "packs = ['metal']\n[pack.metal.rules]\n'metal.commit-twice' = 'warn'", nil, runner.Success, "warn 2 places in 2 files: commit on b, which had commit on line 1"},
		{"off", "packs = ['metal']\n[pack.metal.rules]\n'metal.commit-twice' = 'off'", nil, runner.Success, ""},
		{"unknown pack", "packs = ['metall']", nil, runner.Error, "error unknown pack \"metall\""},
		{"unknown pack in agent.toml", "", []string{"../metal"}, runner.Error, "error unknown pack \"../metal\""},
		{"unknown rule", "packs = ['metal']\n[pack.metal.rules]\n'metal.commit-once' = 'off'", nil, runner.Error, "error the pack metal has no rule \"metal.commit-once\""},
		{"unknown word", "packs = ['metal']\n[pack.metal.rules]\n'metal.commit-twice' = 'never'", nil, runner.Error, "error rule metal.commit-twice of the pack metal: \"never\" is not off, warn or fail"},
		{"unknown key", "packs = ['metal']\n[pack.metal]\nfile = ['a']", nil, runner.Error, "error unknown key \"file\""},
		{"not asked for", "packs = ['metal']\n[pack.concurrency]\nfiles = ['a']", nil, runner.Error, "error settings of the pack \"concurrency\", which is not asked for"},
		{"twice", "packs = ['metal', 'metal']", nil, runner.Error, "error the pack metal is named twice"},
		{"a bad glob", "packs = ['metal']\n[pack.metal]\nfiles = ['/a']", nil, runner.Error, "error glob \"/a\": "},
		{"an id of its own", "packs = ['metal']\n[[rule]]\nid = 'metal.commit-twice'\nkind = 'absent'\nfiles = ['src/*']\npattern = 'x'", nil, runner.Error, "error the id metal.commit-twice is already used at "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := map[string]string{}
			for k, v := range files {
				all[k] = v
			}
			if tt.rules != "" {
				all[DefaultRuleFile] = tt.rules
			}
			res := run(t, lay(t, all), Config{Packs: tt.packs})
			i := slices.IndexFunc(res.Checks.Rules, func(r runner.Rule) bool {
				return r.ID == "metal.commit-twice" || r.Outcome == runner.RuleError
			})
			got := ""
			if i >= 0 {
				got = res.Checks.Rules[i].Outcome + " " + res.Checks.Rules[i].Reason
			}
			if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" || res.Verdict != tt.verdict {
				t.Errorf("%s: %s\nwant %s: %s", res.Verdict, got, tt.verdict, tt.want)
			}
		})
	}
}

// TestPacksAreUnsureTogether: a file that cannot be read makes a rule an error only if it
// holds what the rule is about.
func TestPacksAreUnsureTogether(t *testing.T) {
	dir := lay(t, map[string]string{"a.mm": "void f() {\n#if A\n if (x) {\n#else\n while (x)\n#endif\n [[q commandBuffer] commit]; }\n", "b.mm": "int x;\n"})
	for _, r := range run(t, dir, Config{Packs: []string{"metal"}}).Checks.Rules {
		want := runner.Pass
		if slices.Contains([]string{"metal.commit-twice", "metal.pool-in-loop"}, r.ID) {
			want = runner.RuleError
		}
		if r.Outcome != want {
			t.Errorf("%s: %s %s, want %s", r.ID, r.Outcome, r.Reason, want)
		}
	}
}
