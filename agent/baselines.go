package agent

import (
	"context"
	"fmt"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
)

// history is what the figures of a place are compared with. note says why there is nothing
// yet although the repository was measured before: the machine, its system or the
// configuration is new.
func (a *app) history(ctx context.Context, p store.Place, repo *config.Repository) (out []baseline.Past, note string, err error) {
	if out, err = a.level(ctx, p, repo.Thresholds.BaselineRuns); err != nil || len(out) > 0 {
		return out, "", err
	}
	last, run, ok, err := a.store.LastPlace(ctx, p.Kind, p.Repo)
	if err != nil || !ok || last == p {
		return nil, "", err
	}
	return nil, moved(last, p, run), nil
}

// known is what is known of a place before something is measured there.
type known struct {
	history []baseline.Past
	noise   map[string]baseline.Noise
}

// known is what is known of what this machine measures now. Without it nothing that goes by the
// baseline can be confirmed, and so nothing is red: that it could not be read is logged only.
func (a *app) known(ctx context.Context, repo *config.Repository, name string) (k known) {
	p := a.here(ctx, repo)
	p.Repo = name
	var err error
	if k.history, _, err = a.history(ctx, p, repo); err == nil {
		k.noise, err = a.noise(ctx, p)
	}
	if err != nil {
		a.log.Error("read the baseline", "repo", name, "error", err)
	}
	return k
}

// levelRuns is how many runs are looked at for the newest level, in baselines: change points
// show in a longer history than the one that is compared with.
const levelRuns = 4

// level is what the baselines of a place consist of: runs of one level, oldest first.
func (a *app) level(ctx context.Context, p store.Place, runs int) ([]baseline.Past, error) {
	past, err := a.store.History(ctx, p, levelRuns*runs)
	if err != nil {
		return nil, err
	}
	history := make([]baseline.Past, len(past))
	for i, r := range past {
		history[i] = baseline.NewPast(r.Run, r.Commit.SHA, r.Samples)
	}
	return baseline.OneLevel(history, runs), nil
}

// moved says how a place differs from that of the last run.
func moved(was, is store.Place, run int64) string {
	switch {
	case was.Class != is.Class:
		return fmt.Sprintf("this machine (%s) has none yet; run %d was measured on %s", is.Class, run, was.Class)
	case was.Fingerprint != is.Fingerprint && was.Fingerprint == "":
		return fmt.Sprintf("run %d and those before did not tell their exact system", run)
	case was.Fingerprint != is.Fingerprint:
		return fmt.Sprintf("the system is %s; run %d was measured on %s", is.Fingerprint, run, was.Fingerprint)
	}
	return fmt.Sprintf("what is measured, or how, is configured differently since run %d", run)
}
