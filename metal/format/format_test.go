package format_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-ci/holdfast/metal/format"
	"github.com/holdfast-ci/holdfast/runner"
)

const (
	lower  = runner.LowerIsBetter
	higher = runner.HigherIsBetter
)

type measurement = format.Measurement

func check(t *testing.T, got format.Output, want []measurement, errs ...string) {
	t.Helper()
	if d := cmp.Diff(want, got.Measurements); d != "" {
		t.Errorf("measurements (-want +got):\n%s", d)
	}
	if len(got.Errors) != len(errs) {
		t.Errorf("errors %v, want %q", got.Errors, errs)
		return
	}
	for i, e := range errs {
		if !strings.Contains(got.Errors[i].Error(), e) {
			t.Errorf("error %v, want %q", got.Errors[i], e)
		}
	}
}

// The shape is that of "go test -bench . -benchmem"; the numbers are made up.
const goOutput = `goos: darwin
goarch: arm64
pkg: example.com/pool
cpu: Apple M4 Max
BenchmarkAcquire
BenchmarkAcquire-14            	 1000000	      1250 ns/op	       0 B/op	       0 allocs/op
BenchmarkEncode/streams=8/light-14 	     500	    200000 ns/op	  512.5 MB/s	     40000 ops/s
BenchmarkEncode/streams=8/light-14 	     500	    210000 ns/op	  500.0 MB/s	     39000 ops/s
Unit score better=higher
BenchmarkTuned/a=1/a=2   	     500	    42 score
PASS
ok  	example.com/pool	3.005s
`

func TestGo(t *testing.T) {
	pool := map[string]string{"pkg": "example.com/pool", "gomaxprocs": "14"}
	encode := maps.Clone(pool)
	encode["streams"] = "8"
	tuned := map[string]string{"pkg": "example.com/pool", "a": "1"}
	check(t, format.Go([]byte(goOutput)), []measurement{
		{"Acquire", pool, "sec/op", lower, 1250e-9},
		{"Acquire", pool, "B/op", lower, 0},
		{"Acquire", pool, "allocs/op", lower, 0},
		{"Encode/light", encode, "sec/op", lower, 200000e-9},
		{"Encode/light", encode, "B/s", higher, 512.5e6},
		{"Encode/light", encode, "ops/s", higher, 40000},
		{"Encode/light", encode, "sec/op", lower, 210000e-9},
		{"Encode/light", encode, "B/s", higher, 500e6},
		{"Encode/light", encode, "ops/s", higher, 39000},
		{"Tuned/a=2", tuned, "score", higher, 42},
	})
}

func TestGoBadLines(t *testing.T) {
	check(t, format.Go([]byte(`BenchmarkA 10 NaN ns/op
BenchmarkB 10 -5 ns/op
BenchmarkC 10 +Inf ns/op
BenchmarkD many 5 ns/op
BenchmarkE 10 0 ns/op
BenchmarkF 10 5
BenchmarkG 10 7 ns/op
`)), []measurement{{"G", nil, "sec/op", lower, 7e-9}},
		"line 1: A: NaN", "line 2: B: -5e-09 sec/op is negative", "line 3: C: +Inf", "line 4: parsing iteration count",
		"line 5: E: 0 sec/op: nothing was measured", "line 6: missing units")
}

// Keys as in Google Benchmark 1.8's documentation; written from it, not recorded.
const googleOutput = `Running ./pool_bench
{
  "context": {"date": "2026-01-01", "num_cpus": 14, "library_build_type": "debug"},
  "benchmarks": [
    {"name": "BM_Submit/8/threads:4", "run_name": "BM_Submit/8/threads:4", "run_type": "iteration", "repetitions": 2,
     "repetition_index": 0, "iterations": 1000, "real_time": 2.5, "cpu_time": 5.0, "time_unit": "us", "items_per_second": 4e5},
    {"name": "BM_Submit/8/threads:4", "run_name": "BM_Submit/8/threads:4", "run_type": "iteration", "repetitions": 2,
     "repetition_index": 1, "iterations": 1000, "real_time": 3.5, "cpu_time": 0, "time_unit": "us", "bytes_per_second": 1024},
    {"name": "BM_Submit/8/threads:4_mean", "run_name": "BM_Submit/8/threads:4", "run_type": "aggregate", "aggregate_name": "mean",
     "real_time": 3.0, "cpu_time": 2.5, "time_unit": "us"}
  ]
}
`

func TestGoogleBenchmark(t *testing.T) {
	got := format.GoogleBenchmark([]byte(googleOutput))
	config := map[string]string{"threads": "4"}
	check(t, got, []measurement{
		{"BM_Submit/8", config, "sec/op", lower, 2.5e-6},
		{"BM_Submit/8", config, "cpu-sec/op", lower, 5e-6},
		{"BM_Submit/8", config, "items/s", higher, 4e5},
		{"BM_Submit/8", config, "sec/op", lower, 3.5e-6},
		{"BM_Submit/8", config, "B/s", higher, 1024},
	})
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "debug build") {
		t.Errorf("warnings %q", got.Warnings)
	}
}

func TestGoogleBenchmarkBad(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "no JSON object",
		"Segmentation fault":            "no JSON object",
		"{\n\"benchmarks\": [\n{]":      "line 3: JSON",
		`{"benchmarks": [{"name": "a",`: "JSON: unexpected",
		`{"benchmarks": [{"name": "a", "real_time": NaN, "time_unit": "ns"}]}`:                             "JSON: invalid character 'N'",
		`{"benchmarks": [{"name": "a", "real_time": "1", "time_unit": "ns"}]}`:                             "benchmark 1:",
		`{"benchmarks": [{"name": "a", "real_time": 1, "time_unit": "parsec"}]}`:                           `time unit "parsec"`,
		`{"benchmarks": [{"name": "a", "time_unit": "ns"}]}`:                                               "has no real_time",
		`{"benchmarks": [{"name": "a", "real_time": -1, "time_unit": "ns"}]}`:                              "is negative",
		`{"benchmarks": [{"name": "", "real_time": 1, "time_unit": "ns"}]}`:                                "without a name",
		`{"benchmarks": [{"name": "a\u001b[2J", "real_time": 1, "time_unit": "ns"}]}`:                      "unprintable",
		`{"benchmarks": [{"name": "a", "error_occurred": true, "error_message": "no device"}]}`:            `"no device"`,
		`{"benchmarks": [{"name": "a", "run_type": "aggregate", "real_time": 1, "time_unit": "ns"}]}`:      "only aggregates",
		`{"benchmarks": [{"name": "` + strings.Repeat("a", 400) + `", "real_time": 1, "time_unit":"ns"}]}`: "longer than",
	} {
		got := format.GoogleBenchmark([]byte(in))
		if len(got.Measurements) != 0 || len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Error(), want) {
			t.Errorf("%.60q: %+v, want an error with %q", in, got, want)
		}
	}
	if got := format.GoogleBenchmark([]byte(`{"benchmarks": []}`)); len(got.Measurements)+len(got.Errors) != 0 {
		t.Errorf("no benchmarks: %+v", got)
	}
}

func pattern(t testing.TB, expr, name, unit string) *format.Pattern {
	t.Helper()
	p, err := format.NewPattern(expr, name, unit)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRegexp(t *testing.T) {
	p := pattern(t, `(?P<name>\w+) threads (?P<threads>\d+): (?P<value>\S+) (?P<unit>ops/s|ms)`, "tool", "")
	check(t, p.Read([]byte("hello\r\nlight threads 8: 51701.5 ops/s, light threads 1: 2.5 ms\r\nheavy threads 8: fast ops/s\r\nheavy threads 2: -1 ops/s\n")),
		[]measurement{
			{"light", map[string]string{"threads": "8"}, "ops/s", higher, 51701.5},
			{"light", map[string]string{"threads": "1"}, "sec", lower, 2.5e-3},
		}, `line 3: value "fast"`, "line 4: heavy: -1 ops/s is negative")

	p = pattern(t, `latency=(?P<value>[0-9.einfa]+)`, "tool", "us")
	check(t, p.Read([]byte("latency=12\nlatency=inf\nlatency=nan\n")),
		[]measurement{{"tool", nil, "sec", lower, 12e-6}}, "line 2: tool: +Inf", "line 3: tool: NaN")
}

func TestNewPatternRejects(t *testing.T) {
	for expr, want := range map[string]string{
		`(`:                                    "missing closing",
		`\d+`:                                  "no group (?P<value>",
		`(?P<value>\d+)`:                       "no group (?P<unit>",
		`(?P<unit>s)(?P<value>a)|(?P<value>b)`: "group value twice",
	} {
		if _, err := format.NewPattern(expr, "tool", ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", expr, err, want)
		}
	}
}

func TestTidyAndBetter(t *testing.T) {
	for _, c := range []struct {
		unit, want, better string
		factor             float64
	}{
		{"ns/op", "sec/op", lower, 1e-9},
		{"ms", "sec", lower, 1e-3},
		{"µs/frame", "sec/frame", lower, 1e-6},
		{"s/op", "sec/op", lower, 1},
		{"MB/s", "B/s", higher, 1e6},
		{"GiB/s", "B/s", higher, 1 << 30},
		{"B/op", "B/op", lower, 1},
		{"allocs/op", "allocs/op", lower, 1},
		{"ops/s", "ops/s", higher, 1},
		{"x", "x", higher, 1},
		{"ratio", "ratio", higher, 1},
		{"score", "score", "", 1},
		{"", "", "", 1},
	} {
		v, unit := format.Tidy(3, c.unit)
		if math.Abs(v/(3*c.factor)-1) > 1e-15 || unit != c.want || format.Better(unit) != c.better {
			t.Errorf("3 %s is %v %s (%q), want %v %s (%q)", c.unit, v, unit, format.Better(unit), 3*c.factor, c.want, c.better)
		}
	}
}

// sound is what holds for every measurement of any input.
func sound(t *testing.T, o format.Output) {
	t.Helper()
	for _, m := range o.Measurements {
		if m.Name == "" || math.IsNaN(m.Value) || math.IsInf(m.Value, 0) || m.Value < 0 || math.Signbit(m.Value) {
			t.Fatalf("%+v", m)
		}
		if v, unit := format.Tidy(m.Value, m.Unit); v != m.Value || unit != m.Unit {
			t.Fatalf("%+v is not in base units: %v %s", m, v, unit)
		}
		if m.Better != "" && m.Better != lower && m.Better != higher {
			t.Fatalf("%+v", m)
		}
		for _, r := range m.Name + m.Unit {
			if r < ' ' {
				t.Fatalf("%+v", m)
			}
		}
	}
}

// FuzzGo: what was read, written down in the format and read again, is the same.
func FuzzGo(f *testing.F) {
	f.Add([]byte(goOutput))
	f.Add([]byte("BenchmarkA/x=/=y/-3-4 1 5 ns/op 0 MB/s\nUnit ns/op better=higher\n"))
	f.Add([]byte("pkg: a\nBenchmarkA/pkg=b 1 1e300 GB/s -0 B/op\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := format.Go(text)
		sound(t, o)
		var b strings.Builder
		var want []measurement
		for _, m := range o.Measurements {
			if strings.ContainsAny(m.Name+m.Unit, " \u00a0") || m.Config["pkg"] != strings.TrimSpace(m.Config["pkg"]) {
				continue
			}
			var name strings.Builder
			name.WriteString(m.Name)
			for _, k := range slices.Sorted(maps.Keys(m.Config)) {
				if k != "gomaxprocs" && k != "pkg" {
					fmt.Fprintf(&name, "/%s=%s", k, m.Config[k])
				}
			}
			if m.Config["gomaxprocs"] != "" {
				name.WriteString("-" + m.Config["gomaxprocs"])
			}
			// Written anew, keys come last and may meet their doubles in the name.
			if strings.Contains(m.Name, "=") || strings.Contains(m.Name, "-") {
				continue
			}
			m.Config = maps.Clone(m.Config)
			delete(m.Config, "pkg")
			if len(m.Config) == 0 {
				m.Config = nil
			}
			m.Better = format.Better(m.Unit)
			if m.Value == 0 && m.Better != lower {
				continue
			}
			fmt.Fprintf(&b, "Benchmark%s 1 %v %s\n", name.String(), m.Value, m.Unit)
			want = append(want, m)
		}
		again := format.Go([]byte(b.String()))
		if d := cmp.Diff(want, again.Measurements); d != "" || len(again.Errors) > 0 {
			t.Fatalf("%q read again (-want +got):\n%s%v", b.String(), d, again.Errors)
		}
	})
}

// FuzzGoogleBenchmark: wall times, encoded as JSON and read again, are the same.
func FuzzGoogleBenchmark(f *testing.F) {
	f.Add([]byte(googleOutput))
	f.Add([]byte(`{"benchmarks":[{"name":"a/b:c/b:d","real_time":0.1,"cpu_time":1,"time_unit":"s"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := format.GoogleBenchmark(text)
		sound(t, o)
		type entry struct {
			Name string  `json:"name"`
			Time float64 `json:"real_time"`
			Unit string  `json:"time_unit"`
		}
		var doc struct {
			Benchmarks []entry `json:"benchmarks"`
		}
		var want []measurement
		for _, m := range o.Measurements {
			if m.Unit != "sec/op" || strings.Contains(m.Name, ":") {
				continue
			}
			name := m.Name
			for _, k := range slices.Sorted(maps.Keys(m.Config)) {
				name += "/" + k + ":" + m.Config[k]
			}
			doc.Benchmarks = append(doc.Benchmarks, entry{name, m.Value, "s"})
			want = append(want, m)
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		again := format.GoogleBenchmark(text)
		if d := cmp.Diff(want, again.Measurements); d != "" || len(again.Errors) > 0 {
			t.Fatalf("%s read again (-want +got):\n%s%v", text, d, again.Errors)
		}
	})
}

// FuzzRegexp: every value read stands on its line, and every matching line gives a
// value or an error.
func FuzzRegexp(f *testing.F) {
	f.Add([]byte("a: 1 ms\nb: 2e3 ops/s\n"))
	f.Add([]byte("a: 1e999 ms\r\n: 0 s\na: 0 x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := pattern(t, `^(?P<name>\S*): (?P<value>\S+) (?P<unit>\S+)`, "tool", "")
		o := p.Read(text)
		sound(t, o)
		lines := 0
		for l := range strings.Lines(string(text)) {
			if name, rest, ok := strings.Cut(l, ": "); ok && !strings.ContainsAny(name, " \t\n\f\r\v") {
				if f := strings.Fields(rest); len(f) >= 2 && strings.HasPrefix(rest, f[0]+" "+f[1]) {
					lines++
				}
			}
		}
		if got := len(o.Measurements) + len(o.Errors); got < min(lines, 20) {
			t.Fatalf("%d of %d lines gave a value or an error", got, lines)
		}
	})
}
