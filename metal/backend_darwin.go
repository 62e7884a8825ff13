package metal

import (
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/mtl"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

// DefaultBackend is what is measured if nothing else is asked for.
const DefaultBackend = BackendMetal

// noMetal says why this system has no Metal.
var noMetal error

func openMetal() (harness.Backend, error) { return mtl.Open(objc.System()) }
