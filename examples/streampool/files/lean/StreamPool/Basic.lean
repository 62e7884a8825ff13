/-!
# Threads, streams, encoders

The vocabulary of the model. A pool hands out *streams*; through a stream a
thread works on an *encoder*. Nothing ties an encoder to one stream: the pool
recycles streams, and a command buffer may be continued through another one.
That freedom is what the proofs in this project are about.
-/

namespace StreamPool

/-- A thread of the host program. There is no bound on how many exist. -/
abbrev Thread := Nat

/-- A command stream handed out by the pool. -/
abbrev Stream := Nat

/-- A command encoder: the object that must not be used by two threads at once. -/
abbrev Encoder := Nat

/-- The calls a thread makes on an encoder. Every one of them writes to it. -/
inductive Op where
  | setPipeline
  | dispatch
  | endEncoding
  deriving DecidableEq, Repr

/-- One call: which encoder it changes, through which stream, and how. -/
structure Access where
  stream : Stream
  encoder : Encoder
  op : Op
  deriving DecidableEq, Repr

/-- Two calls conflict when they change the same encoder, whatever they do to it. -/
def Conflict (a b : Access) : Prop := a.encoder = b.encoder

instance (a b : Access) : Decidable (Conflict a b) :=
  inferInstanceAs (Decidable (a.encoder = b.encoder))

theorem Conflict.symm {a b : Access} (h : Conflict a b) : Conflict b a := Eq.symm h

/-- Where a thread is. A call is not atomic: it has a beginning and an end. -/
inductive Phase where
  /-- Outside any call. -/
  | idle
  /-- The mutexes of the call are held, the encoder is not touched yet. -/
  | holding (a : Access)
  /-- Inside the call: the encoder is being changed. -/
  | inside (a : Access)
  /-- The call has returned, the mutexes are still held. -/
  | leaving (a : Access)
  deriving DecidableEq, Repr

/-- The call whose mutexes a thread holds in this phase. -/
def Phase.access : Phase → Option Access
  | .idle => none
  | .holding a => some a
  | .inside a => some a
  | .leaving a => some a

/-- A state says where every thread is. -/
abbrev State := Thread → Phase

/-- Nobody has started. -/
def State.start : State := fun _ => .idle

/-- `s.set t p` moves thread `t` to phase `p`. -/
def State.set (s : State) (t : Thread) (p : Phase) : State :=
  fun u => if u = t then p else s u

theorem State.set_same (s : State) (t : Thread) (p : Phase) : s.set t p t = p := by
  simp [State.set]

theorem State.set_other (s : State) {t u : Thread} (p : Phase) (h : u ≠ t) :
    s.set t p u = s u := by
  simp [State.set, h]

/-- A data race: two threads are inside conflicting calls at the same moment. -/
def Race (s : State) : Prop :=
  ∃ t u a b, t ≠ u ∧ s t = .inside a ∧ s u = .inside b ∧ Conflict a b

end StreamPool
