import StreamPool.Schedule

/-!
# The modelled strategies

Five ways to lock that were discussed for the pool. They share one type of
mutex names, so that they can be compared.
-/

namespace StreamPool

/-- The name of a mutex. -/
inductive Mutex where
  | pool
  | stream (s : Stream)
  | operation (o : Op)
  | encoder (e : Encoder)
  deriving DecidableEq, Repr

/-- No lock at all. -/
def unlocked : Strategy Mutex := fun _ => []

/-- One mutex for the whole pool. -/
def global : Strategy Mutex := fun _ => [.pool]

/-- One mutex for each stream. -/
def perStream : Strategy Mutex := fun a => [.stream a.stream]

/-- One mutex for each kind of call. -/
def perOperation : Strategy Mutex := fun a => [.operation a.op]

/-- One mutex for each encoder. -/
def perEncoder : Strategy Mutex := fun a => [.encoder a.encoder]

/-- The strategies under discussion. -/
inductive Modelled where
  | unlocked
  | global
  | perStream
  | perOperation
  | perEncoder
  deriving DecidableEq, Repr

/-- The mutexes that a modelled strategy takes. -/
def Modelled.strategy : Modelled → Strategy Mutex
  | .unlocked => StreamPool.unlocked
  | .global => StreamPool.global
  | .perStream => StreamPool.perStream
  | .perOperation => StreamPool.perOperation
  | .perEncoder => StreamPool.perEncoder

/-- Under a strategy of one mutex a call, calls clash exactly when they name the same one. -/
theorem clash_single {κ : Type} {σ : Strategy κ} {key : Access → κ}
    (single : ∀ a, σ a = [key a]) (a b : Access) : Clash σ a b ↔ key a = key b := by
  constructor
  · intro ⟨k, ha, hb⟩
    rw [single, List.mem_singleton] at ha hb
    rw [← ha, ← hb]
  · intro h
    refine ⟨key a, ?_, ?_⟩
    · rw [single, List.mem_singleton]
    · rw [single, List.mem_singleton]
      exact h

end StreamPool
