/-
An exporter for tests: `lean --run Export.lean [--…] MODULE… -- NAME…` prints the named
constants with all that they need in export format 3.1.0. Its shape follows
format_ndjson.md of leanprover/lean4export; it shares no code with that program, so a
reader that passes with both has understood the description.

A stand-in's library has no proofs: there theorems of the library are axioms to the kernel
and are printed as such.
-/
import Lean
open Lean

structure Printed where
  names  : PersistentHashMap Name Nat := {}
  levels : PersistentHashMap Level Nat := {}
  terms  : PersistentHashMap Expr Nat := {}
  nameCount : Nat := 1
  levelCount : Nat := 1
  termCount : Nat := 0
  done : NameSet := {}

abbrev M := ReaderT Environment (StateRefT Printed IO)

def say (s : String) : M Unit := do (← IO.getStdout).putStrLn s
def quoted (s : String) : String := (Json.str s).compress
def list (xs : List Nat) : String := "[" ++ ",".intercalate (xs.map toString) ++ "]"
def flag (b : Bool) : String := if b then "true" else "false"

partial def name (n : Name) : M Nat := do
  if n.isAnonymous then return 0
  if let some i := (← get).names.find? n then return i
  let body ← match n with
    | .str p s => do let i ← name p; pure s!"\"str\":\{\"pre\":{i},\"str\":{quoted s}}"
    | .num p k => do let i ← name p; pure s!"\"num\":\{\"i\":{k},\"pre\":{i}}"
    | .anonymous => pure ""
  let i := (← get).nameCount
  modify fun s => { s with names := s.names.insert n i, nameCount := i + 1 }
  say s!"\{\"in\":{i},{body}}"
  return i

partial def level (l : Level) : M Nat := do
  if l matches .zero then return 0
  if let some i := (← get).levels.find? l then return i
  let two := fun (what : String) (a b : Level) => do
    let i ← level a; let j ← level b; return s!"\"{what}\":[{i},{j}]"
  let body ← match l with
    | .succ a => do let i ← level a; pure s!"\"succ\":{i}"
    | .max a b => two "max" a b
    | .imax a b => two "imax" a b
    | .param n => do let i ← name n; pure s!"\"param\":{i}"
    | _ => throw (IO.userError "a level that is not closed")
  let i := (← get).levelCount
  modify fun s => { s with levels := s.levels.insert l i, levelCount := i + 1 }
  say s!"\{\"il\":{i},{body}}"
  return i

def style : BinderInfo → String
  | .default => "\"default\""
  | .implicit => "\"implicit\""
  | .strictImplicit => "\"strictImplicit\""
  | .instImplicit => "\"instImplicit\""

partial def term (e : Expr) : M Nat := do
  if let some i := (← get).terms.find? e then return i
  let binder := fun (what : String) (n : Name) (t b : Expr) (s : BinderInfo) => do
    let k ← name n; let i ← term t; let j ← term b
    return s!"\"{what}\":\{\"binderInfo\":{style s},\"body\":{j},\"name\":{k},\"type\":{i}}"
  let body ← match e with
    | .bvar i => pure s!"\"bvar\":{i}"
    | .sort l => do let i ← level l; pure s!"\"sort\":{i}"
    | .const n ls => do
        let i ← name n; let us ← ls.mapM level
        pure s!"\"const\":\{\"name\":{i},\"us\":{list us}}"
    | .app f a => do let i ← term f; let j ← term a; pure s!"\"app\":\{\"arg\":{j},\"fn\":{i}}"
    | .lam n t b s => binder "lam" n t b s
    | .forallE n t b s => binder "forallE" n t b s
    | .letE n t v b d => do
        let k ← name n; let i ← term t; let j ← term v; let l ← term b
        pure s!"\"letE\":\{\"body\":{l},\"name\":{k},\"nondep\":{flag d},\"type\":{i},\"value\":{j}}"
    | .lit (.natVal k) => pure s!"\"natVal\":\"{k}\""
    | .lit (.strVal s) => pure s!"\"strVal\":{quoted s}"
    | .proj n k b => do
        let i ← name n; let j ← term b
        pure s!"\"proj\":\{\"idx\":{k},\"struct\":{j},\"typeName\":{i}}"
    | .mdata _ b => do let i ← term b; pure s!"\"mdata\":\{\"data\":\{\"some\":[\"thing\"]},\"expr\":{i}}"
    | _ => throw (IO.userError "a term that is not closed")
  let i := (← get).termCount
  modify fun s => { s with terms := s.terms.insert e i, termCount := i + 1 }
  say s!"\{{body},\"ie\":{i}}"
  return i

/-- The fields that every declaration has. -/
def head (ci : ConstantInfo) : M String := do
  let n ← name ci.name; let ps ← ci.levelParams.mapM name; let t ← term ci.type
  return s!"\"levelParams\":{list ps},\"name\":{n},\"type\":{t}"

/-- Types, constructors and recursors that are declared together with an inductive type. -/
def group (env : Environment) (v : InductiveVal) : List ConstantInfo × List ConstantInfo × List ConstantInfo :=
  let types := v.all.filterMap env.find?
  let ctors := types.flatMap fun t => match t with
    | .inductInfo v => v.ctors.filterMap env.find?
    | _ => []
  let recs := (types.flatMap fun t => [`rec, `rec_1, `rec_2, `rec_3].map fun r => t.name ++ r).filterMap env.find?
  (types, ctors, recs)

/-- What is printed with a constant, and the constants that must come before. -/
def needs (env : Environment) (ci : ConstantInfo) : List Name × List Name :=
  let used := fun (e : Expr) => e.getUsedConstants.toList
  match ci with
  | .defnInfo v => ([ci.name], used ci.type ++ used v.value)
  | .thmInfo v => ([ci.name], used ci.type ++ used v.value)
  | .opaqueInfo v => ([ci.name], used ci.type ++ used v.value)
  | .inductInfo v =>
    let (types, ctors, recs) := group env v
    let all := types ++ ctors ++ recs
    (all.map (·.name), all.flatMap fun c => used c.type ++ match c with
      | .recInfo r => r.rules.flatMap fun rule => used rule.rhs
      | _ => [])
  | .ctorInfo v => ([], [v.induct])
  | .recInfo v => ([], v.all)
  | _ => ([ci.name], used ci.type)

def print (ci : ConstantInfo) : M Unit := do
  let all := fun (ns : List Name) => do return list (← ns.mapM name)
  let plain := fun (what : String) (more : String) => do
    let h ← head ci
    say s!"\{\"{what}\":\{{h}{more}}}"
  let valued := fun (what : String) (e : Expr) (ns : List Name) (more : String) => do
    let v ← term e
    plain what s!",\"value\":{v},\"all\":{← all ns}{more}"
  match ci with
  | .axiomInfo v => plain "axiom" s!",\"isUnsafe\":{flag v.isUnsafe}"
  | .thmInfo v => valued "thm" v.value v.all ""
  | .opaqueInfo v => valued "opaque" v.value v.all s!",\"isUnsafe\":{flag v.isUnsafe}"
  | .defnInfo v =>
    let hints := match v.hints with
      | .opaque => "\"opaque\""
      | .abbrev => "\"abbrev\""
      | .regular k => s!"\{\"regular\":{k.toNat}}"
    let safety := match v.safety with
      | .safe => "safe"
      | .unsafe => "unsafe"
      | .partial => "partial"
    valued "def" v.value v.all s!",\"hints\":{hints},\"safety\":\"{safety}\""
  | .quotInfo v =>
    let kind := match v.kind with
      | .type => "type"
      | .ctor => "ctor"
      | .lift => "lift"
      | .ind => "ind"
    plain "quot" s!",\"kind\":\"{kind}\""
  | .ctorInfo _ | .recInfo _ => pure ()
  | .inductInfo v =>
    let (types, ctors, recs) := group (← read) v
    let part := fun (cs : List ConstantInfo) => do
      let texts ← cs.mapM fun c => do
        let h ← head c
        let more ← match c with
          | .inductInfo v => do
            pure s!",\"numParams\":{v.numParams},\"numIndices\":{v.numIndices},\"numNested\":{v.numNested},\"isRec\":{flag v.isRec},\"isReflexive\":{flag v.isReflexive},\"all\":{← all v.all},\"ctors\":{← all v.ctors}"
          | .ctorInfo v => do
            let i ← name v.induct
            pure s!",\"induct\":{i},\"cidx\":{v.cidx},\"numParams\":{v.numParams},\"numFields\":{v.numFields}"
          | .recInfo v => do
            let rules ← v.rules.mapM fun r => do
              let i ← name r.ctor; let j ← term r.rhs
              pure s!"\{\"ctor\":{i},\"nfields\":{r.nfields},\"rhs\":{j}}"
            pure s!",\"all\":{← all v.all},\"numParams\":{v.numParams},\"numIndices\":{v.numIndices},\"numMotives\":{v.numMotives},\"numMinors\":{v.numMinors},\"k\":{flag v.k},\"rules\":[{",".intercalate rules}]"
          | _ => pure ""
        pure s!"\{{h},\"isUnsafe\":{flag c.isUnsafe}{more}}"
      return "[" ++ ",".intercalate texts ++ "]"
    say s!"\{\"inductive\":\{\"types\":{← part types},\"ctors\":{← part ctors},\"recs\":{← part recs}}}"

/-- Dependencies first, without recursion: the closure of a program is deep. -/
partial def visit (stack : List (Name × Bool)) : M Unit := do
  let (n, ready) :: rest := stack | return
  let env ← read
  match env.find? n with
  | none => visit rest
  | some ci =>
    if ready then
      print ci
      visit rest
    else if (← get).done.contains n then visit rest
    else
      let (together, before) := needs env ci
      for m in n :: together do modify fun s => { s with done := s.done.insert m }
      let done := (← get).done
      visit ((before.filter fun m => !done.contains m).map (·, false) ++ (n, true) :: rest)

def main (args : List String) : IO Unit := do
  let args := args.filter fun a => a == "--" || !"--".isPrefixOf a
  let (mods, names) := args.span (· != "--")
  if let some path := (← IO.getEnv "LEAN_PATH") then
    searchPathRef.set (System.SearchPath.parse path ++ (← searchPathRef.get))
  let env ← importModules (mods.map fun m => { module := m.toName : Import }).toArray {} (trustLevel := 1024)
  let about := s!"\"exporter\":\{\"name\":\"test-exporter\",\"version\":\"1\"},\"format\":\{\"version\":\"3.1.0\"}"
  let lean := s!"\{\"githash\":{quoted Lean.githash},\"version\":{quoted Lean.versionString}}"
  let asked := names.drop 1 |>.map String.toName
  let act : M Unit := do
    say s!"\{\"meta\":\{{about},\"lean\":{lean}}}"
    visit (asked.map (·, false))
  ((act.run env).run' {})
