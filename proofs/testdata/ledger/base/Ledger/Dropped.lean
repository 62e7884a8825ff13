theorem Ledger.dropped : 1 < 2 := by decide
