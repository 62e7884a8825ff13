import StreamPool.Overlap
import StreamPool.Strategies

/-!
# One mutex for each stream does not prevent races

Two streams can lead to one encoder. If the pool promised that they never do,
the strategy would be safe; both facts are stated.
-/

namespace StreamPool

theorem perStream_clash (a b : Access) : Clash perStream a b ↔ a.stream = b.stream := by
  rw [clash_single (σ := perStream) (key := fun a => .stream a.stream) (fun _ => rfl)]
  exact ⟨fun h => by injection h, fun h => by rw [h]⟩

/-- The same encoder, dispatched through stream 0 and ended through stream 1. -/
theorem perStream_race : ∃ tr s, Run perStream tr s ∧ Race s :=
  have ⟨s, hr, race⟩ := race_of_no_clash (σ := perStream)
    (a := ⟨0, 7, .dispatch⟩) (b := ⟨1, 7, .endEncoding⟩)
    rfl (by rw [perStream_clash]; decide)
  ⟨_, s, hr, race⟩

theorem perStream_not_safe : ¬ Safe perStream := fun safe =>
  have ⟨tr, s, hr, race⟩ := perStream_race
  safe tr s hr race

/-- If every encoder is only ever used through one stream, the stream's mutex is enough. -/
theorem perStream_safe_of_owner (owner : Encoder → Stream) {tr : List Event} {s : State}
    (h : Run perStream tr s)
    (owned : ∀ t a, ⟨t, .lock a⟩ ∈ tr → a.stream = owner a.encoder) : ¬ Race s := by
  intro ⟨t, u, a, b, htu, ht, hu, hc⟩
  have hta : (s t).access = some a := by rw [ht]; rfl
  have hub : (s u).access = some b := by rw [hu]; rfl
  refine run_exclusive h t u a b htu hta hub ((perStream_clash a b).mpr ?_)
  rw [owned t a (locked_of_access h t a hta), owned u b (locked_of_access h u b hub)]
  exact congrArg owner hc

end StreamPool
