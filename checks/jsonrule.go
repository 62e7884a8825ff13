package checks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// condition is one of a rule of kind json: PATH OPERATOR VALUE.
type condition struct {
	path  jsonPath
	op    string
	want  *value
	other *jsonPath // the other side is a path, too
	re    *regexp.Regexp
}

// conditionText is PATH OPERATOR VALUE; operators that begin like others come first.
var conditionText = regexp.MustCompile(`(?s)^\s*(.+?)\s*(?:\b(exists|absent)|(!?=~|!=|==|<=|>=|=|<|>)\s*(.+?))\s*$`)

func parseCondition(s string) (condition, error) {
	var c condition
	m := conditionText.FindStringSubmatch(s)
	if m == nil {
		return c, errors.New(`a condition is PATH OPERATOR VALUE, with = != < <= > >= =~ !=~, or PATH exists, or PATH absent`)
	}
	var err error
	if c.path, err = parsePath(m[1]); err != nil {
		return c, err
	}
	c.op = m[2] + m[3]
	switch c.op {
	case "==":
		c.op = "="
	case "exists", "absent":
		return c, nil
	case "=~", "!=~":
		c.re, err = regexp.Compile(unquoted(m[4]))
		return c, err
	}
	if rest, ok := strings.CutPrefix(m[4], "@"); ok {
		p, err := parsePath(rest)
		c.other = &p
		return c, err
	}
	if v, err := readJSON([]byte(m[4])); err == nil && v.kind != '{' && v.kind != '[' {
		c.want = v
	} else {
		c.want = &value{kind: '"', text: unquoted(m[4])}
	}
	if c.op != "=" && c.op != "!=" && c.want.kind != '0' && c.want.kind != '"' {
		return c, fmt.Errorf("%s cannot be ordered", c.want)
	}
	return c, nil
}

func (c *compiled) compileJSON(wrong wrongFunc) {
	for _, text := range c.Conditions {
		cond, err := parseCondition(text)
		if err != nil {
			wrong("conditions", `like 'summary.failed = 0' or '**.status != "FAIL"'`, "condition %q: %s", text, plainRegexp(err))
			continue
		}
		c.conditions = append(c.conditions, cond)
	}
	c.newer = globs("newer_than", c.NewerThan, wrong)
	if c.Timestamp != "" {
		p, err := parsePath(c.Timestamp)
		if err != nil {
			wrong("timestamp", "it is a path: timestamp = 'run.finished'", "timestamp %q: %v", c.Timestamp, err)
		}
		c.stamp = p
		if len(c.NewerThan) == 0 {
			wrong("timestamp", "say what it must not be older than", "timestamp without newer_than")
		}
	}
	if c.Kind == KindJSON && len(c.Conditions) == 0 && len(c.NewerThan) == 0 {
		wrong("conditions", `conditions = ['summary.failed = 0']`, "kind json without conditions")
	}
}

// examineJSON judges the conditions over one file.
func (c *compiled) examineJSON(src *source, t *tally) error {
	doc, err := readJSON(src.raw)
	if err != nil {
		var je *jsonError
		if errors.As(err, &je) {
			line, col := src.lines().Position(je.offset)
			return &placeError{line: line, column: col, text: je.text}
		}
		return err
	}
	u := unit{head: src.evidence(0)}
	var wrong []breach
	lacking := ""
	held := false
	for _, cond := range c.conditions {
		bad, n, lacks, err := cond.judge(doc)
		if err != nil {
			return err
		}
		u.subjects += n
		if lacks != "" {
			if lacking == "" {
				lacking = lacks
			}
			if c.OnMissing == "fail" {
				bad = append(bad, breach{text: lacks})
			}
		}
		held = held || len(bad) == 0 && lacks == ""
		wrong = append(wrong, bad...)
	}
	if len(c.newer) > 0 {
		bad, err := c.older(src, doc)
		if err != nil {
			return err
		}
		u.subjects++
		wrong = append(wrong, bad...)
		held = held || len(bad) == 0
	}
	if c.Any && held {
		wrong, lacking = nil, ""
	}
	for _, f := range wrong {
		if len(u.hits) == maxHits {
			u.cut++
			continue
		}
		hit := src.evidence(f.offset)
		hit.Note = f.text
		u.hits = append(u.hits, hit)
	}
	if lacking != "" && c.OnMissing == "skip" {
		u.subjects = max(u.subjects, 1)
	}
	t.units = []unit{u}
	if lacking != "" && (c.OnMissing == "" || c.OnMissing == "error") {
		return &placeError{line: 1, column: 1, text: lacking + " (on_missing says what that means)"}
	}
	return nil
}

// judge returns what is wrong, the number of values looked at, and what is missing.
func (c condition) judge(doc *value) (bad []breach, n int, lacks string, err error) {
	vs, err := c.path.find(doc)
	if err != nil {
		return nil, 0, "", err
	}
	switch {
	case c.op == "exists" && len(vs) == 0:
		return []breach{{text: "there is no " + c.path.text}}, 1, "", nil
	case c.op == "exists":
		return nil, len(vs), "", nil
	case c.op == "absent":
		for _, v := range vs {
			bad = append(bad, breach{offset: v.offset, text: fmt.Sprintf("%s is there: %s", c.path.text, v)})
		}
		return bad, max(1, len(vs)), "", nil
	case len(vs) == 0:
		return nil, 0, "there is no " + c.path.text, nil
	}
	wants := []*value{c.want}
	if c.other != nil {
		if wants, err = c.other.find(doc); err != nil {
			return nil, 0, "", err
		}
		if len(wants) == 0 {
			return nil, 0, "there is no " + c.other.text, nil
		}
	}
	for _, v := range vs {
		// ** leads to objects and arrays as well: only what can be compared counts.
		if (v.kind == '{' || v.kind == '[') && len(c.path.steps) > 0 && c.path.steps[len(c.path.steps)-1].kind == stepDeep {
			continue
		}
		n++
		for _, w := range wants {
			if text := c.compare(v, w); text != "" {
				bad = append(bad, breach{offset: v.offset, text: text})
				break
			}
		}
	}
	if n == 0 {
		return nil, 0, "there is no value at " + c.path.text, nil
	}
	return bad, n, "", nil
}

// compare returns what is wrong with a value, "" for nothing.
func (c condition) compare(v, w *value) string {
	said := func(format string, args ...any) string {
		return fmt.Sprintf("%s is %s, ", c.path.text, v) + fmt.Sprintf(format, args...)
	}
	if c.re != nil {
		if v.kind == '{' || v.kind == '[' {
			return said("no text to match")
		}
		if c.re.MatchString(v.text) != (c.op == "=~") {
			if c.op == "=~" {
				return said("which does not match %s", short(c.re.String()))
			}
			return said("which matches %s", short(c.re.String()))
		}
		return ""
	}
	want := w.String()
	if c.other != nil {
		want = fmt.Sprintf("%s (%s)", w, c.other.text)
	}
	order, comparable := ordered(v, w)
	equal := v.kind == w.kind && v.text == w.text || comparable && order == 0
	ok := false
	switch c.op {
	case "=":
		ok = equal
	case "!=":
		ok = !equal
	default:
		if !comparable {
			return said("which cannot be compared with %s", want)
		}
		ok = c.op[0] == '<' && order < 0 || c.op[0] == '>' && order > 0 || strings.HasSuffix(c.op, "=") && order == 0
	}
	if ok {
		return ""
	}
	return said("%s %s expected", c.op, want)
}

// ordered compares numbers with numbers and texts with texts, times among these.
func ordered(v, w *value) (order int, ok bool) {
	switch {
	case v.kind != w.kind:
		return 0, false
	case v.kind == '0':
		a, errA := strconv.ParseInt(v.text, 10, 64)
		b, errB := strconv.ParseInt(w.text, 10, 64)
		if errA == nil && errB == nil {
			return compare(a, b), true
		}
		x, errX := strconv.ParseFloat(v.text, 64)
		y, errY := strconv.ParseFloat(w.text, 64)
		if errX != nil || errY != nil || math.IsInf(x, 0) || math.IsInf(y, 0) {
			return 0, false
		}
		return compare(x, y), true
	case v.kind == '"':
		a, errA := time.Parse(time.RFC3339, v.text)
		b, errB := time.Parse(time.RFC3339, w.text)
		if errA == nil && errB == nil {
			return a.Compare(b), true
		}
		return strings.Compare(v.text, w.text), true
	}
	return 0, false
}

func compare[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// older judges newer_than. The time of a file in a checkout says nothing, so the time of
// the last commit that changed it counts.
func (c *compiled) older(src *source, doc *value) ([]breach, error) {
	var mine time.Time
	offset := 0
	if c.Timestamp != "" {
		vs, err := c.stamp.find(doc)
		if err != nil {
			return nil, err
		}
		if len(vs) != 1 {
			return nil, fmt.Errorf("timestamp %s leads to %s", c.Timestamp, plural(len(vs), "value"))
		}
		if mine, err = timeOf(vs[0]); err != nil {
			return nil, err
		}
		offset = vs[0].offset
	}
	if src.history == nil {
		return nil, errors.New("newer_than needs the history of the repository, which is not at hand")
	}
	if c.Timestamp == "" {
		var err error
		if mine, err = src.history([]string{src.name}); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, f := range src.all {
		if f != src.name && matchAny(c.newer, f) {
			names = append(names, f)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no file matches %s", strings.Join(c.NewerThan, ", "))
	}
	theirs, err := src.history(names)
	if err != nil {
		return nil, err
	}
	if mine.Before(theirs) {
		return []breach{{offset: offset, text: fmt.Sprintf("it is of %s, older than the last change of %s (%s)",
			mine.UTC().Format(time.RFC3339), strings.Join(c.NewerThan, ", "), theirs.UTC().Format(time.RFC3339))}}, nil
	}
	return nil, nil
}

// timeOf reads a time: RFC 3339, or seconds since 1970.
func timeOf(v *value) (time.Time, error) {
	switch v.kind {
	case '"':
		if t, err := time.Parse(time.RFC3339, v.text); err == nil {
			return t, nil
		}
	case '0':
		if s, err := strconv.ParseFloat(v.text, 64); err == nil && s > 0 && s < 1e11 {
			return time.Unix(int64(s), 0), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is not a time: 2026-12-31T12:00:00Z or seconds since 1970", v)
}

// history returns a function that tells when one of some files was changed last.
func history(ctx context.Context, ws *runner.Workspace) func(names []string) (time.Time, error) {
	git := func(args ...string) (string, error) {
		var out strings.Builder
		args = append([]string{"git", "--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false"}, args...)
		exit, err := ws.Exec(ctx, "history", proc.Cmd{Args: args, Limit: time.Minute, Stdout: &out, Bulk: true})
		if err == nil && !exit.OK() {
			err = errors.New(exit.String())
		}
		if err != nil {
			return "", fmt.Errorf("newer_than needs the history of the repository: git %s: %w", args[6], err)
		}
		return strings.TrimSpace(out.String()), nil
	}
	shallow, known := "", false
	return func(names []string) (time.Time, error) {
		if !known {
			s, err := git("rev-parse", "--is-shallow-repository")
			if err != nil {
				return time.Time{}, err
			}
			shallow, known = s, true
		}
		if shallow == "true" {
			return time.Time{}, errors.New("newer_than needs the history of the repository, and this clone is shallow")
		}
		var last time.Time
		for part := range slices.Chunk(names, 500) {
			s, err := git(append([]string{"log", "-1", "--format=%ct", "--"}, part...)...)
			if err != nil {
				return time.Time{}, err
			}
			if s == "" {
				continue
			}
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("git log answered %q", cut(s, 40))
			}
			if t := time.Unix(n, 0); t.After(last) {
				last = t
			}
		}
		if last.IsZero() {
			return last, fmt.Errorf("no commit has %s", names[0])
		}
		return last, nil
	}
}
