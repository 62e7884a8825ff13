import StreamPool.Schedule

/-!
# Two calls at once

The one construction behind every witness: two threads lock, then both enter.
It succeeds exactly when the two calls want no common mutex.
-/

namespace StreamPool

/-- Thread 0 and thread 1 lock, then both enter. -/
def overlap (a b : Access) : List Event :=
  [⟨0, .lock a⟩, ⟨1, .lock b⟩, ⟨0, .enter⟩, ⟨1, .enter⟩]

/-- Thread 0 is inside `a` while thread 1 is inside `b`. -/
def Together (a b : Access) (s : State) : Prop := s 0 = .inside a ∧ s 1 = .inside b

/-- Calls without a common mutex can be inside at the same moment. -/
theorem overlap_run {κ : Type} {σ : Strategy κ} {a b : Access} (h : ¬ Clash σ a b) :
    ∃ s, Run σ (overlap a b) s ∧ Together a b s := by
  have r1 : Run σ [⟨0, .lock a⟩] (State.start.set 0 (.holding a)) :=
    Run.snoc .nil (.lock rfl (fun u c hc => nomatch hc))
  have r2 : Run σ [⟨0, .lock a⟩, ⟨1, .lock b⟩]
      ((State.start.set 0 (.holding a)).set 1 (.holding b)) := by
    refine Run.snoc r1 (.lock rfl ?_)
    intro u c hc
    by_cases hu : u = 0
    · subst hu
      cases hc
      exact fun hcl => h hcl.symm
    · rw [State.set_other _ _ hu] at hc
      cases hc
  have r3 := Run.snoc r2 (.enter (t := 0) (a := a) rfl)
  have r4 := Run.snoc r3 (.enter (t := 1) (a := b) rfl)
  exact ⟨_, r4, rfl, rfl⟩

/-- Two conflicting calls without a common mutex are a data race waiting to happen. -/
theorem race_of_no_clash {κ : Type} {σ : Strategy κ} {a b : Access}
    (conflict : Conflict a b) (h : ¬ Clash σ a b) :
    ∃ s, Run σ (overlap a b) s ∧ Race s := by
  obtain ⟨s, hr, h0, h1⟩ := overlap_run h
  exact ⟨s, hr, 0, 1, a, b, by decide, h0, h1, conflict⟩

/-- One such pair is enough to make a strategy unsafe. -/
theorem not_safe_of_no_clash {κ : Type} {σ : Strategy κ} {a b : Access}
    (conflict : Conflict a b) (h : ¬ Clash σ a b) : ¬ Safe σ := by
  intro safe
  obtain ⟨s, hr, race⟩ := race_of_no_clash conflict h
  exact safe _ s hr race

end StreamPool
