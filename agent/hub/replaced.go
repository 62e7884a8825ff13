package hub

import (
	"context"
	"slices"
	"sync"
	"time"
)

// refetch is how often a token that GitHub refuses is looked for in its place.
const refetch = 10 * time.Second

// PlacedToken is a token that is kept in a place where it may be replaced while the agent
// runs, a file or a keychain. It is fetched again when GitHub refuses it.
type PlacedToken struct {
	fetch func(context.Context) (string, error)

	mu     sync.Mutex
	tokens []string // all that there were, the newest at the end
	asked  time.Time
}

// NewPlacedToken starts with a token that was fetched from its place before.
func NewPlacedToken(token string, fetch func(context.Context) (string, error)) *PlacedToken {
	return &PlacedToken{fetch: fetch, tokens: []string{token}}
}

// Token implements [TokenSource].
func (p *PlacedToken) Token(context.Context, string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tokens[len(p.tokens)-1], nil
}

// refused fetches the token again and reports whether there is another one now.
func (p *PlacedToken) refused(ctx context.Context, token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.tokens[len(p.tokens)-1]
	if now != token {
		return true // somebody else noticed
	}
	if time.Since(p.asked) < refetch {
		return false
	}
	p.asked = time.Now()
	text, err := p.fetch(ctx)
	if err != nil || text == "" || slices.Contains(p.tokens, text) {
		return false // half-written, or one that was refused before
	}
	p.tokens = append(p.tokens, text)
	return true
}

// secrets are all tokens that were in use.
func (p *PlacedToken) secrets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tokens)
}
