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
		{"example.com/a", "Run/streams=8-14", "sec/op", runner.LowerIsBetter, []float64{200e-9, 220e-9}},
		{"example.com/a", "Run/streams=8-14", "widgets", "", []float64{3, 4}},
		{"example.com/b", "Run/streams=8-14", "sec/op", runner.LowerIsBetter, []float64{7e-9}},
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
			if len(s.Values) == 0 || s.Unit == "" {
				t.Fatalf("an empty series: %+v", s)
			}
			fmt.Fprintf(&b, "pkg: %s\n", s.Package)
			for _, v := range s.Values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%v was taken", v)
				}
				fmt.Fprintf(&b, "Benchmark%s 1 %v %s\n", s.Name, v, s.Unit)
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
