package format

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// jmhResult is one entry of JMH's -rf json (github.com/openjdk/jmh,
// results/format/JSONResultFormat.java).
type jmhResult struct {
	Benchmark string            `json:"benchmark"`
	Mode      string            `json:"mode"` // thrpt, avgt, sample, ss
	Threads   int               `json:"threads"`
	Params    map[string]string `json:"params"`
	Primary   *jmhMetric        `json:"primaryMetric"`
	Secondary json.RawMessage   `json:"secondaryMetrics"`
}

type jmhMetric struct {
	Score *jmhNumber    `json:"score"`
	Unit  string        `json:"scoreUnit"`
	Raw   [][]jmhNumber `json:"rawData"` // iterations of each fork
	// Histogram has pairs of a time and a count, of each iteration of each fork.
	Histogram [][][][2]jmhNumber `json:"rawDataHistogram"`
}

// jmhNumber is a number, or one of the words that JMH has for those JSON lacks.
type jmhNumber float64

func (n *jmhNumber) UnmarshalJSON(text []byte) error {
	switch s := string(text); s {
	case `"NaN"`:
		*n = jmhNumber(math.NaN())
	case `"+INF"`:
		*n = jmhNumber(math.Inf(1))
	case `"-INF"`:
		*n = jmhNumber(math.Inf(-1))
	default:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("%.60q is not a number", s)
		}
		*n = jmhNumber(v)
	}
	return nil
}

// JMH reads the JSON of JMH's -rf json. Parameters, the mode and the number of threads
// become Config. Every measured iteration gives a value; of the mode "sample" that is
// the mean of the iteration. Secondary metrics are named "benchmark/metric"; of those of
// the profiler gc only what is per operation is read, since the rest depends on how long
// the run was.
func JMH(text []byte) Output {
	var o Output
	raw, ok := o.document(text, '[')
	if !ok {
		return o
	}
	list, err := elements(raw)
	if err != nil {
		o.errorf(0, "JSON: %v", err)
		return o
	}
	for i, raw := range list {
		var r jmhResult
		if err := json.Unmarshal(raw, &r); err != nil {
			o.errorf(0, "result %d: %v", i+1, err)
			continue
		}
		if r.Primary == nil {
			o.errorf(0, "result %d %.100q has no primaryMetric", i+1, r.Benchmark)
			continue
		}
		o.jmh(r)
	}
	return o
}

func (o *Output) jmh(r jmhResult) {
	var config map[string]string
	for k, v := range r.Params {
		config = with(config, k, v)
	}
	for k, v := range map[string]string{"mode": r.Mode, "threads": strconv.Itoa(r.Threads)} {
		if _, taken := config[k]; !taken && v != "" && v != "0" {
			config = with(config, k, v)
		}
	}
	take := func(name, better string, m jmhMetric, zero bool) {
		values, err := m.values()
		if err != nil {
			o.errorf(0, "%.200q: %v", name, err)
			return
		}
		for _, v := range values {
			o.take(0, Measurement{Name: name, Config: config, Unit: m.Unit, Better: better, Value: v}, zero)
		}
	}
	take(r.Benchmark, "", *r.Primary, false)
	if len(r.Secondary) == 0 || string(r.Secondary) == "null" {
		return
	}
	err := members(r.Secondary, func(name string, raw json.RawMessage) {
		var m jmhMetric
		if err := json.Unmarshal(raw, &m); err != nil {
			o.errorf(0, "%.100q: %.100q: %v", r.Benchmark, name, err)
			return
		}
		name, better := strings.TrimPrefix(name, "·"), "" // older versions mark what profilers tell
		if strings.HasPrefix(name, "gc.") {
			if !strings.HasSuffix(m.Unit, "/op") {
				return
			}
			better = runner.LowerIsBetter
		}
		// A counter that stayed at 0 is a result.
		take(r.Benchmark+"/"+name, better, m, true)
	})
	if err != nil {
		o.errorf(0, "%.100q: %v", r.Benchmark, err)
	}
}

// values are those of all iterations of all forks; the score if JMH was told to leave
// them out.
func (m jmhMetric) values() ([]float64, error) {
	if m.Unit == "" {
		return nil, fmt.Errorf("no scoreUnit")
	}
	var values []float64
	for _, fork := range m.Raw {
		for _, v := range fork {
			values = append(values, float64(v))
		}
	}
	for _, fork := range m.Histogram {
		for _, iteration := range fork {
			var sum, n float64
			for _, pair := range iteration {
				if count := float64(pair[1]); count > 0 {
					sum += float64(pair[0]) * count
					n += count
				}
			}
			if n > 0 {
				values = append(values, sum/n)
			}
		}
	}
	if len(values) == 0 && m.Score != nil {
		values = append(values, float64(*m.Score))
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("no value")
	}
	return values, nil
}
