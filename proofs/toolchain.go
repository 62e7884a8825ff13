package proofs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// toolchain is an installed Lean, chosen for a project.
type toolchain struct {
	dir       string // has bin/lean and bin/lake
	requested string // text of lean-toolchain
	version   string // first line of lean --version
	number    string // its version number, "4.26.0"; "" if the line has none
	lake      string // first line of lake --version
	standIn   bool   // not a stock Lean
	exact     bool   // the version asked for
	near      bool   // the version asked for, but for the part after "-"
	authority bool
	warnings  []string

	requestedNumber bool // lean-toolchain names a version, not a folder
}

func (t *toolchain) program(name string) string { return filepath.Join(t.dir, "bin", name) }

// id changes whenever the toolchain does.
func (t *toolchain) id() string { return t.version + "\n" + t.lake + "\n" + t.dir }

// request is what a lean-toolchain file asks for.
type request struct {
	text   string
	number string // "4.26.0", "nightly-2025-12-01"; "" for a name or path
	folder string // below ELAN_HOME/toolchains
	path   string // a path toolchain, as written
}

var requestForm = regexp.MustCompile(`^(?:([A-Za-z0-9][A-Za-z0-9_.-]*)/([A-Za-z0-9][A-Za-z0-9_.-]*):)?([A-Za-z0-9][A-Za-z0-9_.+-]*)$`)

// parseRequest reads the text of a lean-toolchain file the way elan does
// (elan src/elan-dist/src/dist.rs), except that channels are refused: which version
// "stable" is changes without a commit, so a verdict could not be reproduced.
func parseRequest(text string) (request, error) {
	text = strings.TrimSpace(text)
	r := request{text: text}
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") {
		r.path = text
		return r, nil
	}
	m := requestForm.FindStringSubmatch(text)
	if m == nil {
		return r, fmt.Errorf("lean-toolchain: %q is not a toolchain", cut(text, 80))
	}
	owner, repo, release := m[1], m[2], m[3]
	version := release != "" && release[0] >= '0' && release[0] <= '9'
	if version {
		release = "v" + release
	}
	numbered := version || len(release) > 1 && release[0] == 'v' && release[1] >= '0' && release[1] <= '9'
	switch base, _, _ := strings.Cut(release, "-"); {
	case release == "stable" || release == "beta" || release == "nightly":
		return r, runner.WithHint(fmt.Errorf("lean-toolchain: %q is a channel, not a version", text),
			"write the version, such as leanprover/lean4:v4.26.0, into lean-toolchain")
	case numbered:
		r.number = strings.TrimPrefix(release, "v")
	case base == "nightly":
		r.number = release
	case owner == "":
		r.folder = release // a name given by `elan toolchain link`
		return r, nil
	}
	if owner == "" {
		owner, repo = "leanprover", "lean4"
	}
	r.folder = owner + "--" + repo + "---" + release
	return r, nil
}

// readRequest finds the lean-toolchain file of a project: in its folder or above it, but
// not above the checkout.
func readRequest(root, dir string) (request, error) {
	for d := dir; ; d = filepath.Dir(d) {
		b, err := readSmall(filepath.Join(d, "lean-toolchain"))
		if err == nil {
			return parseRequest(string(b))
		}
		if !errors.Is(err, os.ErrNotExist) {
			return request{}, fmt.Errorf("read lean-toolchain: %w", err)
		}
		if d == root || len(d) <= len(root) {
			break
		}
	}
	return request{}, runner.WithHint(errors.New("no lean-toolchain file: the commit does not say which Lean it is for"),
		"commit a lean-toolchain file with a line such as leanprover/lean4:v4.26.0")
}

// resolve chooses an installed toolchain. It never runs elan or one of its proxies.
func (e *examination) resolve(ctx context.Context) (*toolchain, error) {
	req, err := readRequest(e.ws.Dir, e.dir)
	if err != nil {
		return nil, err
	}
	if req.path != "" {
		if !e.ws.Trusted {
			return nil, fmt.Errorf("lean-toolchain names the path %q: refused for code that is not trusted", cut(req.path, 80))
		}
		dir := req.path
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(e.dir, dir)
		}
		if !hasLean(dir) {
			return nil, fmt.Errorf("lean-toolchain names the path %q, which has no bin/lean and bin/lake", cut(req.path, 80))
		}
		return e.probe(ctx, req, dir)
	}
	if e.cfg.ElanHome != "" {
		if dir := filepath.Join(e.cfg.ElanHome, "toolchains", req.folder); hasLean(dir) {
			return e.probe(ctx, req, dir)
		}
	}
	var found []*toolchain
	var failed error
	for _, dir := range e.cfg.Toolchains {
		if !hasLean(dir) {
			continue
		}
		t, err := e.probe(ctx, req, dir)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if t.exact && !t.standIn {
			return t, nil
		}
		found = append(found, t)
	}
	for _, t := range found {
		if t.near {
			return t, nil
		}
	}
	if len(found) > 0 {
		return found[0], nil
	}
	if failed != nil {
		return nil, failed
	}
	return nil, runner.WithHint(fmt.Errorf("toolchain %s is not installed", req.text), "elan toolchain install %s", req.text)
}

func hasLean(dir string) bool {
	for _, name := range []string{"lean", "lake"} {
		fi, err := os.Stat(filepath.Join(dir, "bin", name))
		if err != nil || fi.IsDir() || fi.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

var versionForm = regexp.MustCompile(`\bversion ([0-9][^\s,)]*)`)

// probe asks an installed toolchain what it is. The answer is kept in the cache as long
// as its programs stay the same files.
func (e *examination) probe(ctx context.Context, req request, dir string) (*toolchain, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	t := &toolchain{dir: dir, requested: req.text}
	stamp, err := stampOf(t.program("lean"), t.program("lake"))
	if err != nil {
		return nil, err
	}
	kept := filepath.Join(e.cache, "toolchain-"+digest(dir)+".json")
	type answer struct{ Stamp, Lean, Lake string }
	var a answer
	if b, err := os.ReadFile(kept); err != nil || json.Unmarshal(b, &a) != nil || a.Stamp != stamp {
		a = answer{Stamp: stamp}
		for _, q := range []struct {
			name string
			into *string
		}{{"lake", &a.Lake}, {"lean", &a.Lean}} {
			exit, err := e.ws.Exec(ctx, e.log+"-"+q.name+"-version", proc.Cmd{
				Args: []string{t.program(q.name), "--version"}, Dir: e.dir, Env: e.environ(t), Limit: probeLimit,
			})
			if err != nil {
				return nil, fmt.Errorf("run %s --version: %w", q.name, err)
			}
			line, _, _ := strings.Cut(strings.TrimSpace(exit.Stdout.String()), "\n")
			if !exit.OK() || !versionForm.MatchString(line) {
				if err := context.Cause(ctx); err != nil {
					return nil, err
				}
				return nil, fmt.Errorf("%s --version of toolchain %s: %s", q.name, req.text, exit)
			}
			*q.into = line
		}
		if b, err := json.Marshal(a); err == nil {
			_ = writeFile(kept, b) // only a cache
		}
	}
	t.version, t.lake = a.Lean, a.Lake
	if m := versionForm.FindStringSubmatch(t.version); m != nil {
		t.number = m[1]
	}
	t.judge(req)
	return t, nil
}

// judge compares what the toolchain is with what was asked for.
func (t *toolchain) judge(req request) {
	t.standIn = strings.Contains(t.lake, "shim") || strings.Contains(t.version, "wasm")
	if t.requestedNumber = req.number != ""; t.requestedNumber {
		t.exact = t.number == req.number || strings.HasPrefix(req.number, "nightly-") && strings.HasSuffix(t.number, req.number)
		t.near = t.exact || release(t.number) == release(req.number)
	}
	t.authority = t.exact && !t.standIn
	switch {
	case t.authority:
	case t.standIn && t.near:
		t.warnings = append(t.warnings, fmt.Sprintf("checked with a stand-in for Lean (%s), not with %s: not an authority for the proofs", t.number, req.text))
	case t.standIn:
		t.warnings = append(t.warnings, fmt.Sprintf("checked with a stand-in for Lean of another version (%s), not with %s: not an authority for the proofs", t.number, req.text))
	case req.number == "":
		t.warnings = append(t.warnings, fmt.Sprintf("lean-toolchain asks for %q, which names no version; used Lean %s", cut(req.text, 80), t.number))
	default:
		t.warnings = append(t.warnings, fmt.Sprintf("lean-toolchain asks for %s, the toolchain used is Lean %s", req.text, t.number))
	}
}

// release is a version number without the part after "-".
func release(number string) string {
	if strings.HasPrefix(number, "nightly") {
		return number
	}
	r, _, _ := strings.Cut(number, "-")
	return r
}

// dropped are variables that would let something other than the resolved toolchain
// decide what is built.
var dropped = []string{"ELAN", "LEAN", "LAKE"}

// environ is the environment of Lean's programs: the workspace's, without settings for
// Lean, and with the toolchain first in PATH.
func (e *examination) environ(t *toolchain, extra ...string) []string {
	var env []string
next:
	for _, kv := range e.ws.Env {
		name, _, _ := strings.Cut(kv, "=")
		for _, p := range dropped {
			if name == p || strings.HasPrefix(name, p+"_") {
				continue next
			}
		}
		if name != "PATH" {
			env = append(env, kv)
		}
	}
	env = append(env,
		"PATH="+filepath.Join(t.dir, "bin")+string(os.PathListSeparator)+proc.Getenv(e.ws.Env, "PATH"),
		// Compiled modules from the network would enter the verdict unseen.
		"LAKE_NO_CACHE=1", "LAKE_ARTIFACT_CACHE=false")
	if e.cfg.Jobs > 0 {
		env = append(env, fmt.Sprintf("LEAN_NUM_THREADS=%d", e.cfg.Jobs), fmt.Sprintf("LAKE_JOBS=%d", e.cfg.Jobs))
	}
	return append(env, extra...)
}

// stampOf changes when one of the files does.
func stampOf(files ...string) (string, error) {
	var b strings.Builder
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s %d %d\n", f, fi.Size(), fi.ModTime().UnixNano())
	}
	return digest(b.String()), nil
}

// digest is a short name for texts: 80 bits of SHA-256 in hex.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}
