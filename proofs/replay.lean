/-
Kernel replay: the declarations of some compiled modules go through the kernel once more.

  lean --run THIS [--key=KEY] [--path=DIR]… --modules=FILE

FILE names one module a line, a module after those it imports; what else they import is
taken as it is. `--path` adds a folder with `.olean` files. One JSON record a line, behind
`KEY ` if one is given, so that nothing else that is printed can pass for a record. Record
kinds, in order:

  header  lean
  start   module                          before a module is read: names it after a crash
  reject  module, decl, text              the kernel refuses it, or it is not what the kernel made
  unsure  module, decl, text              the kernel gave up: recursion, memory, native evaluation
  rests   module, decl, on                not replayed, as it names one of these; `on` is the first
  module  name, replayed, skipped         always the last of a module that could be read
  error   module, text                    instead, for one that could not be read
  end     modules                         always the last; without it nothing counts

It is the kernel of the process that runs this, the same that built the modules: what is
found are declarations that never went through it. Another implementation it is not.

Nothing of the modules runs: no initialiser, no extension state, no notation. Declarations
that are unsafe or partial are skipped: no safe one can name them, which the kernel checks.
Constructors and recursors are never taken from the file: the kernel makes them again, and
they have to be the same. One environment serves all modules, so that dependencies are
loaded once; a module whose names clash with those of one it does not import (two programs
with a `main`) gets an environment of its own.
-/
import Lean.AddDecl
import Lean.Elab.Command
import Lean.Util.FoldConsts
import Lean.Data.Json
open Lean

namespace HoldfastReplay

/-! ### One file for many Lean versions -/

/-- `#first c or d`: elaborate `c`; if that logs an error, undo it and elaborate `d`. -/
elab "#first " c:command " or " d:command : command => do
  let before ← get
  Elab.Command.elabCommand c
  if (← get).messages.hasErrors then
    set before
    Elab.Command.elabCommand d

-- The kernel's environment became a type of its own in 4.17.
#first
  abbrev KEnv := Lean.Kernel.Environment
or
  abbrev KEnv := Lean.Environment

#first
  abbrev KError := Lean.Kernel.Exception
or
  abbrev KError := Lean.KernelException

#first
  def kernelOf (env : Environment) : KEnv := Lean.Environment.toKernelEnv env
or
  def kernelOf (env : Environment) : KEnv := env

/-- No limit but that of the process, except for recursion: the kernel of 4.33 and later
counts it, and gives up instead of running out of stack. -/
def kernelOptions : Options :=
  let o : Options := {}
  (o.setNat `maxHeartbeats 0).setNat `maxRecDepth 16384

#first
  def addTo (env : KEnv) (d : Declaration) : Except KError KEnv := Lean.Kernel.Environment.addDecl env kernelOptions d
or
  #first
    def addTo (env : KEnv) (d : Declaration) : Except KError KEnv := Lean.Kernel.Environment.addDeclCore env 0 d none
  or
    #first
      def addTo (env : KEnv) (d : Declaration) : Except KError KEnv := Lean.Environment.addDecl env kernelOptions d
    or
      def addTo (env : KEnv) (d : Declaration) : Except KError KEnv := Lean.Environment.addDecl env d

#first
  def findIn (env : KEnv) (n : Name) : Option ConstantInfo := Lean.Kernel.Environment.find? env n
or
  def findIn (env : KEnv) (n : Name) : Option ConstantInfo := Lean.Environment.find? env n

def textOf (e : KError) : IO String := do
  let s ← (e.toMessageData {}).toString
  return s

#first
  def gaveUp : KError → Bool
    | .deterministicTimeout | .excessiveMemory | .deepRecursion | .interrupted => true
    | _ => false
or
  #first
    def gaveUp : KError → Bool
      | .deterministicTimeout | .excessiveMemory | .deepRecursion => true
      | _ => false
  or
    def gaveUp : KError → Bool
      | .excessiveMemory | .deepRecursion => true
      | _ => false

-- Under the module system a module has up to three parts, the last of which has it all.
#first
  def readParts (file : System.FilePath) : IO (Array ModuleData) := do
    let mut files := #[file]
    for level in [OLeanLevel.server, OLeanLevel.private] do
      let f := level.adjustFileName file
      if ← f.pathExists then files := files.push f else break
    return (← readModuleDataParts files).map (·.1)
or
  def readParts (file : System.FilePath) : IO (Array ModuleData) := do
    return #[(← readModuleData file).1]

#first
  def isNested (v : InductiveVal) : Nat := v.numNested
or
  def isNested (v : InductiveVal) : Nat := if v.isNested then 1 else 0

/-! ### JSON -/

def esc (s : String) : String := (Json.str s).compress
def nm (n : Name) : String := n.toString
def obj (fields : List (String × String)) : String :=
  "{" ++ ",".intercalate (fields.map fun (k, v) => "\"" ++ k ++ "\":" ++ v) ++ "}"
-- By way of `join`: what makes a string of characters has had three names.
def stringOf (cs : List Char) : String := String.join (cs.map toString)
def short (s : String) : String := if s.length > 4000 then stringOf (s.toList.take 4000) else s

/-! ### What a declaration names -/

def usedBy (ci : ConstantInfo) : Array Name :=
  ci.type.getUsedConstants ++
  match ci with
  | .defnInfo v   => v.value.getUsedConstants
  | .thmInfo v    => v.value.getUsedConstants
  | .opaqueInfo v => v.value.getUsedConstants
  | .ctorInfo v   => #[v.induct]
  | _ => #[]

/-! ### Replay of one module -/

abbrev Table (α : Type) := PersistentHashMap Name α

structure State where
  env    : KEnv
  failed : Table Name := {}      -- what did not get into `env`, and the first fault below it
  clash  : Bool := false

structure Content where
  name   : Name
  consts : Table ConstantInfo
  order  : Array Name
  skipped : Nat

def Content.of (name : Name) (data : ModuleData) : Content := Id.run do
  let mut consts : Table ConstantInfo := {}
  let mut order : Array Name := #[]
  let mut skipped := 0
  for ci in data.constants do
    if ci.isUnsafe || ci.isPartial then skipped := skipped + 1
    else
      consts := consts.insert ci.name ci
      order := order.push ci.name
  return { name, consts, order, skipped }

abbrev Say := List (String × String) → IO Unit

/-- The names that go into the kernel together with `n`, and all that they name. -/
def blockOf (u : Content) (n : Name) (ci : ConstantInfo) : Array Name × Array Name := Id.run do
  match ci with
  | .inductInfo v =>
    let mut names : Array Name := #[]
    let mut uses : Array Name := #[]
    for t in v.all do
      names := names.push t
      match u.consts.find? t with
      | some (.inductInfo w) =>
        uses := uses ++ w.type.getUsedConstants
        for c in w.ctors do
          names := names.push c
          if let some cc := u.consts.find? c then uses := uses ++ cc.type.getUsedConstants
      | _ => pure ()
    let own := names
    return (names, uses.filter fun x => !own.contains x)
  | .ctorInfo v => return (#[n], #[v.induct])
  | .recInfo _ => return (#[n], #[])
  | .quotInfo _ => return (#[n], #[`Eq])
  | _ => return (#[n], usedBy ci)

def declarationOf (u : Content) (ci : ConstantInfo) : Except String (Option Declaration) := do
  match ci with
  | .axiomInfo v => return some (.axiomDecl v)
  | .defnInfo v => return some (.defnDecl v)
  | .thmInfo v => return some (.thmDecl v)
  | .opaqueInfo v => return some (.opaqueDecl v)
  | .quotInfo _ => return some .quotDecl
  | .ctorInfo _ | .recInfo _ => return none
  | .inductInfo v =>
    let mut types : List InductiveType := []
    for t in v.all do
      let some (.inductInfo w) := u.consts.find? t
        | throw ("its block names " ++ nm t ++ ", which is no inductive type of the module")
      let mut ctors : List Constructor := []
      for c in w.ctors do
        let some (.ctorInfo x) := u.consts.find? c
          | throw ("the type " ++ nm t ++ " names " ++ nm c ++ ", which is no constructor of the module")
        ctors := { name := x.name, type := x.type } :: ctors
      types := { name := w.name, type := w.type, ctors := ctors.reverse } :: types
    return some (.inductDecl v.levelParams v.numParams types.reverse false)

/-- Whether what the kernel has under a name is what the file has. -/
def sameAs : ConstantInfo → ConstantInfo → Bool
  | .ctorInfo a, .ctorInfo b => a == b
  | .recInfo a, .recInfo b => a == b
  | .inductInfo a, .inductInfo b =>
    a.name == b.name && a.levelParams == b.levelParams && a.type == b.type && a.all == b.all &&
    a.ctors == b.ctors && a.numParams == b.numParams && a.numIndices == b.numIndices &&
    a.isRec == b.isRec && a.isReflexive == b.isReflexive && a.isUnsafe == b.isUnsafe &&
    isNested a == isNested b
  | .thmInfo a, .thmInfo b => a.name == b.name && a.levelParams == b.levelParams && a.type == b.type
  | .defnInfo a, .defnInfo b =>
    a.name == b.name && a.levelParams == b.levelParams && a.type == b.type && a.value == b.value
  | .opaqueInfo a, .opaqueInfo b =>
    a.name == b.name && a.levelParams == b.levelParams && a.type == b.type && a.value == b.value
  | .axiomInfo a, .axiomInfo b => a.name == b.name && a.levelParams == b.levelParams && a.type == b.type
  | .quotInfo a, .quotInfo b => a.name == b.name
  | _, _ => false

def isMade : ConstantInfo → Bool
  | .ctorInfo _ | .recInfo _ => true
  | _ => false

/-- Adds the constants of a module to `s.env`, those first which others name. A fault is
said and what rests on it left out, so that one does not hide the next. With `apart` false
a clash of names stops it. -/
def replay (u : Content) (apart : Bool) (say : Say) (s : State) : IO State := do
  let mut s := s
  let mut done : Table Bool := {}      -- false: below it on the stack
  let fail := fun (s : State) (names : Array Name) (root : Name) => Id.run do
    let mut failed := names.foldl (fun (t : Table Name) n => t.insert n root) s.failed
    for n in u.order do -- the recursors go with their types
      if let some (.recInfo v) := u.consts.find? n then
        if v.all.any fun t => names.contains t then failed := failed.insert n root
    return { s with failed := failed }
  for start in u.order do
    if done.contains start then continue
    let mut stack : Array (Name × Array Name × Nat) := #[(start, #[], 0)]
    done := done.insert start false
    if let some ci := u.consts.find? start then
      stack := #[(start, (blockOf u start ci).2, 0)]
    while !stack.isEmpty do
      let some (n, uses, next) := stack.back? | break
      if next < uses.size then
        let r := uses[next]!
        stack := stack.pop.push (n, uses, next + 1)
        if !done.contains r then
          if let some ci := u.consts.find? r then
            done := done.insert r false
            stack := stack.push (r, (blockOf u r ci).2, 0)
        continue
      stack := stack.pop
      if done.find? n == some true then continue -- with its block
      let some ci := u.consts.find? n | continue
      let (names, _) := blockOf u n ci
      for m in names do done := done.insert m true
      if isMade ci then continue
      let faults := s.failed
      if let some r := uses.find? fun r => faults.contains r then
        let root := (faults.find? r).getD r
        s := fail s names root
        say [("record", "\"rests\""), ("module", esc (nm u.name)), ("decl", esc (nm n)), ("on", esc (nm root))]
        continue
      if let some old := findIn s.env n then
        if apart then
          if let some root := faults.find? n then -- came in with the import, refused before
            say [("record", "\"rests\""), ("module", esc (nm u.name)), ("decl", esc (nm n)), ("on", esc (nm root))]
            continue
        -- Private theorems may be there twice under the module system.
        if sameAs old ci then continue
        if !apart then
          return { s with clash := true }
        s := fail s names n
        say [("record", "\"reject\""), ("module", esc (nm u.name)), ("decl", esc (nm n)),
          ("text", esc "it takes the place of a declaration that the module imports")]
        continue
      match declarationOf u ci with
      | .error e =>
        s := fail s names n
        say [("record", "\"reject\""), ("module", esc (nm u.name)), ("decl", esc (nm n)), ("text", esc e)]
      | .ok none => pure ()
      | .ok (some d) =>
        match addTo s.env d with
        | .ok env => s := { s with env := env }
        | .error e =>
          let text ← try textOf e catch _ => pure "the message could not be printed"
          -- Native evaluation asks for compiled code, of which a replay has none.
          let native := (text.splitOn "(interpreter)").length > 1
          s := fail s names n
          say [("record", if gaveUp e || native then "\"unsure\"" else "\"reject\""),
            ("module", esc (nm u.name)), ("decl", esc (nm n)), ("text", esc (short text))]
  -- The kernel made constructors and recursors itself.
  for n in u.order do
    if let some ci := u.consts.find? n then
      let home := match ci with
        | .ctorInfo v => v.induct
        | .recInfo v => v.all.headD n.getPrefix
        | _ => n
      if s.failed.contains n || s.failed.contains home then continue
      match ci with
      | .ctorInfo _ | .recInfo _ | .inductInfo _ =>
        match findIn s.env n with
        | none =>
          s := fail s #[n] n
          say [("record", "\"reject\""), ("module", esc (nm u.name)), ("decl", esc (nm n)), ("text", esc "no inductive type gives rise to it")]
        | some made =>
          if !sameAs made ci then
            s := fail s #[n] n
            say [("record", "\"reject\""), ("module", esc (nm u.name)), ("decl", esc (nm n)), ("text", esc "it is not what the kernel makes of the inductive type")]
      | _ => pure ()
  return s

/-! ### The program -/

structure Arguments where
  key     : String := ""
  paths   : List System.FilePath := []
  modules : System.FilePath := ""

def after? (s p : String) : Option String :=
  if p.isPrefixOf s then some (stringOf (s.toList.drop p.length)) else none

def Arguments.parse (args : List String) : Arguments := Id.run do
  let mut o : Arguments := {}
  for a in args do
    if let some v := after? a "--key=" then o := { o with key := v ++ " " }
    else if let some v := after? a "--path=" then o := { o with paths := o.paths ++ [System.FilePath.mk v] }
    else if let some v := after? a "--modules=" then o := { o with modules := v }
  return o

unsafe def run (args : List String) : IO UInt32 := do
  let o := Arguments.parse args
  let core ← searchPathRef.get
  searchPathRef.set (o.paths ++ core)
  let out ← IO.getStdout
  let say : Say := fun fields => do
    out.putStrLn (o.key ++ obj fields)
    out.flush
  say [("record", "\"header\""), ("lean", esc Lean.versionString)]
  let mut units : Array (Content × Array Name) := #[]
  let mut wanted : Table Bool := {}
  for line in (← IO.FS.lines o.modules) do
    let m := line.toName
    try
      if m.isAnonymous then throw (IO.userError "no module name")
      let parts ← readParts (← findOLean m)
      let some first := parts[0]? | throw (IO.userError "it has no data")
      let some last := parts.back? | throw (IO.userError "it has no data")
      units := units.push (Content.of m last, first.imports.map (·.module))
      wanted := wanted.insert m true
    catch e =>
      say [("record", "\"error\""), ("module", esc (nm m)), ("text", esc (toString e))]
  let mut outside : Table Bool := {}
  let mut imports : Array Import := #[]
  for (_, is) in units do
    for i in is do
      if !wanted.contains i && !outside.contains i then
        outside := outside.insert i true
        imports := imports.push { module := i }
  let mut shared : State := { env := kernelOf (← importModules imports {}) }
  let mut alone : Table Bool := {}
  let mut count := 0
  for (u, is) in units do
    say [("record", "\"start\""), ("module", esc (nm u.name))]
    let isAlone := alone
    let mut clash := is.any fun i => isAlone.contains i
    if !clash then
      -- What is said before a clash would be said again.
      let held ← IO.mkRef (#[] : Array (List (String × String)))
      let next ← replay u false (fun f => held.modify (·.push f)) shared
      if next.clash then clash := true
      else
        shared := next
        for f in (← held.get) do say f
    if clash then
      alone := alone.insert u.name true
      try
        let env ← importModules (is.map fun i => { module := i }) {}
        -- A fault below it came in with the import: what rests on it is told all the same.
        let next ← replay u true say { env := kernelOf env, failed := shared.failed }
        shared := { shared with failed := next.failed }
      catch e =>
        say [("record", "\"error\""), ("module", esc (nm u.name)), ("text", esc (toString e))]
        continue
    count := count + 1
    say [("record", "\"module\""), ("name", esc (nm u.name)),
      ("replayed", toString u.order.size), ("skipped", toString u.skipped)]
  say [("record", "\"end\""), ("modules", toString count)]
  return 0

end HoldfastReplay
