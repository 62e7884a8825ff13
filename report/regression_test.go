package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

func regressionOf(in Input) Regression {
	r := Regression{
		Stage: runner.StageProofs, Branch: "main", Good: in.Run.Base, GoodRun: 41, First: in.Run.Commit, FirstRun: 42,
		Between: []runner.Commit{in.Run.Commit}, Owners: []string{"acme/proofs", "mara"}, Now: in,
	}
	if s := in.Run.Stage(runner.StageProofs); s != nil {
		r.Seen = *s
	}
	return r
}

func TestRegressionGolden(t *testing.T) {
	in := cases(t)["ledger"]
	open := regressionOf(in)
	several := open
	several.Between = append([]runner.Commit{{SHA: "1111111111111111111111111111111111111111", Subject: "Pool: a first step", Author: "Mara Lind"}}, open.Between...)
	several.Now.Run.Number, several.Left = 45, []string{"theorem StreamPool.bounded", "theorem StreamPool.safe"}
	fixed := several
	fixed.Fixed = true
	unknown := open
	unknown.Between, unknown.Unknown, unknown.Owners = nil, "the branch was set to another history in between", nil
	var b strings.Builder
	for _, c := range []struct {
		name string
		r    Regression
	}{{"one commit", open}, {"several commits", several}, {"fixed", fixed}, {"unknown", unknown}} {
		b.WriteString("<!-- holdfast:" + c.name + " -->\n" + RegressionTitle(c.r, "streampool") + "\n\n" + c.r.Issue(CommentLimit) + "\n")
	}
	b.WriteString("<!-- holdfast:turned -->\n" + Turned(in, []Turn{{runner.StageProofs, runner.Success, runner.Failure}, {runner.StageChecks, runner.Error, runner.Success}}))
	file := filepath.Join("testdata", "regression.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || b.String() != string(want) {
		t.Errorf("%v: rewrite with -update and look at the diff: %s", err, b.String())
	}
}

func FuzzRegression(f *testing.F) {
	for _, s := range []string{evil, "a/b", "@a", "#1", "``", "\n\n## x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		in := Input{Run: hostileRun(s)}
		r := regressionOf(in)
		r.Stage, r.Branch, r.Unknown, r.Owners, r.Left = s, s, s, []string{s}, []string{s}
		r.Good.SHA, r.Now.Run.Number = s, 99
		for _, b := range [][]runner.Commit{nil, {in.Run.Commit}, {in.Run.Commit, in.Run.Commit}} {
			r.Between = b
			for _, limit := range []int{CommentLimit, 6000} {
				md := r.Issue(limit)
				if err := active(md); err != nil || len(md) > limit {
					t.Fatalf("%q: %d bytes, %v", s, len(md), err)
				}
			}
			r.Fixed, r.Unknown = !r.Fixed, ""
		}
		if err := active(Turned(in, []Turn{{s, runner.Verdict(s), runner.Failure}})); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if md := Answers([]Answer{{s, s, true, s}, {s, s, false, s}}, 9000); active(md) != nil || len(md) > 9000 {
			t.Fatalf("%q: %v", s, active(md))
		}
		if title := RegressionTitle(r, s); plainRunes(title) != nil || strings.ContainsAny(title, "@\n") || len([]rune(title)) > 200 {
			t.Fatalf("%q: title %q", s, title)
		}
	})
}
