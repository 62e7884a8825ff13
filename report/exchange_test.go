package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// ratchetResult has rules with old debt, new violations, an acknowledgement, a rule that is
// only told and one that could not be judged.
func ratchetResult() runner.Result {
	at := func(line, column, end int, text, print string, isNew bool) runner.Evidence {
		return runner.Evidence{File: "src/pool.mm", Line: line, Column: column, EndLine: line, EndColumn: end, Indent: 2, Text: text, Fingerprint: print, New: isNew}
	}
	c := &runner.Checks{
		Pass: 1, Warn: 3, Fail: 2, Error: 1, Scheme: "match/2",
		Base: runner.Commit{SHA: "fedcba9876543210fedcba9876543210fedcba98"}, RulesOf: runner.Commit{SHA: "fedcba9876543210fedcba9876543210fedcba98"},
		Rules: []runner.Rule{
			{
				ID: "no-wait", Title: "nothing waits", Outcome: runner.Fail, Reason: "1 of 2 violations new since fedcba9876: 2 matches in 1 file, none expected", Files: 1, New: 1,
				Source: "holdfast.rules.toml:3", Doc: "A wait stalls the queue. Use a handler: {^{ done(); }}.", Violations: []string{"aaaa.bbbb.1", "cccc.bbbb.1"},
				Evidence: []runner.Evidence{
					at(40, 11, 29, "[buffer waitUntilCompleted]; // naïve", "cccc.bbbb.1", true),
					at(12, 18, 36, "[büffér waitUntilScheduled];", "aaaa.bbbb.1", false),
				},
			},
			{ID: "pool-exists", Title: "the pool is there", Outcome: runner.Fail, Reason: "no file src/pool.h", Source: "holdfast.rules.toml:12", Violations: []string{"dddd.-.1"}, New: 1},
			{ID: "old", Title: "no raw locks", Outcome: runner.Warn, Debt: true, Reason: "1 violation, which was there at fedcba9876: 1 match in 1 file, none expected", Violations: []string{"eeee.bbbb.1"}, Evidence: []runner.Evidence{at(9, 3, 7, "lock();", "eeee.bbbb.1", false)}},
			{ID: "acked", Title: "one commit", Outcome: runner.Warn, Reason: "2 matches", Violations: []string{"ffff.bbbb.1"}, Ack: &runner.Ack{Reason: "goes with #118", Owner: "ada@example.org", Until: "2026-12-31"}, Evidence: []runner.Evidence{at(70, 3, 9, "commit();", "ffff.bbbb.1", false)}},
			{ID: "brand-new", Title: "a new rule", Outcome: runner.Warn, Told: true, Reason: "a new rule, told only until it is merged; then it would fail: 1 match", Violations: []string{"abab.bbbb.1"}, Evidence: []runner.Evidence{at(5, 3, 4, "x", "abab.bbbb.1", false)}},
			{ID: "torn", Title: "guards", Outcome: runner.RuleError, Reason: "src/torn.mm: line 3: '{' is not closed", Evidence: []runner.Evidence{{File: "src/torn.mm", Line: 3, Column: 1, Text: "'{' is not closed"}}},
			{ID: "fine", Title: "all good", Outcome: runner.Pass, Reason: "0 matches in 3 files"},
		},
	}
	res := runner.Result{Stage: runner.StageChecks, Verdict: runner.Failure, Reason: "1 of 7 checks passes", Started: began, Seconds: 0.25, Checks: c, Warnings: []string{"the change touches its own rules"}}
	for _, r := range c.Rules[:2] {
		f := runner.Finding{Verdict: runner.Failure, Rule: r.ID, Text: r.Title + ": " + r.Reason}
		if len(r.Evidence) > 0 {
			e := r.Evidence[0]
			f.File, f.Line, f.Column, f.EndLine, f.EndColumn = e.File, e.Line, e.Column, e.EndLine, e.EndColumn
		}
		res.Findings = append(res.Findings, f)
	}
	return res
}

// exchanged renders the formats that other programs read, and checks them.
func exchanged(t testing.TB, in Input) map[string]string {
	t.Helper()
	log, err := SARIF(in)
	if err == nil {
		err = validSARIF(log)
	}
	if err != nil {
		t.Fatalf("SARIF: %v", err)
	}
	suites, err := JUnit(in)
	if err == nil {
		err = validJUnit(suites)
	}
	if err != nil {
		t.Fatalf("JUnit: %v", err)
	}
	notes := Annotations(in)
	if err := validAnnotations(notes); err != nil {
		t.Fatalf("annotations: %v", err)
	}
	return map[string]string{".sarif": string(log), ".junit.xml": string(suites), ".annotations.txt": notes}
}

// shape is what an object of the SARIF schema must and may have; of the parts of the
// schema that this package writes.
type shape struct {
	must, may []string
}

var sarifShapes = map[string]shape{
	"":                           {[]string{"version", "runs"}, []string{"$schema"}},
	"runs":                       {[]string{"tool"}, []string{"invocations", "automationDetails", "originalUriBaseIds", "columnKind", "results"}},
	"tool":                       {[]string{"driver"}, nil},
	"driver":                     {[]string{"name"}, []string{"version", "rules"}},
	"rules":                      {[]string{"id"}, []string{"shortDescription", "fullDescription", "help", "properties"}},
	"invocations":                {[]string{"executionSuccessful"}, []string{"startTimeUtc", "endTimeUtc", "toolExecutionNotifications"}},
	"toolExecutionNotifications": {[]string{"message"}, []string{"level", "associatedRule", "locations"}},
	"associatedRule":             {nil, []string{"id", "index"}},
	"automationDetails":          {nil, []string{"id"}},
	"results":                    {[]string{"message"}, []string{"ruleId", "ruleIndex", "kind", "level", "locations", "partialFingerprints", "baselineState", "suppressions"}},
	"suppressions":               {[]string{"kind"}, []string{"status", "justification"}},
	"locations":                  {nil, []string{"physicalLocation"}},
	"physicalLocation":           {nil, []string{"artifactLocation", "region", "contextRegion"}},
	"artifactLocation":           {nil, []string{"uri", "uriBaseId"}},
	"region":                     {nil, []string{"startLine", "startColumn", "endLine", "endColumn", "snippet"}},
	"message":                    {nil, []string{"text"}}, // anyOf text, id
	"contextRegion":              {[]string{"startLine"}, []string{"snippet"}},
	"snippet":                    {nil, []string{"text"}},
	"shortDescription":           {[]string{"text"}, nil},
	"fullDescription":            {[]string{"text"}, nil},
	"help":                       {[]string{"text"}, nil},
}

var sarifWords = map[string][]string{
	"kind":          {"fail", "external"},
	"level":         {"none", "note", "warning", "error"},
	"baselineState": {"new", "unchanged", "updated", "absent"},
	"status":        {"accepted", "underReview", "rejected"},
	"columnKind":    {"utf16CodeUnits", "unicodeCodePoints"},
	"version":       nil,
}

// validSARIF checks a log against what the SARIF 2.1.0 schema and text ask of the parts that
// are written here.
func validSARIF(doc []byte) error {
	var log map[string]any
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	if err := dec.Decode(&log); err != nil {
		return err
	}
	if err := sarifObject("", log); err != nil {
		return err
	}
	for _, r := range log["runs"].([]any) {
		run := r.(map[string]any)
		rules := run["tool"].(map[string]any)["driver"].(map[string]any)["rules"].([]any)
		states := map[bool]bool{}
		for _, x := range run["results"].([]any) {
			res := x.(map[string]any)
			i, err := res["ruleIndex"].(json.Number).Int64()
			if err != nil || i < 0 || int(i) >= len(rules) || rules[i].(map[string]any)["id"] != res["ruleId"] {
				return fmt.Errorf("result of rule %v has index %v", res["ruleId"], res["ruleIndex"])
			}
			_, has := res["baselineState"]
			states[has] = true
		}
		if len(states) > 1 {
			return fmt.Errorf("some results have a baseline state and some have not")
		}
	}
	return nil
}

func sarifObject(name string, o map[string]any) error {
	s, ok := sarifShapes[name]
	if !ok {
		return fmt.Errorf("an object %s", name)
	}
	for _, k := range s.must {
		if _, ok := o[k]; !ok {
			return fmt.Errorf("%s without %s", name, k)
		}
	}
	for k, v := range o {
		if !slices.Contains(s.must, k) && !slices.Contains(s.may, k) {
			return fmt.Errorf("%s has %s", name, k)
		}
		if words := sarifWords[k]; words != nil && !slices.Contains(words, v.(string)) {
			return fmt.Errorf("%s is %v", k, v)
		}
		switch v := v.(type) {
		case json.Number:
			if n, err := v.Int64(); err != nil || n < 0 || n == 0 && strings.HasSuffix(name, "egion") {
				return fmt.Errorf("%s.%s is %s", name, k, v)
			}
		case string:
			if err := sarifString(name, k, v); err != nil {
				return err
			}
		case map[string]any:
			if k == "originalUriBaseIds" || k == "partialFingerprints" {
				continue
			}
			if err := sarifObject(k, v); err != nil {
				return err
			}
		case []any:
			for _, e := range v {
				if err := sarifObject(k, e.(map[string]any)); err != nil {
					return err
				}
			}
		case nil:
			return fmt.Errorf("%s.%s is null", name, k)
		}
	}
	return nil
}

func sarifString(name, key, s string) error {
	if err := plainRunes(s); err != nil {
		return fmt.Errorf("%s.%s: %w", name, key, err)
	}
	switch {
	case key == "uri":
		u, err := url.Parse(s)
		if err != nil || u.IsAbs() || u.Host != "" || !fs.ValidPath(strings.TrimPrefix(u.Path, "./")) {
			return fmt.Errorf("uri %q, %v", s, err)
		}
	case key == "text" && name != "snippet":
		rest := strings.NewReplacer("{{", "", "}}", "").Replace(s)
		if s == "" || name == "message" && strings.ContainsAny(rest, "{}") || strings.Contains(s, "](") {
			return fmt.Errorf("%s.text %q", name, s)
		}
	}
	return nil
}

// validJUnit reads a document back and counts its cases.
func validJUnit(doc []byte) error {
	var suites junitSuites
	if err := xml.Unmarshal(doc, &suites); err != nil {
		return err
	}
	total := junitSuite{}
	for _, s := range suites.Suites {
		n := junitSuite{Name: s.Name}
		for _, c := range s.Cases {
			if c.Name == "" || c.Class != s.Name {
				return fmt.Errorf("case %q of %q", c.Name, c.Class)
			}
			n.add(c)
		}
		if n.Tests != s.Tests || n.Failures != s.Failures || n.Errors != s.Errors || n.Skipped != s.Skipped || n.Tests == 0 {
			return fmt.Errorf("suite %s counts wrong", s.Name)
		}
		total.Tests += n.Tests
		total.Failures += n.Failures
		total.Errors += n.Errors
		total.Skipped += n.Skipped
	}
	if total.Tests != suites.Tests || total.Failures != suites.Failures || total.Errors != suites.Errors || total.Skipped != suites.Skipped {
		return fmt.Errorf("the whole counts wrong")
	}
	return plainRunes(string(doc))
}

// validAnnotations reads workflow commands as the runner of GitHub Actions does: a command
// at the start of a line, properties up to the next "::", escapes undone.
func validAnnotations(text string) error {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "::")
		head, data, found := strings.Cut(rest, "::")
		if !ok || !found || data == "" {
			return fmt.Errorf("no command: %q", line)
		}
		command, props, _ := strings.Cut(head, " ")
		if command != "error" && command != "warning" {
			return fmt.Errorf("command %q", command)
		}
		for p := range strings.SplitSeq(props, ",") {
			key, value, ok := strings.Cut(p, "=")
			if p != "" && (!ok || value == "" || !slices.Contains([]string{"file", "line", "endLine", "col", "endColumn", "title"}, key)) {
				return fmt.Errorf("property %q in %q", p, line)
			}
		}
		if err := plainRunes(strings.TrimSuffix(line, "\n")); err != nil {
			return err
		}
	}
	return nil
}

func TestValidatorsThemselves(t *testing.T) {
	for _, bad := range []string{
		`{}`, `{"version":"2.1.0","runs":[{}]}`, `{"version":"2.1.0","runs":[],"x":1}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"h","rules":[]}},"results":[{"message":{"text":"x"},"ruleIndex":0,"ruleId":"a"}]}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"h","rules":[{"id":"a"}]}},"results":[{"message":{"text":"{0}"},"ruleIndex":0,"ruleId":"a"}]}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"h","rules":[{"id":"a"}]}},"results":[{"message":{"text":"x"},"level":"bad","ruleIndex":0,"ruleId":"a"}]}]}`,
	} {
		if validSARIF([]byte(bad)) == nil {
			t.Errorf("%s is valid", bad)
		}
	}
	for _, bad := range []string{"error", "::error file=a,b::x", "::set-output name=x::y", "::error ::", "::error title=x::a\n::debug::b"} {
		if validAnnotations(bad) == nil {
			t.Errorf("%q is valid", bad)
		}
	}
	if validJUnit([]byte(`<testsuites tests="1"><testsuite name="a" tests="1"></testsuite></testsuites>`)) == nil {
		t.Error("a wrong count is valid")
	}
}

// Whatever stands in a run, other programs get well-formed documents without commands,
// links or paths of its making.
func TestHostileExchange(t *testing.T) {
	all := cases(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		exchanged(t, all[name])
	}
	for _, s := range []string{
		evil, "\n::error::x", "::stop-commands::t", "%0A::error::x", "a,line=3:b", "]]>&<x/>", "\x00\x01\ufffe\uffff\xff", "{0}{", "[x](http://e.vil)", "../../etc/passwd", "/etc/passwd", "a/../../b", "http://e.vil/x", "c:/x", ".", "", "a//b", "//e.vil/x", "?q#f", strings.Repeat("x", 5000),
	} {
		in := Input{Run: hostileRun(s), Judgement: hostileJudgement(t, s), Builds: hostileJudgement(t, s), Bisections: bisectionExamples(s), Shifts: shiftExamples(s)}
		out := exchanged(t, in)
		if strings.Contains(out[".sarif"], `"uri": "..`) || strings.Contains(out[".sarif"], `"uri": "/`) {
			t.Errorf("%q: a path out of the checkout", s)
		}
		if err := plainRunes(Text(in)); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzExchange(f *testing.F) {
	for _, s := range []string{evil, "::x::", "]]>", "\xff", "{", "](", "a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		exchanged(t, Input{Run: hostileRun(s)})
	})
}

// What is blank says so: GitHub refuses annotations, and with them the whole check run,
// that say nothing.
func TestBlankNotice(t *testing.T) {
	in := Input{Run: runner.Run{Stages: []runner.Result{{Stage: "checks", Verdict: runner.Failure, Findings: []runner.Finding{
		{Verdict: runner.Failure, File: "\n", Line: 3, Rule: "\t", Text: " \n"},
	}}}}}
	if n := Notices(in); len(n) != 1 || n[0].Message() != "no text" || n[0].Title() != "" {
		t.Errorf("%+v", n)
	}
	if got := Annotations(in); got != "::error ::no text\n" {
		t.Errorf("%q", got)
	}
}

// A frame marks what matched, however the line is written.
func TestFrame(t *testing.T) {
	for _, tt := range []struct {
		text        string
		col, indent int
		endLine     int
		endCol      int
		want        string
	}{
		{"[b wait];", 6, 2, 7, 10, "     7 | [b wait];\n       |    ^~~~\n"},
		{"é wait", 4, 0, 7, 8, "     7 | é wait\n       |   ^~~~\n"},
		{"a\tb", 3, 0, 7, 4, "     7 | a b\n       |   ^\n"},
		{"a\u202eb", 5, 0, 7, 6, "     7 | a[U+202E]b\n       |          ^\n"},
		{"first", 1, 0, 9, 2, "     7 | first\n       | ^~~~~\n"},
		{"unknown end", 3, 0, 0, 0, "     7 | unknown end\n"},
		{"beyond", 99, 0, 7, 100, "     7 | beyond\n"},
		{"bad \ufffd x", 7, 0, 7, 8, "     7 | bad \ufffd x\n"},
		{"", 1, 0, 7, 2, ""},
		{strings.Repeat("x", 150) + " here " + strings.Repeat("y", 150), 152, 0, 7, 156, "     7 | …" + strings.Repeat("x", 104) + " here\n       | " + strings.Repeat(" ", 106) + "^~~~\n"},
	} {
		e := runner.Evidence{Line: 7, Column: tt.col, Indent: tt.indent, EndLine: tt.endLine, EndColumn: tt.endCol, Text: tt.text}
		got := frame(&e, "")
		if tt.text != "" && len([]rune(tt.text)) > 200 { // only the mark has to be below the word
			rows := strings.Split(got, "\n")
			at := strings.Index(rows[1], "^")
			if at < 0 || !strings.HasPrefix(string([]rune(rows[0])[at:]), "here") {
				t.Errorf("%q", got)
			}
			continue
		}
		if got != tt.want {
			t.Errorf("%q: got\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
}
