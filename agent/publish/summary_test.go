package publish_test

import (
	"strings"
	"testing"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// What a check run says of a stage, of its hint and of its progress is, as GitHub reads it,
// our own paragraph and foreign text in code that ends where it should: nothing in it is a
// mention, a reference, a link, an image or HTML.
func FuzzSummary(f *testing.F) {
	for _, s := range []string{"@ada fixes #1", "```\n@ada\n```", "~~~", "`````", "![x](https://a.b/c.png)", "<img src=x>", "\u202e@a", "a\r\n```\r\n@b", "\x00", "\t```", "```text\n```\n\n@a", "| a |"} {
		f.Add(s)
	}
	md := goldmark.New(goldmark.WithExtensions(extension.GFM))
	f.Fuzz(func(t *testing.T, s string) {
		done := run(1)
		done.State, done.Verdict, done.Reason = runner.StateDone, runner.Error, s
		done.Stages = []runner.Result{{Stage: "proofs", Verdict: runner.Error, Reason: s, Hint: s}}
		msgs := publish.Statuses(target, done, []string{"proofs"})
		if m, ok := publish.Running(target, run(1), "proofs", time.Unix(1, 0), []string{s, s}); ok {
			msgs = append(msgs, m)
		}
		if m, ok := publish.Ended(target, run(1), &done.Stages[0], false); ok {
			msgs = append(msgs, m)
		}
		for _, m := range msgs {
			source := []byte(m.Check.Summary)
			doc := md.Parser().Parse(text.NewReader(source))
			blocks := 0
			err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
				if !entering {
					return ast.WalkContinue, nil
				}
				switch n := n.(type) {
				case *ast.Document, *ast.Paragraph, *ast.Emphasis:
				case *ast.Text:
					if strings.ContainsAny(string(n.Segment.Value(source)), "@#<") {
						t.Fatalf("%q: outside of code: %q", s, n.Segment.Value(source))
					}
				case *ast.FencedCodeBlock:
					if blocks++; n.NextSibling() != nil {
						t.Fatalf("%q: something behind the code:\n%s", s, source)
					}
				default:
					t.Fatalf("%q: a %s in\n%s", s, n.Kind(), source)
				}
				return ast.WalkContinue, nil
			})
			if err != nil || blocks > 1 {
				t.Fatalf("%q: %d blocks of code, %v:\n%s", s, blocks, err, source)
			}
			if strings.ContainsAny(m.Check.Title+m.Description, "\n\r\u202e") || len([]rune(m.Description)) > 140 {
				t.Fatalf("%q: title %q, description %q", s, m.Check.Title, m.Description)
			}
		}
	})
}
