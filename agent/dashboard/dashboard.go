// Package dashboard brings pages to a browser: as files, or over HTTP to this machine alone.
//
// In: pages, each a name and how to render it. Out: a folder ([Write]) or a handler
// ([Handler], [Listen]). What is on the pages, and reading it from the store, are left to
// others; nothing here changes anything.
package dashboard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// Index is the name of the first page.
const Index = "index.html"

// Page is one page.
type Page struct {
	Name   string // its address relative to the first one, and its file: "index.html", "r/pool.html"
	Render func(ctx context.Context) ([]byte, error)
}

// Write puts all pages into a folder, which is made. Each file is replaced as a whole.
func Write(ctx context.Context, dir string, pages []Page) error {
	for _, p := range pages {
		text, err := p.Render(ctx)
		if err != nil {
			return fmt.Errorf("render %s: %w", p.Name, err)
		}
		file := filepath.Join(dir, filepath.FromSlash(p.Name))
		if err = os.MkdirAll(filepath.Dir(file), 0o755); err == nil {
			err = runner.ReplaceFile(file, text)
		}
		if err != nil {
			return fmt.Errorf("write the dashboard: %w", err)
		}
	}
	return nil
}

// keep is how long a page is shown again before it is rendered anew: reading the history costs
// up to a second of a core, which a benchmark may be using.
const keep = 30 * time.Second

// handler serves pages to browsers of this machine.
type handler struct {
	log *slog.Logger

	mu    sync.Mutex // one page is rendered at a time
	pages map[string]*kept
}

type kept struct {
	Page
	text []byte
	at   time.Time
}

// Handler serves pages: the first one as "/", the others by their names. It answers GET and
// HEAD only, and only requests that name this machine: a page of somebody else's, whose name
// was made to lead here, cannot read it. log may be nil.
func Handler(pages []Page, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &handler{log: log, pages: map[string]*kept{}}
	for _, p := range pages {
		h.pages["/"+p.Name] = &kept{Page: p}
	}
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", report.DashboardPolicy())
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	if !local(r.Host) {
		http.Error(w, "ask for it as localhost", http.StatusMisdirectedRequest)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "only to be read", http.StatusMethodNotAllowed)
		return
	}
	name := r.URL.Path
	if name == "/" {
		name += Index
	}
	text, err := h.page(r.Context(), name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		http.Error(w, "no such page", http.StatusNotFound)
	case err != nil:
		h.log.Error("render the dashboard", "page", name, "error", err)
		http.Error(w, "this page cannot be made now; the log of holdfast dashboard says why", http.StatusInternalServerError)
	default:
		header.Set("Content-Type", "text/html; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	}
}

func (h *handler) page(ctx context.Context, name string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.pages[name]
	if p == nil {
		return nil, os.ErrNotExist
	}
	if p.text != nil && time.Since(p.at) < keep {
		return p.text, nil
	}
	text, err := p.Render(ctx)
	if err != nil {
		return nil, err
	}
	p.text, p.at = text, time.Now()
	return text, nil
}

// local reports whether a Host header names this machine.
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Listen opens an address of this machine. There is no password, so no other will do.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, runner.WithHint(fmt.Errorf("listen on %s: %w", address, err), "an address is HOST:PORT, such as 127.0.0.1:8724")
	}
	if !local(host) {
		return nil, runner.WithHint(fmt.Errorf("listen on %s: that is not this machine alone, and there is no password", address),
			"listen on 127.0.0.1 behind a proxy that asks who it is, or write files with --out")
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

// Serve answers requests until ctx ends.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
