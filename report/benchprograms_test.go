package report_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// TestBenchTablesOfPrograms: what a repository's own programs measured is shown with its
// interval, names cannot steer a terminal, and a flood is cut.
func TestBenchTablesOfPrograms(t *testing.T) {
	samples := []runner.Sample{
		{Name: "harness's", Unit: "ops/s", Values: []float64{1, 2}, Source: "harness cpu"},
		{Name: "acq\x1b[2Juire", Unit: "sec/op", Values: []float64{1e-6, 2e-6, 3e-6, 4e-6, 5e-6, 6e-6}, Source: "po\nol"},
	}
	input := func(samples []runner.Sample) report.Input {
		return report.Input{Run: runner.Run{Stages: []runner.Result{{
			Stage: runner.StageBench, Verdict: runner.Success, Bench: &runner.Bench{Settings: map[string]string{}, Samples: samples},
		}}}}
	}
	text := report.BenchTables(input(samples))
	if strings.Contains(text, "harness's") || strings.Contains(text, "\x1b") || strings.Count(text, "\n") != 3 ||
		!strings.Contains(text, "3.500 µs") || !strings.Contains(text, "[1.000 µs, 6.000 µs]") {
		t.Errorf("%q", text)
	}
	if text := report.BenchTables(input(samples[:1])); text != "" {
		t.Errorf("%q without programs", text)
	}
	for i := range 100 {
		samples = append(samples, runner.Sample{Name: fmt.Sprint("b", i), Unit: "B", Values: []float64{1}, Source: "pool"})
	}
	if text := report.BenchTables(input(samples)); strings.Count(text, "\n") != 43 || !strings.Contains(text, "and 61 benchmarks more") {
		t.Errorf("%s", text)
	}
}
