package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
)

// localBase examines the commit that the working tree dir is compared with: the merge base
// of rev and the tree's HEAD, laid out below tmp from a mirror of the tree's repository.
// The tree itself is only read. Mirror and builds are kept in the user's cache folder, so
// that the next comparison is quick. It takes at most half of the limit and returns what
// is left of it. rules are the rule files that judge it, nil for its own.
func (x *examiner) localBase(ctx context.Context, st runner.Stage, dir, rev, tmp string, limit time.Duration, rules map[string][]byte) (base runner.Result, commit runner.Commit, warning string, left time.Duration, err error) {
	fail := func(err error) (runner.Result, runner.Commit, string, time.Duration, error) {
		return runner.Result{}, runner.Commit{}, "", 0, err
	}
	top := treeTop(dir)
	if top == "" {
		return fail(&usageError{fmt.Sprintf("--base %s: %s is in no git repository", rev, dir), "leave --base out: then nothing is compared"})
	}
	sub, err := filepath.Rel(top, dir)
	if err != nil {
		return fail(err)
	}
	keep := filepath.Join(tmp, "cache")
	if user, err := os.UserCacheDir(); err == nil {
		keep = filepath.Join(user, "holdfast", "base", fileName(top))
	}
	m := &git.Mirror{Remote: git.Remote{URL: top, Environ: x.environ}, Dir: filepath.Join(keep, "mirror.git")}
	_, commit, warning, err = resolve(ctx, m, "HEAD", rev)
	if err != nil {
		return fail(err)
	}
	tree := filepath.Join(tmp, "base", "tree")
	ws := &runner.Workspace{
		Dir: filepath.Join(tree, sub), Scratch: filepath.Join(tmp, "base", "scratch"), Logs: filepath.Join(tmp, "logs", st.Name()+"-base"),
		Cache: filepath.Join(keep, st.Name()), Commit: commit, Trusted: true, Rules: rules,
	}
	if x.progress != nil {
		x.progress(runner.Event{Stage: st.Name(), Text: fmt.Sprintf("examining the base %s first", commit.Short())})
		ws.Progress = func(e runner.Event) {
			e.Text = "base: " + e.Text
			x.progress(e)
		}
	}
	if err := prepare(ws, x.environ); err != nil {
		return fail(err)
	}
	remove, err := m.Checkout(ctx, commit.SHA, tree)
	if err != nil {
		return fail(err)
	}
	start := time.Now()
	if fi, err := os.Stat(ws.Dir); err != nil || !fi.IsDir() {
		base = runner.Result{Stage: st.Name(), Verdict: runner.Error, Reason: fmt.Sprintf("commit %s has no folder %s", commit.Short(), filepath.ToSlash(sub))}
	} else {
		base = runner.Execute(ctx, st, ws, limit/2)
	}
	if err := remove(); err != nil {
		base.Warnings = append(base.Warnings, fmt.Sprintf("the base's checkout was not removed: %v", err))
	}
	return base, commit, warning, max(limit-time.Since(start), limit/2), nil
}

// treeTop is the top of the git working tree that dir is in, or "".
func treeTop(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}
