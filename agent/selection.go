package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/runner"
)

// selection says which configuration and which of its repositories a command is about.
type selection struct {
	file string // "" is agent.toml
	repo string // "" is the only one, or all, as the command has it
}

// Descriptions of --repo.
const (
	theOnly         = "repository `NAME` (default: the only one)"
	theOnlyOrFolder = "repository `NAME` of the configuration, or a folder (default: the only one)"
)

// register adds the flags --config and, where the command is about a repository, --repo,
// which repo describes.
func (s *selection) register(fs *flag.FlagSet, repo string) {
	fs.StringVar(&s.file, "config", "", "configuration `FILE` (default agent.toml)")
	if repo != "" {
		fs.StringVar(&s.repo, "repo", "", repo)
	}
}

// load reads the configuration and finds the repository in it.
func (s *selection) load(e *env) (*config.Config, *config.Repository, error) {
	cfg, err := loadConfig(e, s.file, false)
	if err != nil {
		return nil, nil, err
	}
	repo, err := pick(cfg, s.repo)
	return cfg, repo, err
}

// read opens the store to read what it has of the repository.
func (s *selection) read(ctx context.Context, e *env) (*app, *config.Repository, error) {
	cfg, repo, err := s.load(e)
	if err != nil {
		return nil, nil, err
	}
	a, err := reader(ctx, e, cfg)
	return a, repo, err
}

// readAny opens the store to read what it has of all repositories, or of the one that is
// named, if one is; else the repository is nil.
func (s *selection) readAny(ctx context.Context, e *env) (*app, *config.Repository, error) {
	if s.repo != "" {
		return s.read(ctx, e)
	}
	cfg, err := loadConfig(e, s.file, false)
	if err != nil {
		return nil, nil, err
	}
	a, err := reader(ctx, e, cfg)
	return a, nil, err
}

// registerTree adds the flags of commands that are about a working tree.
func (s *selection) registerTree(fs *flag.FlagSet) {
	fs.StringVar(&s.file, "config", "", "configuration `FILE` (default agent.toml, if there is one)")
	fs.StringVar(&s.repo, "repo", "", "use the settings of the repository `NAME` (default: the one whose path is DIR, else those for all)")
}

// tree finds the working tree at a path and the settings for it: those of the repository
// that is named; without a name, of the repository whose path it is, else those for all.
func (s *selection) tree(e *env, at string) (cfg *config.Config, repo *config.Repository, dir string, err error) {
	if dir, err = realDir(at); err != nil {
		return nil, nil, "", err
	}
	if cfg, err = loadConfig(e, s.file, true); err != nil {
		return nil, nil, "", err
	}
	if cfg == nil {
		if cfg, err = config.Parse(filepath.Join(dir, defaultConfig), []byte(bare)); err != nil {
			return nil, nil, "", err
		}
	}
	name := s.repo
	if name == "" {
		name = dir
	}
	repo, err = pick(cfg, name)
	return cfg, repo, dir, err
}

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

// reader opens the store of a configuration for a command that only reads. A SQLite file
// that does not exist yet is not created: nothing has run.
func reader(ctx context.Context, e *env, cfg *config.Config) (*app, error) {
	if cfg.Engine.Postgres.IsZero() {
		if _, err := os.Stat(cfg.Engine.SQLite); errors.Is(err, os.ErrNotExist) {
			return nil, runner.WithHint(fmt.Errorf("no runs yet: %s does not exist", cfg.Engine.SQLite), "holdfast run makes the first one")
		}
	}
	return open(ctx, e, cfg, options{})
}
