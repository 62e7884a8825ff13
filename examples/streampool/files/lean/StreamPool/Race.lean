import StreamPool.Overlap
import StreamPool.Strategies

/-!
# Without a lock there is a data race
-/

namespace StreamPool

/-- Without locks nothing clashes. -/
theorem unlocked_never_clashes (a b : Access) : ¬ Clash unlocked a b :=
  fun ⟨_, ha, _⟩ => nomatch ha

/-- One thread dispatches while another ends the same encoder. -/
theorem race_without_lock : ∃ tr s, Run unlocked tr s ∧ Race s :=
  have ⟨s, hr, race⟩ := race_of_no_clash
    (a := ⟨0, 7, .dispatch⟩) (b := ⟨1, 7, .endEncoding⟩)
    rfl (unlocked_never_clashes _ _)
  ⟨_, s, hr, race⟩

/-- Worse: without a lock *every* pair of conflicting calls can race. -/
theorem every_conflict_races_without_lock (a b : Access) (h : Conflict a b) :
    ∃ s, Run unlocked (overlap a b) s ∧ Race s :=
  race_of_no_clash h (unlocked_never_clashes a b)

theorem unlocked_not_safe : ¬ Safe unlocked :=
  not_safe_of_no_clash (a := ⟨0, 7, .dispatch⟩) (b := ⟨1, 7, .endEncoding⟩)
    rfl (unlocked_never_clashes _ _)

end StreamPool
