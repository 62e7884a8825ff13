package proofs

import "github.com/holdfast-ci/holdfast/runner"

// grave is the verdict of a theorem that was lost or says something else. h is nil for
// one that was lost.
func (c *comparison) grave(name string, h *runner.Theorem) runner.Verdict {
	if h != nil && c.accepted(h) {
		return runner.Neutral
	}
	switch l := c.policy.lock; {
	// A list of promises that comes with the very change it might cover says nothing yet.
	case l != nil && c.baseLock != nil:
		if !l.promises(name) && (h == nil || !l.promises(h.Name)) {
			return runner.Neutral
		}
	case c.policy.warn:
		return runner.Neutral
	}
	return runner.Failure
}

// accepted reports whether the head's promises have the theorem as it is now.
func (c *comparison) accepted(h *runner.Theorem) bool {
	l := c.policy.lock
	return l != nil && l.scheme == c.head.Scheme && l.agrees(h)
}

// tolerance says why something grave is only told.
func (c *comparison) tolerance(v runner.Verdict, name string, h *runner.Theorem) string {
	l := c.policy.lock
	switch {
	case v != runner.Neutral || l == nil:
		return ""
	case h != nil && c.accepted(h):
		return " (accepted in " + l.file + ")"
	case c.baseLock != nil && !l.promises(name):
		return " (not promised in " + l.file + ")"
	}
	return ""
}

// unlocked reports whether what was promised at the base is promised no more, under
// neither name.
func (c *comparison) unlocked(was, is string) bool {
	if !c.baseLock[was] || c.policy.broken {
		return false
	}
	l := c.policy.lock
	return l == nil || !l.promises(was) && !l.promises(is)
}

// brokenPromises enters promises of the base that were of no theorem there and are gone.
func (c *comparison) brokenPromises() {
	if len(c.baseLock) == 0 {
		return
	}
	there := make(map[string]bool, len(c.base.Theorems))
	for i := range c.base.Theorems {
		there[c.base.Theorems[i].Name] = true
	}
	for name := range c.baseLock {
		if !there[name] && c.unlocked(name, name) {
			c.enter(runner.Entry{Name: name, File: c.base.Lock.File}, []change{{runner.Unlocked, runner.Neutral, "was promised at the base, where it did not exist, and is not any more"}})
		}
	}
}
