package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/runner"
)

// Check is what a check run shows beside the state of a commit status. A message of
// [KindStatus] that has one becomes a check run where the credential allows it, and a
// commit status where it does not. Stored as JSON, like [Message].
type Check struct {
	// Run names the examination: messages about one commit and context with the same Run are
	// one check run, another examination is another check run.
	Run         string       `json:"run"`
	Status      string       `json:"status"`               // queued, in_progress or completed
	Conclusion  string       `json:"conclusion,omitempty"` // if completed
	Started     time.Time    `json:"started,omitzero"`
	Completed   time.Time    `json:"completed,omitzero"`
	Title       string       `json:"title"`   // one line
	Summary     string       `json:"summary"` // Markdown
	Text        string       `json:"text,omitempty"`
	Annotations []Annotation `json:"annotations,omitempty"` // shown once completed
}

// Annotation marks a stretch of a file of the commit. All but Level is foreign text, which
// GitHub shows as it is.
type Annotation struct {
	Path        string `json:"path"` // relative to the checkout
	Line        int    `json:"line"` // 1-based
	EndLine     int    `json:"end_line,omitempty"`
	StartColumn int    `json:"start_column,omitempty"` // only where it is on one line
	EndColumn   int    `json:"end_column,omitempty"`
	Level       string `json:"level"` // failure, warning or notice
	Title       string `json:"title,omitempty"`
	Message     string `json:"message"`
}

// redacted is a copy in which every text went through redact.
func (c *Check) redacted(redact func(string) string) *Check {
	if c == nil {
		return nil
	}
	out := *c
	out.Title, out.Summary, out.Text = redact(c.Title), redact(c.Summary), redact(c.Text)
	out.Annotations = slices.Clone(c.Annotations)
	for i := range out.Annotations {
		a := &out.Annotations[i]
		a.Path, a.Title, a.Message = redact(a.Path), redact(a.Title), redact(a.Message)
	}
	return &out
}

// Conclusions of a check run, as GitHub spells them.
const (
	ConcludeSuccess        = "success"
	ConcludeFailure        = "failure"
	ConcludeNeutral        = "neutral"
	ConcludeCancelled      = "cancelled"
	ConcludeTimedOut       = "timed_out"
	ConcludeActionRequired = "action_required"
)

const (
	checkQueued, checkInProgress, checkCompleted = "queued", "in_progress", "completed"

	// batch is how many annotations GitHub takes in one request; what is over it drops
	// without a word.
	batch = 50
	// maxAnnotations bounds what one check run costs of the mutations of an hour; a reader
	// has given up long before.
	maxAnnotations = 200
	// maxOutput keeps clear of the 65,535 characters of a summary and of a text.
	maxOutput = 65000
	maxTitle  = 200

	// Prefixes of the RemoteID: of a check run that is concluded, and of one that is not.
	checkID = "check/"
	openID  = "open-check/"
	// Prefix of the RemoteID beside these: a commit status that stands in their place and
	// is pending.
	pendingID = "pending-status/"
)

// external is the external_id of a check run of ours.
func external(run, context string) string { return Prefix + "/" + run + "/" + context }

// checkRun makes the check run of the message's commit, context and run say what the
// message says. It looks first: for the number that is known, else by name and external
// id. A check run of an earlier examination that was left open is taken over, so that none
// stays open for ever; one that was completed stays as it is, and a new one takes its
// place on the page.
//
// Annotations can only be added, fifty at a time: those that are there already, as their
// number tells, are not sent again.
func (p *post) checkRun(ctx context.Context) (string, error) {
	c := p.m.Check
	ext := external(c.Run, p.m.Context)
	have, err := p.findCheck(ctx, ext)
	if err != nil {
		return "", err
	}
	out := p.output()
	notes := c.Annotations[:min(len(c.Annotations), maxAnnotations)]
	if c.Status != checkCompleted {
		notes = nil
	}
	if have != nil && p.m.queued() && have.GetStatus() == checkQueued && have.GetOutput().GetTitle() == Announced {
		return format(openID, have.GetID()), nil // taken over when there is more to say
	}
	sent := 0
	switch {
	case have == nil:
		if err := p.unseen(); err != nil {
			return "", err
		}
		out.Annotations, sent = annotations(notes, 0)
		have, err = p.createCheck(ctx, ext, out)
	case have.GetExternalID() != ext || !sameCheck(have, p.m, out):
		if have.GetExternalID() == ext {
			sent = have.GetOutput().GetAnnotationsCount()
		}
		out.Annotations, sent = annotations(notes, sent)
		err = p.editCheck(ctx, have.GetID(), ext, out)
	default:
		sent = have.GetOutput().GetAnnotationsCount()
	}
	if err != nil {
		return "", err
	}
	for sent < len(notes) {
		out.Annotations, sent = annotations(notes, sent)
		if err := p.editCheck(ctx, have.GetID(), ext, out); err != nil {
			return "", err
		}
	}
	if c.Status != checkCompleted {
		return format(openID, have.GetID()), nil
	}
	return format(checkID, have.GetID()), nil
}

// findCheck finds the check run to write to, nil if there is none.
func (p *post) findCheck(ctx context.Context, ext string) (*github.CheckRun, error) {
	if id := cmp.Or(p.known(checkID), p.known(openID)); id != 0 {
		k, _, err := p.api.Checks.GetCheckRun(ctx, p.owner, p.name, id)
		if err != nil && !gone(err) {
			return nil, err
		}
		if err == nil && k.GetHeadSHA() == p.m.SHA && (k.GetExternalID() == ext || k.GetStatus() != checkCompleted) {
			return k, nil
		}
	}
	self, err := p.g.self(ctx)
	if err != nil {
		return nil, err
	}
	var open *github.CheckRun
	opt := &github.ListCheckRunsOptions{
		CheckName: &p.m.Context, Filter: github.String("all"), ListOptions: github.ListOptions{PerPage: perPage, Page: 1},
	}
	for opt.Page != 0 && opt.Page <= maxPages {
		list, resp, err := p.api.Checks.ListCheckRunsForRef(ctx, p.owner, p.name, p.m.SHA, opt)
		if err != nil {
			return nil, err
		}
		for _, k := range list.CheckRuns {
			if !strings.HasPrefix(k.GetExternalID(), Prefix+"/") || !strings.EqualFold(k.GetApp().GetSlug()+"[bot]", self) {
				continue
			}
			if k.GetExternalID() == ext {
				return k, nil
			}
			if k.GetStatus() != checkCompleted {
				open = k
			}
		}
		opt.Page = resp.NextPage
	}
	return open, nil
}

// output is what the check run shows, within GitHub's limits.
func (p *post) output() *github.CheckRunOutput {
	c := p.m.Check
	title, summary := clip(Description(c.Title), maxTitle), Cut(c.Summary, maxOutput)
	if title == "" {
		title = Description(p.m.Description)
	}
	if n := len(c.Annotations); n > maxAnnotations && c.Status == checkCompleted {
		summary += fmt.Sprintf("\n\n*%d of %d annotations are shown.*\n", maxAnnotations, n)
	}
	if strings.TrimSpace(summary) == "" {
		summary = title
	}
	out := &github.CheckRunOutput{Title: &title, Summary: &summary}
	if c.Text != "" {
		out.Text = github.String(Cut(c.Text, maxOutput))
	}
	return out
}

func (p *post) createCheck(ctx context.Context, ext string, out *github.CheckRunOutput) (*github.CheckRun, error) {
	c := p.m.Check
	o := github.CreateCheckRunOptions{
		Name: p.m.Context, HeadSHA: p.m.SHA, ExternalID: &ext, Status: &c.Status, Output: out, StartedAt: stamp(c.Started), DetailsURL: p.link(),
		Actions: p.buttons(),
	}
	o.Conclusion, o.CompletedAt = p.conclusion()
	var k *github.CheckRun
	err := p.withoutAnnotations(out, func() error {
		return p.create(ctx, func() (err error) {
			k, _, err = p.api.Checks.CreateCheckRun(ctx, p.owner, p.name, o)
			return err
		})
	})
	return k, err
}

func (p *post) editCheck(ctx context.Context, id int64, ext string, out *github.CheckRunOutput) error {
	o := github.UpdateCheckRunOptions{
		Name: p.m.Context, ExternalID: &ext, Status: &p.m.Check.Status, Output: out, DetailsURL: p.link(), Actions: p.buttons(),
	}
	o.Conclusion, o.CompletedAt = p.conclusion()
	return p.withoutAnnotations(out, func() error {
		return p.change(ctx, func() error {
			_, _, err := p.api.Checks.UpdateCheckRun(ctx, p.owner, p.name, id, o)
			return err
		})
	})
}

// withoutAnnotations sends a request again without its annotations if they are why it is
// refused: a path that GitHub does not like must not leave a check run open.
func (p *post) withoutAnnotations(out *github.CheckRunOutput, send func() error) error {
	err := send()
	var st *hub.StatusError
	if len(out.Annotations) == 0 || !errors.As(hub.Explain(err), &st) || st.Code != http.StatusUnprocessableEntity {
		return err
	}
	n := len(out.Annotations)
	out.Annotations = nil
	*out.Summary += fmt.Sprintf("\n\n*GitHub refused %d annotations (%s); the text has what they say.*\n", n, Description(st.Message))
	return send()
}

func (p *post) conclusion() (*string, *github.Timestamp) {
	c := p.m.Check
	if c.Status != checkCompleted {
		return nil, nil
	}
	done := c.Completed
	if done.IsZero() {
		done = time.Now()
	}
	return &c.Conclusion, stamp(done)
}

// FreshButton is the identifier of the button for a run from nothing.
const FreshButton = "fresh"

func (p *post) buttons() []*github.CheckRunAction {
	if !p.g.o.Fresh || p.m.Check.Status != checkCompleted || p.m.Context != Prefix+"/"+runner.StageProofs {
		return nil
	}
	return []*github.CheckRunAction{{Label: "Prove from nothing", Description: "Build every module anew and compare", Identifier: FreshButton}}
}

func (p *post) link() *string {
	if p.m.TargetURL == "" {
		return nil
	}
	return &p.m.TargetURL
}

func stamp(t time.Time) *github.Timestamp {
	if t.IsZero() {
		return nil
	}
	return &github.Timestamp{Time: t.UTC().Truncate(time.Second)}
}

// sameCheck reports whether a check run says what the message says already.
func sameCheck(k *github.CheckRun, m Message, out *github.CheckRunOutput) bool {
	have := k.GetOutput()
	return k.GetStatus() == m.Check.Status && k.GetConclusion() == m.Check.Conclusion && k.GetDetailsURL() == m.TargetURL &&
		same(have.GetTitle(), out.GetTitle()) && same(have.GetSummary(), out.GetSummary()) && same(have.GetText(), out.GetText())
}

// annotations gives the next batch of a list, and how many have been sent with it.
func annotations(list []Annotation, sent int) ([]*github.CheckRunAnnotation, int) {
	if sent >= len(list) {
		return nil, sent
	}
	next := list[sent:min(sent+batch, len(list))]
	var out []*github.CheckRunAnnotation
	for _, a := range next {
		n := &github.CheckRunAnnotation{
			Path: &a.Path, StartLine: github.Int(max(1, a.Line)), EndLine: github.Int(max(1, a.Line, a.EndLine)),
			AnnotationLevel: &a.Level, Message: &a.Message,
		}
		if a.Title != "" {
			n.Title = github.String(clip(a.Title, maxTitle))
		}
		if *n.StartLine == *n.EndLine && a.StartColumn > 0 {
			n.StartColumn, n.EndColumn = &a.StartColumn, github.Int(max(a.StartColumn, a.EndColumn))
		}
		out = append(out, n)
	}
	return out, sent + len(next)
}

func clip(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return strings.TrimRight(string(r[:limit-1]), " ") + "…"
	}
	return s
}

// concludeCheck maps what was told to a conclusion. GitHub lets success, neutral and
// skipped pass where a check is required, so an error is none of them: "action_required"
// blocks and says that a person must look, where "failure" would blame the change.
func concludeCheck(run *runner.Run, v runner.Verdict, timedOut bool) string {
	switch {
	case v == runner.Failure:
		return ConcludeFailure
	case run.State == runner.StateCancelled, run.State == runner.StateSuperseded:
		return ConcludeCancelled
	case v == runner.Success:
		return ConcludeSuccess
	case v == runner.Neutral:
		return ConcludeNeutral
	case v == runner.Error && timedOut:
		return ConcludeTimedOut
	}
	return ConcludeActionRequired
}
