package report

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Every key that is written is documented; keys inside settings, observed and config are free.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for k, x := range v {
				seen[k] = true
				if k != "settings" && k != "observed" && k != "config" {
					walk(x)
				}
			}
		}
	}
	for name, in := range cases(t) {
		doc, err := JSON(in)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(doc, &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		walk(v)
		if v["schema"] != Schema {
			t.Errorf("%s: schema %v", name, v["schema"])
		}
	}
	if len(seen) < 60 {
		t.Fatalf("only %d keys seen", len(seen))
	}
	for k := range seen {
		if !strings.Contains(string(text), "`"+k+"`") {
			t.Errorf("docs/json.md does not name `%s`", k)
		}
	}
}

// The keys that were promised first must be there whatever happened.
func TestPromisedKeys(t *testing.T) {
	for name, in := range cases(t) {
		doc, err := JSON(in)
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			Schema, Repo, Trigger, Verdict *string
			Machine                        map[string]any
			Stages                         []struct {
				Name, Verdict, Reason *string
				Seconds               *float64
			}
			Proofs *struct {
				Jobs     *int
				Modules  []struct{ Name, Verdict *string }
				Theorems []struct {
					Name, Module, File, Verdict *string
					Line                        *int
					Axioms                      []string
				}
			}
			Checks *struct {
				Pass, Warn, Fail, Error *int
				Rules                   []map[string]any
			}
			Bench *struct{ Metrics []map[string]any }
		}
		if err := json.Unmarshal(doc, &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v.Schema == nil || v.Repo == nil || v.Trigger == nil || v.Verdict == nil || v.Machine == nil || v.Stages == nil {
			t.Errorf("%s: a key of the run is missing", name)
		}
		for _, k := range []string{"run", "commit", "base", "proofs", "checks", "bench"} {
			if !strings.Contains(string(doc), "\n  \""+k+"\": ") {
				t.Errorf("%s: no %s", name, k)
			}
		}
		if len(v.Stages) != len(in.Run.Stages) {
			t.Errorf("%s: %d stages", name, len(v.Stages))
		}
		for _, s := range v.Stages {
			if s.Name == nil || s.Verdict == nil || s.Reason == nil || s.Seconds == nil {
				t.Errorf("%s: stage %+v", name, s)
			}
		}
		if v.Proofs != nil {
			for _, th := range v.Proofs.Theorems {
				if th.Name == nil || th.Module == nil || th.File == nil || th.Line == nil || th.Axioms == nil || th.Verdict == nil {
					t.Errorf("%s: theorem %+v", name, th)
				}
			}
		}
		if v.Checks != nil {
			for _, r := range v.Checks.Rules {
				has(t, name, r, "id", "title", "verdict", "evidence", "ack")
			}
		}
		if v.Bench != nil {
			for _, m := range v.Bench.Metrics {
				has(t, name, m, "name", "unit", "config", "samples", "median", "lo", "hi", "baseline", "threshold", "verdict")
			}
		}
	}
}

func has(t *testing.T, where string, m map[string]any, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if _, ok := m[k]; !ok {
			t.Errorf("%s: no %s in %v", where, k, m)
		}
	}
}
