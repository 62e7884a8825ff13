/-!
# The life of a command buffer

A completion handler must be added before the buffer is committed: Metal
rejects it afterwards, and a handler that is accepted late by some other layer
would never run. The model is the order of the calls on one buffer.
-/

namespace StreamPool.CommandBuffer

/-- The calls on one command buffer. -/
inductive Call where
  | openEncoder
  | endEncoding
  | addHandler
  | commit
  deriving DecidableEq, Repr

/-- How far the buffer has come. -/
inductive Stage where
  | recording
  | encoding
  | committed
  deriving DecidableEq, Repr

/-- The stage after a call; `none` where the call is a programming error. -/
def next : Stage → Call → Option Stage
  | .recording, .openEncoder => some .encoding
  | .recording, .addHandler => some .recording
  | .recording, .commit => some .committed
  | .encoding, .addHandler => some .encoding
  | .encoding, .endEncoding => some .recording
  | _, _ => none

/-- `Life g calls g'`: the calls are accepted one after the other. -/
inductive Life : Stage → List Call → Stage → Prop where
  | nil {g : Stage} : Life g [] g
  | cons {g g' g'' : Stage} {c : Call} {cs : List Call}
      (first : next g c = some g') (rest : Life g' cs g'') : Life g (c :: cs) g''

/-- A committed buffer accepts nothing more. -/
theorem committed_is_final {cs : List Call} {g : Stage} (h : Life .committed cs g) : cs = [] := by
  cases h with
  | nil => rfl
  | @cons _ _ _ c _ first _ => cases c <;> exact nomatch first

/-- Whatever follows a commit is rejected, so every handler was added before it. -/
theorem commit_is_last {before after : List Call} {g g' : Stage}
    (h : Life g (before ++ .commit :: after) g') : after = [] := by
  induction before generalizing g with
  | nil =>
    cases h with
    | cons first rest =>
      cases g with
      | recording => cases first; exact committed_is_final rest
      | encoding => exact nomatch first
      | committed => exact nomatch first
  | cons c cs ih =>
    cases h with
    | cons _ rest => exact ih rest

/-- No handler comes after a commit. -/
theorem no_handler_after_commit {before after : List Call} {g g' : Stage}
    (h : Life g (before ++ .commit :: after) g') : Call.addHandler ∉ after := by
  rw [commit_is_last h]
  exact fun hm => nomatch hm

/-- An encoder left open cannot be committed. -/
theorem no_commit_while_encoding (cs : List Call) (g : Stage) :
    ¬ Life .encoding (.commit :: cs) g := by
  intro h
  cases h with
  | cons first _ => exact nomatch first

/-- The order the sources keep is accepted. -/
theorem submit_order_accepted :
    Life .recording [.openEncoder, .endEncoding, .addHandler, .commit] .committed :=
  .cons rfl (.cons rfl (.cons rfl (.cons rfl .nil)))

end StreamPool.CommandBuffer
