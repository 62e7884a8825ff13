import StreamPool.Basic

/-!
# Schedules

A *strategy* says which mutexes a call takes. A *schedule* is a list of events,
one thread at a time, in any order the mutexes allow. Statements about a
strategy quantify over every schedule of every number of threads.
-/

namespace StreamPool

/--
The mutexes, named by `κ`, that a call takes. They are taken together and given
back together, as `std::scoped_lock` does. `[]` means no lock at all.
-/
abbrev Strategy (κ : Type) := Access → List κ

/-- Two calls clash when some mutex is wanted by both. -/
def Clash {κ : Type} (σ : Strategy κ) (a b : Access) : Prop := ∃ k, k ∈ σ a ∧ k ∈ σ b

theorem Clash.symm {κ : Type} {σ : Strategy κ} {a b : Access} : Clash σ a b → Clash σ b a
  | ⟨k, ha, hb⟩ => ⟨k, hb, ha⟩

/-- What a thread can do next. -/
inductive Action where
  | lock (a : Access)
  | enter
  | exit
  | unlock
  deriving DecidableEq, Repr

/-- One step of one thread. -/
structure Event where
  thread : Thread
  action : Action
  deriving DecidableEq, Repr

/--
One event. Only `lock` can be refused: it waits until no thread holds a mutex
that the call wants. A mutex is held by whoever has locked and not unlocked, so
the state needs no table of owners.
-/
inductive Step {κ : Type} (σ : Strategy κ) : State → Event → State → Prop where
  | lock {s : State} {t : Thread} {a : Access}
      (idle : s t = .idle)
      (free : ∀ u b, (s u).access = some b → ¬ Clash σ a b) :
      Step σ s ⟨t, .lock a⟩ (s.set t (.holding a))
  | enter {s : State} {t : Thread} {a : Access} (h : s t = .holding a) :
      Step σ s ⟨t, .enter⟩ (s.set t (.inside a))
  | exit {s : State} {t : Thread} {a : Access} (h : s t = .inside a) :
      Step σ s ⟨t, .exit⟩ (s.set t (.leaving a))
  | unlock {s : State} {t : Thread} {a : Access} (h : s t = .leaving a) :
      Step σ s ⟨t, .unlock⟩ (s.set t .idle)

/-- `Run σ tr s`: the schedule `tr` is possible under `σ` and ends in `s`. -/
inductive Run {κ : Type} (σ : Strategy κ) : List Event → State → Prop where
  | nil : Run σ [] .start
  | snoc {tr : List Event} {s s' : State} {e : Event}
      (before : Run σ tr s) (step : Step σ s e s') : Run σ (tr ++ [e]) s'

/-- The schedule is possible under the strategy. -/
def Admits {κ : Type} (σ : Strategy κ) (tr : List Event) : Prop := ∃ s, Run σ tr s

/-- No schedule of the strategy leads to a data race. -/
def Safe {κ : Type} (σ : Strategy κ) : Prop := ∀ tr s, Run σ tr s → ¬ Race s

/-- Mutual exclusion as the mutexes give it: threads that hold calls do not clash. -/
def Exclusive {κ : Type} (σ : Strategy κ) (s : State) : Prop :=
  ∀ t u a b, t ≠ u → (s t).access = some a → (s u).access = some b → ¬ Clash σ a b

/-- A thread that moves on inside a call, or ends it, keeps exclusion. -/
theorem Exclusive.move {κ : Type} {σ : Strategy κ} {s : State} (h : Exclusive σ s)
    {t : Thread} {p : Phase} (keeps : ∀ a, p.access = some a → (s t).access = some a) :
    Exclusive σ (s.set t p) := by
  intro u v a b huv hu hv
  by_cases hut : u = t
  · subst hut
    rw [State.set_same] at hu
    rw [State.set_other s p (Ne.symm huv)] at hv
    exact h u v a b huv (keeps a hu) hv
  · rw [State.set_other s p hut] at hu
    by_cases hvt : v = t
    · subst hvt
      rw [State.set_same] at hv
      exact h u v a b huv hu (keeps b hv)
    · rw [State.set_other s p hvt] at hv
      exact h u v a b huv hu hv

/-- Every step keeps exclusion, whichever thread takes it. -/
theorem Exclusive.step {κ : Type} {σ : Strategy κ} {s s' : State} {e : Event}
    (h : Exclusive σ s) (hs : Step σ s e s') : Exclusive σ s' := by
  cases hs with
  | @lock t a idle free =>
    intro u v c d huv hu hv
    by_cases hut : u = t
    · subst hut
      rw [State.set_same] at hu
      rw [State.set_other s _ (Ne.symm huv)] at hv
      cases hu
      exact free v d hv
    · rw [State.set_other s _ hut] at hu
      by_cases hvt : v = t
      · subst hvt
        rw [State.set_same] at hv
        cases hv
        exact fun hc => free u c hu hc.symm
      · rw [State.set_other s _ hvt] at hv
        exact h u v c d huv hu hv
  | @enter t a ht =>
    exact h.move (fun b hb => by rw [ht]; exact hb)
  | @exit t a ht =>
    exact h.move (fun b hb => by rw [ht]; exact hb)
  | @unlock t a ht =>
    exact h.move (fun b hb => nomatch hb)

/-- Exclusion holds in every state that any schedule can reach. -/
theorem run_exclusive {κ : Type} {σ : Strategy κ} {tr : List Event} {s : State}
    (h : Run σ tr s) : Exclusive σ s := by
  induction h with
  | nil => intro t u a b _ ht _; cases ht
  | snoc _ step ih => exact ih.step step

/-- A strategy under which conflicting calls always want a common mutex is safe. -/
theorem safe_of_clash {κ : Type} {σ : Strategy κ}
    (h : ∀ a b, Conflict a b → Clash σ a b) : Safe σ := by
  intro tr s hr ⟨t, u, a, b, htu, ht, hu, hc⟩
  exact run_exclusive hr t u a b htu (by rw [ht]; rfl) (by rw [hu]; rfl) (h a b hc)

/-- What a thread holds, it has locked at some point of the schedule. -/
theorem locked_of_access {κ : Type} {σ : Strategy κ} {tr : List Event} {s : State}
    (h : Run σ tr s) : ∀ t a, (s t).access = some a → ⟨t, .lock a⟩ ∈ tr := by
  induction h with
  | nil => intro t a ht; cases ht
  | @snoc tr s s' e _ step ih =>
    intro u b hu
    cases step with
    | @lock t a idle free =>
      by_cases hut : u = t
      · subst hut
        rw [State.set_same] at hu
        cases hu
        simp
      · rw [State.set_other s _ hut] at hu
        exact List.mem_append_left _ (ih u b hu)
    | @enter t a ht =>
      refine List.mem_append_left _ (ih u b ?_)
      by_cases hut : u = t
      · subst hut; rw [State.set_same] at hu; rw [ht]; exact hu
      · rw [State.set_other s _ hut] at hu; exact hu
    | @exit t a ht =>
      refine List.mem_append_left _ (ih u b ?_)
      by_cases hut : u = t
      · subst hut; rw [State.set_same] at hu; rw [ht]; exact hu
      · rw [State.set_other s _ hut] at hu; exact hu
    | @unlock t a ht =>
      refine List.mem_append_left _ (ih u b ?_)
      by_cases hut : u = t
      · subst hut; rw [State.set_same] at hu; cases hu
      · rw [State.set_other s _ hut] at hu; exact hu

/-- Where an event takes the thread that it names, allowed or not. -/
def Action.apply : Action → Phase → Phase
  | .lock a, _ => .holding a
  | .enter, .holding a => .inside a
  | .exit, .inside a => .leaving a
  | .unlock, _ => .idle
  | _, p => p

/-- The state after a schedule, found by following it without asking the mutexes. -/
def replay (tr : List Event) : State :=
  tr.foldl (fun s e => s.set e.thread (e.action.apply (s e.thread))) .start

/-- A schedule leads to one state only, whatever the strategy: it can but be refused. -/
theorem run_replay {κ : Type} {σ : Strategy κ} {tr : List Event} {s : State}
    (h : Run σ tr s) : s = replay tr := by
  induction h with
  | nil => rfl
  | @snoc tr s s' e _ step ih =>
    rw [replay, List.foldl_append, ← replay, ← ih]
    cases step with
    | lock idle free => rfl
    | enter h => simp [h, Action.apply]
    | exit h => simp [h, Action.apply]
    | unlock h => rfl

/-- No deadlock: a thread that has locked can always take its next step. -/
theorem busy_thread_can_step {κ : Type} (σ : Strategy κ) (s : State) (t : Thread)
    (busy : s t ≠ .idle) : ∃ act s', Step σ s ⟨t, act⟩ s' := by
  cases h : s t with
  | idle => exact absurd h busy
  | holding a => exact ⟨.enter, _, .enter h⟩
  | inside a => exact ⟨.exit, _, .exit h⟩
  | leaving a => exact ⟨.unlock, _, .unlock h⟩

end StreamPool
