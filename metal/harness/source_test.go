package harness

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestSourceCheck(t *testing.T) {
	k := Kernel{Elements: 100, Iterations: 1, Source: &Source{File: "k.metal", Function: "spin"}}
	if s := k.String(); s != "100 elements × spin of k.metal" {
		t.Errorf("String = %q", s)
	}
	fresh := func() []float32 {
		data := make([]float32, 100)
		k.Fill(data)
		return data
	}
	for i, x := range fresh() {
		if x < 0 || x >= 1 {
			t.Fatalf("element %d begins as %v", i, x)
		}
	}
	worked := fresh()
	worked[7] += 0.5
	nan, inf := fresh(), fresh()
	nan[99], inf[0] = float32(math.NaN()), float32(math.Inf(-1))
	for name, c := range map[string]struct {
		data []float32
		ops  uint64
		want string // "" for none
	}{
		"worked":      {worked, 3, ""},
		"not run":     {fresh(), 0, ""},
		"did nothing": {fresh(), 3, "as before"},
		"NaN":         {nan, 1, "element 99 is NaN"},
		"infinite":    {inf, 1, "element 0 is -Inf"},
	} {
		err := k.Check(c.data, c.ops)
		var f *ForeignError
		if (err == nil) != (c.want == "") || err != nil && (!errors.As(err, &f) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
