package report

import (
	"encoding/json"
	"fmt"
	"html"
	"math"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/runner"
	"pgregory.net/rapid"
)

// inert checks, by its own reading of GitHub Flavored Markdown, that nothing in a
// report is active but what this package itself writes, and that its structure is whole.
func inert(md string) error {
	if !utf8.ValidString(md) {
		return fmt.Errorf("not UTF-8")
	}
	if err := plainRunes(md); err != nil {
		return err
	}
	depth, pipes, fence := 0, 0, 0
	for n, line := range strings.Split(md, "\n") {
		if m := fenceRE.FindStringSubmatch(line); fence == 0 && m != nil {
			fence = len(m[1])
			continue
		}
		if fence > 0 {
			// What ends a fenced block: at most three blanks, at least as many backticks.
			if m := fenceEndRE.FindStringSubmatch(line); m != nil && len(m[1]) >= fence {
				fence = 0
				if strings.HasPrefix(line, " ") {
					return fmt.Errorf("line %d: a text ends its block: %s", n+1, line)
				}
			} else if len(line) < 2 || !strings.Contains("-+ ", line[:1]) || line[1] != ' ' {
				return fmt.Errorf("line %d: not a line of a comparison: %s", n+1, line)
			}
			continue
		}
		text, err := withoutCode(line)
		if err != nil {
			return fmt.Errorf("line %d: %w: %s", n+1, err, line)
		}
		depth += strings.Count(text, "<details>") - strings.Count(text, "</details>")
		if depth < 0 || depth > 1 {
			return fmt.Errorf("line %d: folded blocks do not match", n+1)
		}
		text = strings.NewReplacer("<details><summary>", "", "</summary>", "", "</details>", "").Replace(text)
		if err := inertText(text); err != nil {
			return fmt.Errorf("line %d: %w: %s", n+1, err, line)
		}
		if strings.HasPrefix(line, "|") {
			have := unescaped(text, '|')
			if pipes != 0 && have != pipes {
				return fmt.Errorf("line %d: %d cell borders instead of %d: %s", n+1, have, pipes, line)
			}
			pipes = have
		} else {
			pipes = 0
			if unescaped(text, '|') > 0 {
				return fmt.Errorf("line %d: a table out of place: %s", n+1, line)
			}
		}
	}
	if fence != 0 {
		return fmt.Errorf("a fenced block is not closed")
	}
	if depth != 0 {
		return fmt.Errorf("a folded block is not closed")
	}
	return nil
}

func plainRunes(s string) error {
	for _, r := range s {
		if r != '\n' && (unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || r == 0x3164) {
			return fmt.Errorf("U+%04X", r)
		}
	}
	return nil
}

// withoutCode takes code spans out, and fails on backticks that do not match.
func withoutCode(line string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(line); {
		switch {
		case line[i] == '\\' && i+1 < len(line):
			b.WriteString(line[i : i+2])
			i += 2
		case strings.HasPrefix(line[i:], "<code>"):
			inside, rest, ok := strings.Cut(line[i+len("<code>"):], "</code>")
			if !ok || strings.ContainsAny(inside, "<>`|*_[]:.@$\\~") {
				return "", fmt.Errorf("code element %q", inside)
			}
			b.WriteString("x")
			line, i = rest, 0
		case line[i] == '`':
			n := len(line[i:]) - len(strings.TrimLeft(line[i:], "`"))
			end := -1
			for k := i + n; k < len(line); {
				m := len(line[k:]) - len(strings.TrimLeft(line[k:], "`"))
				if m == n {
					end = k
					break
				}
				k += max(m, 1)
			}
			if end < 0 {
				return "", fmt.Errorf("unmatched backticks")
			}
			if strings.Contains(line[i+n:end], "|") {
				return "", fmt.Errorf("a pipe in a code span")
			}
			b.WriteString("x")
			i = end + n
		default:
			b.WriteByte(line[i])
			i++
		}
	}
	return b.String(), nil
}

var (
	fenceRE    = regexp.MustCompile("^(```+)diff$")
	fenceEndRE = regexp.MustCompile("^ {0,3}(```+) *$")

	activeRE = regexp.MustCompile(`(?i)@[a-z0-9]|#[0-9]|\bgh-[0-9]|https?://|ftp://|\bwww\.`)
	blockRE  = regexp.MustCompile(`^(#{2,3} |- |  - |\| |\|---|\*\*|[A-Z0-9“_a-z]|$)`)
	escapeRE = regexp.MustCompile(`\\([!-/:-@\[-` + "`" + `{-~])`)
	nestedRE = regexp.MustCompile(`^ *- (#|-|\+|[0-9]+[.)] |>|~~~|=|    )`)
)

func inertText(text string) error {
	if strings.ContainsAny(text, "<>") {
		return fmt.Errorf("an element")
	}
	if !blockRE.MatchString(text) || nestedRE.MatchString(text) {
		return fmt.Errorf("a block of its own")
	}
	for _, c := range []byte("[]$~") {
		if unescaped(text, c) > 0 {
			return fmt.Errorf("active %q", c)
		}
	}
	if n := unescaped(strings.ReplaceAll(text, "**", ""), '*'); n > 0 || unescaped(text, '*')%4 != 0 {
		return fmt.Errorf("emphasis")
	}
	if n := unescaped(text, '_'); n > 0 && !strings.HasPrefix(text, "_Left out") {
		return fmt.Errorf("emphasis with _")
	}
	// What GitHub's filters see: escapes and entities resolved.
	seen := html.UnescapeString(escapeRE.ReplaceAllString(text, "$1"))
	if m := activeRE.FindString(seen); m != "" {
		return fmt.Errorf("active %q", m)
	}
	return nil
}

func unescaped(s string, c byte) int {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		} else if s[i] == c {
			n++
		}
	}
	return n
}

func TestInertItself(t *testing.T) {
	for _, bad := range []string{
		"hello @octocat", "fixes #12", "see GH-3", "<b>x</b>", "![x](y)", "[x](y)", "a `b", "https://x", "www.x.y", "*a*", "_a_", "~~a~~", "$x$",
		"\u202e", "\x1b[0m", "| a |\n| b | c |", "<details><summary>x</summary>", "- # heading", "    code", "@\\octocat", "&#64;octocat", "`a|b`", "> quote",
		"```diff\n- a", "```diff\n- a\n ```\n- b\n```", "```diff\n# a\n```", "```\n- a\n```", "```diff\n- a\n````\n<b>\n```",
	} {
		if inert(bad) == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

func TestGoldenIsInert(t *testing.T) {
	for name, in := range cases(t) {
		if err := inert(Markdown(in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, md := range []string{Markdown(in), PullRequest(in, View{Asked: true}, CommentLimit), PullRequest(in, View{}, CommentLimit), PullRequest(in, View{Check: "holdfast"}, CommentLimit)} {
			if err := active(md); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// FuzzEscape is FuzzHostile for the two functions alone, and much faster.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{evil, "@a", "``a`", "`|", "\\|", "1. x", "www.a", "gh-1", "\xff@", "a.\u200bb"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if err := inert(fmt.Sprintf("- %s %s %s\n\n| %s | %s |\n|---|---|\n| %s | %s |\n", prose(a), code(b), prose(b), code(a), prose(b), prose(a), code(b))); err != nil {
			t.Fatalf("%q, %q: %v", a, b, err)
		}
		if err := active(fmt.Sprintf("- %s %s %s\n\n| %s | %s |\n|---|---|\n| %s | %s |\n", prose(a), code(b), prose(b), code(a), prose(b), prose(a), code(b))); err != nil {
			t.Fatalf("%q, %q: %v", a, b, err)
		}
	})
}

func FuzzHostile(f *testing.F) {
	for _, s := range []string{
		evil, "@a", "#1", "a@b.c", "`", "``a`", "|", "\\|", "\\", "a\\", "`|`", "<code>", "&#64;x", "**", "*", "1. x", "12) x", "- - x", "=\n=", "# x", "www.a.b", "WWW.a", "http://a",
		"GH-1", "gh-1", "\u2028@x", "\u200b", "\xff@a", "\x00", "@\u200ba", "...", "12.", "https:\n//x", "~", "$", "!", "![", "&", "&amp;", "<!--", "\U000e0041", strings.Repeat("|", 500), strings.Repeat("@a", 500),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return
		}
		in := Input{Run: hostileRun(s), Judgement: hostileJudgement(t, s), Builds: hostileJudgement(t, s), Bisections: bisectionExamples(s), Shifts: shiftExamples(s)}
		prev := run(proofsResult(), checksResult(), benchResult(1))
		in.Previous = &prev
		md := Markdown(in)
		if err := inert(md); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		for _, limit := range []int{CommentLimit, 9000, 4000} {
			c := Comment(in, limit)
			if len(c) > limit {
				t.Fatalf("%q: %d bytes for a limit of %d", s, len(c), limit)
			}
			if err := inert(c); err != nil {
				t.Fatalf("%q: limit %d: %v", s, limit, err)
			}
		}
		for _, v := range []View{{}, {Asked: true, Note: s}, {Check: s}} {
			c := PullRequest(in, v, 9000)
			if len(c) > 9000 {
				t.Fatalf("%q: %d bytes", s, len(c))
			}
			if err := active(c); err != nil {
				t.Fatalf("%q: %+v: %v", s, v, err)
			}
		}
		if err := active(md); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if err := plainRunes(Text(in)); err != nil {
			t.Fatalf("%q: text: %v", s, err)
		}
		if err := plainRunes(BenchTables(in) + Explain(in)); err != nil {
			t.Fatalf("%q: tables: %v", s, err)
		}
		if doc, err := JSON(in); err != nil || !json.Valid(doc) {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

// A comment holds the most that fits, whole rows only, and says what it left out.
func TestComment(t *testing.T) {
	in := cases(t)["success"]
	big := in.Run
	big.Stages = []runner.Result{large(1200, 300)[0], large(1200, 300)[1], in.Run.Stages[2]}
	in.Run = big
	whole := Markdown(in)
	if got := Comment(in, len(whole)); got != whole {
		t.Error("a report that fits was cut")
	}
	last := 0
	for limit := 0; limit < len(whole); limit += 1 + limit/5 {
		c := Comment(in, limit)
		if len(c) > limit {
			t.Fatalf("%d bytes for a limit of %d", len(c), limit)
		}
		if limit < 3000 {
			continue // less than the parts that are never left out
		}
		if err := inert(c); err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		if !strings.HasPrefix(c, "## ✅ success") || !strings.Contains(c, "_Left out for length: ") || !strings.Contains(c, "`holdfast report 42`") {
			t.Fatalf("limit %d: verdict or note is missing: %s", limit, clip(c, 300))
		}
		if len(c) < last*9/10 {
			t.Errorf("limit %d gives only %d bytes, a smaller one gave %d", limit, len(c), last)
		}
		last = len(c)
	}
	if c := Comment(in, CommentLimit); len(c) < CommentLimit*9/10 || !strings.Contains(c, "of 1,200 theorems") {
		t.Errorf("%d of %d bytes used: %s", len(c), CommentLimit, c[len(c)-300:])
	}
}

func TestCodeShowsItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune("`| \\a@#<é")), 1, 20, -1).Draw(t, "s")
		c := code(s)
		want := strings.TrimSpace(s)
		got, ok := strings.CutPrefix(c, "<code>")
		switch {
		case want == "":
			got, want = c, "(empty)"
		case ok:
			got = strings.ReplaceAll(html.UnescapeString(strings.TrimSuffix(got, "</code>")), "\u200b", "")
		default:
			fence := c[:len(c)-len(strings.TrimLeft(c, "`"))]
			got = strings.TrimSuffix(strings.TrimPrefix(c, fence), fence)
			if strings.HasPrefix(got, " ") && strings.HasSuffix(got, " ") && strings.TrimSpace(got) != "" {
				got = got[1 : len(got)-1]
			}
		}
		if got != want {
			t.Fatalf("%q becomes %q, shown as %q", s, c, got)
		}
	})
}

func TestOddNumbers(t *testing.T) {
	in := cases(t)["success"]
	in.Judgement = nil
	b := *in.Run.Stages[2].Bench
	b.Samples = append([]runner.Sample{{Name: "multi-queue", Unit: "ops/s", Config: map[string]string{"queue": "shared", "threads": "1"}, Values: []float64{math.NaN(), math.Inf(1), 3}}}, b.Samples[1:]...)
	in.Run.Stages[2].Bench, in.Run.Stages[2].Seconds = &b, math.Inf(1)
	in.Run.Stages[0].Seconds, in.Run.Stages[1].Seconds = math.NaN(), -5
	doc, err := JSON(in)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), "null,\n          null,\n          3") {
		t.Error("values that are not finite are not null")
	}
	for _, s := range []string{Markdown(in), Text(in)} {
		if strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
			t.Error(s)
		}
	}
}
