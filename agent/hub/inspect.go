package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Account is what GitHub tells about the credential itself.
type Account struct {
	// Scopes are those of a classic token, which nothing but that kind has.
	Scopes []string
	// Expires is when a personal token ends; zero if it does not, or if GitHub does not say.
	Expires time.Time
	// Limit and Remaining are requests of an hour. A server without limits gives 0 and 0.
	Limit, Remaining int
	Reset            time.Duration // until Remaining is Limit again
}

// Account asks about the credential as it is used for repo, "" for none. It costs nothing of
// the rate limit.
func (c *Client) Account(ctx context.Context, repo string) (Account, error) {
	h, body, err := c.ask(ctx, "rate_limit", repo)
	if isStatus(err, http.StatusNotFound) {
		return Account{}, nil // an Enterprise Server with limits switched off
	}
	if err != nil {
		return Account{}, Explain(err)
	}
	a := Account{}
	for s := range strings.SplitSeq(h.Get("X-OAuth-Scopes"), ",") {
		if s = oneLine(s); s != "" {
			a.Scopes = append(a.Scopes, s)
		}
	}
	slices.Sort(a.Scopes)
	for _, layout := range []string{"2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700"} {
		if t, err := time.Parse(layout, h.Get("GitHub-Authentication-Token-Expiration")); err == nil {
			a.Expires = t
		}
	}
	var doc struct {
		Resources struct {
			Core struct {
				Limit     int   `json:"limit"`
				Remaining int   `json:"remaining"`
				Reset     int64 `json:"reset"`
			} `json:"core"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return a, fmt.Errorf("read the answer to GET rate_limit: %w", err)
	}
	core := doc.Resources.Core
	a.Limit, a.Remaining = core.Limit, core.Remaining
	a.Reset = max(0, time.Unix(core.Reset, 0).Sub(clock(h, time.Now())))
	return a, nil
}

// Access is what GitHub tells about a repository as the credential sees it.
type Access struct {
	Name     string // as GitHub spells it: another one if it has moved
	Private  bool
	Archived bool
	Issues   bool   // they are switched on
	Role     string // "admin", "write" or "read" of the user whose token it is; "" if not told
}

// Access asks about a repository.
func (c *Client) Access(ctx context.Context, repo string) (Access, error) {
	_, body, err := c.ask(ctx, "repos/"+repo, "")
	if err != nil {
		return Access{}, Explain(err)
	}
	var doc struct {
		Name        string          `json:"full_name"`
		Private     bool            `json:"private"`
		Archived    bool            `json:"archived"`
		Issues      bool            `json:"has_issues"`
		Permissions map[string]bool `json:"permissions"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return Access{}, fmt.Errorf("read the answer to GET repos/%s: %w", repo, err)
	}
	a := Access{Name: oneLine(doc.Name), Private: doc.Private, Archived: doc.Archived, Issues: doc.Issues}
	switch {
	case doc.Permissions == nil:
	case doc.Permissions["admin"]:
		a.Role = "admin"
	case doc.Permissions["push"]:
		a.Role = "write"
	default:
		a.Role = "read"
	}
	return a, nil
}

// asRepo is the context key under which a request about no repository is sent with the
// credential for one.
type asRepo struct{}

func (c *Client) ask(ctx context.Context, path, as string) (http.Header, []byte, error) {
	if as != "" {
		ctx = context.WithValue(ctx, asRepo{}, as)
	}
	req, err := c.api.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, nil, err
	}
	resp, err := c.api.BareDo(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.Header, body, err
}

// Needs says whether permissions of an installation, "checks": "write", have all that is
// needed, and what is missing, as "checks: write".
func Needs(have map[string]string, need map[string]string) (missing []string) {
	rank := map[string]int{"": 0, "read": 1, "write": 2, "admin": 3}
	for name, level := range need {
		if rank[have[name]] < rank[level] {
			missing = append(missing, name+": "+level)
		}
	}
	slices.Sort(missing)
	return missing
}
