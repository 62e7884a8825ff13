package baseline

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

func TestParseHistory(t *testing.T) {
	got, err := ParseHistory(strings.NewReader(`value,metric,unit,time,commit,better
2,"pool queue=shared threads=8",ops/s,2026-01-03T00:00:00Z,abcdef1,higher
3,"pool threads=8 queue=shared",ops/s,2026-01-03T00:00:00Z,abcdef1,
1,pool queue=shared threads=8,ops/s,2026-01-02,,higher
0.5,wait,sec,2026-01-02,,lower
`), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]string{"queue": "shared", "threads": "8"}
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	want := []Imported{
		{
			Sample: runner.Sample{Name: "pool", Unit: "ops/s", Config: config, Better: "higher", Source: "import"},
			Points: []ImportedPoint{{Line: 4, Time: day, Values: []float64{1}}, {Line: 2, Time: day.AddDate(0, 0, 1), Commit: "abcdef1", Values: []float64{2, 3}}},
		},
		{Sample: runner.Sample{Name: "wait", Unit: "sec", Better: "lower", Source: "import"}, Points: []ImportedPoint{{Line: 5, Time: day, Values: []float64{0.5}}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	// The files of holdfast detect, in any order; without a place in time each line is one
	// observation.
	got, err = ParseHistory(strings.NewReader("\ufeffseries,index,value\na,2,30\na,1,20\na,1,21\n"), "ops/s", nil)
	if err != nil || len(got) != 1 || !reflect.DeepEqual(rounds(got[0]), [][]float64{{20, 21}, {30}}) {
		t.Errorf("series: %+v, %v", got, err)
	}
	got, err = ParseHistory(strings.NewReader("metric,value\na,2\na,2\n"), "ops/s", nil)
	if err != nil || !reflect.DeepEqual(rounds(got[0]), [][]float64{{2}, {2}}) {
		t.Errorf("without time: %+v, %v", got, err)
	}
}

// Values come in the units of runs, whatever the file has; what runs could not give is an
// error of its line.
func TestParseHistoryConverts(t *testing.T) {
	milli := func(v float64, s *runner.Sample) (float64, error) {
		if s.Unit == "ms" {
			v, s.Unit = v/1000, "sec"
		}
		if len(s.Name) > 3 {
			return 0, errors.New("too long")
		}
		return v, nil
	}
	got, err := ParseHistory(strings.NewReader("\ufeff\"metric\",value,unit,index\na,5,ms,1\na,0.007,sec,2\n"), "", milli)
	if err != nil || len(got) != 1 || got[0].Sample.Unit != "sec" || !reflect.DeepEqual(rounds(got[0]), [][]float64{{0.005}, {0.007}}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ParseHistory(strings.NewReader("metric,value\na,5\nlong,6\n"), "x", milli); got != nil || err == nil || err.Error() != "line 3: too long" {
		t.Errorf("%+v, %v", got, err)
	}
}

func rounds(m Imported) (out [][]float64) {
	for _, p := range m.Points {
		out = append(out, p.Values)
	}
	return out
}

func TestParseHistoryRefuses(t *testing.T) {
	const head = "metric,value,unit,time,commit,better,index\n"
	for _, c := range []struct{ text, want string }{
		{"", "line 1: the file is empty"},
		{"metric,unit\n", "line 1: the header metric,unit has no column value"},
		{"metric,value\na,1\n", "line 1: there is no column unit"},
		{"metric,value,unit,valeu\n", `line 1: unknown column "valeu"`},
		{"metric,series,value,unit\n", "line 1: the column metric comes twice"},
		{"metric,value,unit\n", "line 1: there is no value below the header"},
		{"metric,value,unit\na,1,ops\n\na,NaN,ops\nb,1\n", "line 4: value \"NaN\" is not a finite number\nline 5: 2 fields, and the header has 3"},
		{"metric,value,unit\na,1e999,ops\n", `line 2: value "1e999"`},
		{"metric,value,unit\na,\"1,ops\n", "extraneous or missing"},
		{"metric,value,unit\na queue,1,ops\n", "line 2: metric: threshold \"a queue\", at \"queue\" (column 3): expected key=value"},
		{"metric,value,unit\na >= 1,1,ops\n", "an operator has no place here"},
		{"metric,value,unit\na,1,\n", "line 2: no unit"},
		{head + "a,1,x,yesterday,,,1\n", `line 2: time "yesterday" is neither`},
		{head + "a,1,x,,HEAD,,1\n", `line 2: commit "HEAD" is not a hash`},
		{head + "a,1,x,,,more,1\n", `line 2: better "more" is neither`},
		{head + "a,1,x,,,,-1\n", `line 2: index "-1"`},
		{head + "a,1,x,,,higher,1\na,1,x,,,lower,2\n", "line 3: a x is better when lower here and when higher before"},
	} {
		got, err := ParseHistory(strings.NewReader(c.text), "", nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%q: %+v, %v; want %q", c.text, got, err, c.want)
		}
	}
	many := "metric,value,unit\n" + strings.Repeat("a,x,ops\n", 100)
	if _, err := ParseHistory(strings.NewReader(many), "", nil); strings.Count(err.Error(), "\n") != maxLineErrors {
		t.Errorf("100 bad lines give\n%v", err)
	}
}

// FuzzParseHistory: what is read is finite, complete and in order, and written out again
// it reads the same.
func FuzzParseHistory(f *testing.F) {
	f.Add("metric,value,unit\na,1,ops/s\n")
	f.Add("series,index,value\na,2,30\nb,1,20\na,1,20\n")
	f.Add("value,metric,time,commit,better\n1,\"a \"\"b c\"\"=d\",2026-01-02,abcdef1,lower\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseHistory(strings.NewReader(text), "ops", nil)
		if err != nil {
			if got != nil {
				t.Fatalf("an error and %+v", got)
			}
			return
		}
		var b strings.Builder
		b.WriteString("metric,unit,value,time,commit,better,index\n")
		n := 0
		quoteCSV := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
		for _, m := range got {
			metric := strings.TrimSuffix(Threshold{Metric: m.Sample.Name, Config: m.Sample.Config, Op: AtLeast}.String(), " >= 0")
			for i, p := range m.Points {
				if len(p.Values) == 0 || p.Line < 2 || i > 0 && p.Time.Before(m.Points[i-1].Time) {
					t.Fatalf("%+v", m)
				}
				when := ""
				if !p.Time.IsZero() {
					when = p.Time.Format(time.RFC3339Nano)
				}
				for _, v := range p.Values {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Fatalf("value %v", v)
					}
					n++
					fmt.Fprintf(&b, "%s,%s,%v,%s,%s,%s,%d\n", quoteCSV(metric), quoteCSV(m.Sample.Unit), v, when, p.Commit, m.Sample.Better, i)
				}
			}
		}
		again, err := ParseHistory(strings.NewReader(b.String()), "", nil)
		if err != nil {
			t.Fatalf("%q reads as %+v, which is written\n%s\nand then %v", text, got, b.String(), err)
		}
		for i := range again {
			if !reflect.DeepEqual(again[i].Sample, got[i].Sample) || !reflect.DeepEqual(rounds(again[i]), rounds(got[i])) {
				t.Fatalf("%+v came back as %+v", got[i], again[i])
			}
		}
	})
}
