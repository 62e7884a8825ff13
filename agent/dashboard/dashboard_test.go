package dashboard_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ci/holdfast/agent/dashboard"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// long is a name as a repository may give it: without a place to break the line.
var long = strings.Repeat("a-very-long-name/", 12) + strings.Repeat("w", 200)

// example is a page with everything that can be wide.
func example() report.Dashboard {
	var all baseline.Histories
	for i := range 60 {
		level := 1e-4
		if i >= 30 {
			level = 1.3e-4
		}
		all.Add(int64(i+1), fmt.Sprintf("%040x", i), time.Time{}, []runner.Sample{
			{Name: "soak", Unit: "sec/op", Better: runner.LowerIsBetter, Values: []float64{level * (1 + float64(i*7%5)/200)}},
			{Name: long, Unit: long, Values: []float64{float64(i % 3)}},
		})
	}
	return report.Dashboard{
		Repo: long, Branch: long, Agent: "holdfast test", Made: time.Unix(0, 0),
		Runs:   []report.DashboardRun{{Number: 60, Verdict: runner.Failure, State: runner.StateDone, Trigger: long, Reason: long, Commit: runner.Commit{SHA: long, Subject: long}}},
		Places: []report.DashboardPlace{{What: "benchmarks", Where: long, Histories: all.All()}},
	}
}

func site() dashboard.Site {
	text, line := report.DashboardHTML(example(), "../"+dashboard.Index)
	line.Link = "r/x.html"
	return dashboard.Site{
		Pages: []dashboard.Page{{Name: line.Link, Render: func(context.Context) ([]byte, report.DashboardEntry, error) { return text, line, nil }}},
		Index: func(_ context.Context, list []report.DashboardEntry) ([]byte, error) {
			return report.DashboardIndex(list, time.Unix(0, 0), "holdfast test"), nil
		},
	}
}

// broken is a page that cannot be made.
var broken = dashboard.Page{Name: "r/broken.html", Render: func(context.Context) ([]byte, report.DashboardEntry, error) {
	return nil, report.DashboardEntry{}, errors.New("database is locked")
}}

func TestHandler(t *testing.T) {
	h := dashboard.Handler(site(), nil)
	bad := site()
	bad.Pages = append(bad.Pages, broken)
	worse := dashboard.Handler(bad, nil)
	ask := func(method, host, path string) *http.Response {
		h := h
		if strings.HasPrefix(path, "/bad") {
			h, path = worse, strings.TrimPrefix(path, "/bad")
		}
		r := httptest.NewRequest(method, "http://"+host+path, nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for _, tt := range []struct {
		method, host, path string
		code               int
		body               string
	}{
		{"GET", "127.0.0.1:8724", "/", 200, "<h1>Holdfast</h1>"},
		{"GET", "localhost", "/index.html", 200, "<h1>Holdfast</h1>"},
		{"GET", "[::1]:8724", "/r/x.html", 200, "<svg"},
		{"HEAD", "127.0.0.1", "/r/x.html", 200, ""},
		{"POST", "127.0.0.1", "/", 405, "only to be read"},
		{"GET", "127.0.0.1", "/r/y.html", 404, "no such page"},
		{"GET", "127.0.0.1", "/../../etc/passwd", 404, "no such page"},
		{"GET", "127.0.0.1", "/bad/r/broken.html", 500, "cannot be made now"},
		{"GET", "127.0.0.1", "/bad/r/x.html", 200, "<svg"},
		{"GET", "127.0.0.1", "/bad/", 500, "cannot be made now"},
		// Somebody's page whose name was made to lead here.
		{"GET", "evil.example", "/", 421, "localhost"},
		{"GET", "127.0.0.1.evil.example:8724", "/", 421, "localhost"},
		{"GET", "10.0.0.1", "/", 421, "localhost"},
	} {
		res := ask(tt.method, tt.host, tt.path)
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != tt.code || !strings.Contains(string(body), tt.body) || strings.Contains(string(body), "locked") {
			t.Errorf("%s %s%s: %d %.100s", tt.method, tt.host, tt.path, res.StatusCode, body)
		}
		if p := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'; style-src 'sha256-") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: policy %q", tt.path, p)
		}
	}
	// The policy lets the page's own style through.
	body, _ := io.ReadAll(ask("GET", "localhost", "/r/x.html").Body)
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindSubmatch(body)
	if style == nil {
		t.Fatal("no style")
	}
	sum := sha256.Sum256(style[1])
	if want := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(report.DashboardPolicy(), want) {
		t.Errorf("the policy %q does not allow %s", report.DashboardPolicy(), want)
	}
}

// However often they are asked for, the list and a page cost one reading of the history in half
// a minute, and an error is not kept.
func TestPagesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rendered, fail := 0, true
		s := site()
		render := s.Pages[0].Render
		s.Pages[0].Render = func(ctx context.Context) ([]byte, report.DashboardEntry, error) {
			if rendered++; fail {
				return nil, report.DashboardEntry{}, errors.New("no")
			}
			return render(ctx)
		}
		h := dashboard.Handler(s, nil)
		ask := func(path string, code, want int) {
			t.Helper()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost"+path, nil))
			if w.Code != code || rendered != want {
				t.Errorf("%d, rendered %d times, want %d, %d", w.Code, rendered, code, want)
			}
		}
		ask("/", 500, 1)
		ask("/r/x.html", 500, 2)
		fail = false
		ask("/", 200, 3)
		ask("/r/x.html", 200, 3)
		ask("/", 200, 3)
		time.Sleep(29 * time.Second)
		ask("/r/x.html", 200, 3)
		time.Sleep(2 * time.Second)
		ask("/r/x.html", 200, 4)
		ask("/", 200, 4)
	})
}

// The files are written each from one reading, and the first page after those it leads to.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	all, rendered := site(), 0
	render := all.Pages[0].Render
	all.Pages[0].Render = func(ctx context.Context) ([]byte, report.DashboardEntry, error) {
		rendered++
		return render(ctx)
	}
	bad := all
	bad.Pages = append(bad.Pages, broken)
	if err := dashboard.Write(t.Context(), dir, bad); err == nil || !strings.Contains(err.Error(), "r/broken.html: database is locked") {
		t.Error(err)
	}
	files := func(want int) {
		t.Helper()
		pages, err := filepath.Glob(filepath.Join(dir, "r", "*"))
		first, _ := filepath.Glob(filepath.Join(dir, "*.html"))
		if err != nil || len(pages) != 1 || len(first) != want || rendered != 1 {
			t.Errorf("%v, %v, %v, rendered %d times", pages, first, err, rendered)
		}
		rendered = 0
	}
	files(0)
	for range 2 {
		if err := dashboard.Write(t.Context(), dir, all); err != nil {
			t.Fatal(err)
		}
		files(1)
	}
	index, err := os.ReadFile(filepath.Join(dir, dashboard.Index))
	if err != nil || !strings.Contains(string(index), "<td>1 metric</td>") || !strings.Contains(string(index), `<a href="r/x.html">`) {
		t.Errorf("%v\n%s", err, index)
	}
}

func TestListen(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0:0": "no password", ":0": "no password", "x": "missing port", "192.0.2.1:80": "no password"} {
		if _, err := dashboard.Listen(t.Context(), address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := dashboard.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- dashboard.Serve(ctx, l, dashboard.Handler(site(), nil)) }()
	res, err := http.Get("http://" + l.Addr().String() + "/")
	if err != nil || res.StatusCode != 200 {
		t.Errorf("%v, %v", res, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// measures is run by a browser beside the page: what is wider than the window, and whether
// the charts have a size.
const measures = `<script>
const width = document.documentElement.clientWidth;
const wide = [...document.querySelectorAll("body *")].filter(e => !e.closest(".wide") && e.getBoundingClientRect().right > width + 1).map(e => e.tagName);
const svg = [...document.querySelectorAll("svg")].map(e => e.getBoundingClientRect()).filter(r => r.width < 100 || r.height < 30).length;
document.title = "measured " + width + " scroll " + (document.documentElement.scrollWidth - width) + " wide " + wide.join(",") + " small " + svg + " back " + getComputedStyle(document.body).backgroundColor;
</script>`

// A browser lays the pages out within its window, wide or narrow, in light and in dark.
func TestBrowser(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			browser = p
			break
		}
	}
	if browser == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no chromium")
		}
		t.Skip("no chromium: how pages look is not tested")
	}
	dir := t.TempDir()
	if err := dashboard.Write(t.Context(), dir, site()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "r", "x.html")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc := strings.Replace(string(text), "<details>", "<details open>", 1)
	for _, tt := range []struct {
		width, dark bool
		back        string
	}{{true, false, "rgb(255, 255, 255)"}, {false, false, "rgb(255, 255, 255)"}, {false, true, "rgb(20, 24, 28)"}} {
		page := strings.Replace(doc, "</body>", measures+"</body>", 1)
		if tt.dark { // there is no flag for it
			page = strings.Replace(page, "@media (prefers-color-scheme: dark)", "@media all", 1)
		}
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		size := "500,900" // nothing narrower is there without a phone
		if tt.width {
			size = "1280,900"
		}
		var got string
		for range 3 { // a browser on a busy machine may not come up
			if m := regexp.MustCompile(`<title>(measured [^<]*)</title>`).FindSubmatch(dump(t, browser, size, file)); m != nil {
				got = string(m[1])
				break
			}
		}
		if want := regexp.MustCompile(`^measured \d+ scroll 0 wide  small 0 back ` + regexp.QuoteMeta(tt.back) + `$`); !want.MatchString(got) {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// dump is the document after a browser has laid it out, nil if it did not.
func dump(t *testing.T, browser, size, file string) []byte {
	t.Helper()
	// Not of the test: what a killed browser leaves running may still write there.
	profile, err := os.MkdirTemp("", "profile")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(profile) }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+profile, "--window-size="+size, "--dump-dom", "file://"+file)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Logf("%s: %v", browser, err)
		return nil
	}
	return out
}
