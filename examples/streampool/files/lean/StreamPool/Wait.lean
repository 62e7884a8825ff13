/-!
# Why nobody waits while holding a lock

A submitting thread commits a command buffer and waits for it. The completion
handler runs on a thread of the driver and takes the same mutex before it
reports. The model has these two threads and nothing else: enough to see that
waiting under the lock can never end, and that waiting after it always can.
-/

namespace StreamPool.Wait

/-- Who has the mutex. -/
inductive Owner where
  | nobody
  | submitter
  | handler
  deriving DecidableEq, Repr

/-- The two threads and their mutex. -/
structure State where
  owner : Owner
  /-- The submitter has committed and waits for `completed`. -/
  waiting : Bool
  completed : Bool
  deriving DecidableEq, Repr

/-- One step of either thread. A waiting submitter does not unlock. -/
inductive Step : State → State → Prop where
  | unlock {s : State} (h : s.owner = .submitter) (w : s.waiting = false) :
      Step s { s with owner := .nobody }
  | wait {s : State} : Step s { s with waiting := true }
  | handlerLock {s : State} (h : s.owner = .nobody) : Step s { s with owner := .handler }
  | report {s : State} (h : s.owner = .handler) :
      Step s { s with owner := .nobody, completed := true }
  | wake {s : State} (h : s.completed = true) : Step s { s with waiting := false }

/-- What can happen in any number of steps. -/
inductive Steps : State → State → Prop where
  | refl {s : State} : Steps s s
  | tail {s t u : State} (before : Steps s t) (step : Step t u) : Steps s u

/-- The submitter waits and still has the mutex. -/
def stuck : State := ⟨.submitter, true, false⟩

/-- The submitter has unlocked and waits. -/
def patient : State := ⟨.nobody, true, false⟩

theorem stuck_stays {s : State} (h : Steps stuck s) : s = stuck := by
  induction h with
  | refl => rfl
  | tail _ step ih =>
    subst ih
    cases step with
    | unlock _ w => exact nomatch w
    | wait => rfl
    | handlerLock h => exact nomatch h
    | report h => exact nomatch h
    | wake h => exact nomatch h

/-- A wait under the lock never ends. -/
theorem wait_under_lock_never_completes {s : State} (h : Steps stuck s) :
    s.completed = false := by
  rw [stuck_stays h]; rfl

/-- A wait after the lock was given back can end. -/
theorem wait_after_unlock_completes :
    ∃ s, Steps patient s ∧ s.completed = true ∧ s.waiting = false :=
  ⟨_, .tail (.tail (.tail .refl (.handlerLock rfl)) (.report rfl)) (.wake rfl), rfl, rfl⟩

end StreamPool.Wait
