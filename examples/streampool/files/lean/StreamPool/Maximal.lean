import StreamPool.GlobalMutex
import StreamPool.PerEncoder
import StreamPool.PerOperation
import StreamPool.PerStream
import StreamPool.Race

/-!
# The per-encoder mutex is the best of the safe strategies

Not only among the modelled ones: whatever mutexes a strategy uses, and however
many of them a call takes, if it is safe then every schedule that it admits is
admitted by the per-encoder mutex too.
-/

namespace StreamPool

/-- Safety is decided by pairs of calls: conflicting ones must share a mutex. -/
theorem safe_iff_clash {κ : Type} (σ : Strategy κ) :
    Safe σ ↔ ∀ a b, Conflict a b → Clash σ a b := by
  constructor
  · intro safe a b hc
    by_cases h : Clash σ a b
    · exact h
    · exact absurd safe (not_safe_of_no_clash hc h)
  · exact safe_of_clash

/-- `σ ≼ τ`: every schedule possible under `σ` is possible under `τ`. -/
def AtMost {κ μ : Type} (σ : Strategy κ) (τ : Strategy μ) : Prop :=
  ∀ tr, Admits σ tr → Admits τ tr

@[inherit_doc] infix:50 " ≼ " => AtMost

/-- A run under a safe strategy is, step for step, a run under per-encoder mutexes. -/
theorem run_perEncoder_of_safe {κ : Type} {σ : Strategy κ} (safe : Safe σ)
    {tr : List Event} {s : State} (h : Run σ tr s) : Run perEncoder tr s := by
  induction h with
  | nil => exact .nil
  | snoc _ step ih =>
    refine .snoc ih ?_
    cases step with
    | lock idle free =>
      refine .lock idle (fun u b hb hc => free u b hb ?_)
      exact (safe_iff_clash σ).mp safe _ _ ((perEncoder_clash _ _).mp hc)
    | enter h => exact .enter h
    | exit h => exact .exit h
    | unlock h => exact .unlock h

/-- No safe strategy, modelled or not, admits a schedule that per-encoder mutexes refuse. -/
theorem perEncoder_greatest {κ : Type} (σ : Strategy κ) (safe : Safe σ) : σ ≼ perEncoder :=
  fun _ ⟨s, h⟩ => ⟨s, run_perEncoder_of_safe safe h⟩

/-- Which modelled strategies are safe: one mutex, and one for each encoder. -/
theorem modelled_safe_iff (m : Modelled) :
    Safe m.strategy ↔ m = .global ∨ m = .perEncoder := by
  cases m
  · exact ⟨fun h => absurd h unlocked_not_safe, fun h => by cases h <;> contradiction⟩
  · exact ⟨fun _ => .inl rfl, fun _ => global_safe⟩
  · exact ⟨fun h => absurd h perStream_not_safe, fun h => by cases h <;> contradiction⟩
  · exact ⟨fun h => absurd h perOperation_not_safe, fun h => by cases h <;> contradiction⟩
  · exact ⟨fun _ => .inr rfl, fun _ => perEncoder_safe⟩

/-- One mutex refuses the schedule that lets two threads in at once. -/
theorem global_refuses_overlap (a b : Access) : ¬ Admits global (overlap a b) := by
  intro ⟨s, hr⟩
  have hs := run_replay hr
  have h0 : s 0 = .inside a := by rw [hs]; rfl
  have h1 : s 1 = .inside b := by rw [hs]; rfl
  exact absurd (global_serialises hr h0 h1) (by decide)

/-- The gap is real: per-encoder mutexes admit a schedule that one mutex refuses. -/
theorem perEncoder_not_below_global : ¬ (perEncoder ≼ global) := by
  intro below
  have ⟨s, hr, _⟩ :=
    perEncoder_parallel (a := ⟨0, 0, .dispatch⟩) (b := ⟨1, 1, .dispatch⟩) (by decide)
  exact global_refuses_overlap _ _ (below _ ⟨s, hr⟩)

/-- Maximal among the modelled strategies, and the only one that is. -/
theorem perEncoder_maximal (m : Modelled) :
    (Safe m.strategy ∧ ∀ n : Modelled, Safe n.strategy → n.strategy ≼ m.strategy) ↔
      m = .perEncoder := by
  constructor
  · intro ⟨safe, above⟩
    cases (modelled_safe_iff m).mp safe with
    | inl h =>
      subst h
      exact absurd (above .perEncoder perEncoder_safe) perEncoder_not_below_global
    | inr h => exact h
  · intro h
    subst h
    exact ⟨perEncoder_safe, fun n hn => perEncoder_greatest n.strategy hn⟩

end StreamPool
