// Package dashboard brings pages to a browser: as files, or over HTTP to this machine alone.
//
// In: a [Site], pages and how to render each. Out: a folder ([Write]) or a handler ([Handler],
// [Listen]). What is on the pages, and reading it from the store, are left to others; nothing
// here changes anything.
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

// Site is a page for each repository and, as [Index], the list of them.
type Site struct {
	Pages []Page
	// Index renders the first page from what the others had to say for it, in their order.
	Index func(ctx context.Context, list []report.DashboardEntry) ([]byte, error)
}

// Page is about one repository.
type Page struct {
	Name string // its address relative to the first page, and its file: "r/pool.html"
	// Render makes the page, and its line in the list of all. It reads a whole history, so
	// it is called once for both.
	Render func(ctx context.Context) ([]byte, report.DashboardEntry, error)
}

// Write puts a site into a folder, which is made. Each file is replaced as a whole, the first
// page last: it leads to pages that are there. One page at a time is held in memory.
func Write(ctx context.Context, dir string, site Site) error {
	list := make([]report.DashboardEntry, len(site.Pages))
	for i, p := range site.Pages {
		text, line, err := p.Render(ctx)
		if err != nil {
			return fmt.Errorf("render %s: %w", p.Name, err)
		}
		list[i] = line
		if err := put(dir, p.Name, text); err != nil {
			return err
		}
	}
	text, err := site.Index(ctx, list)
	if err != nil {
		return fmt.Errorf("render %s: %w", Index, err)
	}
	return put(dir, Index, text)
}

// put writes one file of a site.
func put(dir, name string, text []byte) error {
	file := filepath.Join(dir, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = runner.ReplaceFile(file, text)
	}
	if err != nil {
		return fmt.Errorf("write the dashboard: %w", err)
	}
	return nil
}

// keep is how long a page is shown again before it is rendered anew: reading the history costs
// up to a second of a core, which a benchmark may be using.
const keep = 30 * time.Second

// handler serves a site to browsers of this machine.
type handler struct {
	log   *slog.Logger
	index func(context.Context, []report.DashboardEntry) ([]byte, error)

	mu    sync.Mutex // one page is rendered at a time
	pages []*kept
}

type kept struct {
	Page
	text []byte
	line report.DashboardEntry
	at   time.Time
}

// Handler serves a site: the first page as "/", the others by their names. It answers GET and
// HEAD only, and only requests that name this machine: a page of somebody else's, whose name
// was made to lead here, cannot read it. log may be nil.
func Handler(site Site, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &handler{log: log, index: site.Index}
	for _, p := range site.Pages {
		h.pages = append(h.pages, &kept{Page: p})
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
	name := strings.TrimPrefix(r.URL.Path, "/")
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
	if name == "" || name == Index {
		// Who reads the list goes on to one of the pages: they are rendered for it.
		list := make([]report.DashboardEntry, len(h.pages))
		for i, p := range h.pages {
			if err := p.refresh(ctx); err != nil {
				return nil, fmt.Errorf("render %s: %w", p.Name, err)
			}
			list[i] = p.line
		}
		return h.index(ctx, list)
	}
	for _, p := range h.pages {
		if p.Name == name {
			err := p.refresh(ctx)
			return p.text, err
		}
	}
	return nil, os.ErrNotExist
}

// refresh renders a page unless that was done just now.
func (p *kept) refresh(ctx context.Context) error {
	if p.text != nil && time.Since(p.at) < keep {
		return nil
	}
	text, line, err := p.Render(ctx)
	if err == nil {
		p.text, p.line, p.at = text, line, time.Now()
	}
	return err
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
