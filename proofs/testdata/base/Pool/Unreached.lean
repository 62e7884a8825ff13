import Pool.Types

/-- No default target imports this module. -/
theorem Pool.unreached : Pool.Slot.free ≠ Pool.Slot.held 1 := by decide
