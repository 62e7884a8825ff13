/-!
# The slot of a thread and the end of the pool

Each thread keeps its stream's slot in thread-local storage. The destructor
gives the slot back to the pool, and at the end of the process it may run after
the pool has been destroyed. The pool's alive flag guards it.
-/

namespace StreamPool.ThreadSlot

/-- The pool and what has been done to it. -/
structure State where
  alive : Bool
  /-- Slots given back to a pool that existed. -/
  returned : Nat
  /-- Something touched the pool after its end. -/
  usedAfterEnd : Bool
  deriving DecidableEq, Repr

/-- Does the destructor of a slot look at the alive flag first? -/
inductive Destructor where
  | guarded
  | unguarded
  deriving DecidableEq, Repr

/-- What happens at the end of a process, in an order nobody controls. -/
inductive Event where
  | threadExits
  | poolDestroyed
  deriving DecidableEq, Repr

/-- The effect of one event. -/
def step (d : Destructor) (s : State) : Event → State
  | .poolDestroyed => { s with alive := false }
  | .threadExits =>
    match s.alive, d with
    | true, _ => { s with returned := s.returned + 1 }
    | false, .guarded => s
    | false, .unguarded => { s with usedAfterEnd := true }

/-- The effect of a whole shutdown. -/
def run (d : Destructor) (s : State) : List Event → State
  | [] => s
  | e :: es => run d (step d s e) es

/-- A pool in use. -/
def fresh : State := ⟨true, 0, false⟩

/-- One guarded step never touches a pool that is gone. -/
theorem guarded_step (s : State) (e : Event) :
    (step .guarded s e).usedAfterEnd = s.usedAfterEnd := by
  cases e with
  | poolDestroyed => rfl
  | threadExits =>
    unfold step
    cases s.alive <;> rfl

/-- In every order of events a guarded destructor is harmless. -/
theorem guarded_destructor_safe (es : List Event) (s : State) :
    (run .guarded s es).usedAfterEnd = s.usedAfterEnd := by
  induction es generalizing s with
  | nil => rfl
  | cons e es ih => rw [run, ih, guarded_step]

/-- Without the guard, a thread that outlives the pool touches freed memory. -/
theorem unguarded_destructor_unsafe :
    (run .unguarded fresh [.poolDestroyed, .threadExits]).usedAfterEnd = true := rfl

/-- While the pool lives the guard loses nothing: every exit returns its slot. -/
theorem guarded_returns_all (n : Nat) (s : State) (alive : s.alive = true) :
    (run .guarded s (List.replicate n .threadExits)).returned = s.returned + n := by
  induction n generalizing s with
  | zero => rfl
  | succ n ih =>
    have stays : (step .guarded s .threadExits).alive = true := by simp [step, alive]
    have counts : (step .guarded s .threadExits).returned = s.returned + 1 := by simp [step, alive]
    rw [List.replicate_succ, run, ih _ stays, counts]
    omega

end StreamPool.ThreadSlot
