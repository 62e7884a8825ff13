import Pool.Types

namespace Pool

def acquire (s : Slot) (thread : Nat) : Slot :=
  match s with
  | .free => .held thread
  | .held t => .held t

private theorem acquire_held (t u : Nat) : acquire (.held t) u = .held t := rfl

theorem owner_is_kept (t u : Nat) : acquire (acquire .free t) u = .held t :=
  acquire_held t u

theorem same_claim (p q : Prop) (h : p ↔ q) : p = q := propext h

end Pool
