// Package git keeps one bare mirror of a watched repository and lays commits out as
// detached worktrees, by running the git command.
//
// Repositories are hostile. The command runs with an empty environment, without system
// and user configuration, hooks, prompts, tags and submodules, over a short list of
// protocols; what arrives is checked (transfer.fsckObjects); every ref and path given
// to it stands behind an end-of-options mark. Mirrors are guarded by a lock file, so
// that several processes may share one.
package git

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// limit bounds one git command; a clone of a large repository over a slow line is the
// longest of them.
const limit = 30 * time.Minute

// Remote is where a repository comes from, and how to talk to it.
type Remote struct {
	URL     string   // URL or absolute path; never from a pull request
	Environ []string // environment of the agent, of which little is passed on
	// Token gives what is sent to the host of URL as HTTP basic authorization; "" is nothing.
	// nil: there is none. It is asked for each command, since tokens end.
	Token func(context.Context) (string, error)
}

// run executes git and returns its standard output.
func (r Remote) run(ctx context.Context, dir string, args ...string) (string, error) {
	var out strings.Builder
	redact := proc.NewRedactor()
	env := []string{
		"PATH=" + proc.Getenv(r.Environ, "PATH"),
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "GIT_OPTIONAL_LOCKS=0",
		"GIT_ALLOW_PROTOCOL=file:https:http:ssh",
		"GIT_SSH_COMMAND=ssh -oBatchMode=yes",
	}
	for _, name := range []string{"SSH_AUTH_SOCK", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"} {
		if v := proc.Getenv(r.Environ, name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	token := ""
	if r.Token != nil {
		var err error
		if token, err = r.Token(ctx); err != nil {
			return "", fmt.Errorf("git: %w", err)
		}
	}
	if u, err := url.Parse(r.URL); token != "" && err == nil {
		// Through the environment, since arguments are visible to every user; and for that
		// host only, wherever it redirects to.
		basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
		env = append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http."+u.Scheme+"://"+u.Host+"/.extraHeader",
			"GIT_CONFIG_VALUE_0=Authorization: Basic "+basic)
		redact = proc.NewRedactor(token, basic)
	}
	full := append([]string{
		"git",
		"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
		"-c", "transfer.fsckObjects=true",
		// Old histories hold these by the thousand, and they harm nobody.
		"-c", "fetch.fsck.zeroPaddedFilemode=ignore", "-c", "fetch.fsck.badTimezone=ignore",
		"-c", "fetch.fsck.missingSpaceBeforeDate=ignore",
		"-c", "protocol.ext.allow=never", "-c", "submodule.recurse=false",
		"-c", "gc.auto=0", "-c", "advice.detachedHead=false",
	}, args...)
	exit, err := proc.Run(ctx, proc.Cmd{Args: full, Dir: dir, Env: env, Limit: limit, Redact: redact, Stdout: &out})
	var missing *proc.NotFoundError
	if errors.As(err, &missing) {
		return "", runner.WithHint(err, "install git 2.39 or newer")
	}
	if err != nil {
		return "", err
	}
	if exit.Stopped {
		return "", context.Cause(ctx)
	}
	if !exit.OK() {
		return "", &Error{Args: args, Exit: exit.String(), Stderr: strings.TrimSpace(exit.Stderr.String())}
	}
	return out.String(), nil
}

// Error says that a git command ended badly.
type Error struct {
	Args   []string // without the hardening options
	Exit   string
	Stderr string
}

func (e *Error) Error() string {
	msg := e.Exit
	for line := range strings.SplitSeq(e.Stderr, "\n") {
		// The first line that says what is wrong; git explains at length after it.
		if s, ok := strings.CutPrefix(line, "fatal: "); ok {
			msg = s
			break
		}
		if s, ok := strings.CutPrefix(line, "error: "); ok && msg == e.Exit {
			msg = s
		}
	}
	return fmt.Sprintf("git %s: %s", e.verb(), msg)
}

// List returns the refs of the remote and their hashes, with HEAD.
func (r Remote) List(ctx context.Context) (map[string]string, error) {
	out, err := r.run(ctx, os.TempDir(), "ls-remote", "--quiet", "--", r.URL)
	if err != nil {
		return nil, r.explain(err)
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		sha, ref, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if ok && IsHash(sha) && !strings.HasSuffix(ref, "^{}") {
			refs[ref] = sha
		}
	}
	return refs, nil
}

// explain adds what a person can do about a remote that does not answer.
func (r Remote) explain(err error) error {
	var ge *Error
	if !errors.As(err, &ge) {
		return err
	}
	err = fmt.Errorf("repository %s: %w", r.URL, err)
	switch s := ge.Stderr; {
	case strings.Contains(s, "dubious ownership"):
		return runner.WithHint(err, "the folder belongs to another user: run the agent as its owner")
	case strings.Contains(s, "does not appear to be a git repository"), strings.Contains(s, "does not exist"), strings.Contains(s, "not found"):
		return runner.WithHint(err, "check the url or path of the repository; a private repository without access looks the same")
	case strings.Contains(s, "could not read Username"), strings.Contains(s, "Authentication failed"), strings.Contains(s, "Permission denied"):
		return runner.WithHint(err, "set github.token to a reference to a token that may read the repository")
	case strings.Contains(s, "Could not resolve host"), strings.Contains(s, "unable to access"):
		return runner.WithHint(err, "is the network up?")
	}
	return err
}

var hash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// IsHash reports whether s is a whole object name.
func IsHash(s string) bool { return hash.MatchString(s) }

// withLock runs f while this process alone holds the lock file.
func withLock(ctx context.Context, path string, f func() error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer file.Close() // releases the lock
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lock on %s: %w", path, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return f()
}

// verb is the git command without the options before it.
func (e *Error) verb() string {
	for _, a := range e.Args {
		if !strings.HasPrefix(a, "-") {
			return a
		}
	}
	return ""
}
