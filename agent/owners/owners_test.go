package owners

import (
	"strings"
	"testing"
)

const example = `# a comment
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/ @octocat
/apps/github
with\ blank/*.md @blank
!negated @no
[a-z].c @no
bad.c @-- <script>
src/**/kernel.metal @acme/gpu
`

// The cases are those of GitHub's documentation.
func TestOf(t *testing.T) {
	f := Parse([]byte(example))
	for path, want := range map[string]string{
		"README":                  "global-owner1 global-owner2",
		"a/b/x.js":                "js-owner",
		"x.go":                    "docs@example.com",
		"a/x.txt":                 "octo-org/octocats",
		"build/logs/a/b":          "octocat", // **/logs comes later
		"docs/getting-started.md": "doctocat",
		"docs/build-app/x.md":     "doctocat",
		"x/apps/y":                "octocat",
		"apps/github":             "",
		"apps/github/deep/file":   "",
		"apps/other":              "octocat",
		"scripts/x":               "doctocat octocat",
		"deeply/nested/logs/x":    "octocat",
		"with blank/a.md":         "blank",
		"negated":                 "global-owner1 global-owner2",
		"a.c":                     "global-owner1 global-owner2",
		"bad.c":                   "global-owner1 global-owner2",
		"src/kernel.metal":        "acme/gpu",
		"src/a/b/kernel.metal":    "acme/gpu",
		"xsrc/kernel.metal":       "global-owner1 global-owner2",
	} {
		if got := strings.Join(f.Of(path), " "); got != want {
			t.Errorf("%s belongs to %q, want %q", path, got, want)
		}
	}
	if got := Parse([]byte("docs/* @a")).Of("docs/b/c"); got != nil {
		t.Errorf("docs/* reaches into folders: %v", got)
	}
	if got := Parse(append([]byte("* @a\n"), make([]byte, MaxSize)...)).Of("x"); got != nil {
		t.Errorf("a file that is too large counts: %v", got)
	}
}

// Whatever the file, what it names is a login, a team or an address, and nothing that
// could be more than text.
func FuzzParse(f *testing.F) {
	f.Add(example, "src/a.go")
	f.Add("* @a\n*\\", "x")
	f.Add("**/**/* @a/b", "a/b")
	f.Add("\xff @a", "\xff")
	f.Fuzz(func(t *testing.T, text, path string) {
		for _, who := range Parse([]byte(text)).Of(path) {
			if who == "" || strings.HasPrefix(who, "@") || strings.ContainsAny(who, " <>`[]()!|*#\n\\:") || len(who) > 330 {
				t.Errorf("owner %q", who)
			}
		}
	})
}
