import StreamPool.Overlap
import StreamPool.Strategies

/-!
# One mutex for each encoder prevents races and nothing else
-/

namespace StreamPool

/-- The mutexes clash exactly where the calls conflict. -/
theorem perEncoder_clash (a b : Access) : Clash perEncoder a b ↔ Conflict a b := by
  rw [clash_single (σ := perEncoder) (key := fun a => .encoder a.encoder) (fun _ => rfl)]
  exact ⟨fun h => by injection h, fun h => congrArg Mutex.encoder h⟩

/-- No schedule under per-encoder mutexes reaches a data race. -/
theorem perEncoder_safe : Safe perEncoder :=
  safe_of_clash (fun a b h => (perEncoder_clash a b).mpr h)

/-- Calls on different encoders are never kept apart. -/
theorem perEncoder_parallel {a b : Access} (h : ¬ Conflict a b) :
    ∃ s, Run perEncoder (overlap a b) s ∧ Together a b s :=
  overlap_run (fun hc => h ((perEncoder_clash a b).mp hc))

end StreamPool
