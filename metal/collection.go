package metal

import (
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-ci/holdfast/metal/format"
	"github.com/holdfast-ci/holdfast/runner"
)

// collection gathers the measurements of several rounds into samples.
type collection struct {
	source   string
	samples  []runner.Sample
	index    map[string]int // by Sample.Key
	warnings []string
	rounds   int
}

func newCollection(source string) *collection {
	return &collection{source: source, index: map[string]int{}}
}

// add takes one round. Anything that was not measured is an error: half a result is
// none.
func (c *collection) add(o format.Output) error {
	if len(o.Errors) > 0 {
		if len(o.Errors) == 1 {
			return fmt.Errorf("output: %w", o.Errors[0])
		}
		return fmt.Errorf("output: %w (and %d more)", o.Errors[0], len(o.Errors)-1)
	}
	if len(o.Measurements) == 0 {
		return fmt.Errorf("no samples in the output")
	}
	for _, w := range o.Warnings {
		if w = c.source + ": " + w; !slices.Contains(c.warnings, w) {
			c.warnings = append(c.warnings, w)
		}
	}
	seen := map[string]bool{}
	for _, m := range o.Measurements {
		s := runner.Sample{Name: m.Name, Unit: m.Unit, Config: maps.Clone(m.Config), Better: m.Better, Source: c.source}
		key := s.Key()
		i, ok := c.index[key]
		switch {
		case !ok && c.rounds > 0:
			return fmt.Errorf("%s was not in the rounds before", key)
		case !ok:
			i = len(c.samples)
			c.index[key] = i
			c.samples = append(c.samples, s)
		}
		seen[key] = true
		c.samples[i].Values = append(c.samples[i].Values, m.Value)
	}
	for _, s := range c.samples {
		if !seen[s.Key()] {
			return fmt.Errorf("%s is missing, earlier rounds had it", s.Key())
		}
	}
	c.rounds++
	return nil
}
