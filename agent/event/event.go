// Package event reads what a workflow of GitHub Actions was started by.
//
// In: the name of the event and its payload, as GITHUB_EVENT_NAME and the file at
// GITHUB_EVENT_PATH have them, with GITHUB_SHA and GITHUB_REF. Out: which commit is to be
// examined and what it is compared with, or why nothing is. Everything in a payload may
// come from a stranger; object names and references are checked here, other texts are not
// used.
//
// It fails closed: a payload without what its event must have, an event that is not known,
// and a fork's code where the workflow holds the repository's secrets are errors.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// Event is what to do.
type Event struct {
	Name        string // "push"
	Commit      string // to examine, a whole object name
	Branch      string // that it counts for; "" for none
	PullRequest int    // 0 for none
	// Base is what it is compared with: for a pull request and a merge group the head of the
	// target, whose merge base with Commit counts, for a push the head before. "" for nothing.
	Base string
	// Named: without its base the comparison is not told, and that is an error.
	Named  bool
	Fork   bool // of a stranger: from another or a deleted repository
	Draft  bool
	Labels []string
	// Neutral is why there is nothing to examine, "" if there is: a branch was deleted.
	Neutral string
}

// Env is what a runner says beside the payload.
type Env struct {
	Name string // GITHUB_EVENT_NAME
	SHA  string // GITHUB_SHA
	Ref  string // GITHUB_REF, "refs/heads/main"
}

// Names are the events that are understood.
var Names = []string{"push", "pull_request", "pull_request_target", "merge_group", "schedule", "workflow_dispatch"}

// ErrFork says that a fork's code would have been built with the repository's secrets.
var ErrFork = errors.New("pull_request_target runs with the secrets of this repository, and this is the code of a fork")

type repository struct {
	ID int64 `json:"id"`
}

type payload struct {
	Action string `json:"action"`

	Before  string `json:"before"`
	After   string `json:"after"`
	Ref     string `json:"ref"`
	Deleted bool   `json:"deleted"`
	Forced  bool   `json:"forced"`

	PullRequest *struct {
		Number int    `json:"number"`
		State  string `json:"state"`
		Draft  bool   `json:"draft"`
		Labels []struct {
			Name string `json:"name"`
		} `json:"labels"`
		Head struct {
			Ref  string      `json:"ref"`
			SHA  string      `json:"sha"`
			Repo *repository `json:"repo"`
		} `json:"head"`
		Base struct {
			Ref  string      `json:"ref"`
			SHA  string      `json:"sha"`
			Repo *repository `json:"repo"`
		} `json:"base"`
	} `json:"pull_request"`

	MergeGroup *struct {
		HeadSHA string `json:"head_sha"`
		BaseSHA string `json:"base_sha"`
		BaseRef string `json:"base_ref"`
	} `json:"merge_group"`
}

// Parse reads an event.
func Parse(env Env, body []byte) (Event, error) {
	e := Event{Name: env.Name}
	var p payload
	known := false
	for _, n := range Names {
		known = known || n == env.Name
	}
	if !known {
		return e, runner.WithHint(fmt.Errorf("the event %.40q is not one that can be examined", env.Name), "start the workflow by %s", strings.Join(Names, ", "))
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return e, fmt.Errorf("payload of the event %s: %w", env.Name, err)
	}
	var err error
	switch env.Name {
	case "push":
		err = e.push(env, &p)
	case "pull_request", "pull_request_target":
		err = e.pull(&p)
	case "merge_group":
		err = e.group(&p)
	default: // schedule, workflow_dispatch: what the runner has checked out
		e.Commit, e.Branch = env.SHA, branch(env.Ref)
	}
	if errors.Is(err, ErrFork) {
		return Event{Name: env.Name}, err
	}
	if err != nil {
		return Event{Name: env.Name}, fmt.Errorf("payload of the event %s: %w", env.Name, err)
	}
	if e.Neutral == "" && !isSHA(e.Commit) {
		return Event{Name: env.Name}, fmt.Errorf("payload of the event %s: %.80q is no commit", env.Name, e.Commit)
	}
	if e.Base != "" && !isSHA(e.Base) {
		return Event{Name: env.Name}, fmt.Errorf("payload of the event %s: the base %.80q is no commit", env.Name, e.Base)
	}
	return e, nil
}

func (e *Event) push(env Env, p *payload) error {
	if p.Ref == "" || p.After == "" {
		return errors.New("no ref or no commit")
	}
	e.Branch = branch(p.Ref)
	if p.Deleted || none(p.After) {
		e.Neutral = "the branch was deleted"
		return nil
	}
	if env.SHA != "" && env.SHA != p.After {
		return fmt.Errorf("it is about %.10s, and the workflow about %.10s", p.After, env.SHA)
	}
	e.Commit = p.After
	if !none(p.Before) {
		e.Base = p.Before // gone, perhaps, after a forced push: then there is nothing to compare with
	}
	return nil
}

func (e *Event) pull(p *payload) error {
	pr := p.PullRequest
	if pr == nil || pr.Number <= 0 {
		return errors.New("no pull request")
	}
	e.PullRequest, e.Draft, e.Named = pr.Number, pr.Draft, true
	e.Commit, e.Base = pr.Head.SHA, pr.Base.SHA
	if e.Base == "" {
		return errors.New("no base")
	}
	if plainName(pr.Head.Ref) {
		e.Branch = pr.Head.Ref
	}
	for _, l := range pr.Labels[:min(len(pr.Labels), 100)] {
		e.Labels = append(e.Labels, l.Name)
	}
	// A deleted fork has no repository.
	h, b := pr.Head.Repo, pr.Base.Repo
	e.Fork = h == nil || b == nil || h.ID == 0 || h.ID != b.ID
	if e.Fork && e.Name == "pull_request_target" {
		return runner.WithHint(ErrFork, "start the workflow by pull_request instead")
	}
	if p.Action == "closed" || pr.State == "closed" {
		e.Neutral = "the pull request is closed"
	}
	return nil
}

func (e *Event) group(p *payload) error {
	g := p.MergeGroup
	if g == nil || g.BaseSHA == "" {
		return errors.New("no merge group")
	}
	e.Commit, e.Base, e.Named = g.HeadSHA, g.BaseSHA, true
	if p.Action == "destroyed" {
		e.Neutral = "the merge group is gone"
	}
	return nil
}

// branch is the branch that a reference names, "" for a tag or nonsense.
func branch(ref string) string {
	if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok && plainName(name) {
		return name
	}
	return ""
}

// plainName reports whether a branch has a name that no command line or file can
// misunderstand.
func plainName(name string) bool {
	if name == "" || len(name) > 255 || name[0] == '-' || strings.Contains(name, "..") {
		return false
	}
	for _, r := range name {
		if r <= ' ' || r == 0x7f || strings.ContainsRune("~^:?*[\\", r) {
			return false
		}
	}
	return true
}

// none reports whether a name is the one of no commit at all.
func none(sha string) bool { return strings.Trim(sha, "0") == "" }

func isSHA(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == "" && !none(s)
}
