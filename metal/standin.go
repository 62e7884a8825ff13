package metal

import "github.com/holdfast-ci/holdfast/metal/harness"

// standIn measures in place of a device where a test has put it.
var standIn func(k harness.Kernel, scenario string) harness.Probe

// StandIn makes all stages of this process whose backend is metal measure with these probes,
// on a system without Metal, too. It is for tests of whole commands: to be called before anything else.
func StandIn(probe func(k harness.Kernel, scenario string) harness.Probe) {
	standIn, noMetal = probe, nil
}
