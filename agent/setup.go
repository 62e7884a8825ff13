package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
)

// hintOf is the advice that an error carries, "" if none.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// stageNames reads a list as given to --only.
func stageNames(list string) ([]string, error) {
	if list == "" {
		return runner.Stages, nil
	}
	want := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if !isStage(name) {
			return nil, &usageError{fmt.Sprintf("no stage %q", name), "the stages are " + strings.Join(runner.Stages, ", ")}
		}
		want[name] = true
	}
	var out []string
	for _, name := range runner.Stages {
		if want[name] {
			out = append(out, name)
		}
	}
	return out, nil
}

func isStage(name string) bool {
	for _, s := range runner.Stages {
		if s == name {
			return true
		}
	}
	return false
}

// resolve finds the commit to examine and the one to compare it with. The base of a
// commit is its merge base with rev base; without base it is none.
func resolve(ctx context.Context, m *git.Mirror, rev, base string) (commit, against runner.Commit, warning string, err error) {
	commit, err = m.Resolve(ctx, rev)
	if err != nil || base == "" {
		return commit, runner.Commit{}, "", err
	}
	b, err := m.Resolve(ctx, base)
	if err != nil {
		return commit, runner.Commit{}, "", fmt.Errorf("base: %w", err)
	}
	mb, err := m.MergeBase(ctx, b.SHA, commit.SHA)
	if errors.Is(err, git.ErrNoMergeBase) {
		return commit, b, fmt.Sprintf("%v: compared with the base itself", err), nil
	}
	return commit, mb, "", err
}
