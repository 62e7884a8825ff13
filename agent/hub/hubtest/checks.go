package hubtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// checkRun is one check run. Its fields are those of the API.
type checkRun struct {
	id          int64
	app         *app
	sha         string
	fields      checkFields
	annotations []annotation
	edits       int
}

type checkFields struct {
	Name        string      `json:"name"`
	HeadSHA     string      `json:"head_sha"`
	DetailsURL  string      `json:"details_url"`
	ExternalID  string      `json:"external_id"`
	Status      string      `json:"status"`
	Conclusion  string      `json:"conclusion"`
	StartedAt   string      `json:"started_at"`
	CompletedAt string      `json:"completed_at"`
	Output      *output     `json:"output"`
	Actions     []runAction `json:"actions"`
}

type output struct {
	Title       string       `json:"title"`
	Summary     string       `json:"summary"`
	Text        string       `json:"text"`
	Annotations []annotation `json:"annotations"`
}

type annotation struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn int    `json:"start_column,omitempty"`
	EndColumn   int    `json:"end_column,omitempty"`
	Level       string `json:"annotation_level"`
	Message     string `json:"message"`
	Title       string `json:"title,omitempty"`
	RawDetails  string `json:"raw_details,omitempty"`
}

type runAction struct {
	Label       string `json:"label"`
	Description string `json:"description"`
	Identifier  string `json:"identifier"`
}

// suite is what an App did on one commit.
type suite struct {
	id          int64
	app         *app
	sha         string
	rerequested bool
	updated     string
}

const maxOutput = 65535

// mayCheck holds what only Apps may do.
func (c *call) mayCheck() bool {
	switch {
	case c.who == nil:
		c.fail(http.StatusUnauthorized, "Requires authentication")
	case c.who.in == nil:
		c.fail(http.StatusForbidden, "You must authenticate via a GitHub App.")
	default:
		return c.may("checks")
	}
	return false
}

// maySeeChecks: fine-grained tokens cannot.
func (c *call) maySeeChecks() bool {
	if c.who != nil && (c.who.may != nil || c.who.in != nil && c.who.in.may["checks"] == "") {
		c.fail(http.StatusForbidden, "Resource not accessible by personal access token")
		return false
	}
	return true
}

// checkBody reads the fields of a check run, strictly.
func (c *call) checkBody() (checkFields, bool) {
	var in checkFields
	d := json.NewDecoder(bytes.NewReader(c.text0))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		c.invalid("CheckRun", "hubtest", err.Error())
		return in, false
	}
	long := func(s string) bool { return utf8.RuneCountInString(s) > maxOutput }
	switch o := in.Output; {
	case in.Status != "" && !slices.Contains([]string{"queued", "in_progress", "completed"}, in.Status):
		c.invalid("CheckRun", "status", "status is not included in the list")
	case in.Conclusion != "" && !slices.Contains([]string{"success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"}, in.Conclusion):
		c.invalid("CheckRun", "conclusion", "conclusion is not included in the list")
	case (in.Status == "completed") != (in.Conclusion != ""), in.Conclusion != "" && in.CompletedAt == "":
		c.invalid("CheckRun", "conclusion", "hubtest: status, conclusion and completed_at do not go together")
	case in.DetailsURL != "" && !strings.HasPrefix(in.DetailsURL, "http"):
		c.invalid("CheckRun", "details_url", "details_url must use http(s) scheme")
	case o != nil && (o.Title == "" || o.Summary == ""):
		c.invalid("CheckRun", "output", "title and summary are needed")
	case o != nil && (long(o.Title) || long(o.Summary) || long(o.Text)):
		c.invalid("CheckRun", "output", "is too long (maximum is 65535 characters)")
	case o != nil && len(o.Annotations) > 50:
		c.invalid("CheckRun", "annotations", "hubtest: more than 50 annotations in a request; GitHub drops what is over")
	case len(in.Actions) > 3:
		c.invalid("CheckRun", "actions", "more than 3 actions")
	default:
		if o != nil {
			for i, a := range o.Annotations {
				if why := a.wrong(); why != "" {
					c.invalid("CheckRun", "annotations", fmt.Sprintf("annotation %d: %s", i, why))
					return in, false
				}
			}
		}
		for _, a := range in.Actions {
			if a.Label == "" || len(a.Label) > 20 || len(a.Description) > 40 || a.Identifier == "" || len(a.Identifier) > 20 {
				c.invalid("CheckRun", "actions", "an action is too long or empty")
				return in, false
			}
		}
		return in, true
	}
	return in, false
}

func (a annotation) wrong() string {
	switch {
	case a.Path == "" || strings.HasPrefix(a.Path, "/"):
		return "path"
	case a.StartLine < 1 || a.EndLine < a.StartLine:
		return "lines"
	case a.StartLine != a.EndLine && (a.StartColumn != 0 || a.EndColumn != 0):
		return "columns over several lines"
	case a.StartColumn != 0 && a.EndColumn != 0 && a.EndColumn < a.StartColumn:
		return "columns"
	case !slices.Contains([]string{"notice", "warning", "failure"}, a.Level):
		return "level"
	case a.Message == "" || len(a.Message) > 64<<10 || utf8.RuneCountInString(a.Title) > 255 || len(a.RawDetails) > 64<<10:
		return "text"
	}
	return ""
}

func (c *call) createCheckRun(_ []string) {
	if !c.mayCheck() {
		return
	}
	in, ok := c.checkBody()
	switch {
	case !ok:
	case in.Name == "":
		c.invalid("CheckRun", "name", "name is missing")
	case !c.repo.commits[in.HeadSHA]:
		c.fail(http.StatusUnprocessableEntity, "No commit found for SHA: %s", in.HeadSHA)
	default:
		k := &checkRun{id: c.f.id(), app: c.who.in.app, sha: in.HeadSHA}
		k.set(in)
		if k.fields.Status == "" {
			k.fields.Status = "queued"
		}
		c.repo.checks = append(c.repo.checks, k)
		c.repo.suite(c.f, k.app, k.sha).rerequested = false
		c.ok(http.StatusCreated, k.json())
	}
}

// set takes over the fields that are given. Annotations are added to those there are.
func (k *checkRun) set(in checkFields) {
	old := k.fields
	if in.Output != nil {
		k.annotations = append(k.annotations, in.Output.Annotations...)
		in.Output.Annotations = nil
	} else {
		in.Output = old.Output
	}
	keep := func(p *string, was string) {
		if *p == "" {
			*p = was
		}
	}
	keep(&in.Name, old.Name)
	keep(&in.DetailsURL, old.DetailsURL)
	keep(&in.ExternalID, old.ExternalID)
	keep(&in.StartedAt, old.StartedAt)
	if in.Status == "" {
		in.Status, in.Conclusion, in.CompletedAt = old.Status, old.Conclusion, old.CompletedAt
	}
	k.fields = in
}

func (c *call) editCheckRun(args []string) {
	k := c.foundCheck(args[0])
	if k == nil || !c.mayCheck() {
		return
	}
	if k.app != c.who.in.app {
		c.fail(http.StatusForbidden, "Invalid app_id `%d` - check run can only be modified by the GitHub App that created it.", c.who.in.app.id)
		return
	}
	in, ok := c.checkBody()
	if !ok {
		return
	}
	k.set(in)
	k.edits++
	c.repo.suite(c.f, k.app, k.sha)
	c.ok(http.StatusOK, k.json())
}

func (c *call) foundCheck(arg string) *checkRun {
	for _, k := range c.repo.checks {
		if strconv.FormatInt(k.id, 10) == arg {
			return k
		}
	}
	c.fail(http.StatusNotFound, "Not Found")
	return nil
}

func (c *call) getCheckRun(args []string) {
	if !c.maySeeChecks() {
		return
	}
	if k := c.foundCheck(args[0]); k != nil {
		c.ok(http.StatusOK, k.json())
	}
}

func (c *call) listCheckRuns(args []string) {
	if !c.maySeeChecks() {
		return
	}
	q := c.r.URL.Query()
	list := []any{}
	seen := map[string]bool{}
	for i := len(c.repo.checks) - 1; i >= 0; i-- {
		k := c.repo.checks[i]
		name := k.app.slug + " " + k.fields.Name
		if k.sha != args[0] || q.Get("check_name") != "" && q.Get("check_name") != k.fields.Name || q.Get("filter") != "all" && seen[name] {
			continue
		}
		seen[name] = true
		list = append(list, k.json())
	}
	total := len(list)
	page(c, list)
	c.ok(http.StatusOK, map[string]any{"total_count": total, "check_runs": c.body})
}

func (c *call) listSuites(args []string) {
	if !c.maySeeChecks() {
		return
	}
	list := []any{}
	for _, s := range c.repo.suites {
		if s.sha != args[0] {
			continue
		}
		n, status := 0, "completed"
		for _, k := range c.repo.checks {
			if k.app == s.app && k.sha == s.sha {
				n++
				if k.fields.Status != "completed" && c.repo.latestCheck(k) {
					status = "in_progress"
				}
			}
		}
		if s.rerequested || n == 0 {
			status = "queued"
		}
		list = append(list, map[string]any{
			"id": s.id, "head_sha": s.sha, "status": status, "updated_at": s.updated, "latest_check_runs_count": n,
			"app": map[string]any{"id": s.app.id, "slug": s.app.slug},
		})
	}
	total := len(list)
	page(c, list)
	c.ok(http.StatusOK, map[string]any{"total_count": total, "check_suites": c.body})
}

// latestCheck reports whether a check run is the newest of its name.
func (r *Repo) latestCheck(k *checkRun) bool {
	for _, o := range r.checks {
		if o.app == k.app && o.sha == k.sha && o.fields.Name == k.fields.Name && o.id > k.id {
			return false
		}
	}
	return true
}

// suite finds or makes the suite of an App on a commit, which something was done to.
func (r *Repo) suite(f *Fake, a *app, sha string) *suite {
	i := slices.IndexFunc(r.suites, func(s *suite) bool { return s.app == a && s.sha == sha })
	if i < 0 {
		r.suites = append(r.suites, &suite{id: f.id(), app: a, sha: sha})
		i = len(r.suites) - 1
	}
	r.suites[i].updated = f.now()
	return r.suites[i]
}

// Rerequest is a person who asks for the checks of a commit to be run again: the suite is
// queued again, its check runs stay as they are.
func (f *Fake) Rerequest(slug, sha string) {
	f.change(slug, func(r *Repo) {
		for _, s := range r.suites {
			if s.sha == sha {
				s.rerequested, s.updated = true, f.now()
			}
		}
	})
}

func (k *checkRun) json() map[string]any {
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	out := map[string]any{"title": nil, "summary": nil, "text": nil, "annotations_count": len(k.annotations)}
	if o := k.fields.Output; o != nil {
		out["title"], out["summary"], out["text"] = null(o.Title), null(o.Summary), null(o.Text)
	}
	return map[string]any{
		"id": k.id, "name": k.fields.Name, "head_sha": k.sha, "external_id": k.fields.ExternalID, "status": k.fields.Status,
		"conclusion": null(k.fields.Conclusion), "started_at": null(k.fields.StartedAt), "completed_at": null(k.fields.CompletedAt),
		"details_url": null(k.fields.DetailsURL), "output": out, "app": map[string]any{"id": k.app.id, "slug": k.app.slug},
	}
}

// dumpChecks prints the newest check run of each name of a commit, and how many there are.
func (r *Repo) dumpChecks(b *strings.Builder, sha string) {
	var names []string
	for _, k := range r.checks {
		if k.sha == sha && !slices.Contains(names, k.fields.Name) {
			names = append(names, k.fields.Name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		n, open := 0, 0
		var last *checkRun
		for _, k := range r.checks {
			if k.sha == sha && k.fields.Name == name {
				last = k
				n++
				if k.fields.Status != "completed" {
					open++
				}
			}
		}
		state := last.fields.Status
		if last.fields.Conclusion != "" {
			state = last.fields.Conclusion
		}
		title := ""
		if last.fields.Output != nil {
			title = last.fields.Output.Title
		}
		fmt.Fprintf(b, "    check %s %s %q by %s[bot] (%d in all, %d open, %d annotations)\n", name, state, title, last.app.slug, n, open, len(last.annotations))
	}
}
