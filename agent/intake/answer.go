package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// branchEntries reads a page of branches. One that has no usable name or SHA is left out
// and named in Bad; a page that is not a list is an error.
func branchEntries(body []byte) (stored, error) {
	var list []struct {
		Name   string `json:"name"`
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	if err := decodeList(body, &list); err != nil {
		return stored{}, err
	}
	s := stored{Entries: []entry{}}
	for _, b := range list {
		if why := bad(b.Name, b.Commit.SHA); why != "" {
			s.Bad = append(s.Bad, why)
			continue
		}
		s.Entries = append(s.Entries, entry{Branch: b.Name, SHA: b.Commit.SHA})
	}
	return s, nil
}

// pullEntries reads a page of pull requests. Those closed in between are dropped.
func pullEntries(body []byte) (stored, error) {
	type side struct {
		Ref  string `json:"ref"`
		SHA  string `json:"sha"`
		Repo *struct {
			ID   int64  `json:"id"`
			Name string `json:"full_name"`
		} `json:"repo"`
	}
	var list []struct {
		Number int    `json:"number"`
		State  string `json:"state"`
		Draft  bool   `json:"draft"`
		Labels []struct {
			Name string `json:"name"`
		} `json:"labels"`
		Head side `json:"head"`
		Base side `json:"base"`
	}
	if err := decodeList(body, &list); err != nil {
		return stored{}, err
	}
	s := stored{Entries: []entry{}}
	for _, p := range list {
		if p.State != "open" {
			continue
		}
		why := bad(p.Head.Ref, p.Head.SHA)
		if why == "" {
			why = badName(p.Base.Ref)
		}
		if why == "" && p.Number <= 0 {
			why = "it has no number"
		}
		if why != "" {
			s.Bad = append(s.Bad, fmt.Sprintf("pull request %d is left out: %s", p.Number, why))
			continue
		}
		e := entry{
			Branch: p.Head.Ref, SHA: p.Head.SHA, Number: p.Number, BaseRef: p.Base.Ref,
			Draft: p.Draft, Fork: true,
		}
		if isSHA(p.Base.SHA) {
			e.BaseSHA = p.Base.SHA
		}
		// A deleted fork has no repository: it stays a stranger's. Compare by number where
		// there is one, since a repository can be renamed between two answers.
		if h, b := p.Head.Repo, p.Base.Repo; h != nil && b != nil {
			e.Fork = h.ID != b.ID || h.ID == 0
		}
		for _, l := range p.Labels[:min(len(p.Labels), maxLabels)] {
			e.Labels = append(e.Labels, clip(l.Name))
		}
		s.Entries = append(s.Entries, e)
	}
	return s, nil
}

// maxLabels of a pull request are looked at; GitHub allows as many.
const maxLabels = 100

// decodeList decodes a JSON list; null is none.
func decodeList(body []byte, list any) error {
	if strings.TrimSpace(string(body)) == "null" {
		return errors.New("null instead of a list")
	}
	return json.Unmarshal(body, list)
}

// bad says what is wrong with a branch, "" if nothing.
func bad(name, sha string) string {
	if why := badName(name); why != "" {
		return why
	}
	if !isSHA(sha) {
		return fmt.Sprintf("branch %q has the object name %.80q", name, sha)
	}
	return ""
}

// badName holds to git-check-ref-format(1), and to names that no command line can take for
// an option.
func badName(name string) string {
	wrong := name == "" || len(name) > 255 || name[0] == '-' || name == "@" ||
		strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") ||
		strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "@{") ||
		strings.ContainsAny(name, " ~^:?*[\\\x7f") || strings.ToValidUTF8(name, "") != name
	for _, r := range name {
		wrong = wrong || r < ' '
	}
	for part := range strings.SplitSeq(name, "/") {
		wrong = wrong || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if wrong {
		return fmt.Sprintf("%.80q is not a branch name", name)
	}
	return ""
}

// isSHA reports whether s is a whole object name, SHA-1 or SHA-256.
func isSHA(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// plain reports whether s can be an owner or a name on GitHub.
func plain(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 100 &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}
