package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// The part of SARIF 2.1.0 (OASIS standard of 27 March 2020) that says what was checked
// and what was found. Section numbers below are those of the standard.
type (
	sarifLog struct {
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver     sarifTool   `json:"driver"`
			Extensions []sarifTool `json:"extensions"`
		} `json:"tool"`
		Invocations []struct {
			Successful *bool `json:"executionSuccessful"`
			Execution  []struct {
				Level   string       `json:"level"`
				Message sarifMessage `json:"message"`
			} `json:"toolExecutionNotifications"`
			Overrides []struct {
				Configuration sarifConfig `json:"configuration"`
				Descriptor    sarifRef    `json:"descriptor"`
			} `json:"ruleConfigurationOverrides"`
		} `json:"invocations"`
		Artifacts []struct {
			Location sarifArtifact `json:"location"`
		} `json:"artifacts"`
		Bases   map[string]sarifArtifact `json:"originalUriBaseIds"`
		Results *[]sarifResult           `json:"results"`
	}
	sarifTool struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID       string                  `json:"id"`
		Short    sarifMessage            `json:"shortDescription"`
		Messages map[string]sarifMessage `json:"messageStrings"`
		Default  sarifConfig             `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Enabled *bool  `json:"enabled"`
		Level   string `json:"level"`
	}
	sarifRef struct {
		ID    string `json:"id"`
		Index *int   `json:"index"`
		Tool  *struct {
			Index *int `json:"index"`
		} `json:"toolComponent"`
	}
	sarifMessage struct {
		Text      string   `json:"text"`
		ID        string   `json:"id"`
		Arguments []string `json:"arguments"`
	}
	sarifArtifact struct {
		URI   string `json:"uri"`
		Base  string `json:"uriBaseId"`
		Index *int   `json:"index"`
	}
	sarifResult struct {
		RuleID    string       `json:"ruleId"`
		RuleIndex *int         `json:"ruleIndex"`
		Rule      sarifRef     `json:"rule"`
		Kind      string       `json:"kind"`
		Level     string       `json:"level"`
		Message   sarifMessage `json:"message"`
		Baseline  string       `json:"baselineState"`
		Locations []struct {
			Physical struct {
				Artifact sarifArtifact `json:"artifactLocation"`
				Region   struct {
					Line   int `json:"startLine"`
					Column int `json:"startColumn"`
				} `json:"region"`
			} `json:"physicalLocation"`
		} `json:"locations"`
		Suppressions []struct {
			Status        string `json:"status"`
			Justification string `json:"justification"`
		} `json:"suppressions"`
	}
)

// parseSARIF reads a log of SARIF 2.1.0. Every result is one of the rule that it names;
// every rule that a tool lists and no result names has passed, unless it was switched
// off. A run without results array did not look (§3.14.23), and one that says that it
// did not succeed is an error.
//
// What a result means (§3.27.9, §3.27.10): an error fails, a warning or a note warns;
// kind pass passes, notApplicable and informational are skipped, open could not be told,
// review warns. A result that is suppressed, every suppression accepted, is skipped.
func parseSARIF(out []byte) ([]check, error) {
	out = bytes.TrimSpace(bytes.TrimPrefix(out, []byte("\xef\xbb\xbf")))
	if len(out) == 0 {
		return nil, nil
	}
	var log sarifLog
	dec := json.NewDecoder(bytes.NewReader(out))
	if err := dec.Decode(&log); err != nil {
		return nil, fmt.Errorf("not a SARIF log: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the SARIF log")
	}
	switch {
	case log.Version == "":
		return nil, errors.New("not a SARIF log: it has no version")
	case log.Version != "2.1.0":
		return nil, fmt.Errorf("SARIF version %q: only 2.1.0 is read", cut(log.Version, 40))
	case len(log.Runs) == 0:
		return nil, errors.New("a SARIF log without runs")
	}
	var cs []check
	var bad []error
	for i := range log.Runs {
		r := &log.Runs[i]
		if more := r.trouble(i); len(more) > 0 {
			bad = append(bad, more...)
		}
		got, err := r.checks(i, maxChecks-len(cs))
		cs = append(cs, got...)
		if err != nil {
			bad = append(bad, err)
			break
		}
	}
	return cs, errors.Join(bad...)
}

// trouble tells what the run itself says went wrong.
func (r *sarifRun) trouble(i int) (bad []error) {
	if r.Results == nil {
		bad = append(bad, fmt.Errorf("run %d of %s has no results: it did not look", i+1, r.name()))
	}
	for _, inv := range r.Invocations {
		why := ""
		for _, n := range inv.Execution {
			if n.Level == "error" {
				why = ": " + cut(oneLine(n.Message.Text), 200)
				break
			}
		}
		if inv.Successful != nil && !*inv.Successful || why != "" {
			bad = append(bad, fmt.Errorf("%s says that it did not succeed%s", r.name(), why))
			break
		}
	}
	return bad
}

func (r *sarifRun) name() string {
	if r.Tool.Driver.Name == "" {
		return "the tool"
	}
	return cut(oneLine(r.Tool.Driver.Name), 80)
}

// component is the driver, or the extension that a reference names.
func (r *sarifRun) component(ref sarifRef) *sarifTool {
	if ref.Tool != nil && ref.Tool.Index != nil && *ref.Tool.Index >= 0 {
		if i := *ref.Tool.Index; i < len(r.Tool.Extensions) {
			return &r.Tool.Extensions[i]
		}
		return nil
	}
	return &r.Tool.Driver
}

// rule finds the rule of a reference. The id of a result may be one of a sub-rule,
// "ID/SUB" (§3.27.5).
func (r *sarifRun) rule(ref sarifRef) *sarifRule {
	t := r.component(ref)
	if t == nil {
		return nil
	}
	if ref.Index != nil && *ref.Index >= 0 && *ref.Index < len(t.Rules) {
		return &t.Rules[*ref.Index]
	}
	for id := ref.ID; id != ""; {
		for i := range t.Rules {
			if t.Rules[i].ID == id {
				return &t.Rules[i]
			}
		}
		i := strings.LastIndexByte(id, '/')
		id = id[:max(i, 0)]
	}
	return nil
}

// checks lists the results of the run, and the rules that passed. room is how many more
// are read.
func (r *sarifRun) checks(run, room int) ([]check, error) {
	if r.Results == nil {
		return nil, nil
	}
	configs := map[*sarifRule]sarifConfig{}
	for _, inv := range r.Invocations {
		for _, o := range inv.Overrides {
			if rule := r.rule(o.Descriptor); rule != nil {
				configs[rule] = o.Configuration
			}
		}
	}
	var cs []check
	var bad []error
	named := map[*sarifRule]bool{}
	ids := map[string]bool{}
	for i, res := range *r.Results {
		if len(cs) >= room {
			return cs, fmt.Errorf("more than %d results", maxChecks)
		}
		ref := res.Rule
		if ref.ID == "" {
			ref.ID = res.RuleID
		}
		if ref.Index == nil {
			ref.Index = res.RuleIndex
		}
		rule := r.rule(ref)
		id := ref.ID
		if rule != nil {
			named[rule] = true
			if id == "" {
				id = rule.ID
			}
		}
		if id = cut(oneLine(id), 200); id == "" {
			bad = append(bad, fmt.Errorf("result %d of run %d names no rule", i+1, run+1))
			continue
		}
		if res.Baseline == "absent" { // found by an earlier run, and no longer there
			delete(named, rule)
			continue
		}
		ids[id] = true
		level := res.Level
		if level == "" && rule != nil {
			if level = configs[rule].Level; level == "" {
				level = rule.Default.Level
			}
		}
		c := check{id: id, message: cut(res.text(rule), 1000)}
		c.outcome = sarifOutcome(res.Kind, level)
		if c.outcome == "" {
			c.outcome, c.message = runner.RuleError, fmt.Sprintf("unknown kind %q or level %q", cut(res.Kind, 40), cut(level, 40))
		}
		if why, yes := res.suppressed(); yes && c.outcome != runner.Pass {
			c.outcome, c.message = runner.Skip, strings.TrimSuffix("suppressed ("+why+"): "+c.message, ": ")
		}
		for k, l := range res.Locations {
			name, isFile := r.path(l.Physical.Artifact)
			at := spot{file: name, line: max(0, l.Physical.Region.Line), column: max(0, l.Physical.Region.Column)}
			if !isFile {
				at.line = 0
			}
			switch {
			case at.file == "":
			case c.file == "":
				c.spot = at
			case k <= maxNotes:
				c.also = append(c.also, at)
			}
		}
		cs = append(cs, c)
	}
	for _, t := range append([]sarifTool{r.Tool.Driver}, r.Tool.Extensions...) {
		for i := range t.Rules {
			rule := &t.Rules[i]
			on := rule.Default.Enabled
			if o, ok := configs[rule]; ok && o.Enabled != nil {
				on = o.Enabled
			}
			id := cut(oneLine(rule.ID), 200)
			if named[rule] || ids[id] || id == "" || on != nil && !*on {
				continue
			}
			if len(cs) >= room {
				return cs, fmt.Errorf("more than %d results", maxChecks)
			}
			ids[id] = true
			cs = append(cs, check{id: id, outcome: runner.Pass, message: strings.TrimSuffix("no result: "+cut(oneLine(rule.Short.Text), 200), ": ")})
		}
	}
	return cs, errors.Join(bad...)
}
