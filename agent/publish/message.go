// Package publish says on GitHub what a run found. It is the only package that posts:
// every other one holds a read-only client (see [hub.Client.Writable], and the test that
// looks for its callers).
//
// In: finished or running [runner.Run]s and rendered Markdown. Pure functions ([Statuses],
// [Comment], [Maintenance]) turn them into [Message]s; the caller stores those in an outbox
// in the same transaction as the run. [Deliver] drains the outbox through a [Poster]:
// [GitHub] posts, [DryRun] prints.
//
// Every message can be posted any number of times and leaves the same state: a commit
// status is keyed by commit and context and compared before it is posted again; a comment,
// an issue and a commit comment carry a hidden marker ([Marker]) and are found by it and by
// their author, then edited in place. GitHub offers no idempotency key, so a crash between
// creating a comment and storing its number is healed by that search; and since GitHub's
// lists lag behind, what was begun and is not found is looked for again for two minutes,
// before it is created anew ([Outbox.Begin]).
//
// Rendering the body of a report, storing messages and deciding when to deliver are left to
// others.
package publish

import (
	"context"
	"time"
)

// Kind says what a message becomes on GitHub.
type Kind string

const (
	// KindStatus is a commit status, keyed by SHA and Context, or a check run, see [Check].
	KindStatus Kind = "status"
	// KindComment is one comment on issue or pull request Number, edited in place.
	KindComment Kind = "comment"
	// KindIssue is one issue with Title, whose body is edited in place.
	KindIssue Kind = "issue"
	// KindCommitComment is one comment on commit SHA, edited in place.
	KindCommitComment Kind = "commit-comment"
	// KindNote is one comment on the issue that the message with key On keeps, or on issue
	// Number.
	KindNote Kind = "note"
	// KindReaction is a reaction, Content, to comment Comment.
	KindReaction Kind = "reaction"
)

// Message is one thing to say in one place. Stored as JSON: fields may be added, never
// renamed or given another meaning. Messages with equal Key replace each other.
type Message struct {
	// Key names the place: "status/acme/pool/SHA/holdfast/proofs", "comment/acme/pool/12".
	Key string `json:"key"`
	// Seq orders the messages of one Key: a message with a lower Seq than one already
	// stored or posted for its Key is out of date and must be dropped. It is the run number
	// times 8 plus the phase of the run.
	Seq  int64  `json:"seq"`
	Kind Kind   `json:"kind"`
	Repo string `json:"repo"` // "owner/name" on GitHub

	SHA         string `json:"sha,omitempty"`         // KindStatus, KindCommitComment
	Number      int    `json:"number,omitempty"`      // KindComment: issue or pull request
	Context     string `json:"context,omitempty"`     // KindStatus: "holdfast/proofs"
	State       string `json:"state,omitempty"`       // KindStatus: pending, success, failure or error
	Description string `json:"description,omitempty"` // KindStatus: one line, at most 140 characters
	TargetURL   string `json:"target_url,omitempty"`  // KindStatus: may be empty
	Title       string `json:"title,omitempty"`       // KindIssue: used when it is created
	Body        string `json:"body,omitempty"`        // Markdown, without the marker
	On          string `json:"on,omitempty"`          // KindNote: the key of an issue; unused if Number is set
	Comment     int64  `json:"comment,omitempty"`     // KindReaction: on an issue or pull request
	Content     string `json:"content,omitempty"`     // KindReaction: "eyes", "+1", "confused"
	// IfExists: edit what is there, and create nothing.
	IfExists bool `json:"if_exists,omitempty"`
	// Close: KindIssue: the issue is done with, and closed.
	Close bool `json:"close,omitempty"`
	// Harm is what an issue about a regression is about; the agent's, not posted.
	Harm []string `json:"harm,omitempty"`
	// Check is for a check run in the place of the commit status; nil for none.
	Check *Check `json:"check,omitempty"`
	// Live: it only tells that work goes on, and may wait or be left out.
	Live bool `json:"live,omitempty"`

	// RemoteID is what an earlier Post of the same Key returned, "" if not known. The
	// outbox fills it in; builders leave it empty.
	RemoteID string `json:"remote_id,omitempty"`

	hold *hold // on its place in the outbox; nil where there is none
}

// A Poster puts a message where it belongs and returns the remote number of what now
// holds it ("" when there is none to remember). Posting the same message again changes
// nothing.
//
// The error is a [*RetryError] when it is worth trying again, a [*PermanentError] when it
// is not, or the context's.
type Poster interface {
	Post(ctx context.Context, m Message) (remoteID string, err error)
}

// Item is a message in the outbox.
type Item struct {
	ID int64 // of the outbox row
	Message
	Tries int // failed attempts so far
	// Begun is how long ago somebody began to create what is not there yet, without it being
	// known what came of it; 0 if nobody did. See [Outbox.Begin].
	Begun time.Duration
}

// Outbox holds messages until they are posted. Adding a message to it happens in the
// transaction that stores the run and is not part of this interface. It keeps one row for
// each Key: a newer message replaces an older one, one with a lower Seq is dropped.
type Outbox interface {
	// Pending returns the messages that are due at now, in the order in which they were
	// added, as many at a time as it likes; none when there are none. At most one for each
	// Key, the newest. It may withhold for a while what it has returned, unless it is
	// marked or a newer message of its Key comes.
	Pending(ctx context.Context, now time.Time) ([]Item, error)
	// MarkPosted records that it.Message (with that Seq) is posted, as remoteID. When a
	// newer message of the Key has come meanwhile, that one stays pending and only learns
	// the remoteID. An empty one leaves what is known as it is.
	MarkPosted(ctx context.Context, it Item, remoteID string, now time.Time) error
	// Current reports whether an item is still what is to be posted, by the caller: no newer
	// message of its Key has come, and nobody else was given it.
	Current(ctx context.Context, it Item) (bool, error)
	// Begin records that something new is about to be created for an item, if it is
	// [Outbox.Current]. It holds until MarkPosted or Refused, whatever becomes of the caller.
	Begin(ctx context.Context, it Item) (current bool, err error)
	// Remember records a RemoteID before MarkPosted does, for what must be known of it
	// whatever becomes of the caller.
	Remember(ctx context.Context, it Item, remoteID string) error
	// Refused records that nothing was created after Begin.
	Refused(ctx context.Context, it Item) error
	// Delay hands items back that were not tried, to be due at a time. Newer messages of
	// their keys stay as they are.
	Delay(ctx context.Context, items []Item, until time.Time) error
	// MarkFailed records why posting did not work. next is when to try again; the zero
	// time means never. Like MarkPosted it leaves a newer message of the Key pending.
	MarkFailed(ctx context.Context, it Item, reason string, next time.Time) error
}
