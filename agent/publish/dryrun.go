package publish

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// DryRun prints what would be posted, and where, instead of posting it. It needs neither
// network nor token. Safe for concurrent use.
type DryRun struct {
	mu sync.Mutex
	w  io.Writer
}

// NewDryRun returns a poster that prints to w.
func NewDryRun(w io.Writer) *DryRun { return &DryRun{w: w} }

// Post implements [Poster]. The remote ID is always empty: nothing was created that a
// later post could edit.
func (d *DryRun) Post(ctx context.Context, m Message) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	var b strings.Builder
	b.WriteString("would post ")
	body := ""
	switch m.Kind {
	case KindStatus:
		fmt.Fprintf(&b, "commit status %s on %s@%s\n", visible(m.Context), visible(m.Repo), visible(m.SHA))
		fmt.Fprintf(&b, "  state: %s\n  description: %s\n", visible(m.State), visible(Description(m.Description)))
		if m.TargetURL != "" {
			fmt.Fprintf(&b, "  target: %s\n", visible(m.TargetURL))
		}
	case KindComment:
		fmt.Fprintf(&b, "comment on %s#%d%s\n", visible(m.Repo), m.Number, existing(m))
		body = markedBody(m.Key, m.Body)
	case KindCommitComment:
		fmt.Fprintf(&b, "comment on commit %s@%s\n", visible(m.Repo), visible(m.SHA))
		body = markedBody(m.Key, m.Body)
	case KindIssue:
		if m.Number > 0 {
			fmt.Fprintf(&b, "tracking issue %s#%d\n", visible(m.Repo), m.Number)
		} else {
			fmt.Fprintf(&b, "tracking issue of %s\n  title if created: %s\n", visible(m.Repo), visible(m.Title))
		}
		if m.Close {
			b.WriteString("  and close it\n")
		}
		body = markedBody(m.Key, m.Body)
	case KindNote:
		if m.Number > 0 {
			fmt.Fprintf(&b, "comment on %s#%d\n", visible(m.Repo), m.Number)
		} else {
			fmt.Fprintf(&b, "comment on the tracking issue of %s\n", visible(m.Repo))
		}
		body = markedBody(m.Key, m.Body)
	case KindReaction:
		fmt.Fprintf(&b, "reaction %s to comment %d on %s\n", visible(m.Content), m.Comment, visible(m.Repo))
	default:
		return "", &PermanentError{Err: fmt.Errorf("no message of kind %q", m.Kind)}
	}
	for line := range strings.Lines(body) {
		b.WriteString("  | " + visible(strings.TrimRight(line, "\r\n")) + "\n")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := io.WriteString(d.w, b.String()); err != nil {
		return "", &RetryError{After: shortWait, Err: fmt.Errorf("print the dry run: %w", err)}
	}
	return "", nil
}

// existing says of a message that it creates nothing.
func existing(m Message) string {
	if m.IfExists {
		return ", if there is one"
	}
	return ""
}

// visible writes characters that could drive a terminal as escapes.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\t' || strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}
