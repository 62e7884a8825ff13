package baseline

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-ci/holdfast/runner"
)

const benchText = `goos: darwin
cpu: Apple M4 Max
pkg: example.com/a
BenchmarkRun/streams=8-14  100  200 ns/op  3 widgets
BenchmarkRun/streams=8-14  100  220 ns/op  4 widgets
BenchmarkBad  100  what ns/op
ok example.com/a 1s
pkg: example.com/b
BenchmarkRun/streams=8-14  100  7 ns/op
PASS
`

func TestReadBenchFile(t *testing.T) {
	f := ReadBenchFile([]byte(benchText), "base.txt")
	want := []BenchSeries{
		{"example.com/a", "Run/streams=8-14", "sec/op", runner.LowerIsBetter, []float64{200e-9, 220e-9}, 0},
		{"example.com/a", "Run/streams=8-14", "widgets", "", []float64{3, 4}, 0},
		{"example.com/b", "Run/streams=8-14", "sec/op", runner.LowerIsBetter, []float64{7e-9}, 0},
	}
	near := cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) <= 1e-12*math.Abs(x) })
	if d := cmp.Diff(want, f.Series, near); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if len(f.Problems) != 1 || !strings.HasPrefix(f.Problems[0], "base.txt:6: ") {
		t.Errorf("problems %q", f.Problems)
	}
	head := ReadBenchFile([]byte(strings.ReplaceAll(benchText, "M4 Max", "M3")), "head.txt")
	pairs := Pair(f, head, func(string) string { return "" })
	if len(pairs) != 3 || pairs[0].Name != "example.com/a.Run/streams=8-14" || pairs[2].Name != "example.com/b.Run/streams=8-14" {
		t.Errorf("pairs %+v", pairs)
	}
	if w := strings.Join(pairs[0].Warnings, ""); !strings.Contains(w, `cpu is "Apple M4 Max" in the base and "Apple M3" in the head`) {
		t.Errorf("warnings %q", w)
	}
}

// What editors, shells and programs do to files costs no value that can be read, and what
// it costs is said in the result.
func TestReadNastyBenchFile(t *testing.T) {
	long := "BenchmarkLong" + strings.Repeat("g", maxLine) + " 1 5 ns/op\n"
	text := "\xef\xbb\xbfBenchmarkA 1 100 ns/op\r\n" + // a byte order mark hides no line
		strings.Repeat("log ", maxLine) + "\n" + long + // nor does what is too long for the format
		"BenchmarkA 1 0 ns/op\nBenchmarkA 1 NaN ns/op\nBenchmarkA 1 +Inf ns/op\n" + // 0 has a unit like any other value
		"BenchmarkA 1 1e999 ns/op\nBenchmarkA\nBenchmarkA 1 101 ns/op"
	f := ReadBenchFile([]byte(text), "f")
	if len(f.Series) != 1 || f.Series[0].Unit != "sec/op" || len(f.Series[0].Values) != 3 || f.Series[0].Values[1] != 0 || f.Series[0].Skipped != 2 {
		t.Fatalf("%+v", f.Series)
	}
	places := []string{"f:3: longer than", "f:5: A: NaN", "f:6: A: +Inf", "f:7: "}
	if len(f.Problems) != len(places) {
		t.Errorf("problems %q", f.Problems)
	}
	for i, p := range f.Problems {
		if !strings.HasPrefix(p, places[i]) {
			t.Errorf("problem %q is not %q", p, places[i])
		}
	}
	p := Pair(f, f, func(string) string { return "" })
	want := []string{
		"2 values of the base left out: not finite", "1 line of the base could not be read",
		"2 values of the head left out: not finite", "1 line of the head could not be read",
	}
	if d := cmp.Diff(want, p[0].Warnings); d != "" {
		t.Error(d)
	}
	many := ReadBenchFile([]byte(strings.Repeat("BenchmarkA 1 NaN ns/op\n", 100)), "f")
	if n := len(many.Problems); n != maxProblems+1 || many.Problems[n-1] != "f: and 80 more problems" {
		t.Errorf("%d problems, the last %q", n, many.Problems[n-1])
	}
}

// A file knows its units better than a table does; where files differ the base is right,
// and it is said.
func TestPairBetter(t *testing.T) {
	table := func(string) string { return runner.HigherIsBetter }
	of := func(way string) BenchFile {
		text := "BenchmarkA 1 5 widgets/s\n"
		if way != "" {
			text = "Unit widgets/s better=" + way + "\n" + text
		}
		return ReadBenchFile([]byte(text), "f")
	}
	for _, tt := range []struct{ base, head, want string }{
		{"", "", runner.HigherIsBetter},
		{"lower", "", runner.LowerIsBetter},
		{"", "lower", runner.LowerIsBetter},
		{"lower", "higher", runner.LowerIsBetter},
		{"higher", "lower", runner.HigherIsBetter},
	} {
		p := Pair(of(tt.base), of(tt.head), table)[0]
		differ := tt.base != "" && tt.head != "" && tt.base != tt.head
		if p.Better != tt.want || (len(p.Warnings) > 0) != differ {
			t.Errorf("%q and %q: %q, %q", tt.base, tt.head, p.Better, p.Warnings)
		}
	}
}

// What was read and is written again reads the same.
func FuzzReadBenchFile(f *testing.F) {
	f.Add(benchText)
	f.Add("Unit widgets better=higher\nBenchmarkX 1 5 widgets\nBenchmarkX 1 1e999 ns/op\nBenchmarkX 1 NaN ns/op\n")
	f.Add("BenchmarkX/a=\"b c\" 1 5 ns/op\r\n\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got := ReadBenchFile([]byte(text), "f")
		if len(got.Problems) > maxProblems+1 {
			t.Fatalf("%d problems", len(got.Problems))
		}
		var b strings.Builder
		for _, s := range got.Series {
			if len(s.Values)+s.Skipped == 0 || s.Unit == "" {
				t.Fatalf("an empty series: %+v", s)
			}
			fmt.Fprintf(&b, "pkg: %s\n", s.Package)
			for _, v := range s.Values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%v was taken", v)
				}
				fmt.Fprintf(&b, "Benchmark%s 1 %v %s\n", s.Name, v, s.Unit)
			}
			for range s.Skipped {
				fmt.Fprintf(&b, "Benchmark%s 1 NaN %s\n", s.Name, s.Unit)
			}
		}
		again := ReadBenchFile([]byte(b.String()), "f")
		for i := range again.Series { // Unit lines were not written
			again.Series[i].Better = ""
		}
		want := slices.Clone(got.Series)
		for i := range want {
			want[i].Better = ""
		}
		if d := cmp.Diff(want, again.Series); d != "" {
			t.Fatalf("reads back differently:\n%s\nfrom\n%s", d, b.String())
		}
	})
}
