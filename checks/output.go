package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/runner"
)

// check is one result that a foreign program printed.
type check struct {
	id      string
	outcome string // of package runner
	message string
	spot
	also []spot // other places that belong to it
}

// spot is a place as a program printed it.
type spot struct {
	file   string // "" if none
	line   int    // 1-based; 0 if none
	column int
}

// maxChecks bounds the results of one program.
const maxChecks = 20_000

var (
	ansi = regexp.MustCompile(`\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])`)
	// A result line. The word may be coloured, and may be followed by a colon or a dash.
	resultLine   = regexp.MustCompile(`^\s*\[\s*([A-Za-z]+)\s*\][\s:-]*(.*?)\s*$`)
	locationLine = regexp.MustCompile(`^\s+(?i:location|at|in):\s*(.+?):(\d+)(?::(\d+))?\s*$`)
)

// outcomeOf translates the word of a program. It is "" for a word that is no result.
func outcomeOf(word string) string {
	switch strings.ToLower(word) {
	case "pass", "passed", "ok", "success":
		return runner.Pass
	case "warn", "warning":
		return runner.Warn
	case "fail", "failed", "failure":
		return runner.Fail
	case "error":
		return runner.RuleError
	case "skip", "skipped":
		return runner.Skip
	}
	return ""
}

// parseLines reads lines of the form
//
//	[PASS] ST.001.a: the flag is defined
//
// with PASS, WARN, FAIL, ERROR or SKIP. What stands before the first colon that is
// followed by a space or the end is the id. An indented "Location: FILE:LINE" belongs to
// the result before it. Colours are taken out, all other lines are ignored.
func parseLines(out string) ([]check, error) {
	var cs []check
	for line := range strings.Lines(out) {
		line = uncoloured(line)
		if m := locationLine.FindStringSubmatch(line); m != nil && len(cs) > 0 && cs[len(cs)-1].line == 0 {
			c := &cs[len(cs)-1]
			c.file = m[1]
			c.line, _ = strconv.Atoi(m[2])
			c.column, _ = strconv.Atoi(m[3])
			continue
		}
		m := resultLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		o := outcomeOf(m[1])
		if o == "" {
			continue
		}
		id, message := cutID(m[2])
		if id == "" {
			return cs, fmt.Errorf("a result without id: %q", cut(line, 80))
		}
		if len(cs) == maxChecks {
			return cs, fmt.Errorf("more than %d results", maxChecks)
		}
		cs = append(cs, check{id: id, outcome: o, message: message})
	}
	return cs, nil
}

// uncoloured takes terminal sequences and control characters out of a line.
func uncoloured(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, ansi.ReplaceAllString(line, ""))
}

// cutID splits "id: message" at the first colon that ends a word.
func cutID(s string) (id, message string) {
	for i := 0; i < len(s); i++ {
		if s[i] == ':' && (i+1 == len(s) || s[i+1] == ' ' || s[i+1] == '\t') {
			return cut(strings.TrimSpace(s[:i]), 200), cut(strings.TrimSpace(s[i+1:]), 1000)
		}
	}
	return cut(s, 200), ""
}

// cut shortens hostile text to n bytes of valid UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// result is one element of JSON output. Programs write line numbers as text, too.
type result struct {
	ID      string `json:"id"`
	Name    string `json:"name"` // read where id is missing
	Status  string `json:"status"`
	Message string `json:"message"`
	File    string `json:"file"`
	Line    number `json:"line"`
	Column  number `json:"column"`
}

// number is a JSON number, a number in a string, or nothing.
type number int

func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "" || s == "null" {
		return nil
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%s is not a line number", cut(string(b), 40))
	}
	*n = number(v)
	return nil
}

// parseJSON reads an array of results, or an object with such an array under "results".
// A verdict of the whole under "status", "verdict" or "overall" and a count of failures
// under "failed" must agree with the results: a summary that hides one is an error.
func parseJSON(out []byte) ([]check, error) {
	out = bytes.TrimSpace(out)
	if len(out) == 0 {
		return nil, nil
	}
	var results []result
	var whole struct {
		Results []result         `json:"results"`
		Status  *json.RawMessage `json:"status"`
		Verdict *json.RawMessage `json:"verdict"`
		Overall *json.RawMessage `json:"overall"`
		Failed  *json.RawMessage `json:"failed"`
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	var err error
	if out[0] == '[' {
		err = dec.Decode(&results)
	} else {
		err = dec.Decode(&whole)
		results = whole.Results
	}
	if err != nil {
		return nil, fmt.Errorf("not the JSON of check results: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the JSON")
	}
	if len(results) > maxChecks {
		return nil, fmt.Errorf("more than %d results", maxChecks)
	}
	var cs []check
	failed := 0
	var bad []error
	for i, r := range results {
		id, message := r.ID, r.Message
		if id == "" {
			var rest string
			if id, rest = cutID(r.Name); message == "" {
				message = rest
			}
		}
		c := check{id: cut(id, 200), outcome: outcomeOf(r.Status), message: cut(message, 1000), spot: spot{r.File, int(r.Line), int(r.Column)}}
		switch {
		case c.id == "":
			bad = append(bad, fmt.Errorf("result %d has no id", i+1))
			continue
		case c.outcome == "":
			c.outcome, c.message = runner.RuleError, fmt.Sprintf("unknown status %q", cut(r.Status, 40))
		case c.outcome == runner.Fail:
			failed++
		}
		cs = append(cs, c)
	}
	for _, v := range []*json.RawMessage{whole.Status, whole.Verdict, whole.Overall} {
		var word string
		if v == nil || json.Unmarshal(*v, &word) != nil {
			continue
		}
		if o := outcomeOf(word); (o == runner.Fail || o == runner.RuleError) && failed == 0 {
			bad = append(bad, fmt.Errorf("the whole is %q, but no result says why", cut(word, 40)))
		} else if o == runner.Pass && failed > 0 {
			bad = append(bad, fmt.Errorf("the whole is %q, but %s failed", cut(word, 40), plural(failed, "result")))
		}
	}
	var n int
	if whole.Failed != nil && json.Unmarshal(*whole.Failed, &n) == nil && n != failed {
		bad = append(bad, fmt.Errorf("it counts %d failed, but lists %d", n, failed))
	}
	return cs, errors.Join(bad...)
}
