package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Holds are the rate limits that processes with one credential tell each other, those of
// earlier starts included: whoever goes on asking while a limit lasts may be shut out.
type Holds interface {
	// Hold records that what a payer pays for is held back for a time.
	Hold(ctx context.Context, who, payer string, d time.Duration) error
	// Held returns for how much longer, by payer.
	Held(ctx context.Context, who string) (map[string]time.Duration, error)
}

// askHolds is how often others are asked for limits.
const askHolds = 10 * time.Second

// tellFor is how long telling others of a limit may take.
const tellFor = 10 * time.Second

// Share makes the client and all made of it tell others of rate limits, and heed theirs. It
// comes before the first request.
func (c *Client) Share(h Holds) { c.tr.limits.share = h }

// who names host and credential without giving anything of it away.
func (t *transport) who(ctx context.Context) string {
	if t.app != nil {
		return t.base.Host + " app " + t.app.app.ID
	}
	token, err := t.token.Token(ctx, "")
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte("holdfast rate limit " + token))
	return t.base.Host + " " + hex.EncodeToString(sum[:4])
}

// heed takes over what others know. What cannot be read is no reason to stop: GitHub tells
// again.
func (t *transport) heed(ctx context.Context, now time.Time) {
	l := t.limits
	l.mu.Lock()
	due := l.share != nil && (l.asked.IsZero() || now.Sub(l.asked) >= askHolds)
	if due {
		l.asked = now
	}
	l.mu.Unlock()
	if !due {
		return
	}
	held, err := l.share.Held(ctx, t.who(ctx))
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for payer, d := range held {
		l.atLeast(payer, now.Add(min(d, mostWait)))
	}
}

// tell lets others know of a limit.
func (t *transport) tell(ctx context.Context, lim *LimitError) {
	if t.limits.share == nil {
		return
	}
	payer := everybody
	if lim.primary {
		payer = lim.Payer
	}
	// The request may be given up, but the limit holds; a database that does not answer must not
	// hold up the answer of GitHub.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellFor)
	defer cancel()
	_ = t.limits.share.Hold(ctx, t.who(ctx), payer, lim.After)
}
