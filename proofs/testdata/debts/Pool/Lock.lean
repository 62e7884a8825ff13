import Pool.Types

namespace Pool

axiom trust_me : capacity = 9

theorem direct : capacity + 1 = 10 := by rw [trust_me]

theorem indirect : capacity + 1 < 11 := by rw [direct]; decide

theorem seen_sorry : capacity = 7 := sorry

set_option warn.sorry false in
theorem hidden_sorry : capacity = 6 := sorry

theorem leans_on_it : capacity ≠ 5 := by rw [hidden_sorry]; decide

def unfinished : Nat := sorry

theorem by_machine : capacity * capacity = 64 := by native_decide

theorem honest : capacity = 8 := rfl

example : capacity = 4 := sorry

end Pool
