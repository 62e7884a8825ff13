package metal

import (
	"errors"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/mtl"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

// DefaultBackend is what is measured if nothing else is asked for.
const DefaultBackend = BackendMetal

// noMetal says why this system has no Metal.
var noMetal error

func openMetal() (harness.Backend, error) { return mtl.Open(objc.System()) }

// stayActive begins an activity of this process; nil where the system knows none.
func stayActive() (*activity, error) {
	rt, err := objc.Open(objc.System())
	if errors.Is(err, objc.ErrNoRuntime) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := rt.Process()
	if err != nil {
		return nil, err
	}
	// What the system is told that we do: work that a person waits for, whose timing
	// matters, and through which the machine must not fall asleep.
	a, err := p.BeginActivity(objc.UserInitiated|objc.LatencyCritical|objc.IdleSystemSleepDisabled|objc.IdleDisplaySleepDisabled, "Holdfast measures throughput")
	end := func() {}
	if err == nil {
		end = a.End
	}
	hot := func() string {
		if t := p.ThermalState(); t > objc.Nominal {
			return "the system's thermal state is " + t.String()
		}
		return ""
	}
	return &activity{hot, end}, err
}
