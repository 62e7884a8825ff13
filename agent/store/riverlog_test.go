package store_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
)

// A database that is away for an hour is a line a minute, not ten thousand; other messages
// are not held back by that, and what River says below a warning is none of ours.
func TestRiverLog(t *testing.T) {
	var text bytes.Buffer
	o := storetest.SQLite().New(t)
	o.Log = slog.New(slog.NewTextHandler(&text, nil))
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	synctest.Test(t, func(*testing.T) {
		log := s.RiverLog()
		for range 3600 {
			log.With("queue", "build").Error("fetching jobs", "err", errors.New("refused"))
			log.Info("its own insides")
			time.Sleep(time.Second)
		}
		log.Warn("something else")
	})
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 61 || !strings.Contains(lines[1], "repeated=59") || strings.Contains(lines[0], "repeated") || !strings.Contains(lines[60], "something else") {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines[:3], "\n"))
	}
}
