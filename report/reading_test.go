package report

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	ghtml "github.com/yuin/goldmark/renderer/html"
	"pgregory.net/rapid"
)

// page turns Markdown into HTML as GitHub does first of all; its filters for mentions,
// references and links then work on the text of that.
var page = goldmark.New(
	goldmark.WithExtensions(extension.GFM, extension.Footnote),
	goldmark.WithRendererOptions(ghtml.WithUnsafe()),
)

// active reads Markdown as a page and says what in it would do something: an element that
// reports do not consist of, or text that GitHub turns into a mention, a reference, a
// link, an emoji or an image. It knows nothing of how this package escapes.
func active(md string) error {
	var b bytes.Buffer
	if err := page.Convert([]byte(md), &b); err != nil {
		return err
	}
	doc := b.String()
	var open []string
	for doc != "" {
		i := strings.IndexByte(doc, '<')
		if i < 0 {
			i = len(doc)
		}
		if err := quiet(html.UnescapeString(doc[:i]), open); err != nil {
			return err
		}
		if doc = doc[i:]; doc == "" {
			break
		}
		if rest, ok := strings.CutPrefix(doc, "<!-- holdfast:"); ok {
			at := strings.Index(rest, "-->")
			if at < 0 {
				return fmt.Errorf("an open comment")
			}
			doc = rest[at+3:]
			continue
		}
		m := tagRE.FindStringSubmatch(doc)
		if m == nil {
			return fmt.Errorf("no element of ours: %.60q", doc)
		}
		name := m[2]
		switch {
		case !slices.Contains(elements, name):
			return fmt.Errorf("element %s", m[0])
		case m[3] != "" && !attrRE.MatchString(m[3]):
			return fmt.Errorf("attributes of %s", m[0])
		case m[1] == "/":
			if len(open) == 0 || open[len(open)-1] != name {
				return fmt.Errorf("%s closes nothing, open are %v", m[0], open)
			}
			open = open[:len(open)-1]
		case name != "br":
			open = append(open, name)
		}
		doc = doc[len(m[0]):]
	}
	if len(open) > 0 {
		return fmt.Errorf("not closed: %v", open)
	}
	return nil
}

var (
	elements = []string{"p", "br", "h2", "h3", "ul", "li", "strong", "em", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
	tagRE    = regexp.MustCompile(`^<(/?)([a-z][a-z0-9]*)([^<>]*)>`)
	attrRE   = regexp.MustCompile(`^( /| (style="text-align:(left|right|center)"|class="language-diff"))$`)

	// What GitHub looks for in text, from its documentation: mentions of people and teams,
	// issues and pull requests in three spellings, commits by at least seven digits, bare
	// links, addresses, emoji by name.
	lively = map[string]*regexp.Regexp{
		"mention":   regexp.MustCompile(`@[0-9A-Za-z_]`),
		"reference": regexp.MustCompile(`#[0-9]|(?i:\bgh-[0-9])`),
		"link":      regexp.MustCompile(`(?i)\b(https?|ftp)://|\b(mailto|xmpp):\S*@\w|\bwww\.[0-9A-Za-z_-]`),
		"emoji":     regexp.MustCompile(`:([+\-0-9]*[+\-A-Za-z_][+\-0-9A-Za-z_]*|100|1234):`),
	}
	commitRE  = regexp.MustCompile(`\b[0-9a-fA-F]{7,64}\b`)
	letterRE  = regexp.MustCompile(`[a-fA-F]`)
	closingRE = regexp.MustCompile(`(?i)\b(close|closes|closed|fix|fixes|fixed|resolve|resolves|resolved):?\s+([\w.-]+/[\w.-]+)?(#[0-9]|gh-[0-9]|https?:)`)
)

// quiet looks at one piece of text; code is left alone by GitHub's filters.
func quiet(text string, open []string) error {
	if slices.Contains(open, "code") || slices.Contains(open, "pre") {
		return nil
	}
	for what, re := range lively {
		if m := re.FindString(text); m != "" {
			return fmt.Errorf("%s %q in %.80q", what, m, text)
		}
	}
	if m := closingRE.FindString(text); m != "" {
		return fmt.Errorf("closing keyword %q", m)
	}
	for _, m := range commitRE.FindAllString(text, -1) {
		// Figures are everywhere, and a commit whose name is one is no more than a link.
		if letterRE.MatchString(m) {
			return fmt.Errorf("commit %q in %.80q", m, text)
		}
	}
	return nil
}

func TestActiveItself(t *testing.T) {
	for _, bad := range []string{
		"hello @octocat", "@org/team", "fixes #12", "see GH-3", "o/r#3", "<b>x</b>", "![x](y)", "[x](y)", "[x]\n\n[x]: y", "https://x.y", "www.x.y", "a@b.co", "<https://x.y>",
		"&#64;octocat", "> quote", "- [ ] x", "1. x", "# x", "a[^1]\n\n[^1]: x", "~~x~~", "<img src=x>", "<details>", "<!-- x -->", "closes\nhttps://x.y",
		"a1b2c3d", ":octocat:", "x :+1: y", "<details><summary>@a</summary></details>", "&lt;b&gt; #1", "| a |\n|---|\n| @b |", "mailto:a@b.co",
	} {
		if active(bad) == nil {
			t.Errorf("%q passes", bad)
		}
	}
	for _, good := range []string{"`@octocat #1 https://x`", "```diff\n- @octocat\n```", "@&#8203;octocat", "## x\n\n- **a** b\\\nc", "<details><summary>2 more</summary>\n\n- x\n\n</details>", "<code>&#64;x</code>", "| a |\n|---:|\n| b |", "1234567 ops/s"} {
		if err := active(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// Text put together from what Markdown and GitHub give a meaning to stays text, wherever a
// report puts it.
func TestTokensAreInert(t *testing.T) {
	tokens := []string{
		"@", "a", "octocat", "#", "1", "12.", "GH-", "gh-7", "http", "https", "://", "www", ".", "x.y", "`", "``", "|", "\\", "<", ">", "</details>", "<b>", "!", "[", "]", "(", ")", "[^1]", "[x]: y",
		"*", "**", "_", "__", "~", "~~", ":", "+1", "tada", "deadbeef", "0123456789ab", " ", "  ", "\n", "\n\n", "\t", "-", "--", "=", "fixes", "Closes:", "&", ";", "&#64;", "&amp;", "&lt;", "\u200b", "\u202e", "\ufeff",
		"$", "$$", "/", "mailto:", "xmpp:", "ftp://", "{", "}", "'", "\"", "é", "中", "😀", "\xff", "\r", "- [ ] ", "1) ", "> ", "# ", "    ", "<!--", "-->", "%", "^", "org/team", "o/r#3", "o/r@", "owner", "?",
	}
	rapid.Check(t, func(t *rapid.T) {
		a := strings.Join(rapid.SliceOfN(rapid.SampledFrom(tokens), 0, 12).Draw(t, "a"), "")
		b := strings.Join(rapid.SliceOfN(rapid.SampledFrom(tokens), 0, 12).Draw(t, "b"), "")
		md := fmt.Sprintf("## x %s\n\n%s\n\n- **%s** %s: %s %s, %s\n  - %s\n\n| %s | %s%s |\n|---|---|\n| %s | %s |\n\n<details><summary>x</summary>\n\n%s %s\n\n</details>\n",
			prose(a), "Of "+prose(b)+".", "x"+prose(a), code(b), prose(b), prose(a), code(a), code(a), prose(a), code(b), prose(a), code(a), prose(b), prose(b), code(a))
		if err := active(md); err != nil {
			t.Fatalf("%q, %q: %v\n%s", a, b, err, md)
		}
	})
}
