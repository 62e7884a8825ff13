import StreamPool.Strategies

/-!
# One mutex for the pool prevents races, and all parallelism with them
-/

namespace StreamPool

theorem global_clashes (a b : Access) : Clash global a b :=
  ⟨.pool, List.mem_singleton.mpr rfl, List.mem_singleton.mpr rfl⟩

/-- No schedule under one mutex reaches a data race. -/
theorem global_safe : Safe global :=
  safe_of_clash (fun a b _ => global_clashes a b)

/-- The price: never are two threads inside calls, even on different encoders. -/
theorem global_serialises {tr : List Event} {s : State} (h : Run global tr s)
    {t u : Thread} {a b : Access} (ht : s t = .inside a) (hu : s u = .inside b) : t = u := by
  by_cases htu : t = u
  · exact htu
  · exact absurd (global_clashes a b)
      (run_exclusive h t u a b htu (by rw [ht]; rfl) (by rw [hu]; rfl))

end StreamPool
