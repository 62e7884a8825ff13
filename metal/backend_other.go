//go:build !darwin

package metal

import (
	"fmt"
	"runtime"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// DefaultBackend is what is measured if nothing else is asked for.
const DefaultBackend = BackendCPU

// noMetal says why this system has no Metal. Package mtl builds here, for its tests, but
// the program needs none of it and stays static without.
var noMetal = runner.WithHint(fmt.Errorf("%s has no Metal", runtime.GOOS), "set backend = %q in [bench], or run the agent on a Mac", BackendCPU)

func openMetal() (harness.Backend, error) { return nil, noMetal }

// stayActive begins an activity; nil where the system knows none.
func stayActive() (*activity, error) { return nil, nil }
