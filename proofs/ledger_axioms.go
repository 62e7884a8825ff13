package proofs

import (
	"slices"

	"github.com/holdfast-ci/holdfast/runner"
)

// newDebt tells what a theorem may not rest on, rests on, and did not at the base.
func (c *comparison) newDebt(b, h *runner.Theorem) []change {
	if slices.Equal(b.Axioms, h.Axioms) {
		return nil
	}
	// Native axioms are named by Lean, after the declaration and in their order: their
	// names move with every edit. So only more of them are new ones.
	natives, nativesThen := 0, 0
	for _, a := range b.Axioms {
		if c.kindOf(a) == runner.AxiomNative {
			nativesThen++
		}
	}
	var nativeOnes, others []string
	sorry := false
	for _, a := range h.Axioms {
		kind := c.kindOf(a)
		if kind == runner.AxiomNative {
			natives++
		}
		if kind == "" || slices.Contains(b.Axioms, a) {
			continue
		}
		switch kind {
		case runner.AxiomSorry:
			sorry = true
		case runner.AxiomNative:
			nativeOnes = append(nativeOnes, a)
		default:
			others = append(others, a)
		}
	}
	if natives <= nativesThen || nativesThen > 0 && !c.sameTools {
		nativeOnes = nil
	}
	return c.debts(sorry, others, nativeOnes, " now")
}

// debts words what came to bear on a theorem.
func (c *comparison) debts(sorry bool, others, natives []string, now string) (list []change) {
	if sorry {
		v := runner.Failure
		if c.policy.sorryWarn {
			v = runner.Neutral
		}
		list = append(list, change{runner.NewSorry, v, "rests on sorry" + now})
	}
	if len(others) > 0 {
		list = append(list, change{runner.NewAxiom, runner.Failure, "rests on " + choose(len(others), "axiom ", "axioms ") + some(others, 3) + now})
	}
	if len(natives) > 0 {
		list = append(list, change{runner.NewNative, runner.Failure, "rests on native evaluation" + now + " (" + choose(len(natives), "axiom ", "axioms ") + some(natives, 3) + ")"})
	}
	return list
}

// kindOf is AxiomSorry, AxiomNative or AxiomOther, and "" for what a proof may rest on.
func (c *comparison) kindOf(axiom string) string {
	switch kind := c.kinds[axiom]; {
	case kind == runner.AxiomStandard, kind == runner.AxiomAllowed:
		return ""
	case kind != "":
		return kind
	case slices.Contains(c.policy.allowed, axiom):
		return ""
	case axiom == sorryAxiom:
		return runner.AxiomSorry
	case native(axiom):
		return runner.AxiomNative
	}
	return runner.AxiomOther
}

func (c *comparison) restsOnBad(t *runner.Theorem) bool {
	for _, a := range t.Axioms {
		if c.kindOf(a) != "" {
			return true
		}
	}
	return t.Kind == "axiom" && c.kindOf(t.Name) != ""
}
