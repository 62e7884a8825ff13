package main

import (
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	list, err := read(strings.NewReader("# a comment\n\nmain\tsuccess\t-\tthe good head\nbad\tfailure\tproofs\ta sorry\n"))
	if err != nil || len(list) != 2 || list[1] != (expectation{"bad", "failure", "proofs", "a sorry"}) {
		t.Errorf("got %v, %v", list, err)
	}
	for _, bad := range []string{"", "# nothing\n", "main\tsuccess\n"} {
		if list, err := read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read as %v", bad, list)
		}
	}
}

// The demo is a test of verdicts: it must not be content with less than it promises.
func TestCompare(t *testing.T) {
	run := func(verdict string, stages ...string) (o outcome) {
		o.Verdict = verdict
		for _, s := range stages {
			name, v, _ := strings.Cut(s, "=")
			o.Stages = append(o.Stages, struct {
				Name    string `json:"name"`
				Verdict string `json:"verdict"`
				Reason  string `json:"reason"`
			}{name, v, ""})
		}
		return o
	}
	good := expectation{"main", "success", "-", ""}
	bad := expectation{"sorry", "failure", "proofs", ""}
	for _, tt := range []struct {
		x  expectation
		o  outcome
		ok bool
	}{
		{good, run("success", "proofs=success", "checks=success"), true},
		{good, run("error", "proofs=error", "checks=success"), false},
		{bad, run("failure", "proofs=failure", "checks=success"), true},
		{bad, run("success", "proofs=success", "checks=success"), false},
		{bad, run("failure", "proofs=success", "checks=failure"), false}, // red for another reason
		{bad, run("failure", "proofs=failure", "checks=error"), false},   // and something besides
		{bad, run("failure", "checks=success"), false},
	} {
		if problem := compare(tt.x, tt.o); (problem == "") != tt.ok {
			t.Errorf("%+v with %+v: %q", tt.x, tt.o, problem)
		}
	}
}
