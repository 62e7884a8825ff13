import Ledger.Defs

/-! Each theorem meets one fate in the next commit. -/

namespace Ledger

theorem kept : 1 + 1 = 2 := rfl

theorem deleted : 2 + 2 = 4 := rfl

theorem old_name (n : Nat) : n + 0 = n := rfl

theorem more_hypotheses (a b : Nat) : a + b = b + a := Nat.add_comm a b

theorem weaker (a : Nat) : a ≤ a ∧ 0 ≤ a := ⟨Nat.le_refl a, Nat.zero_le a⟩

theorem redefined : 0 < limit := by decide

theorem other_binder (x : Nat) : x = x := rfl

theorem other_universe.{u} (α : Type u) (a : α) : a = a := rfl

theorem other_proof (a b : Nat) (h : a = b) : b = a := h.symm

theorem by_match (s : Slot) : (match s with | ⟨i, _⟩ => i) = s.index := by cases s; rfl

theorem hidden_sorry : 3 < 4 := by decide

theorem on_hidden_sorry : 3 < 4 ∧ True := ⟨hidden_sorry, trivial⟩

private theorem secret : 5 < 6 := by decide

theorem on_axiom : 3 < 10 := by decide

theorem on_axiom_of_axiom : 0 = 0 := rfl

theorem computed : (List.range 5).length = 5 := by decide

theorem on_forged : 1 ≠ 2 := by decide

theorem unfinished : 7 < 8 := sorry

theorem finished : 8 < 9 := sorry

end Ledger
