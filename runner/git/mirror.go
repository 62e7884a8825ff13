package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// Mirror is a bare copy of a remote in Dir. The folder may be deleted at any time: it
// is made again.
type Mirror struct {
	Remote Remote
	Dir    string // absolute; Dir+".lock" guards it
}

// ErrUnknownRevision says that the remote has no such commit.
var ErrUnknownRevision = errors.New("unknown revision")

// ErrNoMergeBase says that two commits share no history, as far as the mirror knows it.
var ErrNoMergeBase = errors.New("no common ancestor")

// ErrNotOnLine says that a commit is not among the first parents of another.
var ErrNotOnLine = errors.New("not on one line")

// Fetch brings the mirror up to date with all branches of the remote and the given
// extra refs (as "refs/pull/7/head"). A mirror that git cannot use is made anew.
func (m *Mirror) Fetch(ctx context.Context, refs ...string) error {
	return m.locked(ctx, func() error {
		err := m.fetch(ctx, refs)
		if err == nil || ctx.Err() != nil || !m.broken(ctx) {
			return err
		}
		// A killed clone, a full disk or a bad sector: nothing in a mirror is worth saving.
		if err := os.RemoveAll(m.Dir); err != nil {
			return err
		}
		return m.fetch(ctx, refs)
	})
}

func (m *Mirror) locked(ctx context.Context, f func() error) error {
	return withLock(ctx, m.Dir+".lock", f)
}

func (m *Mirror) fetch(ctx context.Context, refs []string) error {
	if _, err := os.Stat(filepath.Join(m.Dir, "HEAD")); err != nil {
		if err := m.init(ctx); err != nil {
			return err
		}
	}
	args := []string{
		"fetch", "--quiet", "--no-tags", "--prune", "--force", "--update-shallow",
		"--no-recurse-submodules", "--no-write-fetch-head", "--", m.Remote.URL, "+refs/heads/*:refs/heads/*",
	}
	for _, ref := range refs {
		if !strings.HasPrefix(ref, "refs/") || strings.ContainsAny(ref, "*: ") {
			return fmt.Errorf("fetch %q: not the name of a ref", ref)
		}
		args = append(args, "+"+ref+":"+ref)
	}
	_, err := m.git(ctx, args...)
	return m.Remote.explain(err)
}

// init makes an empty mirror beside its place and moves it there, so that a killed
// process leaves no half of one.
func (m *Mirror) init(ctx context.Context) error {
	if err := os.RemoveAll(m.Dir); err != nil {
		return err
	}
	tmp := m.Dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.Dir), 0o755); err != nil {
		return err
	}
	if _, err := m.Remote.run(ctx, os.TempDir(), "init", "--quiet", "--bare", "--template=", "--", tmp); err != nil {
		return err
	}
	return os.Rename(tmp, m.Dir)
}

// broken reports whether the mirror is damaged, as against the remote being unwilling.
func (m *Mirror) broken(ctx context.Context) bool {
	if _, err := m.git(ctx, "rev-parse", "--is-bare-repository"); err != nil {
		return true
	}
	_, err := m.git(ctx, "fsck", "--connectivity-only", "--no-dangling", "--no-progress")
	return err != nil
}

func (m *Mirror) git(ctx context.Context, args ...string) (string, error) {
	return m.Remote.run(ctx, m.Dir, append([]string{"--git-dir=" + m.Dir}, args...)...)
}

// Resolve finds the commit that rev names: a hash, a branch, a tag, "HEAD" (the remote's)
// or an expression over them. It fetches only if the mirror cannot have the answer. The
// error wraps [ErrUnknownRevision] if there is none.
func (m *Mirror) Resolve(ctx context.Context, rev string) (runner.Commit, error) {
	if IsHash(rev) {
		if c, err := m.show(ctx, rev); err == nil {
			return c, nil // the same object for ever: no need to ask
		}
	}
	if err := m.Fetch(ctx); err != nil {
		return runner.Commit{}, err
	}
	if rev == "HEAD" || strings.HasPrefix(rev, "HEAD~") || strings.HasPrefix(rev, "HEAD^") {
		refs, err := m.Remote.List(ctx)
		if err != nil {
			return runner.Commit{}, err
		}
		if refs["HEAD"] == "" {
			return runner.Commit{}, runner.WithHint(fmt.Errorf("%w %q in %s: it has no commits", ErrUnknownRevision, rev, m.Remote.URL), "commit something first")
		}
		if err := m.want(ctx, refs["HEAD"]); err != nil { // a detached HEAD is on no branch
			return runner.Commit{}, err
		}
		c, err := m.show(ctx, refs["HEAD"]+rev[len("HEAD"):])
		if err == nil || ctx.Err() != nil {
			return c, err
		}
		return runner.Commit{}, m.unknown(rev)
	}
	c, err := m.show(ctx, rev)
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	if IsHash(rev) {
		if m.want(ctx, rev) == nil {
			return m.show(ctx, rev)
		}
	} else if m.Fetch(ctx, "refs/tags/"+rev) == nil {
		return m.show(ctx, rev)
	}
	return runner.Commit{}, m.unknown(rev)
}

func (m *Mirror) unknown(rev string) error {
	err := fmt.Errorf("%w %q in %s", ErrUnknownRevision, rev, m.Remote.URL)
	if m.Shallow() {
		return runner.WithHint(err, "the source is a shallow clone: run git fetch --unshallow in it")
	}
	return runner.WithHint(err, "give a branch, a tag or a whole commit hash that the repository has")
}

// want fetches one commit by its hash, if it is missing.
func (m *Mirror) want(ctx context.Context, sha string) error {
	if _, err := m.show(ctx, sha); err == nil {
		return nil
	}
	return m.locked(ctx, func() error {
		_, err := m.git(ctx, "fetch", "--quiet", "--no-tags", "--update-shallow", "--no-write-fetch-head", "--", m.Remote.URL, "+"+sha+":refs/holdfast/"+sha)
		return m.Remote.explain(err)
	})
}

// Shallow reports whether the mirror lacks older history, as its source does.
func (m *Mirror) Shallow() bool {
	fi, err := os.Stat(filepath.Join(m.Dir, "shallow"))
	return err == nil && fi.Size() > 0
}

const format = "--format=%H%x00%s%x00%an%x00%ct"

func (m *Mirror) show(ctx context.Context, rev string) (runner.Commit, error) {
	sha, err := m.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return runner.Commit{}, err
	}
	out, err := m.git(ctx, "show", "--no-patch", "--no-notes", format, strings.TrimSpace(sha))
	if err != nil {
		return runner.Commit{}, err
	}
	return parseCommit(strings.TrimSuffix(out, "\n"))
}

func parseCommit(line string) (runner.Commit, error) {
	f := strings.Split(line, "\x00")
	if len(f) != 4 || !IsHash(f[0]) {
		return runner.Commit{}, fmt.Errorf("unexpected answer of git show: %q", line)
	}
	sec, err := strconv.ParseInt(f[3], 10, 64)
	if err != nil {
		return runner.Commit{}, fmt.Errorf("commit %s has no usable date: %w", f[0], err)
	}
	return runner.Commit{SHA: f[0], Subject: strings.ToValidUTF8(f[1], "\uFFFD"), Author: strings.ToValidUTF8(f[2], "\uFFFD"), Time: time.Unix(sec, 0).UTC()}, nil
}

// MergeBase returns the best common ancestor of two commits. The error wraps
// [ErrNoMergeBase] if there is none.
func (m *Mirror) MergeBase(ctx context.Context, a, b string) (runner.Commit, error) {
	out, err := m.git(ctx, "merge-base", "--end-of-options", a, b)
	var ge *Error
	if errors.As(err, &ge) && ge.Stderr == "" {
		err = fmt.Errorf("%w of %.10s and %.10s", ErrNoMergeBase, a, b)
		if m.Shallow() {
			err = runner.WithHint(err, "the source is a shallow clone: run git fetch --unshallow in it")
		}
	}
	if err != nil {
		return runner.Commit{}, err
	}
	return m.show(ctx, strings.TrimSpace(out))
}

// Log returns the commits that are in head but not in base, oldest first, at most n; the
// newest n if there are more. An empty base means all of head's history.
func (m *Mirror) Log(ctx context.Context, base, head string, n int) ([]runner.Commit, error) {
	args := []string{"log", "--no-notes", format, "--max-count=" + strconv.Itoa(n), "--end-of-options", head}
	if base != "" {
		args = append(args, "^"+base)
	}
	out, err := m.git(ctx, append(args, "--")...)
	if err != nil {
		return nil, err
	}
	var list []runner.Commit
	for line := range strings.Lines(out) {
		c, err := parseCommit(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		list = append([]runner.Commit{c}, list...)
	}
	return list, nil
}

// maxRange is the longest range of commits that is listed.
const maxRange = 100_000

// FirstParents returns the commits from good to bad along first parents, both included and
// the oldest first: what a branch pointed at, one merge one step. The error wraps
// [ErrNotOnLine] if good is not on that line.
func (m *Mirror) FirstParents(ctx context.Context, good, bad string) ([]runner.Commit, error) {
	first, err := m.show(ctx, good)
	if err != nil {
		return nil, err
	}
	out, err := m.git(ctx, "log", "--no-notes", "--first-parent", format+"%x00%P", "--max-count="+strconv.Itoa(maxRange), "--end-of-options", bad, "^"+good, "--")
	if err != nil {
		return nil, err
	}
	var list []runner.Commit
	parent := "" // first parent of the oldest so far
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		cut := strings.LastIndexByte(line, 0)
		if cut < 0 {
			return nil, fmt.Errorf("unexpected answer of git log: %q", line)
		}
		c, err := parseCommit(line[:cut])
		if err != nil {
			return nil, err
		}
		list = append(list, c)
		parent, _, _ = strings.Cut(line[cut+1:], " ")
	}
	if len(list) == 0 || parent != good {
		err := fmt.Errorf("%w: %.10s is not an ancestor of %.10s along first parents", ErrNotOnLine, good, bad)
		if m.Shallow() {
			return nil, runner.WithHint(err, "the source is a shallow clone: run git fetch --unshallow in it")
		}
		return nil, runner.WithHint(err, "name a commit that the branch itself pointed at before: git log --first-parent %.10s", bad)
	}
	list = append(list, first)
	slices.Reverse(list)
	return list, nil
}

// Checkout lays a commit out as a detached worktree in dir, which must not exist. The
// returned function removes it again; it works after ctx is done, too.
func (m *Mirror) Checkout(ctx context.Context, sha, dir string) (remove func() error, err error) {
	if !IsHash(sha) {
		return nil, fmt.Errorf("check out %q: not a commit hash", sha)
	}
	remove = func() error {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return m.locked(clean, func() error {
			err := os.RemoveAll(dir)
			_, perr := m.git(clean, "worktree", "prune", "--expire=now")
			return errors.Join(err, perr)
		})
	}
	err = m.locked(ctx, func() error {
		// Left over from killed processes; their folders are gone.
		if _, err := m.git(ctx, "worktree", "prune", "--expire=now"); err != nil {
			return err
		}
		_, err := m.git(ctx, "worktree", "add", "--quiet", "--force", "--detach", "--", dir, sha)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("check out %.10s: %w", sha, err), remove())
	}
	return remove, nil
}
