package hubtest

import (
	"slices"
	"strings"
)

// Repo is one repository. Change it through the methods of [Fake].
type Repo struct {
	slug      string
	id        int64
	private   bool
	archived  bool
	noIssues  bool
	branches  map[string]string // name to SHA
	commits   map[string]bool
	issues    []*issue // pull requests too, in order of number
	statuses  []*status
	onCommits []*comment
	roles     map[string]string // login to admin, write, read
	checks    []*checkRun       // in order of creation
	suites    []*suite
}

type issue struct {
	id       int64
	number   int
	title    string
	body     string
	author   string
	closed   bool
	locked   bool
	edits    int
	created  string
	comments []*comment
	pull     *Pull // nil: not a pull request
}

// Pull describes a pull request.
type Pull struct {
	Title   string
	Author  string // "" is "alice"
	Head    string // branch name in the head repository
	SHA     string
	From    string // head repository "owner/name"; "" is the same; "deleted" is gone
	Base    string // branch name; "" is "main"
	BaseSHA string // "" is the head of Base
	Draft   bool
	Closed  bool
	Labels  []string
}

type comment struct {
	id      int64
	sha     string // of a commit comment
	author  string
	body    string
	edits   int
	created string
	updated string   // "" is created
	by      []string // reactions, "LOGIN CONTENT"
}

type status struct {
	id                                  int64
	sha, state, context, text, url, who string
	created                             string
}

// AddRepo adds a public repository with one commit on main.
func (f *Fake) AddRepo(slug, sha string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.repos[fold(slug)] = &Repo{
		slug: slug, id: f.id(),
		branches: map[string]string{"main": sha},
		commits:  map[string]bool{sha: true},
	}
}

// SetPrivate hides a repository from anonymous requests and from tokens that may not do
// everything, see [Fake.Grant].
func (f *Fake) SetPrivate(slug string) { f.change(slug, func(r *Repo) { r.private = true }) }

// SetArchived makes a repository read-only.
func (f *Fake) SetArchived(slug string) { f.change(slug, func(r *Repo) { r.archived = true }) }

// DisableIssues switches issues off.
func (f *Fake) DisableIssues(slug string) { f.change(slug, func(r *Repo) { r.noIssues = true }) }

// Move renames a repository; the old name redirects.
func (f *Fake) Move(from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repo(from)
	delete(f.repos, fold(from))
	r.slug = to
	f.repos[fold(to)] = r
	f.moved[fold(from)] = to
}

// SetBranch creates a branch or moves it, by force or not.
func (f *Fake) SetBranch(slug, name, sha string) {
	f.change(slug, func(r *Repo) { r.branches[name], r.commits[sha] = sha, true })
}

// DeleteBranch deletes a branch; its commits stay.
func (f *Fake) DeleteBranch(slug, name string) {
	f.change(slug, func(r *Repo) { delete(r.branches, name) })
}

// OpenPull opens a pull request and returns its number.
func (f *Fake) OpenPull(slug string, p Pull) int {
	n := 0
	f.change(slug, func(r *Repo) {
		if p.Author == "" {
			p.Author = "alice"
		}
		if p.Base == "" {
			p.Base = "main"
		}
		r.commits[p.SHA] = true
		n = len(r.issues) + 1
		r.issues = append(r.issues, &issue{
			id: f.id(), number: n, title: p.Title, author: p.Author,
			closed: p.Closed, created: f.now(), pull: &p,
		})
	})
	return n
}

// ChangePull changes a pull request: a push, another base, closed, the fork deleted.
func (f *Fake) ChangePull(slug string, number int, change func(*Pull)) {
	f.changeIssue(slug, number, func(i *issue) {
		change(i.pull)
		i.closed, i.title = i.pull.Closed, i.pull.Title
	}, func(r *Repo, i *issue) { r.commits[i.pull.SHA] = true })
}

// OpenIssue opens an issue by somebody and returns its number.
func (f *Fake) OpenIssue(slug, author, title, body string) int {
	n := 0
	f.change(slug, func(r *Repo) {
		n = len(r.issues) + 1
		r.issues = append(r.issues, &issue{id: f.id(), number: n, title: title, body: body, author: author, created: f.now()})
	})
	return n
}

// CloseIssue closes an issue or a pull request.
func (f *Fake) CloseIssue(slug string, number int) {
	f.changeIssue(slug, number, func(i *issue) {
		i.closed = true
		if i.pull != nil {
			i.pull.Closed = true
		}
	}, nil)
}

// Lock locks the conversation of an issue or a pull request.
func (f *Fake) Lock(slug string, number int) {
	f.changeIssue(slug, number, func(i *issue) { i.locked = true }, nil)
}

// Unlock lifts that.
func (f *Fake) Unlock(slug string, number int) {
	f.changeIssue(slug, number, func(i *issue) { i.locked = false }, nil)
}

// Comment writes a comment as somebody and returns its number.
func (f *Fake) Comment(slug string, number int, author, body string) int64 {
	var id int64
	f.changeIssue(slug, number, func(i *issue) {
		id = f.id()
		i.comments = append(i.comments, &comment{id: id, author: author, body: body, created: f.now()})
	}, nil)
	return id
}

// DeleteComment deletes a comment on an issue, a pull request or a commit.
func (f *Fake) DeleteComment(slug string, id int64) {
	f.change(slug, func(r *Repo) { r.deleteComment(id) })
}

func (r *Repo) deleteComment(id int64) {
	is := func(c *comment) bool { return c.id == id }
	for _, i := range r.issues {
		i.comments = slices.DeleteFunc(i.comments, is)
	}
	r.onCommits = slices.DeleteFunc(r.onCommits, is)
}

func (f *Fake) change(slug string, do func(*Repo)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f.repo(slug))
}

func (f *Fake) changeIssue(slug string, number int, do func(*issue), also func(*Repo, *issue)) {
	f.change(slug, func(r *Repo) {
		i := r.issue(number)
		if i == nil {
			panic("hubtest: no such issue")
		}
		do(i)
		if also != nil {
			also(r, i)
		}
	})
}

func (r *Repo) issue(number int) *issue {
	if number < 1 || number > len(r.issues) {
		return nil
	}
	return r.issues[number-1]
}

// comment finds a comment on an issue by its number.
func (r *Repo) comment(id int64) (*issue, *comment) {
	for _, i := range r.issues {
		for _, c := range i.comments {
			if c.id == id {
				return i, c
			}
		}
	}
	return nil, nil
}

// sees reports whether an account may read the repository; nil is anonymous.
func (r *Repo) sees(a *account) bool {
	if a != nil && a.in != nil && !a.in.covers(fold(r.slug)) {
		return false // of a public one more is allowed than this, but Holdfast should not ask
	}
	return !r.private || a != nil && (a.may == nil || a.in != nil)
}

// fold makes names comparable: GitHub's are not case-sensitive.
func fold(slug string) string { return strings.ToLower(slug) }
