package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
)

// Rerequested reports whether somebody asked on GitHub for our checks of a commit to be run
// again, as a mark of that request: "" if nobody did. self is our login.
//
// GitHub tells Apps of a request by a webhook and, for those that have none, by the state
// of the check suite: it is queued again while its check runs stay completed. A suite is
// also queued while its check runs are, so the answer means something only for a commit on
// which everything was said. Asking costs nothing while the suite is as it was.
func Rerequested(ctx context.Context, c *hub.Client, repo, sha, self string, etags ETagStore) (mark string, err error) {
	path := fmt.Sprintf("repos/%s/commits/%s/check-suites?per_page=%d", repo, sha, perPage)
	url := c.BaseURL() + path
	etag, value, err := etags.ETag(ctx, url)
	if err != nil {
		return "", fmt.Errorf("look up the ETag of %s: %w", path, err)
	}
	pg, err := c.Get(ctx, path, etag)
	if err != nil {
		return "", err
	}
	if pg.NotModified {
		return string(value), nil
	}
	var list struct {
		Suites []struct {
			ID      int64     `json:"id"`
			Status  string    `json:"status"`
			Updated time.Time `json:"updated_at"`
			Runs    int       `json:"latest_check_runs_count"`
			App     struct {
				Slug string `json:"slug"`
			} `json:"app"`
		} `json:"check_suites"`
	}
	if err := json.Unmarshal(pg.Body, &list); err != nil {
		return "", fmt.Errorf("read the answer to GET %s: %w", path, err)
	}
	for _, s := range list.Suites {
		// A suite without check runs was made by GitHub for a push, before we said anything.
		if s.App.Slug+"[bot]" == self && s.Status == "queued" && s.Runs > 0 {
			mark = fmt.Sprintf("%d %s", s.ID, s.Updated.UTC().Format(time.RFC3339))
		}
	}
	if pg.ETag == "" {
		return mark, nil
	}
	if err := etags.SetETag(ctx, url, pg.ETag, []byte(mark)); err != nil {
		return "", fmt.Errorf("keep the ETag of %s: %w", path, err)
	}
	return mark, nil
}
