package format

import (
	"encoding/json"

	"github.com/holdfast-ci/holdfast/runner"
)

// bencherMeasures are measures that Bencher itself defines, with their units
// (bencher.dev/docs/explanation/adapters): the format names none.
var bencherMeasures = map[string]struct{ unit, better string }{
	"latency":      {"ns/op", runner.LowerIsBetter},
	"throughput":   {"ops/s", runner.HigherIsBetter},
	"build-time":   {"s", runner.LowerIsBetter},
	"file-size":    {"B", runner.LowerIsBetter},
	"instructions": {"instructions", runner.LowerIsBetter},
}

// Bencher reads the Bencher Metric Format: an object of benchmarks, each an object of
// measures, each with a value. Bencher's own measures come out in base units; the name
// of any other measure is its unit, and its direction is not known. The bounds
// lower_value and upper_value are summaries, not samples, and are not read.
func Bencher(text []byte) Output {
	var o Output
	raw, ok := o.document(text, '{')
	if !ok {
		return o
	}
	err := members(raw, func(name string, measures json.RawMessage) {
		err := members(measures, func(measure string, metric json.RawMessage) {
			var m struct {
				Value *float64 `json:"value"`
			}
			if err := json.Unmarshal(metric, &m); err != nil {
				o.errorf(0, "%.100q: %.100q: %v", name, measure, err)
				return
			}
			if m.Value == nil {
				o.errorf(0, "%.100q: %.100q has no value", name, measure)
				return
			}
			if measure == "" {
				o.errorf(0, "%.100q: a measure without a name", name)
				return
			}
			unit := bencherMeasures[measure]
			if unit.unit == "" {
				unit.unit = measure
			}
			o.add(0, Measurement{Name: name, Unit: unit.unit, Better: unit.better, Value: *m.Value})
		})
		if err != nil {
			o.errorf(0, "%.100q: %v", name, err)
		}
	})
	if err != nil {
		o.errorf(0, "JSON: %v", err)
	}
	return o
}
