import Pool.Smuggled

namespace Pool

theorem leans : 1 = 2 := smuggled.elim

theorem stands : 1 = 1 := rfl

end Pool
