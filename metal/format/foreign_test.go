package format_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-ci/holdfast/metal/format"
)

// The samples here were written from the sources and the documentation of the programs;
// none was recorded.

const hyperfineOutput = `Benchmark 1: ./pool --streams 8
  Time (mean ± σ):      12.0 ms ±   1.0 ms    [User: 4.0 ms, System: 1.0 ms]
{
  "results": [
    {
      "command": "./pool --streams 8",
      "mean": 0.012, "stddev": null, "median": 0.012, "user": 0.004, "system": 0.001, "min": 0.011, "max": 0.013,
      "times": [0.011, 0.013],
      "memory_usage_byte": [1048576, 2097152],
      "exit_codes": [0, 0],
      "parameters": {"streams": "8"}
    },
    {"command": "true", "mean": 0.001, "user": 0, "system": 0, "exit_codes": [0]}
  ]
}
`

func TestHyperfine(t *testing.T) {
	streams := map[string]string{"streams": "8"}
	check(t, format.Hyperfine([]byte(hyperfineOutput)), []measurement{
		{"./pool --streams 8", streams, "sec/op", lower, 0.011},
		{"./pool --streams 8", streams, "sec/op", lower, 0.013},
		{"./pool --streams 8", streams, "cpu-sec/op", lower, 0.005},
		{"./pool --streams 8", streams, "peak-B", lower, 1048576},
		{"./pool --streams 8", streams, "peak-B", lower, 2097152},
		{"true", nil, "sec/op", lower, 0.001},
	})
	bad(t, format.Hyperfine, map[string]string{
		"hyperfine: not found": "no JSON object",
		`{"results": [{"command": "a", "times": [1, 2], "exit_codes": [0, 3]}]}`:    `"a": run 2 ended with exit code 3`,
		`{"results": [{"command": "a", "times": [1, 2], "exit_codes": [null, 0]}]}`: `"a": run 1 was ended by a signal`,
		`{"results": [{"command": "a"}]}`:                                           "neither times nor a mean",
		`{"results": [{"command": "a", "times": ["1"]}]}`:                           "result 1:",
		`{"results": [{"command": "a", "times": [0]}]}`:                             "nothing was measured",
		`{"results": 5}`:      "JSON:",
		"{\n\"results\": [\n": "line 3: JSON: unexpected EOF",
	})
}

const bencherOutput = `{
  "Pool::acquire": {
    "latency": {"value": 88.0, "lower_value": 87.42, "upper_value": 88.88},
    "throughput": {"value": 5.55}
  },
  "make": {"build-time": {"value": 87}},
  "libpool.a": {"file-size": {"value": 42}, "Symbols": {"value": 7}, "instructions": {"value": 0}}
}`

func TestBencher(t *testing.T) {
	check(t, format.Bencher([]byte(bencherOutput)), []measurement{
		{"Pool::acquire", nil, "sec/op", lower, 88e-9},
		{"Pool::acquire", nil, "ops/s", higher, 5.55},
		{"make", nil, "sec", lower, 87},
		{"libpool.a", nil, "B", lower, 42},
		{"libpool.a", nil, "Symbols", "", 7},
		{"libpool.a", nil, "instructions", lower, 0},
	})
	bad(t, format.Bencher, map[string]string{
		``:                                           "no JSON object",
		`{"a": 5}`:                                   `"a": not a JSON object`,
		`{"a": {"latency": {}}}`:                     `"a": "latency" has no value`,
		`{"a": {"latency": 5}}`:                      `"a": "latency": json:`,
		`{"a": {"": {"value": 5}}}`:                  "a measure without a name",
		`{"a": {"latency": {"value": -5}}}`:          "is negative",
		`{"": {"latency": {"value": 5}}}`:            "without a name",
		`{"a": {"latency": {"value": "5"}}}`:         `"a": "latency": json:`,
		`{"a": {"x\u0007": {"value": 5}}}`:           "unprintable",
		`{"a": {"latency": {"value": 1e999}}}`:       `"a": "latency": json:`,
		`{"` + strings.Repeat("a", 400) + `": null}`: "not a JSON object",
	})
	// The same benchmark twice is not the last one.
	got := format.Bencher([]byte(`{"a": {"y": {"value": 1}}, "a": {"y": {"value": 2}}}`))
	check(t, got, []measurement{{"a", nil, "y", "", 1}}, `the key "a" comes twice`)
}

const catch2Output = `Randomness seeded to: 1
<?xml version="1.0" encoding="UTF-8"?>
<Catch2TestRun name="bench" rng-seed="1" xml-format-version="3" catch2-version="3.7.1">
  <TestCase name="pool" tags="[!benchmark]" filename="pool.cpp" line="9">
    <BenchmarkResults name="acquire" samples="100" resamples="100000" iterations="20" clockResolution="20" estimatedDuration="1">
      <!--All values in nano seconds-->
      <mean value="1250.5" lowerBound="1200" upperBound="1300" ci="0.95"/>
      <standardDeviation value="20" lowerBound="10" upperBound="30" ci="0.95"/>
      <outliers variance="0.1" lowMild="0" lowSevere="0" highMild="1" highSevere="0"/>
    </BenchmarkResults>
    <Section name="8 streams " filename="pool.cpp" line="20">
      <BenchmarkResults name="encode" samples="1" resamples="1" iterations="1" clockResolution="1" estimatedDuration="1">
        <mean value="2e3" lowerBound="1" upperBound="3" ci="0.95"/>
      </BenchmarkResults>
      <OverallResults successes="0" failures="0" expectedFailures="0"/>
    </Section>
    <OverallResult success="true"/>
  </TestCase>
  <TestCase name="no benchmark"><Expression success="false"><Original>1 == 2</Original></Expression><OverallResult success="false"/></TestCase>
  <OverallResults successes="0" failures="1" expectedFailures="0"/>
  <OverallResultsCases successes="1" failures="1" expectedFailures="0"/>
</Catch2TestRun>
goodbye <
`

func TestCatch2(t *testing.T) {
	check(t, format.Catch2([]byte(catch2Output)), []measurement{
		{"pool/acquire", nil, "sec/op", lower, 1250.5e-9},
		{"pool/8 streams/encode", nil, "sec/op", lower, 2000e-9},
	})
	run := func(inner string) string {
		return "<Catch2TestRun>\n<TestCase name=\"t\">" + inner + "<OverallResult success=\"true\"/></TestCase></Catch2TestRun>"
	}
	bad(t, format.Catch2, map[string]string{
		"":                         "no XML",
		"<html><body>":             `root element is "html"`,
		"<Catch2TestRun>\n<TestCa": "line 2: XML:",
		"<Catch2TestRun></x>":      "XML:",
		"<Catch>\n":                "line 2: XML: unexpected EOF",
		run(`<BenchmarkResults name="b"></BenchmarkResults>`):                                                                                          `"t/b" has no mean`,
		run(`<BenchmarkResults name="b"><mean value="x"/></BenchmarkResults>`):                                                                         `mean "x" is not a number`,
		run(`<BenchmarkResults name="b"><mean value="nan"/></BenchmarkResults>`):                                                                       "not a finite number",
		run(`<BenchmarkResults name="b"><failed message="no device"/></BenchmarkResults>`):                                                             `"t/b" says: "no device"`,
		run(strings.Repeat(`<Section name="s">`, 60)):                                                                                                  "nested more than",
		run(`<BenchmarkResults name="b"><mean value="1"/></BenchmarkResults><FatalErrorCondition>SIGSEGV</FatalErrorCondition>`):                       `test case "t" failed`,
		`<Catch><TestCase name="t"><BenchmarkResults name="b"><mean value="1"/></BenchmarkResults></TestCase></Catch>`:                                 `test case "t" failed`,
		`<Catch><TestCase name="t"><BenchmarkResults name="b"><mean value="1"/></BenchmarkResults><OverallResult success="false"/></TestCase></Catch>`: `test case "t" failed`,
	})
}

const jmhOutput = `[INFO] Scanning for projects...
[
  {
    "jmhVersion": "1.37",
    "benchmark": "org.example.Pool.acquire", "mode": "thrpt", "threads": 4, "forks": 2,
    "params": {"streams": "8"},
    "primaryMetric": {"score": 12.0, "scoreError": "NaN", "scoreConfidence": ["NaN", "NaN"], "scorePercentiles": {"0.0": 10.0},
      "scoreUnit": "ops/us", "rawData": [[11.0, 13.0], [12.0]]},
    "secondaryMetrics": {
      "gc.alloc.rate": {"score": 0.0, "scoreUnit": "MB/sec", "rawData": [[0.0]]},
      "·gc.alloc.rate.norm": {"score": 24.5, "scoreUnit": "B/op", "rawData": [[24.5, 24.5], [0.0]]},
      "misses": {"score": 0.0, "scoreUnit": "ops/s", "rawData": [[0.0]]}
    }
  },
  {"benchmark": "org.example.Pool.encode", "mode": "sample", "threads": 1,
   "primaryMetric": {"score": 2.0, "scoreUnit": "ms/op", "rawDataHistogram": [[[[1.0, 3], [5.0, 1]], [[2.0, 2]]]]}, "secondaryMetrics": {}},
  {"benchmark": "org.example.Pool.once", "mode": "ss", "threads": 1, "primaryMetric": {"score": 3.0, "scoreUnit": "s/op", "rawData": []}}
]
`

func TestJMH(t *testing.T) {
	acquire := map[string]string{"mode": "thrpt", "threads": "4", "streams": "8"}
	encode := map[string]string{"mode": "sample", "threads": "1"}
	once := map[string]string{"mode": "ss", "threads": "1"}
	check(t, format.JMH([]byte(jmhOutput)), []measurement{
		{"org.example.Pool.acquire", acquire, "ops/s", higher, 11e6},
		{"org.example.Pool.acquire", acquire, "ops/s", higher, 13e6},
		{"org.example.Pool.acquire", acquire, "ops/s", higher, 12e6},
		{"org.example.Pool.acquire/gc.alloc.rate.norm", acquire, "B/op", lower, 24.5},
		{"org.example.Pool.acquire/gc.alloc.rate.norm", acquire, "B/op", lower, 24.5},
		{"org.example.Pool.acquire/gc.alloc.rate.norm", acquire, "B/op", lower, 0},
		{"org.example.Pool.acquire/misses", acquire, "ops/s", higher, 0},
		{"org.example.Pool.encode", encode, "sec/op", lower, 2e-3},
		{"org.example.Pool.encode", encode, "sec/op", lower, 2e-3},
		{"org.example.Pool.once", once, "sec/op", lower, 3},
	})
	bad(t, format.JMH, map[string]string{
		"":                       "no JSON array",
		"[INFO] BUILD FAILURE\n": "JSON: invalid character 'I'",
		`[5]`:                    "result 1:",
		`[{"benchmark": "a"}]`:   "has no primaryMetric",
		`[{"benchmark": "a", "primaryMetric": {"score": 5}}]`:                                         "no scoreUnit",
		`[{"benchmark": "a", "primaryMetric": {"scoreUnit": "ops/s"}}]`:                               "no value",
		`[{"benchmark": "a", "primaryMetric": {"score": "NaN", "scoreUnit": "ops/s"}}]`:               "not a finite number",
		`[{"benchmark": "a", "primaryMetric": {"score": "-INF", "scoreUnit": "ops/s"}}]`:              "not a finite number",
		`[{"benchmark": "a", "primaryMetric": {"score": "many", "scoreUnit": "ops/s"}}]`:              `is not a number`,
		`[{"benchmark": "a", "primaryMetric": {"score": 0, "scoreUnit": "ops/s", "rawData": [[0]]}}]`: "nothing was measured",
		`[{"primaryMetric": {"score": 5, "scoreUnit": "ops/s", "rawData": [[5]]}}]`:                   "without a name",
		strings.Repeat("[\n", 1000): "JSON:",
	})
}

// bad runs a reader over inputs that must give one error and no value.
func bad(t *testing.T, read func([]byte) format.Output, cases map[string]string) {
	t.Helper()
	for in, want := range cases {
		got := read([]byte(in))
		if len(got.Measurements) != 0 || len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Error(), want) {
			t.Errorf("%.200q: %+v, %v\nwant an error with %q", in, got.Measurements, got.Errors, want)
		}
	}
}

// again compares what was read with what is read from it, written anew.
func again(t *testing.T, read func([]byte) format.Output, doc any, want []measurement) {
	t.Helper()
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	got := read(text)
	if d := cmp.Diff(want, got.Measurements); d != "" || len(got.Errors) > 0 {
		t.Fatalf("%s read again (-want +got):\n%s%v", text, d, got.Errors)
	}
}

type object map[string]any

// FuzzHyperfine: times, encoded as JSON and read again, are the same.
func FuzzHyperfine(f *testing.F) {
	f.Add([]byte(hyperfineOutput))
	f.Add([]byte(`{"results":[{"command":"a","times":[1e-300],"parameters":{"b":"c"}},{"command":"a","mean":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := format.Hyperfine(text)
		sound(t, o)
		var results []object
		var want []measurement
		for _, m := range o.Measurements {
			if m.Unit == "sec/op" {
				results = append(results, object{"command": m.Name, "times": []float64{m.Value}, "parameters": m.Config})
				want = append(want, m)
			}
		}
		again(t, format.Hyperfine, object{"results": results}, want)
	})
}

// FuzzBencher: what was read, encoded and read again, is the same.
func FuzzBencher(f *testing.F) {
	f.Add([]byte(bencherOutput))
	f.Add([]byte(`{"a":{"b/ms":{"value":1},"b/s":{"value":1}},"a":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := format.Bencher(text)
		sound(t, o)
		var b bytes.Buffer // by hand: a map has no order
		var want []measurement
		seen := map[string]bool{}
		for _, m := range o.Measurements {
			if m.Config != nil {
				t.Fatalf("%+v has a configuration", m)
			}
			if seen[m.Name] || m.Unit == "latency" || m.Unit == "throughput" || m.Unit == "build-time" || m.Unit == "file-size" {
				continue
			}
			seen[m.Name] = true
			if m.Better = format.Better(m.Unit); m.Unit == "instructions" {
				m.Better = lower
			}
			one, err := json.Marshal(object{m.Name: object{m.Unit: object{"value": m.Value}}})
			if err != nil {
				t.Fatal(err)
			}
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.Write(one[1 : len(one)-1])
			want = append(want, m)
		}
		again(t, format.Bencher, json.RawMessage("{"+b.String()+"}"), want)
	})
}

// FuzzCatch2: means, written as XML and read again, are the same.
func FuzzCatch2(f *testing.F) {
	f.Add([]byte(catch2Output))
	f.Add([]byte(`<Catch><TestCase name="&lt;"><BenchmarkResults name="b"><mean value="1"/></BenchmarkResults><OverallResult success="true"/></TestCase></Catch>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := format.Catch2(text)
		sound(t, o)
		var b bytes.Buffer
		var want []measurement
		b.WriteString("<Catch2TestRun>")
		for _, m := range o.Measurements {
			if m.Unit != "sec/op" || m.Better != lower || m.Config != nil {
				t.Fatalf("%+v", m)
			}
			// Its seconds are written as nanoseconds, of which the smallest are nothing.
			value := m.Value
			test, bench, ok := strings.Cut(m.Name, "/")
			if m.Value, _ = format.Tidy(value, "ns/op"); m.Value == 0 || !ok || strings.TrimSpace(test) != test || strings.TrimSpace(bench) != bench {
				continue
			}
			b.WriteString(`<TestCase name="`)
			xml.EscapeText(&b, []byte(test))
			b.WriteString(`"><BenchmarkResults name="`)
			xml.EscapeText(&b, []byte(bench))
			fmt.Fprintf(&b, `"><mean value="%v"/></BenchmarkResults><OverallResult success="true"/></TestCase>`, value)
			want = append(want, m)
		}
		b.WriteString("</Catch2TestRun>")
		got := format.Catch2(b.Bytes())
		if d := cmp.Diff(want, got.Measurements); d != "" || len(got.Errors) > 0 {
			t.Fatalf("%s read again (-want +got):\n%s%v", b.String(), d, got.Errors)
		}
	})
}

// FuzzJMH: values, encoded as JSON and read again, are the same.
func FuzzJMH(f *testing.F) {
	f.Add([]byte(jmhOutput))
	f.Add([]byte(`[{"benchmark":"a","params":{"mode":"x"},"mode":"y","threads":-1,"primaryMetric":{"score":1,"scoreUnit":"x/min"}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := format.JMH(text)
		sound(t, o)
		var list []object
		var want []measurement
		for _, m := range o.Measurements {
			if m.Unit == "" || m.Value == 0 || slices.Contains([]string{m.Config["mode"], m.Config["threads"]}, "") {
				continue
			}
			n, _ := strconv.Atoi(m.Config["threads"])
			m.Better = format.Better(m.Unit)
			params := object{}
			for k, v := range m.Config {
				params[k] = v
			}
			list = append(list, object{
				"benchmark": m.Name, "mode": m.Config["mode"], "threads": n, "params": params,
				"primaryMetric": object{"scoreUnit": m.Unit, "rawData": [][]float64{{m.Value}}},
			})
			want = append(want, m)
		}
		if list == nil {
			return
		}
		again(t, format.JMH, list, want)
	})
}
