package baseline

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// TimeSeries is the history of one metric, sorted by Index, which has no value twice.
type TimeSeries struct {
	Name   string
	Index  []int64
	Values []float64 // finite
}

// ReadTimeSeries reads a CSV file with the columns series, index and value, in any order if
// there is a header, in this one if not; others are left out. Series come in order of
// appearance, their points in order of index. Points without a value (empty, NaN) are left
// out silently; a line that cannot be taken is a problem with its place, at most 20 of
// them, and costs no other line. file is its name in messages.
func ReadTimeSeries(text []byte, file string) (all []TimeSeries, problems []string) {
	problem := func(line int, format string, args ...any) {
		if len(problems) < maxProblems {
			problems = append(problems, fmt.Sprintf("%s:%d: ", file, line)+fmt.Sprintf(format, args...))
		}
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	r.ReuseRecord, r.FieldsPerRecord, r.TrimLeadingSpace = true, -1, true
	column := [3]int{0, 1, 2} // of series, index, value
	at := map[string]int{}
	for first := true; ; first = false {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			var bad *csv.ParseError
			if !errors.As(err, &bad) {
				problem(0, "%v", err)
				break
			}
			problem(bad.Line, "%v", bad.Err)
			continue
		}
		line, _ := r.FieldPos(0)
		if first {
			if c, ok := header(row); ok {
				column = c
				continue
			}
		}
		if len(row) <= slices.Max(column[:]) {
			problem(line, "%s, and series, index and value are needed", count(len(row), "column"))
			continue
		}
		index, err := strconv.ParseInt(strings.TrimSpace(row[column[1]]), 10, 64)
		if err != nil {
			problem(line, "the index %q is not a whole number", row[column[1]])
			continue
		}
		text := strings.TrimSpace(row[column[2]])
		value, err := strconv.ParseFloat(text, 64)
		switch {
		case text == "", err == nil && math.IsNaN(value):
			continue
		case err != nil || math.IsInf(value, 0):
			problem(line, "the value %q is not a finite number", text)
			continue
		}
		i, ok := at[row[column[0]]]
		if !ok {
			i = len(all)
			name := strings.Clone(row[column[0]])
			at[name] = i
			all = append(all, TimeSeries{Name: name})
		}
		all[i].Index, all[i].Values = append(all[i].Index, index), append(all[i].Values, value)
	}
	for i := range all {
		if twice := all[i].sort(); twice > 0 {
			problem(0, "series %q: %s for an index that has one already; the first is taken", all[i].Name, count(twice, "more value"))
		}
	}
	return all, problems
}

// header tells which columns a first row names.
func header(row []string) (column [3]int, ok bool) {
	for i, name := range []string{"series", "index", "value"} {
		column[i] = slices.IndexFunc(row, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), name) })
		if column[i] < 0 {
			return column, false
		}
	}
	return column, true
}

// sort orders the points by index and drops all but the first of one index; it returns how
// many it dropped.
func (s *TimeSeries) sort() int {
	sorted := true
	for i := 1; i < len(s.Index); i++ {
		sorted = sorted && s.Index[i] > s.Index[i-1]
	}
	if sorted {
		return 0
	}
	order := make([]int, len(s.Index))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.Index[a], s.Index[b]) })
	out := TimeSeries{Name: s.Name}
	for _, i := range order {
		if n := len(out.Index); n > 0 && out.Index[n-1] == s.Index[i] {
			continue
		}
		out.Index, out.Values = append(out.Index, s.Index[i]), append(out.Values, s.Values[i])
	}
	dropped := len(s.Index) - len(out.Index)
	*s = out
	return dropped
}
