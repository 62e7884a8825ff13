/-! What the pool is made of. import Pool.Nothing -/
namespace Pool

def capacity : Nat := 8

inductive Slot where
  | free
  | held (thread : Nat)
  deriving DecidableEq

theorem capacity_pos : 0 < capacity := by decide

end Pool
