package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// Told is what an earlier run told about a branch.
type Told struct {
	Run     int64
	Trigger string
	Commit  runner.Commit
	Verdict runner.Verdict
	Stages  map[string]runner.Verdict
}

// Verdicts returns what the runs of a branch told that were done and reported before the
// given number, the newest first, at most limit. Pull requests are not of a branch.
func (s *Store) Verdicts(ctx context.Context, repo, branch string, before int64, limit int) ([]Told, error) {
	var out []Told
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var t Told
		var verdict, doc string
		if err := scan(&t.Run, &t.Trigger, &verdict, &doc); err != nil {
			return err
		}
		var run struct {
			Commit runner.Commit `json:"commit"`
			Stages []struct {
				Stage   string         `json:"stage"`
				Verdict runner.Verdict `json:"verdict"`
			} `json:"stages"`
		}
		if err := json.Unmarshal([]byte(doc), &run); err != nil {
			return fmt.Errorf("stored run %d: %w", t.Run, err)
		}
		t.Commit, t.Verdict, t.Stages = run.Commit, runner.Verdict(verdict), map[string]runner.Verdict{}
		for _, r := range run.Stages {
			t.Stages[r.Stage] = r.Verdict
		}
		out = append(out, t)
		return nil
	}, `select id, trigger_by, verdict, doc from run where repo = $1 and branch = $2 and pull = 0 and id < $3 and state = 'done' and reported = 1
		order by id desc limit $4`, repo, branch, before, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("verdicts of %s: %w", repo, err)
	}
	return out, nil
}

// Said returns the messages whose key begins with prefix, posted or not, oldest first.
func (s *Store) Said(ctx context.Context, prefix string) ([]publish.Message, error) {
	var out []publish.Message
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var doc string
		if err := scan(&doc); err != nil {
			return err
		}
		var m publish.Message
		err := json.Unmarshal([]byte(doc), &m)
		out = append(out, m)
		return err
	}, "select doc from outbox where substr(ident, 1, $2) = $1 order by id", prefix, int64(len(prefix)))
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	return out, nil
}
