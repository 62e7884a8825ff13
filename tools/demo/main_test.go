package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
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
		if problem := compare(tt.x, tt.o); (problem == "") != tt.ok || untold(tt.o) {
			t.Errorf("%+v with %+v: %q", tt.x, tt.o, problem)
		}
	}
}

// Only benchmarks that could not be told are worth another try.
func TestWalkTriesAgain(t *testing.T) {
	dir := t.TempDir()
	table, calls := filepath.Join(dir, "demo.tsv"), filepath.Join(dir, "calls")
	if err := os.WriteFile(table, []byte("sorry\tfailure\tproofs\tx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const busy = `{"verdict":"failure","stages":[{"name":"proofs","verdict":"failure"},{"name":"bench","verdict":"error"}]}`
	const good = `{"verdict":"failure","stages":[{"name":"proofs","verdict":"failure"},{"name":"bench","verdict":"success"}]}`
	const missed = `{"verdict":"failure","stages":[{"name":"proofs","verdict":"success"},{"name":"bench","verdict":"failure"}]}`
	for _, tt := range []struct {
		answers []string
		wrong   int
		calls   int
	}{
		{[]string{good}, 0, 1},
		{[]string{busy, busy, good}, 0, 3},
		{[]string{busy, busy, busy, good}, 1, 3},
		{[]string{missed, good}, 1, 1},
	} {
		os.Remove(calls)
		script := "#!/bin/sh\nfor file; do :; done\necho x >>" + calls + "\ncase $(wc -l <" + calls + ") in\n"
		for i, a := range tt.answers {
			script += fmt.Sprintf("*%d) echo '%s' >\"$file\" ;;\n", i+1, a)
		}
		command := filepath.Join(dir, "holdfast")
		if err := os.WriteFile(command, []byte(script+"esac\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		wrong, err := walk(io.Discard, command, "c", "r", table, "")
		made, _ := os.ReadFile(calls)
		if err != nil || wrong != tt.wrong || len(made) != 2*tt.calls {
			t.Errorf("%d wrong in %d calls, want %d in %d: %v", wrong, len(made)/2, tt.wrong, tt.calls, err)
		}
	}
}
