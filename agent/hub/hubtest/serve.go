package hubtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// answer is a response being made.
type answer struct {
	code   int
	header http.Header
	value  map[string]any // of an error
	body   any            // of a success
	raw    []byte         // instead of either
}

func (a *answer) fail(code int, format string, args ...any) {
	a.code, a.body = code, nil
	a.value = map[string]any{
		"message":           fmt.Sprintf(format, args...),
		"documentation_url": "https://docs.github.com/rest",
	}
}

// invalid is a 422 with the detail where GitHub puts it.
func (a *answer) invalid(resource, field, message string) {
	a.fail(http.StatusUnprocessableEntity, "Validation Failed")
	a.value["errors"] = []any{map[string]any{"resource": resource, "field": field, "code": "custom", "message": message}}
}

func (a *answer) ok(code int, body any) { a.code, a.body = code, body }

func (a *answer) bytes() []byte {
	switch {
	case a.raw != nil:
		return a.raw
	case a.value != nil:
		b, _ := json.Marshal(a.value)
		return b
	case a.body == nil:
		return nil
	}
	b, err := json.Marshal(a.body)
	if err != nil {
		panic(err)
	}
	return b
}

// call is one request with what was found out about it.
type call struct {
	*answer
	f       *Fake
	r       *http.Request
	path    []string // after the base path
	who     *account // nil: anonymous
	repo    *Repo
	fields  map[string]any // of the JSON body
	text0   []byte         // the body as it came
	unknown bool           // the description does not have the request
	free    bool           // does not count for the hourly limit
}

// ServeHTTP answers one request.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return // the client went away
	}
	f.mu.Lock()
	ft := f.fault(r)
	a := &answer{code: http.StatusOK, header: http.Header{}}
	a.header.Set("Content-Type", "application/json; charset=utf-8")
	line := len(f.requests)
	f.requests = append(f.requests, "")
	c := &call{answer: a, f: f, r: r}
	hit := f.trap.spring()
	if hit && !f.trap.after {
		f.trap.do()
		f.requests[line] = record(r, a, body, true)
		f.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	if ft == nil || ft.After || ft.Kind == FailTruncated {
		f.handle(c, body)
		f.replicate(r, a)
	}
	if hit {
		f.trap.do()
	}
	f.rate(a)
	if ft != nil {
		ft.spoil(r, a)
	}
	c.conditional()
	reset := ft != nil && (ft.Kind == FailReset || ft.Kind == FailSlow)
	f.requests[line] = record(r, a, body, reset)
	wall := f.wall()
	f.mu.Unlock()

	switch {
	case ft != nil && ft.Kind == FailSlow:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case reset:
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.Header().Set("Date", wall.UTC().Format(http.TimeFormat))
	out := a.bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	if a.code == http.StatusNotModified || a.code == http.StatusNoContent {
		w.Header().Del("Content-Length")
		w.WriteHeader(a.code)
		return
	}
	w.WriteHeader(a.code)
	if ft != nil && ft.Kind == FailTruncated {
		_, _ = w.Write(out[:len(out)/2])
		_ = http.NewResponseController(w).Flush() // so that the half arrives
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(out)
}

// rate sets the headers of the hourly limit.
func (f *Fake) rate(a *answer) {
	a.header.Set("X-RateLimit-Limit", "5000")
	a.header.Set("X-RateLimit-Remaining", strconv.Itoa(f.limit))
	a.header.Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
}

// conditional gives a good answer to a GET its ETag, and turns it into a 304 when the
// client has it already. A 304 has no Link header and does not count.
func (c *call) conditional() {
	if c.free {
		return
	}
	if c.r.Method != http.MethodGet {
		c.f.count()
		return
	}
	if c.code != http.StatusOK {
		c.f.count()
		return
	}
	etag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(c.bytes()))
	c.header.Set("ETag", etag)
	c.header.Set("Cache-Control", "private, max-age=60, s-maxage=60")
	if c.r.Header.Get("If-None-Match") == etag {
		c.code, c.body, c.value, c.raw = http.StatusNotModified, nil, nil, []byte{}
		c.header.Del("Link")
		return
	}
	c.f.count()
}

func (f *Fake) count() {
	if f.limit > 0 {
		f.limit--
	}
}

// handle checks what holds for every request, then routes; f.mu is held.
func (f *Fake) handle(c *call, body []byte) {
	r := c.r
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v3/")
	if !ok {
		c.fail(http.StatusNotFound, "Not Found")
		return
	}
	for _, p := range strings.Split(path, "/") {
		u, err := url.PathUnescape(p)
		if err != nil {
			c.fail(http.StatusBadRequest, "bad path")
			return
		}
		c.path = append(c.path, u)
	}
	if r.UserAgent() == "" || strings.HasPrefix(r.UserAgent(), "Go-http-client") {
		c.fail(http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header")
		return
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/vnd.github") || r.Header.Get("X-GitHub-Api-Version") == "" {
		c.fail(http.StatusBadRequest, "hubtest: the Accept or X-GitHub-Api-Version header is missing")
		return
	}
	byJWT := strings.Count(r.Header.Get("Authorization"), ".") == 2
	if auth := r.Header.Get("Authorization"); auth != "" && !byJWT {
		token, _ := strings.CutPrefix(auth, "Bearer ")
		if c.who = f.tokens[token]; c.who == nil || !c.who.until.IsZero() && f.wall().After(c.who.until) {
			c.fail(http.StatusUnauthorized, "Bad credentials")
			return
		}
	}
	if f.limit == 0 {
		c.fail(http.StatusForbidden, "API rate limit exceeded for user ID 1.")
		return
	}
	if len(body) > 0 {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			c.fail(http.StatusUnsupportedMediaType, "hubtest: the body is not labelled application/json")
			return
		}
		c.text0 = body
		d := json.NewDecoder(bytes.NewReader(body))
		if err := d.Decode(&c.fields); err != nil {
			c.fail(http.StatusBadRequest, "Problems parsing JSON")
			return
		}
	}
	var sent any
	if c.fields != nil {
		sent = c.fields
	}
	switch why := undocumented(r, path, sent); why {
	case "":
	case noSuch:
		c.unknown = true
	default:
		c.invalid("hubtest", "openapi", "not in GitHub's description: "+why)
		return
	}
	if c.routeApp() {
		return
	}
	if byJWT {
		c.fail(http.StatusUnauthorized, "Bad credentials")
		return
	}
	c.route()
}

func (c *call) route() {
	switch {
	case len(c.path) == 1 && c.path[0] == "user" && c.r.Method == http.MethodGet:
		if c.who == nil {
			c.fail(http.StatusUnauthorized, "Requires authentication")
			return
		}
		if c.who.in != nil {
			c.fail(http.StatusForbidden, "Resource not accessible by integration")
			return
		}
		c.ok(http.StatusOK, user(c.who.login))
	case len(c.path) == 1 && c.path[0] == "rate_limit":
		c.free = true
		core := map[string]any{"limit": 5000, "remaining": c.f.limit, "reset": c.f.wall().Add(time.Hour).Unix()}
		c.ok(http.StatusOK, map[string]any{"resources": map[string]any{"core": core}, "rate": core})
		if c.who != nil && c.who.in == nil {
			c.header.Set("X-OAuth-Scopes", c.who.scopes)
			if c.who.ends != "" {
				c.header.Set("GitHub-Authentication-Token-Expiration", c.who.ends)
			}
		}
	case len(c.path) >= 2 && c.path[0] == "repositories":
		for _, r := range c.f.repos {
			if strconv.FormatInt(r.id, 10) == c.path[1] {
				c.repo = r
			}
		}
		c.inRepo(c.path[2:])
	case len(c.path) >= 3 && c.path[0] == "repos":
		slug := fold(c.path[1] + "/" + c.path[2])
		if to, ok := c.f.moved[slug]; ok {
			c.redirect(to, c.path[3:]...)
			return
		}
		c.repo = c.f.repos[slug]
		c.inRepo(c.path[3:])
	default:
		c.fail(http.StatusNotFound, "Not Found")
	}
}

// redirect sends the client to what a repository is called now.
func (c *call) redirect(slug string, rest ...string) {
	code := http.StatusMovedPermanently
	if c.r.Method != http.MethodGet {
		code = http.StatusTemporaryRedirect
	}
	to := c.f.URL() + strings.Join(append([]string{"repositories", strconv.FormatInt(c.f.repos[fold(slug)].id, 10)}, rest...), "/")
	if q := c.r.URL.RawQuery; q != "" {
		to += "?" + q
	}
	c.fail(code, "Moved Permanently")
	c.header.Set("Location", to)
}

func (c *call) inRepo(p []string) {
	if c.repo == nil || !c.repo.sees(c.who) {
		c.fail(http.StatusNotFound, "Not Found")
		return
	}
	if c.r.Method != http.MethodGet && c.repo.archived {
		c.fail(http.StatusForbidden, "Repository was archived so is read-only.")
		return
	}
	pattern := c.r.Method
	args := []string{}
	for i, s := range p {
		// The fixed words of the API at their places; anything else is an argument.
		if i == 0 || s == "comments" || s == "reactions" ||
			i == 2 && slices.Contains([]string{"statuses", "status", "permission", "check-runs", "check-suites"}, s) {
			pattern += "/" + s
		} else {
			pattern += "/*"
			args = append(args, s)
		}
	}
	for _, rt := range routes {
		if rt.pattern == pattern && c.unknown {
			c.fail(http.StatusUnprocessableEntity, "hubtest: %s", noSuch)
			return
		}
		if rt.pattern == pattern {
			rt.do(c, args)
			return
		}
	}
	c.fail(http.StatusNotFound, "Not Found")
}

var routes = []struct {
	pattern string
	do      func(*call, []string)
}{
	{"GET", (*call).getRepo},
	{"GET/branches", (*call).listBranches},
	{"GET/pulls", (*call).listPulls},
	{"GET/pulls/*", (*call).getPull},
	{"POST/statuses/*", (*call).createStatus},
	{"GET/commits/*/statuses", (*call).listStatuses},
	{"GET/commits/*/status", (*call).combinedStatus},
	{"POST/check-runs", (*call).createCheckRun},
	{"GET/check-runs/*", (*call).getCheckRun},
	{"PATCH/check-runs/*", (*call).editCheckRun},
	{"GET/commits/*/check-runs", (*call).listCheckRuns},
	{"GET/commits/*/check-suites", (*call).listSuites},
	{"GET/issues", (*call).listIssues},
	{"POST/issues", (*call).createIssue},
	{"GET/issues/*", (*call).getIssue},
	{"PATCH/issues/*", (*call).editIssue},
	{"GET/issues/*/comments", (*call).listComments},
	{"POST/issues/*/comments", (*call).createComment},
	{"GET/issues/comments", (*call).allComments},
	{"GET/issues/comments/*", (*call).getComment},
	{"POST/issues/comments/*/reactions", (*call).createReaction},
	{"GET/collaborators/*/permission", (*call).permission},
	{"PATCH/issues/comments/*", (*call).editComment},
	{"DELETE/issues/comments/*", (*call).removeComment},
	{"GET/commits/*/comments", (*call).listCommitComments},
	{"POST/commits/*/comments", (*call).createCommitComment},
	{"GET/comments/*", (*call).getCommitComment},
	{"PATCH/comments/*", (*call).editCommitComment},
}

// page answers with one page of a list and its Link header.
func page[T any](c *call, all []T) {
	all = slices.DeleteFunc(slices.Clone(all), func(v T) bool { return c.f.unseen(v) })
	q := c.r.URL.Query()
	per, _ := strconv.Atoi(q.Get("per_page"))
	if per <= 0 {
		per = 30
	}
	per = min(per, 100)
	n, _ := strconv.Atoi(q.Get("page"))
	n = max(n, 1)
	last := max(1, (len(all)+per-1)/per)
	var links []string
	link := func(to int, rel string) {
		q.Set("page", strconv.Itoa(to))
		u := c.f.srv.URL + c.r.URL.EscapedPath() + "?" + q.Encode()
		links = append(links, fmt.Sprintf(`<%s>; rel="%s"`, u, rel))
	}
	if n > 1 {
		link(n-1, "prev")
		link(1, "first")
	}
	if n < last {
		link(n+1, "next")
		link(last, "last")
	}
	if len(links) > 0 {
		c.header.Set("Link", strings.Join(links, ", "))
	}
	from := min((n-1)*per, len(all))
	c.ok(http.StatusOK, append([]T{}, all[from:min(from+per, len(all))]...))
}

// may checks a permission of the token and answers 403 as GitHub does without it.
func (c *call) may(permission string) bool {
	if c.who == nil {
		c.fail(http.StatusUnauthorized, "Requires authentication")
		return false
	}
	if !c.who.writes(permission) {
		what := "personal access token"
		if c.who.in != nil {
			what = "integration"
		}
		c.fail(http.StatusForbidden, "Resource not accessible by %s", what)
		c.header.Set("X-Accepted-GitHub-Permissions", permission+"=write")
		return false
	}
	return true
}

// only refuses fields that the API does not have: GitHub ignores them, which hides typing
// errors.
func (c *call) only(names ...string) bool {
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	for k, v := range c.fields {
		if _, isText := v.(string); !known[k] || !isText {
			c.invalid("hubtest", k, fmt.Sprintf("field %q is unknown or not a text", k))
			return false
		}
	}
	return true
}

func (c *call) text(name string) string {
	s, _ := c.fields[name].(string)
	return s
}

func user(login string) map[string]any {
	kind := "User"
	if strings.HasSuffix(login, "[bot]") {
		kind = "Bot"
	}
	return map[string]any{"login": login, "id": len(login), "type": kind}
}

// record is one line of [Fake.Requests].
func record(r *http.Request, a *answer, body []byte, reset bool) string {
	what := strconv.Itoa(a.code)
	if reset {
		what = "reset"
	}
	line := r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/api/v3") + " " + what
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return line
	}
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		s := strings.Join(strings.Fields(fmt.Sprint(fields[k])), " ")
		if rs := []rune(s); len(rs) > 60 {
			s = string(rs[:60]) + "…"
		}
		line += fmt.Sprintf(" %s=%q", k, s)
	}
	return line
}
