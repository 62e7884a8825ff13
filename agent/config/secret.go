package config

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// Secret says where a secret is kept. It never holds the secret itself, so printing it
// is harmless. The zero value means "not set".
//
//	env:NAME                  an environment variable of the agent
//	file:PATH                 a file that only its owner can read
//	keychain:SERVICE/ACCOUNT  a generic password of the macOS keychain
type Secret struct {
	scheme string // "env", "file", "keychain"; "plain" for a URL without password
	value  string
}

// IsZero reports whether no reference was given.
func (s Secret) IsZero() bool { return s.scheme == "" }

// String is the reference, "env:GITHUB_TOKEN"; "" if not set.
func (s Secret) String() string {
	if s.scheme == "plain" || s.scheme == "" {
		return s.value
	}
	return s.scheme + ":" + s.value
}

// Replaceable reports whether the secret may be another one while the agent runs: the
// environment stays as it was.
func (s Secret) Replaceable() bool { return s.scheme == "file" || s.scheme == "keychain" }

// maxSecret is more than any token or key needs.
const maxSecret = 64 << 10

// Resolve fetches the secret, without its final line end. environ is the environment of
// the agent in os.Environ form. A secret that is not set, empty, spread over several
// lines, or in a file that others can read is an error; no error text contains a secret.
func (s Secret) Resolve(ctx context.Context, environ []string) (string, error) {
	text, err := s.fetch(ctx, environ)
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", s, err)
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return "", s.empty()
	}
	if strings.ContainsAny(text, "\r\n\x00") {
		return "", fmt.Errorf("secret %s has more than one line", s)
	}
	return text, nil
}

func (s Secret) empty() error {
	return runner.WithHint(fmt.Errorf("secret %s is empty", s), "set it, or remove the reference from agent.toml")
}

// ResolveKey fetches a secret of several lines, a private key in PEM. It may also stand on
// one line, as places for secrets make it: with \n for the ends of lines, in base64, or, as
// the keychain prints what has several lines, in hexadecimal digits.
func (s Secret) ResolveKey(ctx context.Context, environ []string) ([]byte, error) {
	text, err := s.fetch(ctx, environ)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", s, err)
	}
	if text = strings.TrimSpace(text); text == "" {
		return nil, s.empty()
	}
	if strings.HasPrefix(text, "-----BEGIN") {
		return []byte(strings.ReplaceAll(text, `\n`, "\n")), nil
	}
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString} {
		if b, err := decode(text); err == nil && bytes.HasPrefix(b, []byte("-----BEGIN")) {
			return b, nil
		}
	}
	return []byte(text), nil
}

func (s Secret) fetch(ctx context.Context, environ []string) (string, error) {
	switch s.scheme {
	case "":
		return "", errors.New("not set")
	case "plain":
		return s.value, nil
	case "env":
		text := proc.Getenv(environ, s.value)
		if text == "" {
			return "", runner.WithHint(errors.New("the variable is not set or empty"),
				"export %s, or under launchd name it in a file: token = \"file:~/.config/holdfast/token\"", s.value)
		}
		return text, nil
	case "file":
		return readSecret(s.value)
	}
	return keychain(ctx, s.value, environ)
}

// readSecret reads a file of the owner's own. The mode is asked of the open file, so
// that nobody can swap it in between.
func readSecret(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return "", runner.WithHint(fmt.Errorf("others can read it (mode %04o)", fi.Mode().Perm()), "chmod 600 %s", name)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxSecret {
		return "", fmt.Errorf("larger than %d bytes", maxSecret)
	}
	return string(text), nil
}

// keychain asks the security tool of macOS, as security(1) describes it. It was never
// run on a Mac by the authors.
func keychain(ctx context.Context, ref string, environ []string) (string, error) {
	service, account, _ := strings.Cut(ref, "/")
	if runtime.GOOS != "darwin" {
		return "", runner.WithHint(errors.New("only macOS has a keychain"), "use env:NAME or file:PATH on this machine")
	}
	var out bytes.Buffer // the unredacted stream; nothing of it is logged
	exit, err := proc.Run(ctx, proc.Cmd{
		Args:   []string{"/usr/bin/security", "find-generic-password", "-s", service, "-a", account, "-w"},
		Env:    []string{"PATH=/usr/bin:/bin", "HOME=" + proc.Getenv(environ, "HOME")},
		Dir:    "/",
		Limit:  20 * time.Second,
		Stdout: &out,
	})
	if err != nil {
		return "", err
	}
	if !exit.OK() {
		return "", runner.WithHint(fmt.Errorf("security ended with %s: %s", exit, exit.Stderr.LastLine()),
			"add it with: security add-generic-password -s %s -a %s -w", service, account)
	}
	return out.String(), nil
}

// secret reads a reference. Anything that is not one is taken for a secret that
// somebody pasted, and never repeated.
func (d *decoder) secret(p path, text string, dst *Secret) {
	const hint = `write a reference: "env:NAME", "file:/path" or "keychain:service/account"`
	scheme, value, ok := strings.Cut(text, ":")
	switch {
	case ok && scheme == "env":
		if value == "" || strings.ContainsFunc(value, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) || tokenShape.MatchString(value) {
			d.masked(p, "env: needs the name of an environment variable", `for example "env:GITHUB_TOKEN"`)
			return
		}
	case ok && scheme == "file":
		if value == "" || strings.ContainsAny(value, "\x00\n") {
			d.masked(p, "file: needs a path", `for example "file:~/.config/holdfast/token"`)
			return
		}
	case ok && scheme == "keychain":
		service, account, both := strings.Cut(value, "/")
		if !both || service == "" || account == "" || strings.HasPrefix(service, "-") || strings.HasPrefix(account, "-") {
			d.masked(p, "keychain: needs service/account", `for example "keychain:holdfast/github"`)
			return
		}
	case ok && (scheme == "postgres" || scheme == "postgresql") && strings.HasSuffix(string(p), "kpostgres"):
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			d.masked(p, "not a postgres URL", "postgres://user@host:5432/database, the password elsewhere")
			return
		}
		_, inline := u.User.Password()
		for key := range u.Query() {
			inline = inline || strings.Contains(strings.ToLower(key), "password")
		}
		if inline {
			d.masked(p, "a password inside the file", `keep the whole URL elsewhere: postgres = "env:HOLDFAST_POSTGRES"`)
			return
		}
		*dst = Secret{"plain", text}
		return
	default:
		d.masked(p, "this looks like the secret itself, not like a reference", hint)
		return
	}
	*dst = Secret{scheme, value}
}

// masked reports a problem whose value must not be shown, whatever its shape.
func (d *decoder) masked(p path, msg, hint string) {
	n := len(d.problems)
	d.value(p, hint, "%s: %s", p, msg)
	shown := d.problems[n]
	where := d.where(d.pos.values, p)
	_, column, source := locate(d.text, where.start)
	start := len(string([]rune(source)[:column-1]))
	end := min(len(source), start+where.end-where.start)
	shown.Source = printable(redact(source[:start])) + `"` + mask + `"` + printable(redact(source[end:]))
	shown.Width = len(mask) + 2
	if d.hidden == nil {
		d.hidden = map[int]string{}
	}
	d.hidden[shown.Line] = shown.Source
}

// absolute makes a path of the configuration absolute: ~ is the home folder, anything
// relative starts at the configuration file.
func absolute(p, dir, home string) (string, error) {
	if p == "~" || strings.HasPrefix(p, "~/") {
		if home == "" {
			return "", errors.New("HOME is not set, so ~ has no meaning")
		}
		return filepath.Join(home, p[1:]), nil
	}
	if strings.HasPrefix(p, "~") {
		return "", errors.New("only ~/ is understood, not ~user")
	}
	if !filepath.IsAbs(p) {
		p = filepath.Join(dir, p)
	}
	return filepath.Clean(p), nil
}
