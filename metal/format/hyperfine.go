package format

import (
	"encoding/json"
	"slices"

	"github.com/holdfast-ci/holdfast/runner"
)

// hyperfineResult is one entry of hyperfine's --export-json
// (github.com/sharkdp/hyperfine, src/benchmark/benchmark_result.rs). Times are seconds,
// whatever unit its table shows.
type hyperfineResult struct {
	Command    string            `json:"command"`
	Mean       *float64          `json:"mean"`
	User       float64           `json:"user"`
	System     float64           `json:"system"`
	Times      []float64         `json:"times"`
	Memory     []float64         `json:"memory_usage_byte"`
	Exits      []*int            `json:"exit_codes"` // null for a run that a signal ended
	Parameters map[string]string `json:"parameters"`
}

// Hyperfine reads the JSON of hyperfine --export-json. A benchmark is named by its
// command line; parameters become Config. Every run gives a value in "sec/op", and in
// "peak-B" where the memory was measured; the mean of the processor time is one value in
// "cpu-sec/op". A run that failed (-i lets them pass) was not measured.
func Hyperfine(text []byte) Output {
	var o Output
	raw, ok := o.document(text, '{')
	if !ok {
		return o
	}
	var doc struct {
		Results []json.RawMessage `json:"results"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		o.errorf(0, "JSON: %v", err)
		return o
	}
	for i, raw := range doc.Results {
		var r hyperfineResult
		if err := json.Unmarshal(raw, &r); err != nil {
			o.errorf(0, "result %d: %v", i+1, err)
			continue
		}
		if n := slices.IndexFunc(r.Exits, func(c *int) bool { return c == nil || *c != 0 }); n >= 0 {
			if r.Exits[n] == nil {
				o.errorf(0, "%.100q: run %d was ended by a signal", r.Command, n+1)
			} else {
				o.errorf(0, "%.100q: run %d ended with exit code %d", r.Command, n+1, *r.Exits[n])
			}
			continue
		}
		o.hyperfine(i, r)
	}
	return o
}

func (o *Output) hyperfine(i int, r hyperfineResult) {
	times := r.Times
	if len(times) == 0 && r.Mean != nil { // jq and friends like to drop the long list
		times = []float64{*r.Mean}
	}
	if len(times) == 0 {
		o.errorf(0, "result %d %.100q has neither times nor a mean", i+1, r.Command)
		return
	}
	config := r.Parameters
	if len(config) == 0 {
		config = nil
	}
	take := func(v float64, unit string) {
		o.add(0, Measurement{Name: r.Command, Config: config, Unit: unit, Better: runner.LowerIsBetter, Value: v})
	}
	for _, v := range times {
		take(v, "s/op")
	}
	if cpu := r.User + r.System; cpu != 0 { // below the tick of the clock it is 0
		take(cpu, "cpu-sec/op")
	}
	for _, v := range r.Memory {
		take(v, "peak-B")
	}
}
