package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/holdfast-ci/holdfast/runner"
)

// SARIF renders what a run found as a SARIF 2.1.0 log (OASIS standard, section numbers
// below are its own), indented, with a final line end. A violation of a rule is a result;
// what could not be told is a notification of the invocation, which then was not
// successful. It returns an error only for a bug in this package.
func SARIF(in Input) ([]byte, error) {
	s := sarifLog(&in)
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

type sarifDocument struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Automation  sarifAutomation   `json:"automationDetails"`
	Bases       map[string]any    `json:"originalUriBaseIds"`
	ColumnKind  string            `json:"columnKind"`
	Results     []sarifResult     `json:"results"`

	index    map[string]int
	compared bool           // some results have a baseline
	times    map[string]int // of equal findings
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID    string       `json:"id"`
	Short sarifMessage `json:"shortDescription"`
	Full  sarifMessage `json:"fullDescription"`
	Help  sarifMessage `json:"help"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Start         string              `json:"startTimeUtc,omitempty"`
	End           string              `json:"endTimeUtc,omitempty"`
	Notifications []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Level     string          `json:"level"`
	Message   sarifMessage    `json:"message"`
	Rule      *sarifReference `json:"associatedRule,omitempty"`
	Locations []sarifLocation `json:"locations,omitempty"`
}

type sarifReference struct {
	ID    string `json:"id"`
	Index int    `json:"index"`
}

type sarifAutomation struct {
	ID string `json:"id"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Kind         string             `json:"kind"`
	Level        string             `json:"level"`
	Message      sarifMessage       `json:"message"`
	Locations    []sarifLocation    `json:"locations,omitempty"`
	Fingerprints map[string]string  `json:"partialFingerprints,omitempty"`
	Baseline     string             `json:"baselineState,omitempty"`
	Suppressions []sarifSuppression `json:"suppressions"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
	Context  *sarifRegion  `json:"contextRegion,omitempty"`
}

type sarifArtifact struct {
	URI  string `json:"uri"`
	Base string `json:"uriBaseId"`
}

type sarifRegion struct {
	StartLine   int           `json:"startLine"`
	StartColumn int           `json:"startColumn,omitempty"`
	EndLine     int           `json:"endLine,omitempty"`
	EndColumn   int           `json:"endColumn,omitempty"`
	Snippet     *sarifMessage `json:"snippet,omitempty"`
}

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	sarifBase   = "%SRCROOT%"
	// maxResults stays below what GitHub takes in one run, 25,000.
	maxResults = 20_000
)

func sarifLog(in *Input) *sarifDocument {
	r := &in.Run
	run := sarifRun{
		Automation: sarifAutomation{ID: "holdfast/" + orUnknown(strings.ReplaceAll(visible(r.Repo), "/", "-"), clipName) + "/"},
		Bases:      map[string]any{sarifBase: map[string]any{"description": sarifMessage{"the top of the checkout"}}},
		ColumnKind: "utf16CodeUnits", Results: []sarifResult{}, index: map[string]int{}, times: map[string]int{},
	}
	driver := &run.Tool.Driver
	driver.Name, driver.Rules = "Holdfast", []sarifRule{}
	_, driver.Version, _ = strings.Cut(visible(r.Agent), " ")
	call := sarifInvocation{Successful: in.verdict() != runner.Error, Start: sarifTime(r.Started), End: sarifTime(r.Finished), Notifications: []sarifNotification{}}
	for i := range r.Stages {
		s := &r.Stages[i]
		if valid(s.Verdict) == runner.Error {
			call.Successful = false
			call.notify("error", s.Stage+": "+summary(s), nil, nil)
		}
		for _, w := range s.Warnings {
			call.notify("warning", s.Stage+": "+w, nil, nil)
		}
		if s.Stage == runner.StageChecks && s.Checks != nil {
			run.rules(s.Checks, &call)
		} else {
			run.findings(s, &call)
		}
	}
	if len(r.Stages) == 0 {
		call.notify("error", cmp.Or(r.Reason, "no stage ran"), nil, nil)
	}
	if n := len(run.Results) - maxResults; n > 0 {
		run.Results = run.Results[:maxResults]
		call.notify("warning", number(n)+" more results are not listed", nil, nil)
	}
	if run.compared {
		for i := range run.Results {
			// Section 3.27.24: a state on one result, a state on all.
			run.Results[i].Baseline = cmp.Or(run.Results[i].Baseline, "new")
		}
	}
	run.Invocations = []sarifInvocation{call}
	return &sarifDocument{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}
}

func clipName(s string) string { return clip(visible(s), maxName) }

// rule is the index of a rule among those of the driver.
func (run *sarifRun) rule(id, title, doc string) (string, int) {
	id = cmp.Or(clip(visible(id), maxName), "unknown")
	i, ok := run.index[id]
	if !ok {
		i = len(run.Tool.Driver.Rules)
		run.index[id] = i
		title = cmp.Or(title, id)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: id, Short: sarifPlain(title), Full: sarifPlain(cmp.Or(doc, title)), Help: sarifPlain(cmp.Or(doc, title)),
		})
	}
	return id, i
}

// rules turns what the rules of the checks stage say into results.
func (run *sarifRun) rules(c *runner.Checks, call *sarifInvocation) {
	run.compared = run.compared || c.Base.SHA != ""
	for i := range c.Rules {
		r := &c.Rules[i]
		id, index := run.rule(r.ID, r.Title, r.Doc)
		if outcome(r.Outcome) == runner.Error {
			var at []sarifLocation
			for _, e := range r.Evidence[:min(1, len(r.Evidence))] {
				at = sarifPlace(e)
			}
			call.notify("error", r.ID+": "+r.Reason, &sarifReference{id, index}, at)
			continue
		}
		if r.Outcome != runner.Fail && r.Outcome != runner.Warn {
			continue
		}
		res := sarifResult{
			RuleID: id, RuleIndex: index, Kind: "fail", Level: "error", Message: sarifText(cmp.Or(r.Title, r.ID) + ": " + r.Reason),
			Suppressions: []sarifSuppression{},
		}
		switch {
		case r.Told:
			res.Level = "note"
		case r.Outcome == runner.Warn:
			res.Level = "warning"
		}
		if r.Ack != nil {
			res.Suppressions = append(res.Suppressions, sarifSuppression{"external", "accepted", fmt.Sprintf("%s (by %s, until %s)", line(r.Ack.Reason), line(r.Ack.Owner), line(r.Ack.Until))})
		}
		places := violations(r)
		if len(places) == 0 {
			// Where it is demanded, if that is in the checkout.
			if file, at, ok := strings.Cut(r.Source, ":"); ok && path.Ext(file) == ".toml" && path.Base(file) != "agent.toml" {
				n, _ := strconv.Atoi(at)
				res.Locations = sarifPlace(runner.Evidence{File: file, Line: n})
			}
			if len(r.Violations) > 0 && r.Violations[0] != "" {
				res.Fingerprints = sarifPrints(r.Violations[0])
			}
			if c.Base.SHA != "" && r.New == 0 {
				res.Baseline = "unchanged"
			}
			run.Results = append(run.Results, res)
		}
		for _, e := range places {
			one := res
			if one.Locations = sarifPlace(e); e.Note != "" {
				one.Message = sarifText(cmp.Or(r.Title, r.ID) + ": " + e.Note)
			}
			if e.Fingerprint != "" {
				one.Fingerprints = sarifPrints(e.Fingerprint)
			}
			if c.Base.SHA != "" && !e.New {
				one.Baseline = "unchanged"
			}
			run.Results = append(run.Results, one)
		}
	}
}

// violations are the places of a rule that are violations. Results made before violations
// had names do not tell them from other places.
func violations(r *runner.Rule) []runner.Evidence {
	if len(r.Violations) == 0 {
		return r.Evidence
	}
	var out []runner.Evidence
	for _, e := range r.Evidence {
		if e.Fingerprint != "" {
			out = append(out, e)
		}
	}
	return out
}

// findings turns those of a stage without rules into results.
func (run *sarifRun) findings(s *runner.Result, call *sarifInvocation) {
	failed := false
	for _, f := range findings(&runner.Run{Stages: []runner.Result{*s}}) {
		id, index := run.rule(s.Stage+"/"+cmp.Or(visible(f.Rule), "finding"), s.Stage+": "+cmp.Or(f.Rule, "finding"), "")
		at := sarifPlace(runner.Evidence{File: f.File, Line: f.Line})
		level := "error"
		switch valid(f.Verdict) {
		case runner.Error:
			call.notify("error", f.Text, &sarifReference{id, index}, at)
			continue
		case runner.Failure:
			failed = true
		default:
			level = "note"
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: id, RuleIndex: index, Kind: "fail", Level: level, Message: sarifText(f.Text), Locations: at,
			Fingerprints: sarifPrints(run.print(id, f.File, f.Text)), Suppressions: []sarifSuppression{},
		})
	}
	if valid(s.Verdict) == runner.Failure && !failed {
		id, index := run.rule(s.Stage+"/failure", s.Stage+" failed", "")
		run.Results = append(run.Results, sarifResult{
			RuleID: id, RuleIndex: index, Kind: "fail", Level: "error", Message: sarifText(cmp.Or(s.Reason, "it failed")),
			Fingerprints: sarifPrints(run.print(id, "", "")), Suppressions: []sarifSuppression{},
		})
	}
}

// print names a finding by its text, which holds no line number of its own.
func (run *sarifRun) print(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	k := hex.EncodeToString(h.Sum(nil)[:8])
	run.times[k]++
	return fmt.Sprintf("%s.%d", k, run.times[k])
}

// sarifPrints has our own name for the fingerprint, and the one that GitHub reads.
func sarifPrints(p string) map[string]string {
	p = clip(visible(p), maxName)
	return map[string]string{"holdfastViolation/v1": p, "primaryLocationLineHash": p}
}

func (c *sarifInvocation) notify(level, text string, rule *sarifReference, at []sarifLocation) {
	c.Successful = c.Successful && level != "error"
	c.Notifications = append(c.Notifications, sarifNotification{Level: level, Message: sarifText(text), Rule: rule, Locations: at})
}

// sarifText is hostile text as a message. Braces are doubled, since one stands for an
// argument (3.11.5), and no link comes out of it (3.11.6).
func sarifText(s string) sarifMessage {
	m := sarifPlain(s)
	m.Text = strings.NewReplacer("{", "{{", "}", "}}").Replace(m.Text)
	return m
}

// sarifPlain is hostile text that takes no arguments, as in the description of a rule.
func sarifPlain(s string) sarifMessage {
	s = strings.ReplaceAll(clip(visible(s), 4*maxProse), "](", "] (")
	return sarifMessage{cmp.Or(s, "(no text)")}
}

// sarifPlace is a place in a file of the checkout; nil for any other. Columns are told only
// where it is known how many UTF-16 units stand before them.
func sarifPlace(e runner.Evidence) []sarifLocation {
	if !fs.ValidPath(e.File) || e.File == "." || strings.ContainsRune(e.File, 0) {
		return nil
	}
	p := sarifPhysical{Artifact: sarifArtifact{URI: (&url.URL{Path: e.File}).String(), Base: sarifBase}}
	if e.Line > 0 {
		p.Region = &sarifRegion{StartLine: e.Line}
		if from, to, ok := units(e); ok {
			p.Region.StartColumn = from
			if to > 0 {
				p.Region.EndLine, p.Region.EndColumn = e.Line, to
			}
			// The line around it; a context is more than the region itself (3.29.5).
			if t := visible(e.Text); t != "" {
				p.Context = &sarifRegion{StartLine: e.Line, Snippet: &sarifMessage{t}}
			}
		}
	}
	return []sarifLocation{{p}}
}

func sarifTime(t time.Time) string {
	if stamp(t) == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// units are the columns of a place in UTF-16 code units, from 1, the second behind its last
// one and 0 if it is on another line. ok is false if the line is not known as far.
func units(e runner.Evidence) (from, to int, ok bool) {
	start := e.Column - 1 - e.Indent
	if e.EndLine == 0 || e.Column < 1 || e.Indent < 0 || start < 0 || start > len(e.Text) || unclear(e.Text) {
		return 0, 0, false
	}
	count := func(n int) int { return e.Indent + len(utf16.Encode([]rune(e.Text[:n]))) + 1 }
	from = count(start)
	if end := e.EndColumn - 1 - e.Indent; e.EndLine == e.Line && end > start && end <= len(e.Text) {
		to = count(end)
	}
	return from, to, true
}
