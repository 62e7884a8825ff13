package baseline

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// Imported is the history of one metric as read by [ParseHistory].
type Imported struct {
	Sample runner.Sample   // without values
	Points []ImportedPoint // oldest first
}

// ImportedPoint is one observation of a metric.
type ImportedPoint struct {
	Line   int       // of its first value
	Time   time.Time // zero if the file does not tell
	Commit string    // "" if the file does not tell
	Values []float64 // one a round, in the order of the file
}

// LineError is one line that [ParseHistory] cannot use.
type LineError struct {
	Line int // 1-based
	Msg  string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

const (
	// maxLineErrors is how many bad lines are told; the file is of no use then anyway.
	maxLineErrors = 20
	// maxImport is the largest number of values of one file.
	maxImport = 1_000_000
)

// columns of a history file, and what may stand for them.
var columns = map[string]string{
	"metric": "metric", "series": "metric", "unit": "unit", "value": "value", "time": "time", "index": "index", "commit": "commit", "better": "better",
}

var commitRE = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// ParseHistory reads values that were measured elsewhere from a CSV file (RFC 4180) with a
// header. The columns, in any order, are
//
//	metric  METRIC [key=value …], as in a threshold (or "series", as holdfast detect has it)
//	value   a finite number, in base units
//	unit    optional: the unit of the value; without the column it is unit
//	time    optional: RFC 3339, or a date
//	index   optional: an integer that orders the values of a metric, instead of time
//	commit  optional: a hash, at least 7 hex digits
//	better  optional: higher or lower
//
// Lines that follow each other and agree in metric, unit, and in time, index and commit, of which one must
// be given, are the rounds of one observation; other lines are one observation
// each. The observations of a metric are sorted by time and index, those without keep the
// order of the file.
//
// convert brings a value and its sample into the form that runs give them (base units), or
// refuses them; nil leaves them as they are.
//
// Nothing is guessed and nothing is skipped: the error joins a [*LineError] for every line
// that cannot be used, the first 20 of them, and then the result is of no use.
func ParseHistory(r io.Reader, unit string, convert func(v float64, s *runner.Sample) (float64, error)) ([]Imported, error) {
	buffered := bufio.NewReader(r)
	if start, _ := buffered.Peek(len(byteOrderMark)); bytes.Equal(start, byteOrderMark) {
		_, _ = buffered.Discard(len(byteOrderMark))
	}
	c := csv.NewReader(buffered)
	c.FieldsPerRecord = -1 // counted here, to name what is missing
	p := historyParser{csv: c, unit: unit, convert: convert, at: map[string]int{}}
	if err := p.header(); err != nil {
		return nil, err
	}
	for len(p.bad) < maxLineErrors && p.next() {
	}
	if len(p.bad) == maxLineErrors {
		p.bad = append(p.bad, errors.New("there may be more: reading ended here"))
	}
	if len(p.bad) > 0 {
		return nil, errors.Join(p.bad...)
	}
	if len(p.list) == 0 {
		return nil, &LineError{1, "there is no value below the header"}
	}
	out := make([]Imported, len(p.list))
	for i, m := range p.list {
		slices.SortStableFunc(m.points, func(a, b historyPoint) int {
			if c := a.Time.Compare(b.Time); c != 0 {
				return c
			}
			return int(a.index) - int(b.index)
		})
		out[i].Sample = m.sample
		for _, x := range m.points {
			out[i].Points = append(out[i].Points, x.ImportedPoint)
		}
	}
	return out, nil
}

type historyPoint struct {
	ImportedPoint
	index int32
}

type historyMetric struct {
	sample runner.Sample
	points []historyPoint
}

type historyParser struct {
	csv     *csv.Reader
	unit    string
	convert func(float64, *runner.Sample) (float64, error)
	col     []string // canonical names, by position
	bad     []error
	list    []historyMetric
	at      map[string]int // index in list by key
	last    string         // identity of the last observation; "" if it has none
	n       int
}

func (p *historyParser) header() error {
	record, err := p.csv.Read()
	if errors.Is(err, io.EOF) {
		return &LineError{1, "the file is empty; it needs a header with metric and value"}
	}
	if err != nil {
		return lineError(err)
	}
	for _, name := range record {
		canonical, ok := columns[strings.TrimSpace(name)]
		if !ok {
			return &LineError{1, fmt.Sprintf("unknown column %q; the columns are metric, unit, value, time, index, commit, better", name)}
		}
		if slices.Contains(p.col, canonical) {
			return &LineError{1, fmt.Sprintf("the column %s comes twice", canonical)}
		}
		p.col = append(p.col, canonical)
	}
	for _, need := range []string{"metric", "value"} {
		if !slices.Contains(p.col, need) {
			return &LineError{1, fmt.Sprintf("the header %s has no column %s", strings.Join(record, ","), need)}
		}
	}
	if p.unit == "" && !slices.Contains(p.col, "unit") {
		return &LineError{1, "there is no column unit, and no unit was given for the file"}
	}
	return nil
}

// lineError is an error of the CSV reader with its line.
func lineError(err error) error {
	var pe *csv.ParseError
	if errors.As(err, &pe) {
		return &LineError{pe.Line, pe.Err.Error()}
	}
	return err
}

// next reads one line and reports whether to go on.
func (p *historyParser) next() bool {
	record, err := p.csv.Read()
	if errors.Is(err, io.EOF) {
		return false
	}
	if err != nil {
		p.bad = append(p.bad, lineError(err))
		return false // after a stray quote the rest of the file means something else
	}
	line, _ := p.csv.FieldPos(0)
	if err := p.line(record, line); err != nil {
		p.bad = append(p.bad, &LineError{line, err.Error()})
	}
	if p.n++; p.n > maxImport {
		p.bad = append(p.bad, &LineError{line, fmt.Sprintf("more than %d values in one file", maxImport)})
		return false
	}
	return true
}

func (p *historyParser) line(record []string, line int) error {
	if len(record) != len(p.col) {
		return fmt.Errorf("%s, and the header has %d", count(len(record), "field"), len(p.col))
	}
	sample := runner.Sample{Unit: p.unit, Source: "import"}
	point := historyPoint{ImportedPoint: ImportedPoint{Line: line}}
	told := false
	for i, text := range record {
		text = strings.TrimSpace(text)
		switch p.col[i] {
		case "metric":
			m, err := ParseMetric(text)
			if err != nil {
				return fmt.Errorf("metric: %w", err)
			}
			sample.Name, sample.Config = m.Metric, m.Config
		case "unit":
			if text == "" {
				return errors.New("no unit")
			}
			sample.Unit = text
		case "value":
			v, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("value %q is not a finite number", text)
			}
			point.Values = []float64{v}
		case "time":
			t, err := parseTime(text)
			if err != nil {
				return err
			}
			point.Time, told = t, told || !t.IsZero()
		case "index":
			n, err := strconv.ParseInt(text, 10, 32)
			if err != nil || n < 0 {
				return fmt.Errorf("index %q is not a whole number of at most 2147483647", text)
			}
			point.index, told = int32(n), true
		case "commit":
			if text != "" && !commitRE.MatchString(text) {
				return fmt.Errorf("commit %q is not a hash of 7 to 64 hex digits in lower case", text)
			}
			point.Commit, told = text, told || text != ""
		case "better":
			if text != "" && text != runner.HigherIsBetter && text != runner.LowerIsBetter {
				return fmt.Errorf("better %q is neither higher nor lower", text)
			}
			sample.Better = text
		}
	}
	if p.convert != nil {
		var err error
		if point.Values[0], err = p.convert(point.Values[0], &sample); err != nil {
			return err
		}
	}
	return p.add(sample, point, told)
}

// parseTime reads a time or a date, or nothing.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 && t.Year() < 10000 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q is neither 2026-01-02T15:04:05Z nor 2026-01-02", text)
}

// add puts an observation to its metric, or a round to the last observation. told says that
// the line tells which observation it belongs to.
func (p *historyParser) add(sample runner.Sample, point historyPoint, told bool) error {
	key := sample.Key()
	i, ok := p.at[key]
	if !ok {
		i = len(p.list)
		p.at[key], p.list = i, append(p.list, historyMetric{sample: sample})
	}
	m := &p.list[i]
	switch {
	case m.sample.Better == "":
		m.sample.Better = sample.Better
	case sample.Better != "" && sample.Better != m.sample.Better:
		return fmt.Errorf("%s is better when %s here and when %s before", key, sample.Better, m.sample.Better)
	}
	ident := ""
	if told {
		ident = fmt.Sprintf("%s\x00%d\x00%d\x00%s", key, point.Time.UnixNano(), point.index, point.Commit)
	}
	if ident != "" && ident == p.last {
		last := &m.points[len(m.points)-1]
		last.Values = append(last.Values, point.Values...)
		return nil
	}
	p.last = ident
	m.points = append(m.points, point)
	return nil
}
