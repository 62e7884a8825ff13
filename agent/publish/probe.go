package publish

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/agent/hub"
)

// nowhere is a commit that no repository has.
var nowhere = strings.Repeat("0", 40)

// ProbeStatus finds out whether commit statuses can be posted, by asking for one on a
// commit that does not exist: GitHub looks at the permission first, and answers 403 without
// and 422 with it. Nothing is changed.
func ProbeStatus(ctx context.Context, c *hub.Client, repo string) (bool, error) {
	owner, name, _ := strings.Cut(repo, "/")
	_, _, err := c.Writable().API().Repositories.CreateStatus(ctx, owner, name, nowhere, &github.RepoStatus{
		State: github.String(StateSuccess), Context: github.String(Prefix), Description: github.String("probe"),
	})
	return probed(err)
}

// ProbeCheck is [ProbeStatus] for check runs.
func ProbeCheck(ctx context.Context, c *hub.Client, repo string) (bool, error) {
	owner, name, _ := strings.Cut(repo, "/")
	_, _, err := c.Writable().API().Checks.CreateCheckRun(ctx, owner, name, github.CreateCheckRunOptions{Name: Prefix, HeadSHA: nowhere})
	return probed(err)
}

func probed(err error) (bool, error) {
	var st *hub.StatusError
	switch err = hub.Explain(err); {
	case err == nil:
		return true, nil
	case !errors.As(err, &st):
		return false, err
	case st.Code == http.StatusUnprocessableEntity:
		return true, nil
	case st.Code == http.StatusForbidden, st.Code == http.StatusNotFound:
		return false, nil
	}
	return false, err
}
