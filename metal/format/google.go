package format

import (
	"encoding/json"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// googleResult is one entry of Google Benchmark's JSON
// (github.com/google/benchmark, docs/user_guide.md, "Output Formats"). User counters
// are further keys of the same object and are not read.
type googleResult struct {
	Name         string   `json:"name"`
	RunName      string   `json:"run_name"`
	RunType      string   `json:"run_type"` // "iteration" or "aggregate"; absent in old versions
	RealTime     *float64 `json:"real_time"`
	CPUTime      *float64 `json:"cpu_time"`
	TimeUnit     string   `json:"time_unit"` // ns, us, ms, s
	Items        *float64 `json:"items_per_second"`
	Bytes        *float64 `json:"bytes_per_second"`
	Failed       bool     `json:"error_occurred"`
	ErrorMessage string   `json:"error_message"`
	Skipped      bool     `json:"skipped"`
	SkipMessage  string   `json:"skip_message"`
}

// GoogleBenchmark reads the JSON of --benchmark_format=json. Wall time becomes
// "sec/op", CPU time "cpu-sec/op", items_per_second "items/s" and bytes_per_second
// "B/s". "/key:value" parts of a name become Config. Aggregates are left out: the
// repetitions themselves are the samples. Text around the JSON object is tolerated.
func GoogleBenchmark(text []byte) Output {
	var o Output
	var doc struct {
		Context struct {
			Build string `json:"library_build_type"`
		} `json:"context"`
		Benchmarks []json.RawMessage `json:"benchmarks"`
	}
	raw, ok := o.document(text, '{')
	if !ok {
		return o
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		o.errorf(0, "JSON: %v", err)
		return o
	}
	if doc.Context.Build == "debug" {
		o.Warnings = append(o.Warnings, "the benchmark library is a debug build: its timings are not those of a release")
	}
	aggregates := 0
	for i, raw := range doc.Benchmarks {
		var b googleResult
		if err := json.Unmarshal(raw, &b); err != nil {
			o.errorf(0, "benchmark %d: %v", i+1, err)
			continue
		}
		if b.RunType == "aggregate" {
			aggregates++
			continue
		}
		o.google(i, b)
	}
	if aggregates > 0 && len(o.Measurements) == 0 && len(o.Errors) == 0 {
		o.errorf(0, "only aggregates: run it without --benchmark_report_aggregates_only")
	}
	return o
}

func (o *Output) google(i int, b googleResult) {
	full := b.RunName
	if full == "" {
		full = b.Name
	}
	if b.Failed || b.Skipped {
		o.errorf(0, "%q says: %.200q", full, b.ErrorMessage+b.SkipMessage)
		return
	}
	switch b.TimeUnit {
	case "ns", "us", "ms", "s":
	default:
		o.errorf(0, "benchmark %d %q: time unit %q", i+1, full, b.TimeUnit)
		return
	}
	if b.RealTime == nil {
		o.errorf(0, "benchmark %d %q has no real_time", i+1, full)
		return
	}
	name, config := splitGoogle(full)
	take := func(v *float64, unit, better string) {
		if v != nil {
			o.add(0, Measurement{Name: name, Config: config, Unit: unit, Better: better, Value: *v})
		}
	}
	take(b.RealTime, b.TimeUnit+"/op", runner.LowerIsBetter)
	if b.CPUTime != nil {
		// A benchmark that only waits may well use no CPU time worth a tick.
		cpu, _ := Tidy(*b.CPUTime, b.TimeUnit)
		if cpu != 0 {
			take(&cpu, "cpu-sec/op", runner.LowerIsBetter)
		}
	}
	take(b.Items, "items/s", runner.HigherIsBetter)
	take(b.Bytes, "B/s", runner.HigherIsBetter)
}

// splitGoogle moves "/key:value" parts of a name into the configuration.
func splitGoogle(full string) (name string, config map[string]string) {
	parts := strings.Split(full, "/")
	name = parts[0]
	for _, p := range parts[1:] {
		key, value, ok := strings.Cut(p, ":")
		if _, taken := config[key]; ok && !taken && key != "" && value != "" && !strings.Contains(value, ":") {
			config = with(config, key, value)
			continue
		}
		name += "/" + p
	}
	return name, config
}
