package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/runner"
)

const (
	perPage  = 100
	maxPages = 100 // 10,000 branches, or as many open pull requests
	maxText  = 256 // characters kept of a label and the like
)

// Ref is the reference to fetch: "refs/heads/NAME" or "refs/pull/N/head". It names the
// head within its repository.
func (h Head) Ref() string {
	if h.PullRequest > 0 {
		return fmt.Sprintf("refs/pull/%d/head", h.PullRequest)
	}
	return "refs/heads/" + h.Branch
}

// Mark is what to record once the head is enqueued. It is the SHA, for a pull request with
// the branch it goes to: another base is another comparison.
func (h Head) Mark() string {
	if h.PullRequest > 0 {
		return h.SHA + " " + h.BaseRef
	}
	return h.SHA
}

// NoMatchError says that a configured branch pattern matches nothing, which is a typing
// error more often than not.
type NoMatchError struct {
	Pattern  string
	Branches int // how many branches there are
}

func (e *NoMatchError) Error() string {
	return fmt.Sprintf("branch pattern %q matches none of %d branches", e.Pattern, e.Branches)
}

// Hint tells where to look.
func (e *NoMatchError) Hint() string { return "correct branches of this repository in agent.toml" }

// MovedError says that GitHub redirects to the repository under another name.
type MovedError struct{ From, To string }

func (e *MovedError) Error() string {
	return fmt.Sprintf("GitHub has moved %s (it answers at %s)", e.From, e.To)
}

// Hint tells what to change.
func (e *MovedError) Hint() string { return "write the new name into agent.toml" }

// Poll returns the current heads of one repository, branches first, in the order of their
// names, then pull requests by number. It may return heads together with an error: what
// could be read is good, and the error says what could not. c may be nil for a repository
// that is not on GitHub.
func Poll(ctx context.Context, c *hub.Client, repo Repository, etags ETagStore, marks HeadStore) ([]Head, error) {
	if err := repo.check(); err != nil {
		return nil, err
	}
	p := &poll{c: c, repo: repo, etags: etags}
	var heads []Head
	if repo.GitHub == "" {
		heads = p.remote(ctx)
	} else {
		heads = append(p.branches(ctx), p.pulls(ctx)...)
	}
	for i := range heads {
		h := &heads[i]
		before, err := marks.HeadMark(ctx, repo.Name, h.Ref())
		if err != nil {
			return nil, errors.Join(append(p.errs, fmt.Errorf("look up %s: %w", h.Ref(), err))...)
		}
		h.Before, h.Changed = before, before != h.Mark()
	}
	return heads, errors.Join(p.errs...)
}

// check looks at what came from the configuration.
func (r Repository) check() error {
	switch r.PullRequests {
	case "", PullRequestsNone, PullRequestsSame, PullRequestsApproved, PullRequestsAll:
	default:
		return runner.WithHint(fmt.Errorf("pull request policy %q is not known", r.PullRequests),
			"write %s, %s, %s or %s", PullRequestsNone, PullRequestsSame, PullRequestsApproved, PullRequestsAll)
	}
	if r.GitHub == "" {
		if r.LsRemote == nil {
			return errors.New("neither a GitHub name nor a remote to list")
		}
		return nil
	}
	owner, name, _ := strings.Cut(r.GitHub, "/")
	if !plain(owner) || !plain(name) {
		return runner.WithHint(fmt.Errorf("%q is not a repository on GitHub", r.GitHub), "write it as owner/name")
	}
	return nil
}

// poll is one poll of one repository.
type poll struct {
	c     *hub.Client
	repo  Repository
	etags ETagStore
	moved bool
	errs  []error
}

// entry is what is kept of one branch or pull request. Its JSON is stored with the ETag:
// fields may be added, never renamed.
type entry struct {
	Branch  string   `json:"branch"`
	SHA     string   `json:"sha"`
	Number  int      `json:"number,omitempty"`
	BaseRef string   `json:"base_ref,omitempty"`
	BaseSHA string   `json:"base_sha,omitempty"`
	Fork    bool     `json:"fork,omitempty"`
	Draft   bool     `json:"draft,omitempty"`
	Labels  []string `json:"labels,omitempty"`
}

// stored is the value kept with the ETag of one page.
type stored struct {
	Next    int      `json:"next,omitempty"`
	Entries []entry  `json:"entries"`
	Bad     []string `json:"bad,omitempty"` // what was left out, and why
}

// branches reads the branches that the patterns ask for.
func (p *poll) branches(ctx context.Context) []Head {
	if len(p.repo.Branches) == 0 {
		return nil
	}
	all, ok := p.list(ctx, "branches?", branchEntries)
	if !ok {
		return nil
	}
	return p.matching(all)
}

// pulls reads the open pull requests, those of forks too: that one is not examined has to be
// said.
func (p *poll) pulls(ctx context.Context) []Head {
	if p.repo.PullRequests == "" || p.repo.PullRequests == PullRequestsNone {
		return nil
	}
	// In order of creation: a page keeps its pull requests while newer ones come.
	all, ok := p.list(ctx, "pulls?state=open&sort=created&direction=asc&", pullEntries)
	if !ok {
		return nil
	}
	var heads []Head
	for _, e := range all {
		heads = append(heads, e.head(p.repo.Name))
	}
	slices.SortFunc(heads, func(a, b Head) int { return a.PullRequest - b.PullRequest })
	return heads
}

// remote reads the branches of a repository that is not on GitHub.
func (p *poll) remote(ctx context.Context) []Head {
	refs, err := p.repo.LsRemote(ctx)
	if err != nil {
		p.errs = append(p.errs, err)
		return nil
	}
	var all []entry
	for ref, sha := range refs {
		name, ok := strings.CutPrefix(ref, "refs/heads/")
		if !ok {
			continue
		}
		if why := bad(name, sha); why != "" {
			p.errs = append(p.errs, errors.New(why))
			continue
		}
		all = append(all, entry{Branch: name, SHA: sha})
	}
	return p.matching(all)
}

// matching picks the branches that the patterns ask for, by name, and reports patterns
// that pick none.
func (p *poll) matching(all []entry) []Head {
	var heads []Head
	used := make([]bool, len(p.repo.Branches))
	for _, e := range all {
		hit := false
		for i, pattern := range p.repo.Branches {
			if config.Match(pattern, e.Branch) {
				hit, used[i] = true, true
			}
		}
		if hit {
			heads = append(heads, e.head(p.repo.Name))
		}
	}
	for i, pattern := range p.repo.Branches {
		if !used[i] {
			p.errs = append(p.errs, &NoMatchError{Pattern: pattern, Branches: len(all)})
		}
	}
	slices.SortFunc(heads, func(a, b Head) int { return strings.Compare(a.Branch, b.Branch) })
	return heads
}

// list reads all pages of a list. False means that it could not be read whole: half a list
// is not the heads there are, and no page of it is used.
func (p *poll) list(ctx context.Context, what string, decode func([]byte) (stored, error)) ([]entry, bool) {
	var all []entry
	var left []string
	at := map[string]int{} // where a ref is in all: a list may shift between two pages
	for n := 1; n > 0; {
		if n > maxPages {
			p.errs = append(p.errs, fmt.Errorf("%s has more than %d pages of %s", p.repo.GitHub, maxPages, strings.TrimRight(what, "?&")))
			return nil, false
		}
		path := fmt.Sprintf("repos/%s/%sper_page=%d&page=%d", p.repo.GitHub, what, perPage, n)
		pg, err := p.page(ctx, path, decode)
		if err != nil {
			p.errs = append(p.errs, err)
			return nil, false
		}
		for _, e := range pg.Entries {
			ref := e.head("").Ref()
			if i, ok := at[ref]; ok {
				all[i] = e
				continue
			}
			at[ref] = len(all)
			all = append(all, e)
		}
		left = append(left, pg.Bad...)
		if pg.Next != 0 && pg.Next <= n {
			p.errs = append(p.errs, fmt.Errorf("page %d of %s leads back to page %d", n, path, pg.Next))
			return nil, false
		}
		n = pg.Next
	}
	for _, why := range left {
		p.errs = append(p.errs, errors.New(why))
	}
	return all, true
}

// page reads one page, from the store if GitHub says that it has not changed.
func (p *poll) page(ctx context.Context, path string, decode func([]byte) (stored, error)) (stored, error) {
	url := p.c.BaseURL() + path
	etag, value, err := p.etags.ETag(ctx, url)
	if err != nil {
		return stored{}, fmt.Errorf("look up the ETag of %s: %w", path, err)
	}
	var known stored
	if etag != "" && json.Unmarshal(value, &known) != nil {
		etag, known = "", stored{} // damaged: ask for the whole page
	}
	pg, err := p.c.Get(ctx, path, etag)
	if err != nil {
		return stored{}, err
	}
	if pg.PollInterval > 0 && p.repo.Asked != nil {
		p.repo.Asked(pg.PollInterval)
	}
	if pg.Moved != "" && !p.moved {
		p.moved = true
		p.errs = append(p.errs, &MovedError{From: p.repo.GitHub, To: pg.Moved})
	}
	if pg.NotModified {
		return known, nil
	}
	got, err := decode(pg.Body)
	if err != nil {
		return stored{}, fmt.Errorf("read the answer to GET %s: %w", path, err)
	}
	got.Next = pg.Next
	if pg.ETag == "" {
		return got, nil
	}
	if value, err = json.Marshal(got); err != nil {
		return stored{}, err
	}
	if err := p.etags.SetETag(ctx, url, pg.ETag, value); err != nil {
		return stored{}, fmt.Errorf("keep the ETag of %s: %w", path, err)
	}
	return got, nil
}

func (e entry) head(repo string) Head {
	return Head{
		Repo: repo, Branch: e.Branch, PullRequest: e.Number, SHA: e.SHA,
		BaseRef: e.BaseRef, BaseSHA: e.BaseSHA, Fork: e.Fork, Draft: e.Draft, Labels: e.Labels,
	}
}

// clip cuts a text after maxText characters.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= maxText {
		return s
	}
	return string([]rune(s)[:maxText-1]) + "…"
}
