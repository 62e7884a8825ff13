package mtl

import (
	"runtime"
	"testing"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/harness/harnesstest"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

// TestReal is the conformance test on the Metal of this machine. Nobody has run it yet.
func TestReal(t *testing.T) {
	if runtime.GOOS != "darwin" {
		t.Skip("no Metal on " + runtime.GOOS)
	}
	real := func(t *testing.T) harness.Backend {
		b, err := Open(objc.System())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := real(t)
	t.Logf("%+v", b.Device())
	c, err := b.(harness.Coster).CallCost()
	t.Logf("costs in seconds: %v, %v", c, err)
	b.Close()
	harnesstest.Backend(t, real)
}
