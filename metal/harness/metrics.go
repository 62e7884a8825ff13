package harness

import "slices"

// Names are the names and units of all samples that [Drive] can give, derived ones among
// them, each once.
func (c Config) Names() []string {
	var out []string
	add := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	for _, l := range c.Loads() {
		add(l.Scenario, "ops/s")
	}
	one, more := slices.Contains(c.Threads, 1), slices.ContainsFunc(c.Threads, func(n int) bool { return n > 1 })
	if one && more {
		add("scaling", "x")
	}
	if slices.Contains(c.Depths, 1) && len(c.Depths) > 1 {
		add("async-gain", "ratio")
	}
	if one {
		add("same-work", "%")
	}
	return out
}
