/-
Proof inventory: which theorems and axioms some compiled modules declare, where, and
what each rests on.

  lean --run THIS [--pp] [--stand-in] [--key=KEY] [--path=DIR]… --groups=FILE

FILE names one module a line; an empty line separates groups, and the modules of a group
are loaded together. `--path` adds a folder with their `.olean` files. One JSON record a line, behind `KEY ` if one is given, so that nothing a
loaded module prints can pass for a record. Record kinds, in order:

  header  lean, githash
  module  name, imports, decls          one for each module asked for
  error   module, text                  instead, for a module that cannot be loaded
  decl    name, user, module, kind, line, column, internal, unsafe, axioms, opaque,
          unknown, refs, pp             one for each declaration of these modules
  axiom   name, module, origin, pp      one for each axiom met
  end     modules, decls, missing       always the last; without it nothing counts

`axioms` is the closure over everything reachable, found by a walk of this file: core's
`collectAxioms` under-reports from Lean 4.30 (leanprover/lean4#15226). Where the tool
chain withholds bodies of its own library, such constants are counted as `opaque`, never
named as axioms; a withheld body outside the tool chain is `unknown`.

Kernel declarations only: without `--pp` no initialiser of a loaded module runs, and no
notation, macro or option of the checked project can change a record.
-/
import Lean
open Lean

namespace HoldfastInventory

/-! ### One file for many Lean versions -/

/-- `#first c or d`: elaborate `c`; if that logs an error, undo it and elaborate `d`. -/
elab "#first " c:command " or " d:command : command => do
  let before ← get
  Elab.Command.elabCommand c
  if (← get).messages.hasErrors then
    set before
    Elab.Command.elabCommand d

-- Under the module system a declaration can be visible without its body and then looks
-- like an axiom. Newer versions remember what it was.
#first
  def originally (env : Environment) (n : Name) : String :=
    match Lean.getOriginalConstKind? env n with
    | some .axiom => "axiom"
    | some _ => "other"
    | none => ""
or
  def originally (_ : Environment) (_ : Name) : String := ""

-- Older versions always load extension state, newer ones on request.
#first
  unsafe def importLoaded (is : Array Import) : IO Environment := do
    enableInitializersExecution
    importModules is {} (trustLevel := 1024) (loadExts := true)
or
  unsafe def importLoaded (is : Array Import) : IO Environment := do
    enableInitializersExecution
    importModules is {} (trustLevel := 1024)

#first
  def ranges (env : Environment) (n : Name) : Option DeclarationRanges := declRangeExt.find? env n
or
  def ranges (_ : Environment) (_ : Name) : Option DeclarationRanges := none

/-! ### JSON with a fixed field order -/

-- Compiled code of core: escaping character by character here would be interpreted.
def esc (s : String) : String := (Json.str s).compress

def nm (n : Name) : String := n.toString
def arr (xs : Array String) : String := "[" ++ ",".intercalate xs.toList ++ "]"
def strs (xs : Array Name) : String := arr (xs.map fun n => esc (nm n))
def flag (b : Bool) : String := if b then "true" else "false"
def obj (fields : List (String × String)) : String :=
  "{" ++ ",".intercalate (fields.map fun (k, v) => "\"" ++ k ++ "\":" ++ v) ++ "}"

/-! ### What a declaration refers to

By constructor, so the changing meaning of `ConstantInfo.value?` does not matter. -/

def refsOf (ci : ConstantInfo) : Array Name :=
  ci.type.getUsedConstants ++
  match ci with
  | .defnInfo v   => v.value.getUsedConstants
  | .thmInfo v    => v.value.getUsedConstants
  | .opaqueInfo v => v.value.getUsedConstants
  | .inductInfo v => v.all.toArray ++ v.ctors.toArray
  | .ctorInfo v   => #[v.induct]
  | .recInfo v    => v.rules.foldl (fun acc r => acc ++ r.rhs.getUsedConstants) v.all.toArray
  | _ => #[]

def kindOf : ConstantInfo → String
  | .axiomInfo _ => "axiom"
  | .defnInfo _ => "def"
  | .thmInfo _ => "theorem"
  | .opaqueInfo _ => "opaque"
  | .quotInfo _ => "quot"
  | .inductInfo _ => "inductive"
  | .ctorInfo _ => "constructor"
  | .recInfo _ => "recursor"

/-! ### Axioms of everything reachable, in one pass

Strongly connected components (R. Tarjan, Depth-first search and linear graph algorithms,
SIAM J. Comput. 1, 1972) with an explicit stack. Every component shares one set, so members
of a cycle (an inductive type and its constructors) are never under-reported, and a deep
environment cannot exhaust the stack. Sets are interned and unions memoised; an environment
has few distinct sets. -/

structure Sets where
  table : Array (Array Nat) := #[#[]]
  index : PersistentHashMap (Array Nat) Nat := PersistentHashMap.insert {} #[] 0
  memo  : PersistentHashMap (Nat × Nat) Nat := {}

def mergeSorted (a b : Array Nat) : Array Nat := Id.run do
  let mut r := #[]
  let mut i := 0
  let mut j := 0
  while i < a.size || j < b.size do
    if j ≥ b.size then r := r.push a[i]!; i := i + 1
    else if i ≥ a.size then r := r.push b[j]!; j := j + 1
    else
      let x := a[i]!
      let y := b[j]!
      if x == y then r := r.push x; i := i + 1; j := j + 1
      else if x < y then r := r.push x; i := i + 1
      else r := r.push y; j := j + 1
  return r

def Sets.intern (s : Sets) (a : Array Nat) : Nat × Sets :=
  match s.index.find? a with
  | some i => (i, s)
  | none => (s.table.size, { s with table := s.table.push a, index := s.index.insert a s.table.size })

def Sets.union (s : Sets) (i j : Nat) : Nat × Sets :=
  if i == j || j == 0 then (i, s)
  else if i == 0 then (j, s)
  else
    let key := if i < j then (i, j) else (j, i)
    match s.memo.find? key with
    | some r => (r, s)
    | none =>
      let (r, s) := s.intern (mergeSorted s.table[i]! s.table[j]!)
      (r, { s with memo := s.memo.insert key r })

/-- What a leaf of the walk is. -/
inductive Leaf where
  | axiom    -- a real axiom
  | opaque   -- body withheld by the tool chain's own library
  | unknown  -- body withheld by, or constant missing from, anything else
  deriving BEq, Inhabited

structure Walk where
  env      : Environment
  isCore   : Name → Bool                           -- is this module part of the tool chain?
  standIn  : Bool
  number   : IO.Ref (PersistentHashMap Name Nat)   -- discovery number
  low      : IO.Ref (Array Nat)
  acc      : IO.Ref (Array Nat)                    -- set gathered so far
  closed   : IO.Ref (Array Bool)
  pending  : IO.Ref (Array Nat)                    -- Tarjan's stack
  frames   : IO.Ref (Array (Nat × Array Name × Nat))
  sets     : IO.Ref Sets
  leaves   : IO.Ref (Array (Name × Leaf))

def Walk.new (env : Environment) (isCore : Name → Bool) (standIn : Bool) : IO Walk := do
  return {
    env, isCore, standIn, number := ← IO.mkRef {}, low := ← IO.mkRef #[], acc := ← IO.mkRef #[]
    closed := ← IO.mkRef #[], pending := ← IO.mkRef #[], frames := ← IO.mkRef #[]
    sets := ← IO.mkRef {}, leaves := ← IO.mkRef #[] }

def moduleOf (env : Environment) (n : Name) : Name :=
  match env.getModuleIdxFor? n with
  | some i => env.header.moduleNames[i.toNat]!
  | none => Name.anonymous

/-- Axioms that Lean's own library declares (up to 4.35). -/
def coreAxioms : List Name :=
  [`propext, `Classical.choice, `Quot.sound, `sorryAx,
   `Lean.ofReduceBool, `Lean.ofReduceNat, `Lean.trustCompiler]

def Walk.leafOf (w : Walk) (n : Name) : Leaf :=
  if coreAxioms.contains n then .axiom
  else
    let core := w.isCore (moduleOf w.env n)
    match originally w.env n with
    | "other" => if core then .opaque else .unknown
    | "axiom" => .axiom
    | _ => if core && w.standIn then .opaque else .axiom

def Walk.addTo (w : Walk) (i set : Nat) : IO Unit := do
  unless set == 0 do
    let old := (← w.acc.get)[i]!
    let r ← w.sets.modifyGet fun s => s.union old set
    w.acc.modify (·.set! i r)

def Walk.addLeaf (w : Walk) (i : Nat) (n : Name) (leaf : Leaf) : IO Unit := do
  let k := (← w.leaves.get).size
  w.leaves.modify (·.push (n, leaf))
  let set ← w.sets.modifyGet fun s => s.intern #[k]
  w.addTo i set

def Walk.enter (w : Walk) (n : Name) : IO Unit := do
  let i := (← w.low.get).size
  w.number.modify (·.insert n i)
  w.low.modify (·.push i)
  w.acc.modify (·.push 0)
  w.closed.modify (·.push false)
  w.pending.modify (·.push i)
  match w.env.find? n with
  | none =>
    w.addLeaf i n .unknown
    w.frames.modify (·.push (i, #[], 0))
  | some ci =>
    if ci matches .axiomInfo _ then w.addLeaf i n (w.leafOf n)
    w.frames.modify (·.push (i, refsOf ci, 0))

def Walk.visit (w : Walk) (root : Name) : IO Unit := do
  if (← w.number.get).contains root then return
  w.enter root
  let mut go := true
  while go do
    match (← w.frames.get).back? with
    | none => go := false
    | some (me, refs, next) =>
      if next < refs.size then
        let r := refs[next]!
        w.frames.modify fun fs => fs.pop.push (me, refs, next + 1)
        match (← w.number.get).find? r with
        | none => w.enter r
        | some j =>
          if (← w.closed.get)[j]! then
            w.addTo me (← w.acc.get)[j]!
          else if j < (← w.low.get)[me]! then
            w.low.modify (·.set! me j)
      else
        w.frames.modify (·.pop)
        let lo := (← w.low.get)[me]!
        if lo == me then
          -- `me` is the first of a component: union over its members, then close them
          let stack ← w.pending.get
          let mut at_ := stack.size
          let mut set := 0
          let mut more := true
          while more do
            at_ := at_ - 1
            let m := stack[at_]!
            let a := (← w.acc.get)[m]!
            let cur := set
            set ← w.sets.modifyGet fun s => s.union cur a
            if m == me then more := false
          for k in [at_:stack.size] do
            let m := stack[k]!
            let final := set
            w.acc.modify (·.set! m final)
            w.closed.modify (·.set! m true)
          let keep := at_
          w.pending.modify (·.extract 0 keep)
        if let some (up, _, _) := (← w.frames.get).back? then
          if (← w.closed.get)[me]! then
            w.addTo up (← w.acc.get)[me]!
          else if lo < (← w.low.get)[up]! then
            w.low.modify (·.set! up lo)

def Walk.restsOn (w : Walk) (n : Name) (leaf : Leaf) : IO (Array Name) := do
  let some i := (← w.number.get).find? n | return #[]
  let set := (← w.sets.get).table[(← w.acc.get)[i]!]!
  let leaves ← w.leaves.get
  return set.filterMap fun k => let (n, l) := leaves[k]!; if l == leaf then some n else none

/-! ### Records -/

def ppType (env : Environment) (n : Name) : IO String := do
  let act : MetaM String := do
    return toString (← Meta.ppExpr (← getConstInfo n).type)
  try
    let ctx : Core.Context := { fileName := "<inventory>", fileMap := default, maxHeartbeats := 200000000 }
    let (s, _) ← Core.CoreM.toIO act.run' ctx { env }
    return s
  catch _ => return ""

structure Options where
  pp      : Bool := false
  standIn : Bool := false
  key     : String := ""
  paths   : List System.FilePath := []
  groups  : String := ""

def dropPrefix? (s p : String) : Option String :=
  if p.isPrefixOf s then some (String.join ((s.toList.drop p.length).map toString)) else none

def Options.parse (args : List String) : Options := Id.run do
  let mut o : Options := {}
  for a in args do
    if a == "--pp" then o := { o with pp := true }
    else if a == "--stand-in" then o := { o with standIn := true }
    else if let some v := dropPrefix? a "--key=" then o := { o with key := v ++ " " }
    else if let some v := dropPrefix? a "--path=" then o := { o with paths := o.paths ++ [System.FilePath.mk v] }
    else if let some v := dropPrefix? a "--groups=" then o := { o with groups := v }
  return o

def readGroups (file : System.FilePath) : IO (List (List Name)) := do
  let mut groups : List (List Name) := []
  let mut current : List Name := []
  for line in (← IO.FS.lines file) do
    if line.isEmpty then
      groups := current.reverse :: groups
      current := []
    else current := line.toName :: current
  return ((current.reverse :: groups).filter fun g => !g.isEmpty).reverse

structure Totals where
  modules : Nat := 0
  decls   : Nat := 0
  missing : Nat := 0

def Totals.add (a b : Totals) : Totals := ⟨a.modules + b.modules, a.decls + b.decls, a.missing + b.missing⟩

unsafe def group (o : Options) (own : List System.FilePath) (mods : List Name)
    (say : String → IO Unit) : IO (Except String Totals) := do
  let imports : Array Import := mods.toArray.map fun m => { module := m }
  let load : IO Environment :=
    if o.pp then
      -- A second environment in one process may not run its initialisers again.
      try importLoaded imports catch _ => importModules imports {} (trustLevel := 1024)
    else importModules imports {} (trustLevel := 1024)
  let loaded : Except String Environment ← try
      let env ← load
      pure (Except.ok env)
    catch e => pure (Except.error (toString e))
  match loaded with
  | Except.error e => return Except.error e
  | Except.ok env =>
  let names := env.header.moduleNames
  let data := env.header.moduleData
  -- A module belongs to the tool chain if that is where its file was found, whatever its name.
  let mut coreSet : NameSet := {}
  for m in names do
    let mut core := true
    for dir in own do
      if ← (modToFilePath dir m "olean").pathExists then core := false
    if core then coreSet := coreSet.insert m
  let coreMods := coreSet
  let walk ← Walk.new env (fun m => coreMods.contains m) o.standIn
  let mut decls : Array (Name × ConstantInfo) := #[]
  let mut mine : NameSet := {}
  let mut found := 0
  for i in [0:data.size] do
    let m := names[i]!
    if mods.contains m then
      found := found + 1
      let d := data[i]!
      for ci in d.constants do
        decls := decls.push (m, ci)
        mine := mine.insert ci.name
      say <| obj [
        ("record", "\"module\""), ("name", esc (nm m)),
        ("imports", strs (d.imports.map fun im => im.module)),
        ("decls", toString d.constants.size)]
  for (_, ci) in decls do walk.visit ci.name
  for (m, ci) in decls do
    let n := ci.name
    let user := (privateToUserName? n).getD n
    let stated := ci matches .thmInfo _ || ci matches .axiomInfo _
    let internal := user.isInternal || (ranges env n).isNone
    let printed ← if o.pp && stated && !internal then ppType env n else pure ""
    let (line, column) := match ranges env n with
      | none => (0, 0)
      | some r => (r.selectionRange.pos.line, r.selectionRange.pos.column + 1)
    let isMine := mine
    let refs := (refsOf ci).filter fun r => r != n && isMine.contains r
    let seen := refs.foldl (fun (s : NameSet) r => s.insert r) {}
    let (distinct, _) := refs.foldl
      (fun (acc : Array Name × NameSet) r => if acc.2.contains r then (acc.1.push r, acc.2.erase r) else acc) (#[], seen)
    let kind := if ci matches .axiomInfo _ then
        (if walk.leafOf n == .axiom then "axiom" else "withheld") else kindOf ci
    say <| obj [
      ("record", "\"decl\""), ("name", esc (nm n)), ("user", esc (nm user)),
      ("module", esc (nm m)), ("kind", esc kind), ("line", toString line), ("column", toString column),
      ("internal", flag internal), ("unsafe", flag (ci.isUnsafe || ci.isPartial)),
      ("axioms", strs (← walk.restsOn n .axiom)),
      ("opaque", toString (← walk.restsOn n .opaque).size),
      ("unknown", strs (← walk.restsOn n .unknown)),
      ("refs", strs distinct), ("pp", esc printed)]
  for (a, leaf) in (← walk.leaves.get) do
    if leaf == .axiom then
      let home := moduleOf env a
      let origin := if mods.contains home then "project" else if coreMods.contains home then "core" else "dependency"
      say <| obj [
        ("record", "\"axiom\""), ("name", esc (nm a)), ("module", esc (nm home)), ("origin", esc origin),
        ("pp", esc (← if o.pp then ppType env a else pure ""))]
  let lost := (← walk.leaves.get).filter fun p => p.2 == .unknown
  return Except.ok { modules := found, decls := decls.size, missing := lost.size }

unsafe def run (args : List String) : IO UInt32 := do
  let o := Options.parse args
  let groups ← readGroups o.groups
  let core ← searchPathRef.get
  searchPathRef.set (o.paths ++ core)
  let out ← IO.getStdout
  let say := fun (s : String) => out.putStrLn (o.key ++ s)
  say <| obj [("record", "\"header\""), ("lean", esc Lean.versionString), ("githash", esc Lean.githash)]
  let mut t : Totals := {}
  for g in groups do
    match ← group o o.paths g say with
    | .ok s => t := t.add s
    | .error e =>
      -- Two modules may not fit into one environment (two `main`s): take them one by one.
      if g.length ≤ 1 then
        for m in g do say <| obj [("record", "\"error\""), ("module", esc (nm m)), ("text", esc e)]
      else
        for m in g do
          match ← group o o.paths [m] say with
          | .ok s => t := t.add s
          | .error e => say <| obj [("record", "\"error\""), ("module", esc (nm m)), ("text", esc e)]
  say <| obj [
    ("record", "\"end\""), ("modules", toString t.modules), ("decls", toString t.decls),
    ("missing", toString t.missing)]
  out.flush
  return 0

end HoldfastInventory
