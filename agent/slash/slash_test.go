package slash

import (
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

var sha = strings.Repeat("a1", 20)

func TestParse(t *testing.T) {
	for body, want := range map[string]Command{
		"/holdfast run":                          {Verb: Run},
		"/holdfast rerun  \r\n":                  {Verb: Rerun},
		"Please, again.\n\n/holdfast rerun\n":    {Verb: Rerun},
		"/holdfast bench":                        {Verb: Bench},
		"/holdfast bench relax":                  {Verb: Bench, Args: []string{"relax"}},
		"/holdfast ok " + sha:                    {Verb: OK, Args: []string{sha}},
		"/holdfast explain\nsince I cannot tell": {Verb: Explain},
		"/holdfast cancel\n\n> /holdfast run":    {Verb: Cancel},
		"/holdfast accept ops/s queue=shared threads=8 a faster kernel": {
			Verb: Accept, Metric: "ops/s queue=shared threads=8", Reason: "a faster kernel",
		},
		"/holdfast accept lean-build the proof is longer": {Verb: Accept, Metric: "lean-build", Reason: "the proof is longer"},
	} {
		got, ok, err := Parse(body)
		if !ok || err != nil || got.Verb != want.Verb || got.Metric != want.Metric || got.Reason != want.Reason || want.Args != nil && !slices.Equal(got.Args, want.Args) {
			t.Errorf("%q: %+v, %v, %v", body, got, ok, err)
		}
	}
	for _, body := range []string{
		"", "hello", "try /holdfast run", " /holdfast run", "\t/holdfast run", "    /holdfast run", "> /holdfast run", ">/holdfast run",
		"> quoted\n/holdfast run", "text before\n/holdfast run", "```\n/holdfast run\n```", "```\n\n/holdfast run\n\n```", "~~~~\n```\n\n/holdfast run\n",
		"- item\n/holdfast run", "<!--\n\n/holdfast run\n\n-->", "<pre>\n\n/holdfast run\n</pre>", "`/holdfast run`", "/holdfastrun", "/Holdfast run",
		"- ```\n\n/holdfast run", "> ```\n> x\n\n```\n\n/holdfast run", "/holdfast ru\u200bn", "/holdfast run\u202e", "x <!--\n\n/holdfast run\n-->", "/holdfast " + strings.Repeat("x", 600),
		"@holdfast run", "\\/holdfast run", "# /holdfast run", "| /holdfast run |\n|---|",
	} {
		if got, ok, err := Parse(body); ok {
			t.Errorf("%q is a command: %+v, %v", body, got, err)
		}
	}
	for body, why := range map[string]string{
		"/holdfast":                                "which command",
		"/holdfast fly":                            "no such command, only run, rerun, bench, accept, explain, cancel and ok",
		"/holdfast run fast":                       "write it as /holdfast run",
		"/holdfast ok":                             "/holdfast ok COMMIT, with all 40 digits",
		"/holdfast ok a1b2c3d":                     "with all 40 digits",
		"/holdfast accept ops/s":                   "METRIC REASON",
		"/holdfast accept ops/s threads=8":         "METRIC REASON",
		"/holdfast bench a b":                      "[PROGRAM]",
		"/holdfast run\n/holdfast cancel":          "one command in a comment",
		"/holdfast run\n\ntext\n\n/holdfast rerun": "one command in a comment",
	} {
		if _, ok, err := Parse(body); !ok || err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, %v", body, ok, err)
		}
	}
}

// What counts as a command is, in the reading of another program, the beginning of a line of
// a paragraph that belongs to nothing else, with no line before it but commands.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		"/holdfast run", "> q\n/holdfast run", "```\n\n/holdfast run\n```", "<!--\n\n/holdfast run", "- a\n\n/holdfast run", "1. a\n   ```\n\n/holdfast run", "a\n\n/holdfast x\n===\n",
		"<details>\n\n/holdfast run\n\n</details>", "[a]:\n\n/holdfast run", "<div>\n/holdfast run", "* ~~~\n\n/holdfast run", "/holdfast run\n/holdfast cancel", "<a\n\n/holdfast run\n>",
		"[^1]: x\n\n/holdfast run", "/holdfast |a\n|-|-|", "\f\n/holdfast run", "&nbsp;\n/holdfast run",
	} {
		f.Add(s)
	}
	md := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote))
	f.Fuzz(func(t *testing.T, body string) {
		got := lines(body)
		src := []byte(strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n"))
		var want []string
		for n := md.Parser().Parse(text.NewReader(src)).FirstChild(); n != nil; n = n.NextSibling() {
			if n.Kind() != ast.KindParagraph && n.Kind() != ast.KindHeading {
				continue
			}
			for i := range n.Lines().Len() {
				seg := n.Lines().At(i)
				want = append(want, strings.TrimRight(string(seg.Value(src)), "\n"))
			}
		}
		// The head of a table is a paragraph until its next line.
		for i, all := 0, strings.Split(string(src), "\n"); i+1 < len(all); i++ {
			if strings.Trim(all[i+1], "|:- \t\v\f") == "" && strings.ContainsAny(all[i+1], "|:-") {
				want = append(want, all[i])
			}
		}
		for _, l := range got {
			if !slices.ContainsFunc(want, func(w string) bool { return strings.TrimSpace(w) == strings.TrimSpace(l) }) {
				t.Errorf("%q: %q is a command, and no line of a paragraph: %q", body, l, want)
			}
		}
	})
}
