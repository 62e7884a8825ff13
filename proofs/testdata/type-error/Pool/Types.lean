namespace Pool

def capacity : Nat := 8

inductive Slot where
  | free
  | held (thread : Nat)
  deriving DecidableEq

/- «λ» before the error: columns count bytes -/ theorem capacity_pos : capacity < 0 := by decide

end Pool
