package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
)

// Comment is one comment on an issue or a pull request. Author and Body are hostile.
type Comment struct {
	ID      int64
	Number  int // of the issue or pull request
	Author  string
	Bot     bool // of an App, or written through one
	Created time.Time
	Updated time.Time // another time: it was edited
	Body    string
}

// overlap is how far back comments are read again: a list may lag behind.
const overlap = 2 * time.Minute

// reader is the stored state of reading comments. Its JSON may get more fields; none is
// ever renamed.
type reader struct {
	URL   string    `json:"url"`   // last asked for
	Floor time.Time `json:"floor"` // what is not newer was there before the agent
	First int64     `json:"first"` // the newest comment at Floor
	Seen  time.Time `json:"seen"`  // last change of the newest comment that was read
}

// Comments returns the comments of a repository that were written since the agent first
// looked, oldest first: new ones, and again those of the last minutes. done is called when
// they are dealt with; before that the same ones come again, also after a crash.
func Comments(ctx context.Context, c *hub.Client, repo Repository, etags ETagStore) (list []Comment, done func(context.Context) error, err error) {
	key := c.BaseURL() + "comments of " + repo.GitHub
	etag, value, err := etags.ETag(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	var r reader
	if value == nil || json.Unmarshal(value, &r) != nil || r.Floor.IsZero() {
		return nil, nothing, floor(ctx, c, repo, etags, key)
	}
	path := func(n int) string {
		return fmt.Sprintf("repos/%s/issues/comments?sort=updated&direction=asc&since=%s&per_page=%d&page=%d",
			repo.GitHub, url.QueryEscape(r.Seen.Add(-overlap).Format(time.RFC3339)), perPage, n)
	}
	if r.URL != path(1) {
		etag = ""
	}
	next, newETag := r, ""
	for n := 1; n > 0; {
		if n > maxPages {
			return nil, nil, fmt.Errorf("%s has more than %d pages of new comments", repo.GitHub, maxPages)
		}
		pg, err := c.Get(ctx, path(n), etag)
		if err != nil {
			return nil, nil, err
		}
		if pg.NotModified {
			return nil, nothing, nil
		}
		page, err := commentEntries(pg.Body)
		if err != nil {
			return nil, nil, fmt.Errorf("read the comments of %s: %w", repo.GitHub, err)
		}
		for _, k := range page {
			if k.Updated.After(next.Seen) {
				next.Seen = k.Updated
			}
			if k.Created.After(r.Floor) || k.Created.Equal(r.Floor) && k.ID > r.First {
				list = append(list, k)
			}
		}
		if n == 1 {
			newETag = pg.ETag
		}
		if pg.Next != 0 && pg.Next <= n {
			return nil, nil, errors.New("the pages of comments lead back")
		}
		n, etag = pg.Next, ""
	}
	return list, func(ctx context.Context) error {
		next.URL = path(1)
		if !next.Seen.Equal(r.Seen) {
			newETag = "" // another address next time
		}
		return keep(ctx, etags, key, newETag, next)
	}, nil
}

func nothing(context.Context) error { return nil }

// floor notes which comments were there before the agent: it does nothing about those.
func floor(ctx context.Context, c *hub.Client, repo Repository, etags ETagStore, key string) error {
	pg, err := c.Get(ctx, fmt.Sprintf("repos/%s/issues/comments?sort=created&direction=desc&per_page=1", repo.GitHub), "")
	if err != nil {
		return err
	}
	list, err := commentEntries(pg.Body)
	if err != nil {
		return fmt.Errorf("read the comments of %s: %w", repo.GitHub, err)
	}
	r := reader{Floor: time.Unix(1, 0).UTC(), Seen: time.Unix(1, 0).Add(overlap).UTC()}
	for _, k := range list {
		r = reader{Floor: k.Created, First: k.ID, Seen: k.Updated}
	}
	return keep(ctx, etags, key, "", r)
}

func keep(ctx context.Context, etags ETagStore, key, etag string, r reader) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return etags.SetETag(ctx, key, etag, value)
}

// commentEntries reads a page of comments; what has no number, author or date is left out.
func commentEntries(body []byte) ([]Comment, error) {
	var list []struct {
		ID       int64     `json:"id"`
		Body     string    `json:"body"`
		Created  time.Time `json:"created_at"`
		Updated  time.Time `json:"updated_at"`
		IssueURL string    `json:"issue_url"`
		App      *struct{} `json:"performed_via_github_app"`
		User     *struct {
			Login string `json:"login"`
			Type  string `json:"type"`
		} `json:"user"`
	}
	if err := decodeList(body, &list); err != nil {
		return nil, err
	}
	var out []Comment
	for _, k := range list {
		var number int
		_, last, _ := cutLast(k.IssueURL, "/issues/")
		if _, err := fmt.Sscanf(last, "%d", &number); err != nil || number <= 0 || k.ID <= 0 || k.User == nil || !login(k.User.Login) || k.Created.IsZero() {
			continue
		}
		out = append(out, Comment{
			ID: k.ID, Number: number, Author: k.User.Login, Created: k.Created, Updated: k.Updated, Body: k.Body,
			Bot: k.App != nil || !strings.EqualFold(k.User.Type, "User") || strings.HasSuffix(k.User.Login, "[bot]"),
		})
	}
	return out, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// login reports whether s can be a login: it becomes part of a path.
func login(s string) bool {
	return s != "" && len(s) <= 100 && strings.Trim(strings.TrimSuffix(s, "[bot]"), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// MayWrite reports whether a person may write to a repository, which is what it takes to
// give the agent a command. It asks for the permission itself: what somebody is to a
// repository (a member, a contributor) says nothing about it.
func MayWrite(ctx context.Context, c *hub.Client, slug, person string) (bool, error) {
	if !login(person) {
		return false, nil
	}
	pg, err := c.Get(ctx, fmt.Sprintf("repos/%s/collaborators/%s/permission", slug, url.PathEscape(person)), "")
	var st *hub.StatusError
	if errors.As(err, &st) && st.Code == http.StatusNotFound {
		return false, nil // nobody, or nobody here
	}
	if err != nil {
		return false, err
	}
	var answer struct {
		Permission string `json:"permission"`
	}
	if err := json.Unmarshal(pg.Body, &answer); err != nil {
		return false, fmt.Errorf("read the permission of %s: %w", person, err)
	}
	return answer.Permission == "admin" || answer.Permission == "write", nil
}

// PullRequest returns the head of one pull request as it is now. ok is false if there is
// none of that number, or it is closed.
func PullRequest(ctx context.Context, c *hub.Client, repo Repository, number int) (h Head, ok bool, err error) {
	pg, err := c.Get(ctx, fmt.Sprintf("repos/%s/pulls/%d", repo.GitHub, number), "")
	var st *hub.StatusError
	if errors.As(err, &st) && st.Code == http.StatusNotFound {
		return Head{}, false, nil
	}
	if err != nil {
		return Head{}, false, err
	}
	s, err := pullEntries(append(append([]byte("["), pg.Body...), ']'))
	if err != nil {
		return Head{}, false, fmt.Errorf("read pull request %d: %w", number, err)
	}
	if len(s.Bad) > 0 {
		return Head{}, false, errors.New(s.Bad[0])
	}
	if len(s.Entries) != 1 {
		return Head{}, false, nil
	}
	return s.Entries[0].head(repo.Name), true, nil
}
