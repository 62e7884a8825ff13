package baseline

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
	"pgregory.net/rapid"
)

func TestParseThreshold(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Threshold
		text string
	}{
		{"async-gain mode=single >= 10%", Threshold{Metric: "async-gain", Config: map[string]string{"mode": "single"}, Op: AtLeast, Value: 10, Suffix: "%"}, ""},
		{"scaling queue=per-thread threads=8 >= 2x", Threshold{Metric: "scaling", Config: map[string]string{"queue": "per-thread", "threads": "8"}, Op: AtLeast, Value: 2, Suffix: "x"}, ""},
		{"ops/s >= baseline - 5%", Threshold{Metric: "ops/s", Op: AtLeast, Relative: true, Value: -5, Suffix: "%"}, ""},
		{"sec/op<=baseline+5%", Threshold{Metric: "sec/op", Op: AtMost, Relative: true, Value: 5, Suffix: "%"}, "sec/op <= baseline + 5%"},
		{"ops/s>=baseline -5 %", Threshold{Metric: "ops/s", Op: AtLeast, Relative: true, Value: -5, Suffix: "%"}, "ops/s >= baseline - 5%"},
		{"  x > 1e3  ", Threshold{Metric: "x", Op: Above, Value: 1000}, "x > 1000"},
		{"scaling threads=8>=6x", Threshold{Metric: "scaling", Config: map[string]string{"threads": "8"}, Op: AtLeast, Value: 6, Suffix: "x"}, "scaling threads=8 >= 6x"},
		{"gain < -2.5%", Threshold{Metric: "gain", Op: Below, Value: -2.5, Suffix: "%"}, ""},
		{`"BM_Sort<int>/8" <= 2`, Threshold{Metric: "BM_Sort<int>/8", Op: AtMost, Value: 2}, ""},
		{`m key="a b" >= 1`, Threshold{Metric: "m", Config: map[string]string{"key": "a b"}, Op: AtLeast, Value: 1}, ""},
		{`m url=a=b >= 1`, Threshold{Metric: "m", Config: map[string]string{"url": "a=b"}, Op: AtLeast, Value: 1}, `m url="a=b" >= 1`},
	} {
		got, err := ParseThreshold(c.in)
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %#v, want %#v", c.in, got, c.want)
		}
		text := c.text
		if text == "" {
			text = c.in
		}
		if got.String() != text {
			t.Errorf("%q: String gives %q, want %q", c.in, got, text)
		}
	}
}

func TestParseThresholdErrors(t *testing.T) {
	for _, c := range []struct {
		in, token string
		col       int
		msg       string
	}{
		{"", "", 1, "empty"},
		{"   ", "", 4, "empty"},
		{">= 5", ">=", 1, "metric is missing"},
		{"mode=single >= 5", "mode=single", 1, "name the metric"},
		{"async-gain", "", 11, "operator is missing"},
		{"async-gain >=", "", 14, "value is missing"},
		{"async-gain single >= 5", "single", 12, "key=value"},
		{"m mode = single >= 5", "mode", 3, "key=value"},
		{"m mode= single >= 5", "mode=", 3, "key and a value"},
		{"m => 5", "=", 3, "not an operator"},
		{"m == 5", "==", 3, "not an operator"},
		{"m ≥ 5", "≥", 3, "not an operator"},
		{"m a=1 a=2 > 5", "a=2", 7, "twice"},
		{"m >= five", "five", 6, "not a value"},
		{"m >= NaN", "NaN", 6, "not a value"},
		{"m >= Inf", "Inf", 6, "not a value"},
		{"m >= 0x10", "0x10", 6, "not a value"},
		{"m >= 1e999", "1e999", 6, "out of range"},
		{"m >= 5 0", "0", 8, "after the value"},
		{"m >= 5 <= 6", "<=", 8, "second operator"},
		{"m >= baseline", "baseline", 6, "exactly at the baseline"},
		{"m >= baseline - 0%", "baseline", 6, "exactly at the baseline"},
		{"m >= baseline - 5", "baseline", 6, "percentage"},
		{"m >= baseline - -5%", "baseline", 6, "two signs"},
		{"m >= baseline - 100%", "baseline", 6, "more than 100"},
		{`m >= "5"`, `"5"`, 6, "not quoted"},
		{`"m >= 5`, `"m >= 5`, 1, "does not end"},
		{`"" >= 5`, `""`, 1, "no name"},
	} {
		_, err := ParseThreshold(c.in)
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%q: no syntax error: %v", c.in, err)
			continue
		}
		if se.Token != c.token || se.Column != c.col || !strings.Contains(se.Msg, c.msg) || se.Hint() == "" {
			t.Errorf("%q: %#v, want token %q at %d with %q and a hint", c.in, se, c.token, c.col, c.msg)
		}
	}
}

func TestMatch(t *testing.T) {
	s := runner.Sample{Name: "scaling", Unit: "x", Config: map[string]string{"queue": "shared", "threads": "8"}}
	for in, want := range map[string]bool{
		"scaling > 1": true, "x > 1": true, "scaling threads=8 > 1": true, "x threads=8 queue=shared > 1": true,
		"scaling threads=16 > 1": false, "scaling depth=8 > 1": false, "scal > 1": false, "ops/s > 1": false,
	} {
		th, err := ParseThreshold(in)
		if err != nil {
			t.Fatal(err)
		}
		if th.Match(s) != want {
			t.Errorf("%q matches: %v", in, !want)
		}
	}
	if (Threshold{}).Match(runner.Sample{}) {
		t.Error("the zero threshold matches")
	}
}

func genThreshold(t *rapid.T) Threshold {
	th := Threshold{
		Metric: rapid.StringN(1, 12, 40).Draw(t, "metric"),
		Op:     rapid.SampledFrom([]Op{AtLeast, AtMost, Above, Below}).Draw(t, "op"),
		Value:  rapid.Float64Range(-99, 1e9).Draw(t, "value") + 0,
		Suffix: rapid.SampledFrom([]string{"", "%", "x"}).Draw(t, "suffix"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "settings") {
		if th.Config == nil {
			th.Config = map[string]string{}
		}
		th.Config[rapid.StringN(1, 8, 20).Draw(t, "key")] = rapid.StringN(0, 8, 20).Draw(t, "val")
	}
	if th.Value == 0 {
		th.Value = 0
	}
	if th.Relative = rapid.Bool().Draw(t, "relative") && th.Value != 0; th.Relative {
		th.Suffix = "%"
	}
	return th
}

func TestThresholdRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th := genThreshold(t)
		text, _ := th.MarshalText()
		var back Threshold
		if err := back.UnmarshalText(text); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if !reflect.DeepEqual(back, th) {
			t.Fatalf("%q: %#v came back as %#v", text, th, back)
		}
	})
}

func FuzzParseThreshold(f *testing.F) {
	for _, s := range []string{"async-gain mode=single >= 10%", "ops/s >= baseline - 5%", `"a<b>" k="v w" <= 1e-3x`, "a=b", `m "k"=v >= .5 %`, "m k=\xff > 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		th, err := ParseThreshold(s)
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Column < 1 || se.Column > len(s)+1 || se.Hint() == "" {
				t.Fatalf("%q: %#v", s, err)
			}
			if !strings.HasPrefix(s[se.Column-1:], se.Token) {
				t.Fatalf("%q: token %q is not at column %d", s, se.Token, se.Column)
			}
			return
		}
		again, err := ParseThreshold(th.String())
		if err != nil || !reflect.DeepEqual(again, th) {
			t.Fatalf("%q -> %q: %#v, then %#v (%v)", s, th.String(), th, again, err)
		}
	})
}
