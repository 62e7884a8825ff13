package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const secretText = "hunter2-and-more"

func secretOf(t *testing.T, ref string) Secret {
	t.Helper()
	c := parseString(t, fmt.Sprintf("[github]\ntoken = %q\n[[repositories]]\npath = \".\"\n", ref))
	return c.GitHub.Token
}

func TestSecretFromEnvironment(t *testing.T) {
	s := secretOf(t, "env:TOKEN")
	got, err := s.Resolve(t.Context(), []string{"TOKEN=old", "TOKEN=" + secretText})
	if err != nil || got != secretText {
		t.Errorf("Resolve = %q, %v", got, err)
	}
	if _, err := s.Resolve(t.Context(), []string{"TOKEN2=x"}); err == nil || hintOf(err) == "" {
		t.Errorf("unset variable: %v", err)
	}
	if _, err := s.Resolve(t.Context(), []string{"TOKEN=a\nb"}); err == nil {
		t.Error("two lines were accepted")
	}
	if _, err := (Secret{}).Resolve(t.Context(), nil); err == nil || !(Secret{}).IsZero() || s.IsZero() {
		t.Errorf("the zero value resolves: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %s %q %#v", s, s, s, s, s); strings.Contains(text, secretText) {
		t.Errorf("printed: %s", text)
	}
}

// A private key may stand on one line, in the ways in which places for secrets write it.
func TestKeys(t *testing.T) {
	const pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nhunter2\n-----END RSA PRIVATE KEY-----"
	s := secretOf(t, "env:KEY")
	for name, text := range map[string]string{
		"as it is":    pem + "\n",
		"escaped":     strings.ReplaceAll(pem, "\n", `\n`),
		"base64":      base64.StdEncoding.EncodeToString([]byte(pem)),
		"hexadecimal": hex.EncodeToString([]byte(pem)),
	} {
		if got, err := s.ResolveKey(t.Context(), []string{"KEY=" + text}); err != nil || string(got) != pem {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, env := range []string{"KEY=", "KEY= \n ", "OTHER=x"} {
		if got, err := s.ResolveKey(t.Context(), []string{env}); err == nil {
			t.Errorf("%q gives the key %q", env, got)
		}
	}
}

func TestSecretFromFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	s := secretOf(t, "file:"+file)
	write := func(text string, mode os.FileMode) {
		t.Helper()
		os.Remove(file)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Resolve(t.Context(), nil); err == nil {
		t.Error("a missing file resolves")
	}
	write(secretText+"\n", 0o600)
	if got, err := s.Resolve(t.Context(), nil); err != nil || got != secretText {
		t.Errorf("Resolve = %q, %v", got, err)
	}
	write(secretText, 0o400)
	if got, err := s.Resolve(t.Context(), nil); err != nil || got != secretText {
		t.Errorf("Resolve of mode 0400 = %q, %v", got, err)
	}
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string
	}{
		{secretText, 0o640, "others can read it (mode 0640)"},
		{secretText, 0o604, "others can read it"},
		{"", 0o600, "is empty"},
		{"\n\n", 0o600, "is empty"},
		{secretText + "\n" + secretText, 0o600, "more than one line"},
		{strings.Repeat("x", maxSecret+1), 0o600, "larger than"},
	} {
		write(c.text, c.mode)
		_, err := s.Resolve(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error()+hintOf(err), secretText) {
			t.Errorf("mode %o: %v, want %q", c.mode, err, c.want)
		}
	}
	os.Remove(file)
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(t.Context(), nil); err == nil {
		t.Error("a folder resolves")
	}
	if home := secretOf(t, "file:~/t"); home.String() != "file:/home/nobody/t" {
		t.Errorf("~ became %s", home)
	}
	if here := secretOf(t, "file:t"); here.String() != "file:/etc/holdfast/t" {
		t.Errorf("a relative path became %s", here)
	}
}

func TestSecretFromKeychain(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("would ask the keychain of whoever runs the tests")
	}
	if _, err := secretOf(t, "keychain:holdfast/github").Resolve(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "only macOS") {
		t.Errorf("keychain: %v", err)
	}
}

func TestPostgresURL(t *testing.T) {
	parse := func(ref string) (*Config, error) {
		return Parse("/x/agent.toml", fmt.Appendf(nil, "[engine]\npostgres = %q\n[[repositories]]\npath = \".\"\n", ref))
	}
	c, err := parse("postgres://me@db:5432/holdfast?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Engine.Postgres.Resolve(t.Context(), nil); err != nil || got != "postgres://me@db:5432/holdfast?sslmode=require" || c.Engine.SQLite != "" {
		t.Errorf("Resolve = %q, %v; %+v", got, err, c.Engine)
	}
	for _, ref := range []string{"postgres://me:hunter2@db/x", "postgres://db/x?password=hunter2", "host=db password=hunter2", "postgres:hunter2", "hunter2"} {
		if _, err := parse(ref); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// Wherever somebody pastes a secret, no message repeats it.
func TestPastedSecretsAreNotRepeated(t *testing.T) {
	const ghp = "ghp_hunter2hunter2hunter2hunter2hun2"
	for _, text := range []string{
		"[github]\ntoken = '" + ghp + "'\n",
		"[github]\ntoken = \"" + ghp + "\"   x\n",
		"[github]\ntoken = " + ghp + "\n",
		"[github]\ntoken = ['" + ghp + "']\n",
		"[github]\napi = 'https://me:hunter2@api.github.com'\n",
		"[github]\napi = '" + ghp + "'\n",
		"github.token = '" + ghp + "'\n",
		"github = { token = '" + ghp + "', post = 3 }\n",
		"[agent]\nname = ['" + ghp + "']\n",
		"[agent]\napi_key = 'hunter2'\n",
		"[[schedules]]\nname = 'x'\ncron = '" + ghp + "'\n",
		"[thresholds]\nrequire = ['" + ghp + "']\n",
		"[proofs]\nsorry = '" + ghp + "'\n",
		"[proofs]\nlimit = '" + ghp + "'\n",
		"[[repositories]]\nurl = 'https://oauth2:hunter2@host/x'\ngithub = '" + ghp + "'\n",
		"[[repositories]]\nurl = 'weird://oauth2:hunter2@host/x'\n",
		"[" + ghp + "]\n",
		ghp + " = 1\n",
	} {
		_, err := Parse("agent.toml", []byte(text))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s→ %v", text, err)
		}
	}
}
