package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// What a reader of a pull request sees at once: the verdict first, three rows at most,
// everything else folded, within the limit, and where the whole is.
func TestPullRequest(t *testing.T) {
	in := cases(t)["checks-failure"]
	c := in.Run.Stages[1]
	for i := range 3000 {
		c.Findings = append(c.Findings, runner.Finding{Verdict: runner.Failure, Rule: "no-second-commit", File: "src/pool.mm", Line: 200 + i, Text: fmt.Sprintf("[buffer commit]; // %d", i)})
	}
	in.Run.Stages[1] = c
	for _, v := range []View{{}, {Check: "holdfast"}, {Asked: true}} {
		for _, limit := range []int{CommentLimit, 20_000, 6000} {
			md := PullRequest(in, v, limit)
			if len(md) > limit || len(md) < limit*8/10 {
				t.Errorf("%+v: %d bytes for a limit of %d", v, len(md), limit)
			}
			if err := active(md); err != nil {
				t.Errorf("%+v, %d: %v", v, limit, err)
			}
			seen, _, _ := strings.Cut(md, "<details>")
			if !strings.HasPrefix(seen, "## ❌ failure") || strings.Count(seen, "\n- ") != 3 {
				t.Errorf("%+v, %d: at once one sees %s", v, limit, seen)
			}
			if !strings.Contains(md, "_Left out for length: ") || !strings.Contains(md, "hole report") {
				t.Errorf("%+v, %d: it does not say what is missing and where it is: …%s", v, limit, md[len(md)-300:])
			}
		}
	}
}

// Nobody is bothered by what is fine, unless somebody asked.
func TestFineIsOneLine(t *testing.T) {
	in := cases(t)["success"]
	if got := PullRequest(in, View{}, CommentLimit); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "✅ **success** at `0123456789`") {
		t.Error(got)
	}
	if got := PullRequest(in, View{Asked: true}, CommentLimit); !strings.HasPrefix(got, "## ✅ success") || !strings.Contains(got, "### Benchmarks") {
		t.Error(got)
	}
	in.Run.Verdict, in.Run.Reason = runner.Neutral, "no changed file matches paths"
	if got := PullRequest(in, View{}, CommentLimit); !strings.HasPrefix(got, "➖ **neutral**") || !strings.Contains(got, "no changed file") {
		t.Error(got)
	}
	for _, v := range []runner.Verdict{runner.Failure, runner.Error, "", "odd"} {
		in.Run.Verdict = v
		if Fine(in) {
			t.Errorf("%q is fine", v)
		}
	}
}
