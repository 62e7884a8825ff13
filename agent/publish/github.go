package publish

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/agent/hub"
)

// Options of [NewGitHub].
type Options struct {
	// Gap between two changes; 0 is one second, as GitHub asks. Negative is none, for tests.
	Gap time.Duration
	// Settled is how long it takes until what was created is sure to be on GitHub's lists;
	// 0 is two minutes. Negative is none, for tests.
	Settled time.Duration
	Log     *slog.Logger // nil discards
	// Lane keeps count of changes; nil is a lane of this process alone, or none without a gap.
	Lane Lane
	// Fresh puts a button on the check runs of the proofs stage that asks for a run from
	// nothing. GitHub tells of it by webhook only.
	Fresh bool
}

// defaultGap between two changes is what GitHub asks for.
const defaultGap = time.Second

// GitHub posts to GitHub. Safe for concurrent use: one message after another is posted.
type GitHub struct {
	c       *hub.Client
	mu      sync.Mutex
	lane    Lane
	host    string
	gap     time.Duration
	o       Options
	last    time.Time // end of the last change
	settled time.Duration
	log     *slog.Logger
	// noChecks are the repositories, in lower case, on which a check run was refused, and
	// until when that is believed.
	noChecks map[string]time.Time
}

// NewGitHub returns a poster that uses the base URL and the token of c.
func NewGitHub(c *hub.Client, o Options) *GitHub {
	if o.Gap == 0 {
		o.Gap = defaultGap
	}
	if o.Lane == nil && o.Gap > 0 {
		o.Lane = &memoryLane{}
	}
	if o.Settled == 0 {
		o.Settled = settled
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g := &GitHub{c: c.Writable(), lane: o.Lane, gap: o.Gap, o: o, host: c.BaseURL(), settled: o.Settled, log: o.Log}
	if u, err := url.Parse(g.host); err == nil {
		g.host = u.Host
	}
	return g
}

// Post implements [Poster].
func (g *GitHub) Post(ctx context.Context, m Message) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m.Body = g.c.Redact(ctx, m.Body)
	m.Description = g.c.Redact(ctx, m.Description)
	m.Check = m.Check.redacted(func(s string) string { return g.c.Redact(ctx, s) })
	owner, name, ok := strings.Cut(m.Repo, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return "", &PermanentError{Err: fmt.Errorf("%q is not a repository on GitHub", m.Repo)}
	}
	p := &post{g: g, api: g.c.API(), owner: owner, name: name, m: m}
	id, err := p.do(ctx)
	if err := p.withdrawn(classify(ctx, err)); err != nil {
		return "", err
	}
	return id, nil
}

// self returns whose token it is.
func (g *GitHub) self(ctx context.Context) (string, error) { return g.c.Login(ctx) }

// post is the posting of one message.
type post struct {
	g           *GitHub
	api         *github.Client
	owner, name string
	m           Message
}

func (p *post) do(ctx context.Context) (string, error) {
	switch p.m.Kind {
	case KindStatus:
		return p.state(ctx)
	case KindComment:
		id, err := p.sticky(ctx, p.comments(p.m.Number), p.known(""))
		return format("", id), err
	case KindCommitComment:
		id, err := p.sticky(ctx, p.commitComments(), p.known(""))
		return format("", id), err
	case KindIssue:
		return p.issue(ctx)
	case KindNote:
		return p.note(ctx)
	case KindReaction:
		return p.reaction(ctx)
	}
	return "", &PermanentError{Err: fmt.Errorf("no message of kind %q", p.m.Kind)}
}

// known reads the number with a prefix in the message's RemoteID, 0 if there is none.
func (p *post) known(prefix string) int64 {
	for s := range strings.FieldsSeq(p.m.RemoteID) {
		if s, ok := strings.CutPrefix(s, prefix); ok {
			if id, err := strconv.ParseInt(s, 10, 64); err == nil {
				return id
			}
		}
	}
	return 0
}

// format writes a RemoteID.
func format(prefix string, id int64) string {
	if id == 0 {
		return ""
	}
	return prefix + strconv.FormatInt(id, 10)
}

const (
	perPage = 100
	// maxPages bounds a search: 10,000 comments.
	maxPages = 100
)
