package baseline

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
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
// out silently; a line that cannot be taken is a problem with its place and costs no other
// line. There are at most 20 problems, and how many
// there are beyond. file is its name in messages.
func ReadTimeSeries(text []byte, file string) (all []TimeSeries, told []string) {
	bad := problems{file: file}
	column := [3]int{0, 1, 2} // of series, index, value
	at := map[string]int{}
	var row []string
	first := true
	for line, rest := 1, bytes.TrimPrefix(text, byteOrderMark); len(rest) > 0; {
		number, from := line, rest
		var record []byte
		var n int
		record, rest, n = cutRecord(rest)
		line += n
		var err error
		if row, err = fields(row[:0], record); err != nil {
			bad.add(number, "%v", err)
			// Where a stray quote met another one, the lines behind the first are none of its.
			_, rest, _ = bytes.Cut(from, []byte("\n"))
			line = number + 1
			continue
		}
		if len(row) == 0 {
			continue
		}
		if first {
			first = false
			if c, ok := header(row); ok {
				column = c
				continue
			}
		}
		if len(row) <= slices.Max(column[:]) {
			bad.add(number, "%s, and series, index and value are needed", count(len(row), "column"))
			continue
		}
		index, err := strconv.ParseInt(strings.TrimSpace(row[column[1]]), 10, 64)
		if err != nil {
			bad.add(number, "the index %.40q is not a whole number of 64 bits", row[column[1]])
			continue
		}
		text := strings.TrimSpace(row[column[2]])
		value, err := strconv.ParseFloat(text, 64)
		switch {
		case text == "", err == nil && math.IsNaN(value):
			continue
		case err != nil || math.IsInf(value, 0):
			bad.add(number, "the value %.40q is not a finite number", text)
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
			bad.add(0, "series %.40q: %s for an index that has one already; the first is taken", all[i].Name, count(twice, "more value"))
		}
	}
	return all, bad.list()
}

// recordLines is how many lines a record may have, for line ends in quotes: a quote that
// nothing closes must not swallow the rest of the file.
const recordLines = 16

// cutRecord takes the first record from a text, and tells how many lines it has.
func cutRecord(text []byte) (record, rest []byte, lines int) {
	quotes, end, first := 0, 0, 0
	for lines < recordLines && end < len(text) {
		size := bytes.IndexByte(text[end:], '\n')
		if size < 0 {
			size = len(text) - end
		}
		quotes += bytes.Count(text[end:end+size], []byte(`"`))
		end = min(end+size+1, len(text))
		if lines++; lines == 1 {
			first = end
		}
		if quotes%2 == 0 {
			return text[:end], text[end:], lines
		}
	}
	return text[:first], text[first:], 1
}

// fields appends the fields of a record of CSV to row; an empty line has none.
func fields(row []string, record []byte) ([]string, error) {
	if bytes.IndexByte(record, '"') < 0 {
		line := strings.TrimSuffix(strings.TrimSuffix(string(record), "\n"), "\r")
		if line == "" {
			return row, nil
		}
		for field := range strings.SplitSeq(line, ",") {
			row = append(row, strings.TrimLeftFunc(field, unicode.IsSpace))
		}
		return row, nil
	}
	r := csv.NewReader(bytes.NewReader(record))
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	row, err := r.Read()
	if bad := (*csv.ParseError)(nil); errors.As(err, &bad) {
		err = bad.Err
	}
	return row, err
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
