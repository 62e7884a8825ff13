package format

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// maxNesting bounds the sections of a test case.
const maxNesting = 50

// Catch2 reads the XML of Catch2's reporter "xml" (versions 2.9 and later). A benchmark
// is named "test case/section/benchmark"; its mean is one value in "sec/op". Catch2
// does not write the values that the mean was made of. What a test case measured
// although an assertion of it failed counts as not measured.
func Catch2(text []byte) Output {
	var o Output
	begin := bytes.IndexByte(text, '<')
	if begin < 0 {
		o.errorf(0, "no XML in the output")
		return o
	}
	d := xml.NewDecoder(bytes.NewReader(text[begin:]))
	r := catch2{o: &o, measured: true, line: func() int {
		return lineAt(text, begin+int(d.InputOffset()))
	}}
	for !r.done {
		tok, err := d.Token()
		if err != nil {
			var s *xml.SyntaxError
			switch {
			case errors.As(err, &s):
				o.errorf(lineAt(text, begin)+s.Line-1, "XML: %s", s.Msg)
			default:
				o.errorf(r.line(), "XML: %v", err)
			}
			return o
		}
		switch t := tok.(type) {
		case xml.StartElement:
			r.open(t)
		case xml.EndElement:
			r.close(t)
		}
	}
	return o
}

// catch2 is the state of reading one document.
type catch2 struct {
	o     *Output
	line  func() int
	begun bool // the root element is open
	done  bool // and closed

	path    []string // names of the open test case, sections and benchmark
	names   []bool   // for each open element: has it a name in path?
	current struct { // of the open test case
		from   int // measurements before it
		told   bool
		failed bool
	}
	measured bool // no benchmark is open, or it has a mean, or said why not
}

func (r *catch2) open(t xml.StartElement) {
	if !r.begun {
		if r.begun = true; t.Name.Local != "Catch2TestRun" && t.Name.Local != "Catch" {
			r.o.errorf(r.line(), "the root element is %.60q, not that of Catch2's reporter xml", t.Name.Local)
			r.done = true
		}
		return
	}
	named := false
	switch t.Name.Local {
	case "TestCase":
		r.current.from, r.current.told, r.current.failed = len(r.o.Measurements), false, false
		named = true
	case "Section":
		named = true
	case "BenchmarkResults":
		named, r.measured = true, false
	case "mean":
		r.mean(t)
	case "failed":
		r.measured = true
		r.o.errorf(r.line(), "%.200q says: %.200q", strings.Join(r.path, "/"), attribute(t, "message"))
	case "OverallResult":
		r.current.told = true
		r.current.failed = r.current.failed || attribute(t, "success") != "true"
	case "FatalErrorCondition":
		r.current.failed = true
	}
	if named {
		if len(r.path) == maxNesting {
			r.o.errorf(r.line(), "sections nested more than %d deep", maxNesting)
			r.done = true
			return
		}
		r.path = append(r.path, strings.TrimSpace(attribute(t, "name")))
	}
	r.names = append(r.names, named)
}

func (r *catch2) close(t xml.EndElement) {
	if len(r.names) == 0 { // the root
		r.done = true
		return
	}
	switch t.Name.Local {
	case "BenchmarkResults":
		if !r.measured {
			r.o.errorf(r.line(), "%.200q has no mean", strings.Join(r.path, "/"))
		}
		r.measured = true
	case "TestCase":
		if n := len(r.o.Measurements) - r.current.from; n > 0 && (r.current.failed || !r.current.told) {
			r.o.Measurements = r.o.Measurements[:r.current.from]
			r.o.errorf(r.line(), "test case %.200q failed: what it measured does not count", strings.Join(r.path, "/"))
		}
	}
	if last := len(r.names) - 1; last >= 0 {
		if r.names[last] {
			r.path = r.path[:len(r.path)-1]
		}
		r.names = r.names[:last]
	}
}

// mean takes the mean of the open benchmark, in nanoseconds.
func (r *catch2) mean(t xml.StartElement) {
	if r.measured || len(r.path) < 2 { // outside of a benchmark of a test case
		return
	}
	r.measured = true
	name := strings.Join(r.path, "/")
	v, err := strconv.ParseFloat(attribute(t, "value"), 64)
	if err != nil {
		r.o.errorf(r.line(), "%.200q: mean %.60q is not a number", name, attribute(t, "value"))
		return
	}
	r.o.add(r.line(), Measurement{Name: name, Unit: "ns/op", Better: runner.LowerIsBetter, Value: v})
}

func attribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}
