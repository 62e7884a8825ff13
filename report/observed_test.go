package report

import (
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// A document of an earlier version has among its settings what is observed now, and reads
// the same.
func TestObservedOfEarlierVersions(t *testing.T) {
	noticed := map[string]string{"noise floor": "0.15 %", "harness, an operation": "94 ns", "cost of a message": "61 ns", "async-best-depth mode=single": "4"}
	now, then := &runner.Bench{Settings: map[string]string{"rounds": "8"}, Observed: noticed}, &runner.Bench{Settings: noticed}
	for _, b := range []*runner.Bench{now, then, {Observed: noticed}} {
		if f, c := floor(b, nil), ownCost(b); !strings.Contains(f, "noise floor 0.15 %") || c != "measuring costs 94 ns an operation in the harness's own loop, 61 ns for a message" {
			t.Errorf("%q, %q", f, c)
		}
		if d := observed(b)["async-best-depth mode=single"]; d != "4" {
			t.Errorf("best depth %q", d)
		}
	}
	if len(now.Settings) != 1 {
		t.Errorf("settings were changed: %v", now.Settings)
	}
}
