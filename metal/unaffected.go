package metal

import (
	"fmt"

	"github.com/holdfast-ci/holdfast/runner"
)

// unaffected tells whether the built-in harness cannot measure anything else in head than in
// base. It is the agent's own code, so of the commit only a configured kernel matters; that
// includes no other file, see readKernel. It is nil where there is no base or the kernel
// differs, cannot be read, or everything is to be measured.
func (c Config) unaffected(ws *runner.Workspace) *runner.Unaffected {
	if ws.Beside == nil || c.Always || c.Backend == BackendNone {
		return nil
	}
	u := &runner.Unaffected{
		Program: c.source(), Reason: "the built-in kernel depends on no file of the commit", Names: c.harness().Names(),
	}
	if c.Kernel == "" {
		return u
	}
	base, err := c.kernel(ws.Beside.Dir)
	if err != nil {
		return nil
	}
	head, err := c.kernel(ws.Dir)
	if err != nil || *base != *head {
		return nil
	}
	u.Reason = fmt.Sprintf("kernel %s the same in base and head", c.Kernel)
	return u
}
