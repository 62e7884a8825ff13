package proofs

import (
	"fmt"

	"github.com/holdfast-ci/holdfast/runner"
)

// statement tells whether a theorem still states what it stated.
func (c *comparison) statement(changes []change, b, h *runner.Theorem) []change {
	alike := b.Statement != "" && samePrint(b.Statement, h.Statement) && !shortened(b.Statement) && !shortened(h.Statement)
	differs := b.Statement != "" && h.Statement != "" && !samePrint(b.Statement, h.Statement)
	print := ""
	if alike {
		print = ", though it is printed the same"
	} else if differs {
		print = ", and it is printed differently"
	}
	comparable := c.sameHashes && b.Hash != "" && h.Hash != "" && (b.Meaning == "") == (h.Meaning == "")
	switch {
	case !comparable:
		v := runner.Neutral
		blame := c.headBlame
		if c.sameHashes {
			blame = h.Hash == "" || h.Meaning == "" && b.Meaning != ""
		}
		// What could not be told by hashes and looks different is not let through.
		if blame && (c.sameTools || !alike) || differs {
			v = runner.Error
		}
		return append(changes, change{runner.Unchecked, v, "could not be compared: " + c.hashless(b, h) + print})
	case b.Hash != h.Hash:
		v, reason := c.grave(b.Name, h), "states something else"
		if alike {
			reason += print
		}
		if !c.sameTools && alike {
			c.likened++
			v, reason = runner.Neutral, "has another kernel term and is printed the same; the toolchain changed too"
		}
		return append(changes, change{runner.Changed, v, reason + c.tolerance(v, b.Name, h)})
	case b.Meaning != h.Meaning:
		v, reason := c.grave(b.Name, h), "has the same words, but a definition below them changed"
		if !c.sameTools {
			c.likened++
			v, reason = runner.Neutral, "has the same words, but a definition below them has another kernel term; the toolchain changed too"
		}
		return append(changes, change{runner.Redefined, v, reason + c.tolerance(v, b.Name, h)})
	}
	return changes
}

// hashless says why two hashes do not compare.
func (c *comparison) hashless(b, h *runner.Theorem) string {
	switch {
	case c.sameHashes && h.Hash == "":
		return "its statement has no hash"
	case c.sameHashes && b.Hash == "":
		return "its statement had no hash at the base"
	case c.sameHashes:
		return "only one of the inventories could tell the definitions below its statement"
	case c.base.Scheme == "":
		return "the inventory of the base has no hashes"
	case c.head.Scheme == "":
		return "the inventory has no hashes"
	}
	return fmt.Sprintf("hashes were made as %s at the base and as %s now", c.base.Scheme, c.head.Scheme)
}
