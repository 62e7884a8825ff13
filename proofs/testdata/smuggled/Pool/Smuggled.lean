import Lean.Elab.Tactic

/-! Proofs that never went through the kernel. The build is green, and so is every list of
axioms: only a replay of the compiled module tells. -/
namespace Pool
open Lean Elab

set_option debug.skipKernelTC true in
theorem smuggled : False := by
  run_tac do (← Tactic.getMainGoal).assign (mkConst ``True.intro)

/-- The option by another name: no search of the sources finds it. -/
elab "smuggle " id:ident : command => do
  let option := Name.mkStr (Name.mkSimple "debug") ("skip" ++ "Kernel" ++ "TC")
  Command.liftCoreM <| withOptions (·.setBool option true) <| addDecl <| .thmDecl
    { name := `Pool ++ id.getId, levelParams := [], type := mkConst ``False, value := mkConst ``True.intro }

smuggle hidden

/-- Straight into the environment. -/
elab "add_unchecked " id:ident : command => do
  let decl := Declaration.thmDecl
    { name := `Pool ++ id.getId, levelParams := [], type := mkConst ``False, value := mkConst ``Nat }
  match (← getEnv).addDeclCore 0 decl none (doCheck := false) with
  | .ok env => setEnv env
  | .error _ => throwError "not added"

add_unchecked unchecked

theorem two_is_three : 2 = 3 := hidden.elim

theorem honest : 2 = 2 := rfl

end Pool
