// Package intake finds out which commits there are to examine: the heads of branches and
// of open pull requests.
//
// In: what agent.toml says about a repository, the ETags and marks of earlier polls. Out:
// the current heads, each with a flag that says whether it is new. A repository on GitHub
// is read through the API with conditional requests, so that an idle poll costs only
// answers 304, which GitHub does not count; any other repository through `git ls-remote`.
//
// Only the newest head of each branch is reported: what lies between two polls, and the
// history before the first one, is not. Delivery is at least once: intake writes no marks
// itself. The store records a head's mark in the transaction that enqueues its run, so a
// crash between the two repeats a head and loses none.
//
// Enqueueing, cancelling superseded runs and posting are left to others.
package intake

import (
	"context"
	"time"
)

// Policies for pull requests.
const (
	PullRequestsNone = "none"
	// Code of a fork is a stranger's. All other policies report it, marked as such; whether
	// it runs is for the caller to decide: never, when somebody approved it, or always.
	PullRequestsSame     = "same-repository"
	PullRequestsApproved = "approved"
	PullRequestsAll      = "all"
)

// Repository is what intake must know about one watched repository.
type Repository struct {
	Name         string   // in agent.toml
	GitHub       string   // "owner/name"; "" reads LsRemote instead
	Branches     []string // patterns, see config.Match
	PullRequests string   // a policy; "" is PullRequestsNone. Only for GitHub.
	// LsRemote lists the references of the remote with their object names, as
	// `git ls-remote` does. Used when GitHub is "".
	LsRemote func(ctx context.Context) (map[string]string, error)
	// Asked is told when GitHub asks not to be asked again sooner; may be nil.
	Asked func(time.Duration)
}

// Head is the newest commit of one branch or open pull request. All texts in it come from
// strangers; the names and object names have been checked for shape, labels for length.
type Head struct {
	Repo        string // name in agent.toml
	Branch      string // of a pull request: the name in the head repository
	PullRequest int    // 0 for a branch
	SHA         string // 40 or 64 lower-case hex digits
	BaseRef     string // of a pull request: the branch it goes to
	BaseSHA     string // of a pull request: head of BaseRef, not the merge base; may be ""
	Fork        bool   // of a pull request: the head lies in another or a deleted repository
	Draft       bool
	Labels      []string
	// Changed is true when the store has not recorded Mark for Ref yet.
	Changed bool
	// Before is the mark that the store holds; "" when the ref was never seen.
	Before string
}

// HeadStore tells what was enqueued before.
type HeadStore interface {
	// HeadMark returns the [Head.Mark] last recorded for a ref of a repository, "" if none.
	HeadMark(ctx context.Context, repo, ref string) (string, error)
}

// ETagStore keeps, for each URL, the ETag of the last answer and what was learnt from it.
type ETagStore interface {
	// ETag returns "" and nil when nothing is stored for the URL.
	ETag(ctx context.Context, url string) (etag string, value []byte, err error)
	SetETag(ctx context.Context, url, etag string, value []byte) error
}
