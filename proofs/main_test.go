package proofs

import (
	"os"
	"testing"
)

// programs holds what Lean made of our own programs, which takes as long as all the rest of
// a small project: once for all tests.
var programs string

// TestMain lets the program of the tests stand in the place of bin/lean.
func TestMain(m *testing.M) {
	if code, ok := Wrapped(os.Args, os.Environ()); ok {
		os.Exit(code)
	}
	dir, err := os.MkdirTemp("", "holdfast-programs-")
	if err != nil {
		panic(err)
	}
	programs = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
