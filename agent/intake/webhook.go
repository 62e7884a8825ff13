package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"
)

const (
	// maxDelivery is more than GitHub sends.
	maxDelivery = 25 << 20
	// maxDeliveries are read at a time: whoever has no secret must not fill the memory.
	maxDeliveries = 4
	// replayWindow is how long a delivery is remembered. GitHub does not repeat one by
	// itself, and people can for three days.
	replayWindow = 7 * 24 * time.Hour
)

// Event is what a webhook told. Its texts have GitHub's signature, which says that GitHub
// sent them, not that what is in them is harmless.
type Event struct {
	Delivery string // GitHub's number of it
	Kind     string // "push", "pull_request", "check_run", "issue_comment", …
	Action   string // "rerequested"; "" if the kind has none
	Repo     string // "owner/name"; "" if it is about none
	// Of a check run or check suite:
	SHA        string
	Identifier string // of the button that was pressed
}

// Hook receives webhooks. A delivery is taken if its signature is right and it was not
// taken before; then Handle is called, whose error makes GitHub show the delivery as
// failed.
//
// The signature covers the body alone, so a delivery is recognized by its signature: the
// number in its header could be changed by whoever repeats it.
type Hook struct {
	Secret []byte
	// Once notes that a delivery is taken and reports whether it is the first time; what was
	// noted longer than keep ago may be forgotten.
	Once func(ctx context.Context, id string, keep time.Duration) (bool, error)
	// Forget takes that back.
	Forget func(ctx context.Context, id string) error
	Handle func(context.Context, Event) error
	Log    *slog.Logger

	slots chan struct{}
}

// NewHook returns a handler for webhooks.
func NewHook(h Hook) *Hook {
	h.slots = make(chan struct{}, maxDeliveries)
	return &h
}

// Server serves the hook with limits for strangers.
func (h *Hook) Server() *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(h.Log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP takes one delivery.
func (h *Hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, text := h.take(w, r)
	if code == http.StatusUnauthorized {
		h.Log.Warn("webhook refused", "why", text, "from", r.RemoteAddr)
	}
	http.Error(w, text, code)
}

func (h *Hook) take(w http.ResponseWriter, r *http.Request) (code int, text string) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, "webhooks are posted"
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, "choose application/json as the content type of the webhook"
	}
	signature, ok := strings.CutPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=")
	given, err := hex.DecodeString(signature)
	if !ok || err != nil || len(given) != sha256.Size {
		return http.StatusUnauthorized, "no signature: set a secret in the settings of the webhook"
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-r.Context().Done():
		return http.StatusServiceUnavailable, "busy"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge, "the delivery is too large"
	}
	if err != nil {
		return http.StatusBadRequest, "the delivery could not be read"
	}
	mac := hmac.New(sha256.New, h.Secret)
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), given) {
		return http.StatusUnauthorized, "wrong signature: the secret of the webhook is not that of github.webhook_secret"
	}
	ev, err := event(r.Header, body)
	if err != nil {
		return http.StatusBadRequest, "the delivery is not what GitHub sends"
	}
	if ev.Kind == "ping" {
		return http.StatusOK, "pong"
	}
	id := hex.EncodeToString(given)
	first, err := h.Once(r.Context(), id, replayWindow)
	if err == nil && !first {
		return http.StatusOK, "taken before"
	}
	if err == nil {
		err = h.Handle(r.Context(), ev)
		if err != nil {
			err = errors.Join(err, h.Forget(context.WithoutCancel(r.Context()), id))
		}
	}
	if err != nil {
		h.Log.Error("webhook", "delivery", ev.Delivery, "event", ev.Kind, "repo", ev.Repo, "error", err)
		return http.StatusInternalServerError, "not taken; see the log of the agent"
	}
	return http.StatusAccepted, "taken"
}

// event reads what matters of a delivery.
func event(h http.Header, body []byte) (Event, error) {
	type head struct {
		SHA string `json:"head_sha"`
	}
	var doc struct {
		Action     string `json:"action"`
		Repository struct {
			Name string `json:"full_name"`
		} `json:"repository"`
		CheckRun   *head `json:"check_run"`
		CheckSuite *head `json:"check_suite"`
		Requested  struct {
			Identifier string `json:"identifier"`
		} `json:"requested_action"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return Event{}, err
	}
	ev := Event{
		Delivery: clip(h.Get("X-GitHub-Delivery")), Kind: clip(h.Get("X-GitHub-Event")), Action: clip(doc.Action), Identifier: clip(doc.Requested.Identifier),
	}
	if owner, name, ok := strings.Cut(doc.Repository.Name, "/"); ok && plain(owner) && plain(name) {
		ev.Repo = doc.Repository.Name
	}
	for _, k := range []*head{doc.CheckRun, doc.CheckSuite} {
		if k != nil && isSHA(k.SHA) {
			ev.SHA = k.SHA
		}
	}
	return ev, nil
}
