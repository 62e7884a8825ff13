package mtl

import (
	"fmt"

	"github.com/holdfast-ci/holdfast/metal/objc"
)

// on says what kind of object has a method. The classes themselves are private to
// drivers, so the objects are asked, each as soon as there is one.
type on int

const (
	onDevice on = iota
	onArray
	onLibrary
	onPipeline
	onBuffer
	onQueue
	onCommandBuffer
	onEncoder
)

func (k on) String() string {
	return [...]string{"device", "array of devices", "library", "pipeline", "buffer", "command queue", "command buffer", "encoder"}[k]
}

// selectors are all methods that this package uses, but for those of package objc.
type selectors struct {
	name, registryID, hasUnifiedMemory, supportsFamily   objc.Selector
	newQueue, newLibrary, newPipeline, newBuffer         objc.Selector
	count, objectAtIndex                                 objc.Selector
	newFunction                                          objc.Selector
	maxThreads                                           objc.Selector
	contents                                             objc.Selector
	commandBuffer                                        objc.Selector
	encoder, commit, wait, status, err, gpuStart, gpuEnd objc.Selector
	setPipeline, setBuffer, dispatch, end                objc.Selector

	all []method
}

type method struct {
	on   on
	name string
	sel  objc.Selector
}

func newSelectors(rt *objc.Runtime) selectors {
	var s selectors
	for _, m := range []struct {
		on   on
		name string
		sel  *objc.Selector
	}{
		{onDevice, "name", &s.name},
		{onDevice, "registryID", &s.registryID},
		{onDevice, "hasUnifiedMemory", &s.hasUnifiedMemory},
		{onDevice, "supportsFamily:", &s.supportsFamily},
		{onDevice, "newCommandQueueWithMaxCommandBufferCount:", &s.newQueue},
		{onDevice, "newLibraryWithSource:options:error:", &s.newLibrary},
		{onDevice, "newComputePipelineStateWithFunction:error:", &s.newPipeline},
		{onDevice, "newBufferWithLength:options:", &s.newBuffer},
		{onArray, "count", &s.count},
		{onArray, "objectAtIndex:", &s.objectAtIndex},
		{onLibrary, "newFunctionWithName:", &s.newFunction},
		{onPipeline, "maxTotalThreadsPerThreadgroup", &s.maxThreads},
		{onBuffer, "contents", &s.contents},
		{onQueue, "commandBuffer", &s.commandBuffer},
		{onCommandBuffer, "computeCommandEncoder", &s.encoder},
		{onCommandBuffer, "commit", &s.commit},
		{onCommandBuffer, "waitUntilCompleted", &s.wait},
		{onCommandBuffer, "status", &s.status},
		{onCommandBuffer, "error", &s.err},
		{onCommandBuffer, "GPUStartTime", &s.gpuStart},
		{onCommandBuffer, "GPUEndTime", &s.gpuEnd},
		{onEncoder, "setComputePipelineState:", &s.setPipeline},
		{onEncoder, "setBuffer:offset:atIndex:", &s.setBuffer},
		{onEncoder, "dispatchThreads:threadsPerThreadgroup:", &s.dispatch},
		{onEncoder, "endEncoding", &s.end},
	} {
		*m.sel = rt.Selector(m.name)
		s.all = append(s.all, method{m.on, m.name, *m.sel})
	}
	return s
}

// check reports the first method that o, an object of that kind, lacks. A message
// without a method ends the process, so this comes before any other is sent.
func (s *selectors) check(t *objc.Thread, o objc.ID, kind on) error {
	for _, m := range s.all {
		if m.on == kind && !t.RespondsTo(o, m.sel) {
			return fmt.Errorf("this system's Metal is another one: a %s has no method %s", kind, m.name)
		}
	}
	return nil
}
