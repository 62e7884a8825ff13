import Ledger.Defs

/-! Each theorem meets one fate in the next commit. -/

namespace Ledger

theorem kept : 1 + 1 = 2 := rfl

theorem new_name (n : Nat) : n + 0 = n := rfl

theorem more_hypotheses (a b : Nat) (_ : a < b) : a + b = b + a := Nat.add_comm a b

theorem weaker (a : Nat) : a ≤ a := Nat.le_refl a

theorem redefined : 0 < limit := by decide

theorem other_binder (anything : Nat) : anything = anything := rfl

theorem other_universe.{level} (β : Type level) (b : β) : b = b := rfl

theorem other_proof (a b : Nat) (h : a = b) : b = a := by rw [h]

theorem first_match (s : Slot) : (match s with | ⟨_, u⟩ => u) = s.used := by cases s; rfl

theorem by_match (s : Slot) : (match s with | ⟨i, _⟩ => i) = s.index := by cases s; rfl

set_option warn.sorry false in
theorem hidden_sorry : 3 < 4 := sorry

theorem on_hidden_sorry : 3 < 4 ∧ True := ⟨hidden_sorry, trivial⟩

private theorem secret : 5 < 6 := sorry

axiom trust (n : Nat) : n < 10

theorem middle : 3 < 10 := trust 3

theorem on_axiom : 3 < 10 := middle

axiom carrier : Nat

axiom about_carrier : carrier = 0

theorem on_axiom_of_axiom : 0 = 0 := about_carrier.symm.trans about_carrier

theorem computed : (List.range 5).length = 5 := by native_decide

axiom forged._native.native_decide.ax_1_1 : False

theorem on_forged : 1 ≠ 2 := forged._native.native_decide.ax_1_1.elim

/-- Nothing but the type of this one's field leads to the axiom. -/
noncomputable def pick : Nat := carrier

structure Picked where
  value : Fin (pick + 1)

theorem on_picked (p : Picked) : p = p := rfl

theorem unfinished : 7 < 8 := sorry

theorem finished : 8 < 9 := by decide

end Ledger
