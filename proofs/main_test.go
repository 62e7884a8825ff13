package proofs

import (
	"os"
	"testing"
)

// TestMain lets the program of the tests stand in the place of bin/lean.
func TestMain(m *testing.M) {
	if code, ok := Wrapped(os.Args, os.Environ()); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}
