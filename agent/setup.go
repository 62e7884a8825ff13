package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
)

// defaultConfig is what commands read when no --config is given.
const defaultConfig = "agent.toml"

// bare is the configuration of a directory that no file mentions.
const bare = "[[repositories]]\npath = \".\"\n"

// loadConfig reads the configuration. With optional set, a default file that does not
// exist is no error: the result is nil.
func loadConfig(e *env, name string, optional bool) (*config.Config, error) {
	if name == "" {
		name = defaultConfig
		if _, err := os.Stat(name); optional && errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	cfg, err := config.Load(name, e.environ)
	var problems *config.Errors
	if err != nil && !errors.As(err, &problems) {
		// A file that cannot be read is as much a configuration error as one that is wrong.
		return nil, &usageError{err.Error(), hintOf(err)}
	}
	return cfg, err
}

// hintOf is the advice that an error carries, "" if none.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// pick finds the repository that --repo names: a name of the configuration, the path of
// one that is in it, or any other local folder, which gets the settings for all. Without
// a name, the configuration must have only one.
func pick(cfg *config.Config, name string) (*config.Repository, error) {
	if name == "" {
		if len(cfg.Repositories) == 1 {
			return &cfg.Repositories[0], nil
		}
		return nil, &usageError{"several repositories are configured", "name one with --repo: " + strings.Join(names(cfg), ", ")}
	}
	if r := cfg.Repository(name); r != nil {
		return r, nil
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	for i := range cfg.Repositories {
		if cfg.Repositories[i].Path == abs {
			return &cfg.Repositories[i], nil
		}
	}
	if fi, err := os.Stat(abs); err != nil || !fi.IsDir() {
		return nil, &usageError{
			fmt.Sprintf("no repository %q", name),
			fmt.Sprintf("%s has %s; a folder may be given, too", cfg.File, strings.Join(names(cfg), ", ")),
		}
	}
	return &config.Repository{
		Name: abs, Path: abs, Branches: []string{"main"}, PullRequests: config.PullRequestsNone, Comment: config.CommentProblems, Report: config.ReportNone,
		Proofs: cfg.Proofs, Checks: cfg.Checks, Bench: cfg.Bench, Thresholds: cfg.Thresholds,
	}, nil
}

func names(cfg *config.Config) []string {
	list := make([]string, len(cfg.Repositories))
	for i, r := range cfg.Repositories {
		list[i] = r.Name
	}
	return list
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
