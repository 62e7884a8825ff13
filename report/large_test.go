package report

import (
	"fmt"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// large makes the two stages of a large repository.
func large(theorems, rules int) []runner.Result {
	p := &runner.Proofs{Toolchain: "Lean (version 4.27.0)", Authority: true, Jobs: theorems / 5}
	for i := range theorems / 10 {
		n := fmt.Sprintf("Library.Area%d.Part%d", i%17, i)
		p.Modules = append(p.Modules, runner.Module{Name: n, File: n + ".lean", Verdict: runner.Success})
	}
	for i := range theorems {
		p.Theorems = append(p.Theorems, runner.Theorem{
			Name: fmt.Sprintf("Library.Area%d.a_theorem_with_a_long_name_%d", i%17, i), Kind: "theorem", Module: p.Modules[i/10].Name, File: p.Modules[i/10].File, Line: 10 + i%10*20,
			Axioms: []string{"Classical.choice", "Quot.sound", "propext"}, Verdict: runner.Success,
		})
	}
	c := &runner.Checks{}
	var found []runner.Finding
	for i := range rules {
		r := runner.Rule{ID: fmt.Sprintf("rule-%d", i), Title: "no `commit` without [lock] in *encoder*", Outcome: runner.Pass, Reason: "0 matches in 51 files", Files: 51, Source: "holdfast.rules.toml:12"}
		if i%10 == 0 {
			r.Outcome = runner.Fail
			r.Evidence = []runner.Evidence{{File: "src/pool.mm", Line: i + 1, Column: 5, Text: "[buffer commit];"}}
			found = append(found, runner.Finding{Verdict: runner.Failure, Rule: r.ID, File: "src/pool.mm", Line: i + 1, Column: 5, Text: "[buffer commit];"})
			c.Fail++
		} else {
			c.Pass++
		}
		c.Rules = append(c.Rules, r)
	}
	return []runner.Result{
		{Stage: runner.StageProofs, Verdict: runner.Success, Seconds: 100, Proofs: p},
		{Stage: runner.StageChecks, Verdict: runner.Failure, Reason: "100 of 1000 rules fail", Seconds: 1, Checks: c, Findings: found},
	}
}

// BenchmarkLarge renders 10,000 theorems, 1,000 rules and a previous run as large.
func BenchmarkLarge(b *testing.B) {
	in := Input{Run: run(large(10_000, 1_000)...)}
	prev := run(large(10_000, 1_000)...)
	in.Previous = &prev
	for name, render := range map[string]func(){
		"markdown": func() { Markdown(in) },
		"comment":  func() { Comment(in, CommentLimit) },
		"text":     func() { Text(in) },
		"json": func() {
			if _, err := JSON(in); err != nil {
				b.Fatal(err)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				render()
			}
		})
	}
}
