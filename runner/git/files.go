package git

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// maxFiles bounds how many files [Mirror.Files] reads.
const maxFiles = 1000

// Files reads the files of a commit whose path want accepts, without laying it out. Paths
// are slash-separated and relative to the top. A symbolic link to another file of the
// commit has that file's text; other links, submodules and files of more than limit
// bytes are left out.
func (m *Mirror) Files(ctx context.Context, sha string, want func(path string) bool, limit int64) (map[string][]byte, error) {
	if !IsHash(sha) {
		return nil, fmt.Errorf("read files of %q: not a commit hash", sha)
	}
	out, err := m.git(ctx, "ls-tree", "-r", "-z", "-l", "--full-tree", sha)
	if err != nil {
		return nil, fmt.Errorf("read files of %.10s: %w", sha, err)
	}
	blobs := map[string]blob{}
	for entry := range strings.SplitSeq(out, "\x00") {
		if name, b, ok := parseEntry(entry); ok {
			blobs[name] = b
		}
	}
	files := map[string][]byte{}
	for name, b := range blobs {
		if !want(name) || !b.isFile && b.size > 4096 {
			continue
		}
		if !b.isFile {
			target, err := m.git(ctx, "cat-file", "blob", b.object)
			if err != nil {
				return nil, fmt.Errorf("read %s of %.10s: %w", name, sha, err)
			}
			to, ok := blobs[path.Join(path.Dir(name), target)]
			if path.IsAbs(target) || !ok || !to.isFile {
				continue
			}
			b = to
		}
		if b.size > limit {
			continue
		}
		if len(files) == maxFiles {
			return nil, fmt.Errorf("read files of %.10s: more than %d are asked for", sha, maxFiles)
		}
		text, err := m.git(ctx, "cat-file", "blob", b.object)
		if err != nil {
			return nil, fmt.Errorf("read %s of %.10s: %w", name, sha, err)
		}
		files[name] = []byte(text)
	}
	return files, nil
}

// blob is a regular file or a symbolic link of a commit.
type blob struct {
	object string
	size   int64
	isFile bool
}

// parseEntry reads "MODE TYPE OBJECT SIZE\tPATH" as git ls-tree -l prints it.
func parseEntry(entry string) (name string, b blob, ok bool) {
	head, name, found := strings.Cut(entry, "\t")
	f := strings.Fields(head)
	if !found || len(f) != 4 || f[1] != "blob" || !IsHash(f[2]) {
		return "", blob{}, false
	}
	size, err := strconv.ParseInt(f[3], 10, 64)
	return name, blob{object: f[2], size: size, isFile: f[0] != "120000"}, err == nil
}

// Changed lists the files of a working tree that differ from a commit, and those that git
// does not know and does not ignore. Paths are slash-separated and relative to dir, a folder
// of the working tree; what lies outside of dir and what was deleted is left out. base is
// any revision that the tree's own repository knows; what it is compared with is the merge
// base with HEAD. environ is that of the user.
func Changed(ctx context.Context, environ []string, dir, base string) (files []string, from runner.Commit, err error) {
	// git looks for the repository, which may be a worktree, by the folder it runs in.
	r := Remote{Environ: []string{"PATH=" + proc.Getenv(environ, "PATH")}}
	fail := func(err error) ([]string, runner.Commit, error) {
		return nil, runner.Commit{}, fmt.Errorf("what changed since %s: %w", base, err)
	}
	sha, err := r.run(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", base+"^{commit}")
	if err != nil {
		return fail(runner.WithHint(fmt.Errorf("%w %q", ErrUnknownRevision, base), "give a branch, a tag or a commit of this repository"))
	}
	sha = strings.TrimSpace(sha)
	if mb, err := r.run(ctx, dir, "merge-base", "--end-of-options", sha, "HEAD"); err == nil {
		sha = strings.TrimSpace(mb)
	}
	diff, err := r.run(ctx, dir, "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules", "--relative", "--diff-filter=d", sha, "--")
	if err != nil {
		return fail(err)
	}
	fresh, err := r.run(ctx, dir, "ls-files", "-z", "--others", "--exclude-standard", "--")
	if err != nil {
		return fail(err)
	}
	for name := range strings.SplitSeq(diff+fresh, "\x00") {
		if name != "" {
			files = append(files, name)
		}
	}
	return files, runner.Commit{SHA: sha}, nil
}

// ChangedBetween lists the files that differ between two commits, also those that were
// deleted; what was renamed is listed under both names.
func (m *Mirror) ChangedBetween(ctx context.Context, base, head string) ([]string, error) {
	if !IsHash(base) || !IsHash(head) {
		return nil, fmt.Errorf("what changed between %q and %q: not commit hashes", base, head)
	}
	out, err := m.git(ctx, "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none", base, head, "--")
	if err != nil {
		return nil, err
	}
	var files []string
	for name := range strings.SplitSeq(out, "\x00") {
		if name != "" {
			files = append(files, name)
		}
	}
	return files, nil
}
