import StreamPool.Overlap
import StreamPool.Strategies

/-!
# One mutex for each kind of call does not prevent races

Two dispatches exclude each other, but a dispatch and the end of the encoder
take different mutexes.
-/

namespace StreamPool

theorem perOperation_clash (a b : Access) : Clash perOperation a b ↔ a.op = b.op := by
  rw [clash_single (σ := perOperation) (key := fun a => .operation a.op) (fun _ => rfl)]
  exact ⟨fun h => by injection h, fun h => by rw [h]⟩

/-- A dispatch meets the end of its own encoder, on one and the same stream. -/
theorem perOperation_race : ∃ tr s, Run perOperation tr s ∧ Race s :=
  have ⟨s, hr, race⟩ := race_of_no_clash (σ := perOperation)
    (a := ⟨0, 7, .dispatch⟩) (b := ⟨0, 7, .endEncoding⟩)
    rfl (by rw [perOperation_clash]; decide)
  ⟨_, s, hr, race⟩

theorem perOperation_not_safe : ¬ Safe perOperation := fun safe =>
  have ⟨tr, s, hr, race⟩ := perOperation_race
  safe tr s hr race

/-- It also costs parallelism for nothing: equal calls on different encoders wait. -/
theorem perOperation_blocks_independent_work :
    ∃ a b, ¬ Conflict a b ∧ Clash perOperation a b :=
  ⟨⟨0, 0, .dispatch⟩, ⟨1, 1, .dispatch⟩, by decide, (perOperation_clash _ _).mpr rfl⟩

end StreamPool
