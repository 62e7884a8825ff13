/-
Proof inventory: which theorems and axioms some compiled modules declare, where, what each
states as a kernel term, and what it rests on.

  lean --run THIS [--pp] [--stand-in] [--key=KEY] [--path=DIR]… --groups=FILE

FILE names one module a line; an empty line separates groups, and the modules of a group
are loaded together. `--path` adds a folder with their `.olean` files. One JSON record a
line, behind `KEY ` if one is given, so that nothing a loaded module prints can pass for a
record. Record kinds, in order:

  header  format, lean, githash
  module  name, imports, decls          one for each module asked for
  error   module, text                  instead, for a module that cannot be loaded
  sets    ends a group: leaves, sets of leaves, and the sets of constants outside of the
          project that its declarations name
  axiom   name, module, origin, line, type, pp    one for each axiom met
  end     modules, decls, missing       always the last; without it nothing counts

Two kinds of line, of which there are many, are no JSON objects but fields with tabs
between: `tables` brings new entries of the tables that other lines refer to by number,
names (from 1; 0 is the anonymous name), levels (from 1; 0 is zero), terms (from 0) and the
string literals in them; `decl` is a declaration that a proof may use, see `declare`.

What a declaration rests on is the closure over everything reachable, found by a walk of
this file: core's `collectAxioms` under-reports from Lean 4.30 (leanprover/lean4#15226).
Where the toolchain withholds bodies of its own library, such constants are `opaque`,
never axioms; a withheld body outside the toolchain is `unknown`.

The reader computes the closure and two digests again from the terms. `statement` and
`meaning` are there for no other purpose: what two programs tell alike was not lost or
bent on the way.

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
def nums (xs : Array Nat) : String := arr (xs.map toString)
def flag (b : Bool) : String := if b then "true" else "false"
def obj (fields : List (String × String)) : String :=
  "{" ++ ",".intercalate (fields.map fun (k, v) => "\"" ++ k ++ "\":" ++ v) ++ "}"

/-! ### What a declaration refers to

By constructor, so the changing meaning of `ConstantInfo.value?` does not matter. -/

def valueOf : ConstantInfo → Option Expr
  | .defnInfo v   => some v.value
  | .opaqueInfo v => some v.value
  | _ => none

/-- Constants that a declaration names other than in its type, its definition aside. -/
def restRefs : ConstantInfo → Array Name
  | .thmInfo v    => v.value.getUsedConstants
  | .inductInfo v => v.all.toArray ++ v.ctors.toArray
  | .ctorInfo v   => #[v.induct]
  | .recInfo v    => v.rules.foldl (fun acc r => acc ++ r.rhs.getUsedConstants) v.all.toArray
  | _ => #[]

/-- All that a declaration names. -/
def refsOf (ci : ConstantInfo) : Array Name :=
  ci.type.getUsedConstants ++ restRefs ci ++
  match valueOf ci with
  | some v => v.getUsedConstants
  | none => #[]

/-- What a declaration means by: all that it names but for its proof. -/
def meaningRefs (ci : ConstantInfo) : Array Name :=
  match ci with
  | .thmInfo _ => ci.type.getUsedConstants
  | .recInfo v => ci.type.getUsedConstants ++ v.all.toArray
  | _ => refsOf ci

def kindOf : ConstantInfo → String
  | .axiomInfo _ => "axiom"
  | .defnInfo _ => "def"
  | .thmInfo _ => "theorem"
  | .opaqueInfo _ => "opaque"
  | .quotInfo _ => "quot"
  | .inductInfo _ => "inductive"
  | .ctorInfo _ => "constructor"
  | .recInfo _ => "recursor"

/-- The constant at the head of a proof, below its binders: `rfl`, `of_decide_eq_true`, … -/
partial def headOf : Expr → Name
  | .lam _ _ b _ => headOf b
  | .letE _ _ _ b _ => headOf b
  | .mdata _ b => headOf b
  | .app f _ => headOf f
  | .const n _ => n
  | _ => Name.anonymous

def distinct (xs : Array Name) : Array Name :=
  (xs.foldl (fun (acc : Array Name × NameSet) x =>
    if acc.2.contains x then acc else (acc.1.push x, acc.2.insert x)) (#[], {})).1

/-! ### Strongly connected components

R. Tarjan, Depth-first search and linear graph algorithms, SIAM J. Comput. 1, 1972, with an
explicit stack: a deep environment cannot exhaust the machine's. Dependencies come first.
Members of a cycle (an inductive type and its constructors) share what they rest on, so
none is under-reported. -/

structure Member where
  name : Name
  refs : Array Name
  deriving Inhabited

def components (roots : Array Name) (edges : Name → Array Name) : Array (Array Member) := Id.run do
  let mut number : PersistentHashMap Name Nat := {}
  let mut members : Array Member := #[]
  let mut low : Array Nat := #[]
  let mut closed : Array Bool := #[]
  let mut pending : Array Nat := #[]
  let mut frames : Array (Nat × Nat) := #[]   -- member, next of its references
  let mut out : Array (Array Member) := #[]
  for root in roots do
    let mut enter : Option Name := if number.contains root then none else some root
    while enter.isSome || !frames.isEmpty do
      match enter with
      | some n =>
        let i := members.size
        number := number.insert n i
        members := members.push { name := n, refs := edges n }
        low := low.push i
        closed := closed.push false
        pending := pending.push i
        frames := frames.push (i, 0)
        enter := none
      | none =>
        let (me, next) := frames.back!
        frames := frames.pop
        let refs := members[me]!.refs
        if next < refs.size then
          frames := frames.push (me, next + 1)
          let r := refs[next]!
          match number.find? r with
          | none => enter := some r
          | some j =>
            if !closed[j]! && j < low[me]! then low := low.set! me j
        else
          let lo := low[me]!
          if lo == me then
            let mut component : Array Member := #[]
            let mut more := true
            while more do
              let m := pending.back!
              pending := pending.pop
              closed := closed.set! m true
              component := component.push members[m]!
              more := m != me
            out := out.push component
          else if !frames.isEmpty then
            let (up, _) := frames.back!
            if lo < low[up]! then low := low.set! up lo
  return out

/-! ### What everything rests on

Sets are interned and unions memoised; an environment has few distinct sets. -/

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
  | opaque   -- body withheld by the toolchain's own library
  | unknown  -- body withheld by, or constant missing from, anything else
  deriving BEq, Inhabited

def Leaf.text : Leaf → String
  | .axiom => "axiom"
  | .opaque => "opaque"
  | .unknown => "unknown"

def moduleOf (env : Environment) (n : Name) : Name :=
  match env.getModuleIdxFor? n with
  | some i => env.header.moduleNames[i.toNat]!
  | none => Name.anonymous

/-- Axioms that Lean's own library declares (up to 4.35). -/
def coreAxioms : List Name :=
  [`propext, `Classical.choice, `Quot.sound, `sorryAx,
   `Lean.ofReduceBool, `Lean.ofReduceNat, `Lean.trustCompiler]

def leafOf (env : Environment) (isCore : Name → Bool) (standIn : Bool) (n : Name) : Option Leaf :=
  match env.find? n with
  | none => some .unknown
  | some (.axiomInfo _) =>
    if coreAxioms.contains n then some .axiom
    else
      let core := isCore (moduleOf env n)
      match originally env n with
      | "other" => some (if core then .opaque else .unknown)
      | "axiom" => some .axiom
      | _ => some (if core && standIn then .opaque else .axiom)
  | some _ => none

structure Closure where
  sets   : Sets := {}
  leaves : Array (Name × Leaf) := #[]
  setOf  : PersistentHashMap Name Nat := {}

def closure (comps : Array (Array Member)) (leafOf : Name → Option Leaf) : Closure := Id.run do
  let mut sets : Sets := {}
  let mut leaves : Array (Name × Leaf) := #[]
  let mut setOf : PersistentHashMap Name Nat := {}
  for component in comps do
    let mut set := 0
    for m in component do
      if let some leaf := leafOf m.name then
        let (one, s) := sets.intern #[leaves.size]
        leaves := leaves.push (m.name, leaf)
        let (u, s) := s.union set one
        set := u
        sets := s
      for r in m.refs do
        if let some other := setOf.find? r then
          let (u, s) := sets.union set other
          set := u
          sets := s
    for m in component do setOf := setOf.insert m.name set
  return { sets, leaves, setOf }

/-! ### Tables: every name, level and term is printed once -/

structure Tables where
  names     : PersistentHashMap Name Nat := {}
  nameCount : Nat := 1
  newNames  : Array String := #[]
  levels    : PersistentHashMap Level Nat := {}
  levelCount : Nat := 1
  newLevels : Array String := #[]
  terms     : PersistentHashMap Expr Nat := {}
  termCount : Nat := 0
  newTerms  : Array String := #[]
  texts     : Array String := #[]    -- string literals of newTerms
  textCount : Nat := 0
  -- of the digests
  nameDigests : PersistentHashMap Name UInt64 := {}
  digests     : PersistentHashMap Expr UInt64 := {}
  contents    : PersistentHashMap Name UInt64 := {}
  meanings    : PersistentHashMap Name UInt64 := {}

abbrev M := StateRefT Tables IO

partial def nameIx (n : Name) : M Nat := do
  if n.isAnonymous then return 0
  if let some i := (← get).names.find? n then return i
  let entry ← match n with
    | .str p s => do let i ← nameIx p; pure (toString i ++ " " ++ s)
    | .num p k => do let i ← nameIx p; pure (toString i ++ "#" ++ toString k)
    | .anonymous => pure ""
  modifyGet fun t => (t.nameCount, { t with
    names := t.names.insert n t.nameCount, nameCount := t.nameCount + 1, newNames := t.newNames.push entry })

def nameIxs (ns : Array Name) : M (Array Nat) := ns.mapM nameIx

partial def levelIx (l : Level) : M Nat := do
  if l matches .zero then return 0
  if let some i := (← get).levels.find? l then return i
  let entry ← match l with
    | .succ a => do let i ← levelIx a; pure ("S " ++ toString i)
    | .max a b => do let i ← levelIx a; let j ← levelIx b; pure ("M " ++ toString i ++ " " ++ toString j)
    | .imax a b => do let i ← levelIx a; let j ← levelIx b; pure ("I " ++ toString i ++ " " ++ toString j)
    | .param n => do let i ← nameIx n; pure ("P " ++ toString i)
    | _ => pure "?"
  modifyGet fun t => (t.levelCount, { t with
    levels := t.levels.insert l t.levelCount, levelCount := t.levelCount + 1, newLevels := t.newLevels.push entry })

/-- Binder names, binder kinds and metadata are left out: they do not change what is
stated. -/
partial def termIx (e : Expr) : M Nat := do
  if let .mdata _ b := e then return (← termIx b)
  if let some i := (← get).terms.find? e then return i
  let entry ← match e with
    | .bvar i => pure ("v " ++ toString i)
    | .sort l => do let i ← levelIx l; pure ("s " ++ toString i)
    | .const n ls => do
        let i ← nameIx n
        let mut r := "c " ++ toString i
        for l in ls do
          let j ← levelIx l
          r := r ++ " " ++ toString j
        pure r
    | .app f a => do let i ← termIx f; let j ← termIx a; pure ("a " ++ toString i ++ " " ++ toString j)
    | .lam _ t b _ => do let i ← termIx t; let j ← termIx b; pure ("l " ++ toString i ++ " " ++ toString j)
    | .forallE _ t b _ => do let i ← termIx t; let j ← termIx b; pure ("p " ++ toString i ++ " " ++ toString j)
    | .letE _ t v b _ => do
        let i ← termIx t; let j ← termIx v; let k ← termIx b
        pure ("z " ++ toString i ++ " " ++ toString j ++ " " ++ toString k)
    | .lit (.natVal n) => pure ("n " ++ toString n)
    | .lit (.strVal s) => do
        let i ← modifyGet fun t => (t.textCount, { t with texts := t.texts.push s, textCount := t.textCount + 1 })
        pure ("t " ++ toString i)
    | .proj s i b => do
        let n ← nameIx s; let j ← termIx b
        pure ("j " ++ toString n ++ " " ++ toString i ++ " " ++ toString j)
    | _ => pure "?"
  modifyGet fun t => (t.termCount, { t with
    terms := t.terms.insert e t.termCount, termCount := t.termCount + 1, newTerms := t.newTerms.push entry })

/-- Prints what the tables gained since the last time, if anything. -/
def gained (say : String → IO Unit) : M Unit := do
  let t ← modifyGet fun t => (t, { t with newNames := #[], newLevels := #[], newTerms := #[], texts := #[] })
  unless t.newNames.isEmpty && t.newLevels.isEmpty && t.newTerms.isEmpty do
    say <| "\t".intercalate [
      "tables", arr (t.newNames.map esc), ";".intercalate t.newLevels.toList,
      ";".intercalate t.newTerms.toList, arr (t.texts.map esc)]

/-! ### Digests, which the reader computes again

64 bits and not cryptographic: they guard against a mistake, not against a person. What
identifies a statement is made by the reader. -/

def mix (a b : UInt64) : UInt64 :=
  let h := (((a <<< 7) ||| (a >>> 57)) ^^^ b) * 0x9E3779B97F4A7C15
  h ^^^ (h >>> 29)

def digestText (s : String) : UInt64 := s.toUTF8.foldl (fun h b => mix h b.toUInt64) 11

partial def digestName (n : Name) : M UInt64 := do
  if let some d := (← get).nameDigests.find? n then return d
  let d ← match n with
    | .anonymous => pure 7
    | .str p s => do let d ← digestName p; pure (mix (mix d 1) (digestText s))
    | .num p k => do let d ← digestName p; pure (mix (mix d 2) k.toUInt64)
  modify fun t => { t with nameDigests := t.nameDigests.insert n d }
  return d

partial def digestLevel : Level → M UInt64
  | .zero => pure 21
  | .succ a => do let d ← digestLevel a; pure (mix 22 d)
  | .max a b => do let d ← digestLevel a; let e ← digestLevel b; pure (mix (mix 23 d) e)
  | .imax a b => do let d ← digestLevel a; let e ← digestLevel b; pure (mix (mix 24 d) e)
  | .param n => do let d ← digestName n; pure (mix 25 d)
  | _ => pure 26

/-- A constant nobody named (a matcher, the proof of a side condition) counts by what it
is: its name follows from what else stands in the file. -/
def digestRef (n : Name) : M UInt64 := do
  match (← get).contents.find? n with
  | some d => return mix 31 d
  | none => return mix 32 (← digestName n)

partial def digest (e : Expr) : M UInt64 := do
  if let .mdata _ b := e then return (← digest b)
  if let some d := (← get).digests.find? e then return d
  let d ← match e with
    | .bvar i => pure (mix 41 i.toUInt64)
    | .sort l => do let d ← digestLevel l; pure (mix 42 d)
    | .const n ls => do
        let mut d := mix 43 (← digestRef n)
        for l in ls do
          let x ← digestLevel l
          d := mix d x
        pure d
    | .app f a => do let x ← digest f; let y ← digest a; pure (mix (mix 44 x) y)
    | .lam _ t b _ => do let x ← digest t; let y ← digest b; pure (mix (mix 45 x) y)
    | .forallE _ t b _ => do let x ← digest t; let y ← digest b; pure (mix (mix 46 x) y)
    | .letE _ t v b _ => do
        let x ← digest t; let y ← digest v; let z ← digest b
        pure (mix (mix (mix 47 x) y) z)
    | .lit (.natVal n) => pure (mix 48 (digestText (toString n)))
    | .lit (.strVal s) => pure (mix 49 (digestText s))
    | .proj s i b => do
        let x ← digestName s; let y ← digest b
        pure (mix (mix (mix 50 x) i.toUInt64) y)
    | _ => pure 51
  modify fun t => { t with digests := t.digests.insert e d }
  return d

/-- A term with its universe parameters numbered by position: their names do not matter. -/
def numbered (ci : ConstantInfo) (e : Expr) : Expr :=
  let ps := (List.range ci.levelParams.length).map fun i => Level.param (Name.mkSimple ("u" ++ toString i))
  e.instantiateLevelParams ci.levelParams ps

def digestStatement (ci : ConstantInfo) : M UInt64 := digest (numbered ci ci.type)

/-- Kind, statement and definition of one declaration. -/
def digestSelf (ci : ConstantInfo) : M UInt64 := do
  let d := mix (mix 61 (digestText (kindOf ci))) ci.levelParams.length.toUInt64
  let d := mix d (← digestStatement ci)
  match ci with
  | .inductInfo v =>
    let mut d := mix d v.numParams.toUInt64
    for c in v.ctors do
      let x ← digestName c
      d := mix d x
    return d
  | _ =>
    match valueOf ci with
    | some v => return mix d (← digest (numbered ci v))
    | none => return d

def sortPairs (xs : Array (UInt64 × UInt64)) : Array (UInt64 × UInt64) :=
  xs.qsort fun a b => a.1 < b.1 || (a.1 == b.1 && a.2 < b.2)

/-- Meaning of every declaration of a component: what it is, and what it refers to in the
project means. One by itself does not count its own name, so a theorem that was only
renamed keeps its meaning. Groups are processed dependencies first: what is known of an
earlier one counts. -/
def mean (env : Environment) (generated : Name → Bool) (component : Array Member) : M Unit := do
  let inside := component.foldl (fun (s : NameSet) m => s.insert m.name) {}
  let mut below : Array (UInt64 × UInt64) := #[]
  let mut selves : Array (UInt64 × UInt64) := #[]
  let mut itself := false
  for m in component do
    let some ci := env.find? m.name | continue
    let self ← digestSelf ci
    let name ← digestName m.name
    selves := selves.push (name, self)
    for r in distinct (meaningRefs ci) do
      if inside.contains r then itself := true
      else if let some meaning := (← get).meanings.find? r then
        let known := (← get).contents.contains r
        let name ← if known then pure 0 else digestName r
        below := below.push (name, meaning)
  let mut rest : UInt64 := 71
  let mut last : Option (UInt64 × UInt64) := none
  for p in sortPairs below do
    unless last == some p do rest := mix (mix rest p.1) p.2
    last := some p
  if component.size == 1 then
    let m := component[0]!
    let d := mix (mix 72 (selves.foldl (fun _ p => p.2) 0)) rest
    let content := generated m.name && !itself
    modify fun t => { t with
      meanings := t.meanings.insert m.name d
      contents := if content then t.contents.insert m.name d else t.contents.erase m.name }
  else
    let all := (sortPairs selves).foldl (fun d p => mix (mix d p.1) p.2) 73
    for m in component do
      let name ← digestName m.name
      let d := mix (mix all rest) name
      modify fun t => { t with meanings := t.meanings.insert m.name d, contents := t.contents.erase m.name }

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

/-- One declaration, in the order of the fields: name; its text; the name as written, empty
if it is the same; module; kind; line and column; whether nobody wrote it; universe
parameters; type; 1 more than the definition of a `def` or `opaque`, 0 for none; other
constants that it names (of a proof, the constructors of a type); parameters and
constructors of an inductive type; constant at the head of a proof; what it rests on, by
number of a set of this group; digests of statement and meaning; the printed statement. -/
def declare (o : Options) (env : Environment) (c : Closure) (generated : Name → Bool) (leaf : Name → Option Leaf)
    (m : Name) (ci : ConstantInfo) (say : String → IO Unit) : M Unit := do
  let n := ci.name
  let user := (privateToUserName? n).getD n
  let stated := ci matches .thmInfo _ || ci matches .axiomInfo _
  let internal := generated n
  let printed ← if o.pp && stated && !internal then ppType env n else pure ""
  let (line, column) := match ranges env n with
    | none => (0, 0)
    | some r => (r.selectionRange.pos.line, r.selectionRange.pos.column + 1)
  let kind := if ci matches .axiomInfo _ then
      (if leaf n == some .axiom then "axiom" else "withheld") else kindOf ci
  let head := match ci with
    | .thmInfo v => nm (headOf v.value)
    | _ => ""
  let name ← nameIx n
  let params ← nameIxs ci.levelParams.toArray
  let type ← termIx ci.type
  let value ← match valueOf ci with
    | some v => do let i ← termIx v; pure (i + 1)
    | none => pure 0
  let refs ← nameIxs (distinct (restRefs ci))
  let under := match ci with
    | .inductInfo v => v.numParams
    | _ => 0
  let ctors ← match ci with
    | .inductInfo v => nameIxs v.ctors.toArray
    | _ => pure #[]
  let statement ← digestStatement ci
  let meaning := ((← get).meanings.find? n).getD 0
  gained say
  say <| "\t".intercalate [
    "decl", toString name, esc (nm n), esc (if user == n then "" else nm user), esc (nm m), kind,
    toString line, toString column, flag internal, nums params, toString type, toString value, nums refs,
    toString under, nums ctors, esc head, toString ((c.setOf.find? n).getD 0),
    toString statement.toNat, toString meaning.toNat, esc printed]

unsafe def group (o : Options) (own : List System.FilePath) (mods : List Name)
    (say : String → IO Unit) : M (Except String Totals) := do
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
  -- A module belongs to the toolchain if that is where its file was found, whatever its name.
  let mut coreSet : NameSet := {}
  for m in names do
    let mut core := true
    for dir in own do
      if ← (modToFilePath dir m "olean").pathExists then core := false
    if core then coreSet := coreSet.insert m
  let coreMods := coreSet
  let mut decls : Array (Name × ConstantInfo) := #[]
  let mut mine : NameSet := {}
  let mut made : NameSet := {}
  let mut found := 0
  for i in [0:data.size] do
    let m := names[i]!
    if mods.contains m then
      found := found + 1
      let d := data[i]!
      let mut count := 0
      for ci in d.constants do
        -- No proof may use what is unsafe or partial; the kernel sees to that.
        if (ci.isUnsafe || ci.isPartial) && !(ci matches .axiomInfo _) then continue
        count := count + 1
        decls := decls.push (m, ci)
        mine := mine.insert ci.name
        let user := (privateToUserName? ci.name).getD ci.name
        if user.isInternal || (ranges env ci.name).isNone then made := made.insert ci.name
      say <| obj [
        ("record", "\"module\""), ("name", esc (nm m)),
        ("imports", strs (d.imports.map fun im => im.module)), ("decls", toString count)]
  let isMine := mine
  let generated := made
  let roots := decls.map fun p => p.2.name
  let leaf := leafOf env (fun m => coreMods.contains m) o.standIn
  let refs := fun (n : Name) => match env.find? n with
    | some ci => refsOf ci
    | none => #[]
  let c := closure (components roots refs) leaf
  modify fun t => { t with digests := {} }   -- generated names may mean something else here
  let means := fun (n : Name) => match env.find? n with
    | some ci => (distinct (meaningRefs ci)).filter fun r => isMine.contains r
    | none => #[]
  for component in components roots means do mean env (fun n => generated.contains n) component
  for (m, ci) in decls do declare o env c generated.contains leaf m ci say
  let mut outside : NameSet := {}
  let mut named : Array Name := #[]
  for (_, ci) in decls do
    for r in refsOf ci do
      unless isMine.contains r || outside.contains r do
        outside := outside.insert r
        named := named.push r
  let leaves ← c.leaves.mapM fun (n, l) => do
    let i ← nameIx n
    pure ("[" ++ toString i ++ "," ++ esc (nm n) ++ "," ++ esc l.text ++ "]")
  let outsides ← named.mapM fun n => do
    let i ← nameIx n
    pure ("[" ++ toString i ++ "," ++ toString ((c.setOf.find? n).getD 0) ++ "]")
  gained say
  say <| obj (("record", "\"sets\"") :: [
    ("leaves", arr leaves), ("sets", arr (c.sets.table.map nums)), ("outside", arr outsides)])
  for (a, l) in c.leaves do
    if l == .axiom then
      let home := moduleOf env a
      let origin := if mods.contains home then "project" else if coreMods.contains home then "core" else "dependency"
      let type ← match env.find? a with
        | some ci => termIx ci.type
        | none => pure 0
      let line := match ranges env a with
        | none => 0
        | some r => r.selectionRange.pos.line
      let pp ← if o.pp then ppType env a else pure ""
      gained say
      say <| obj (("record", "\"axiom\"") :: [
        ("text", esc (nm a)), ("module", esc (nm home)), ("origin", esc origin),
        ("line", toString line), ("type", toString type), ("pp", esc pp)])
  let lost := c.leaves.filter fun p => p.2 == .unknown
  return Except.ok { modules := found, decls := decls.size, missing := lost.size }

unsafe def groupsOf (o : Options) (groups : List (List Name)) (say : String → IO Unit) : M Totals := do
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
  return t

unsafe def run (args : List String) : IO UInt32 := do
  let o := Options.parse args
  let groups ← readGroups o.groups
  let core ← searchPathRef.get
  searchPathRef.set (o.paths ++ core)
  let out ← IO.getStdout
  let say := fun (s : String) => out.putStrLn (o.key ++ s)
  say <| obj [("record", "\"header\""), ("format", "2"), ("lean", esc Lean.versionString), ("githash", esc Lean.githash)]
  let t ← (groupsOf o groups say).run' {}
  say <| obj [
    ("record", "\"end\""), ("modules", toString t.modules), ("decls", toString t.decls),
    ("missing", toString t.missing)]
  out.flush
  return 0

end HoldfastInventory
