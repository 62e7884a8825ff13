package intake_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/intake"
)

const hookSecret = "0123456789abcdef-hook"

func sign(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(m, body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

type hookTest struct {
	t      *testing.T
	srv    *httptest.Server
	events []intake.Event
	fail   error
	log    bytes.Buffer
}

func newHookTest(t *testing.T) *hookTest {
	h := &hookTest{t: t}
	seen := map[string]bool{}
	h.srv = httptest.NewServer(intake.NewHook(intake.Hook{
		Secret: []byte(hookSecret), Log: slog.New(slog.NewTextHandler(&h.log, nil)),
		Once: func(_ context.Context, id string, _ time.Duration) (bool, error) {
			first := !seen[id]
			seen[id] = true
			return first, nil
		},
		Forget: func(_ context.Context, id string) error { delete(seen, id); return nil },
		Handle: func(_ context.Context, ev intake.Event) error { h.events = append(h.events, ev); return h.fail },
	}))
	t.Cleanup(h.srv.Close)
	return h
}

func (h *hookTest) send(body string, header map[string]string) (int, string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.srv.URL, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-GitHub-Delivery", "d-1")
	req.Header.Set("X-Hub-Signature-256", sign(hookSecret, body))
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// Only what GitHub signed is taken, and only once, whatever number it is sent under.
func TestWebhook(t *testing.T) {
	h := newHookTest(t)
	body := fmt.Sprintf(`{"action":"rerequested","repository":{"full_name":"acme/pool"},"check_run":{"head_sha":%q},"requested_action":{"identifier":"fresh"}}`, hubtest.SHA("a1"))
	check := map[string]string{"X-GitHub-Event": "check_run"}
	if code, text := h.send(body, check); code != http.StatusAccepted {
		t.Fatalf("%d %s", code, text)
	}
	want := intake.Event{Delivery: "d-1", Kind: "check_run", Action: "rerequested", Repo: "acme/pool", SHA: hubtest.SHA("a1"), Identifier: "fresh"}
	if len(h.events) != 1 || h.events[0] != want {
		t.Errorf("events %+v, want %+v", h.events, want)
	}
	for _, header := range []map[string]string{nil, {"X-GitHub-Delivery": "d-2"}, {"X-Hub-Signature-256": strings.ToUpper(sign(hookSecret, body))[:7] + sign(hookSecret, body)[7:]}} {
		if code, _ := h.send(body, header); code == http.StatusAccepted {
			t.Errorf("repeated with %v: taken again", header)
		}
	}
	upper := sign(hookSecret, body)
	if code, _ := h.send(body, map[string]string{"X-Hub-Signature-256": "sha256=" + strings.ToUpper(upper[7:])}); code == http.StatusAccepted {
		t.Error("repeated with the signature in upper case: taken again")
	}
	other := `{"repository":{"full_name":"acme/pool"}}`
	for name, header := range map[string]map[string]string{
		"no signature":      {"X-Hub-Signature-256": ""},
		"another secret":    {"X-Hub-Signature-256": sign("another-secret-of-some-length", other)},
		"another body":      {"X-Hub-Signature-256": sign(hookSecret, body)},
		"cut short":         {"X-Hub-Signature-256": sign(hookSecret, other)[:40]},
		"the older SHA-1":   {"X-Hub-Signature-256": "sha1=" + strings.Repeat("a", 40)},
		"not hexadecimal":   {"X-Hub-Signature-256": "sha256=" + strings.Repeat("z", 64)},
		"the empty secret":  {"X-Hub-Signature-256": sign("", other)},
		"an empty digest":   {"X-Hub-Signature-256": "sha256="},
		"as a form":         {"Content-Type": "application/x-www-form-urlencoded"},
		"no content type":   {"Content-Type": ""},
		"an odd media type": {"Content-Type": ";;"},
	} {
		if code, _ := h.send(other, header); code != http.StatusUnauthorized && code != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %d", name, code)
		}
	}
	for _, bad := range []string{"", "null of course", "[]", `{"repository":7}`} {
		if code, _ := h.send(bad, nil); code != http.StatusBadRequest {
			t.Errorf("%q: %d", bad, code)
		}
	}
	if len(h.events) != 1 {
		t.Errorf("events %+v", h.events)
	}
	if code, text := h.send(`{"zen":"x"}`, map[string]string{"X-GitHub-Event": "ping"}); code != http.StatusOK || !strings.Contains(text, "pong") {
		t.Errorf("ping: %d %s", code, text)
	}
	if strings.Contains(h.log.String(), hookSecret) {
		t.Errorf("the secret is in the log:\n%s", h.log.String())
	}
	resp, err := http.Get(h.srv.URL) //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.StatusCode)
	}
}

// A delivery that could not be handled may come again; hostile names are dropped.
func TestWebhookFailures(t *testing.T) {
	h := newHookTest(t)
	h.fail = errors.New("database is locked")
	body := `{"repository":{"full_name":"acme/../../etc"},"check_suite":{"head_sha":"--upload-pack=x"}}`
	if code, text := h.send(body, nil); code != http.StatusInternalServerError || strings.Contains(text, "locked") {
		t.Errorf("%d %s", code, text)
	}
	h.fail = nil
	if code, _ := h.send(body, nil); code != http.StatusAccepted {
		t.Errorf("again: %d", code)
	}
	if ev := h.events[1]; ev.Repo != "" || ev.SHA != "" {
		t.Errorf("event %+v", ev)
	}
	if code, _ := h.send(strings.Repeat("x", 25<<20+1), map[string]string{"X-Hub-Signature-256": sign(hookSecret, "x")}); code != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", code)
	}
}
