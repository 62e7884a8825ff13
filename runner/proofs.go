package runner

import "slices"

// Proofs is the detail of the proofs stage.
type Proofs struct {
	Toolchain string    `json:"toolchain"`          // first line of lean --version
	Version   string    `json:"version,omitempty"`  // its version number, "4.26.0"
	Requested string    `json:"requested"`          // text of lean-toolchain
	Authority bool      `json:"authority"`          // false: a stand-in, its "proved" is a convenience
	Inventory string    `json:"inventory"`          // how the list of theorems was taken, in words
	Scheme    string    `json:"scheme,omitempty"`   // how the hashes of theorems were made; hashes of two schemes do not compare
	Complete  bool      `json:"complete,omitempty"` // every module was built and listed: what is not in Theorems does not exist
	Fresh     bool      `json:"fresh,omitempty"`    // built from nothing, and the same as the incremental build
	Dirs      []string  `json:"dirs,omitempty"`     // project folders that were examined, as configured; the agent fills them in
	Jobs      int       `json:"jobs"`               // build jobs as the build tool counts them
	Modules   []Module  `json:"modules"`            // sorted by name
	Theorems  []Theorem `json:"theorems"`           // sorted by file, then line
	Axioms    []Axiom   `json:"axioms,omitempty"`   // every axiom that anything of the project rests on, sorted by name
	Roots     []Root    `json:"roots,omitempty"`    // where what a proof may not rest on comes in; those that taint most first
	Packages  []Package `json:"packages,omitempty"` // dependencies, sorted by name
	Orphans   []string  `json:"orphans,omitempty"`  // .lean files that belong to no library
	Stale     []string  `json:"stale,omitempty"`    // compiled modules without a source; they were removed

	Replay     Replay     `json:"replay,omitzero"`
	Lock       *Lock      `json:"lock,omitempty"`       // nil: the commit has no proofs.lock
	Ledger     *Ledger    `json:"ledger,omitempty"`     // nil: there was nothing to compare with
	Advisories []Advisory `json:"advisories,omitempty"` // fixes of the kernel that this Lean does not have, oldest first
	// FromScratch is the last commit of this branch that was proved from nothing. The
	// agent fills it in; nil means never.
	FromScratch *FromScratch `json:"from_scratch,omitempty"`
}

// Module is one Lean module of the project.
type Module struct {
	Name      string  `json:"name"`
	File      string  `json:"file"`
	Verdict   Verdict `json:"verdict"`
	Reason    string  `json:"reason,omitempty"`
	Seconds   float64 `json:"seconds,omitempty"`   // build time; 0 if reused or not known
	MaxRSS    int64   `json:"max_rss,omitempty"`   // memory that Lean took for it, in bytes; 0 if not known
	Reused    bool    `json:"reused,omitempty"`    // up to date from an earlier build
	Unreached bool    `json:"unreached,omitempty"` // no root of a library or executable imports it, so only we build it
}

// Theorem is one named theorem (or project axiom, Kind "axiom"). The hashes are hex and
// empty where the inventory could not make them; see [Proofs.Scheme].
type Theorem struct {
	Name       string   `json:"name"`
	Kind       string   `json:"kind"` // "theorem" or "axiom"
	Module     string   `json:"module"`
	File       string   `json:"file"`
	Line       int      `json:"line"`                 // 1-based
	Column     int      `json:"column,omitempty"`     // 1-based, in bytes; 0 if not known
	Private    bool     `json:"private,omitempty"`    // of its module; two modules may have one of the same name
	Statement  string   `json:"statement,omitempty"`  // pretty-printed type; advisory
	Hash       string   `json:"hash,omitempty"`       // of the statement
	Meaning    string   `json:"meaning,omitempty"`    // of the statement and every definition of the project below it
	Foundation string   `json:"foundation,omitempty"` // of the meaning, the axioms, the dependencies and the toolchain
	Axioms     []string `json:"axioms"`               // sorted; sorryAx is sorry
	Opaque     int      `json:"opaque,omitempty"`     // core-library constants that this toolchain does not expand
	Head       string   `json:"proof_head,omitempty"` // constant at the head of the proof: "rfl", "of_decide_eq_true"
	Verdict    Verdict  `json:"verdict"`
	Reason     string   `json:"reason,omitempty"`
}

// Sorry reports whether the proof rests on sorry.
func (t Theorem) Sorry() bool { return slices.Contains(t.Axioms, "sorryAx") }

// Kinds of what a proof may rest on.
const (
	AxiomStandard = "standard" // propext, Classical.choice, Quot.sound
	AxiomAllowed  = "allowed"  // by the configuration
	AxiomSorry    = "sorry"
	AxiomNative   = "native" // the result of compiled code, which no kernel checked
	AxiomOther    = "axiom"  // any other, a forged native one included
)

// Axiom is one axiom that something of the project rests on.
type Axiom struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`             // one of the kinds above
	Module    string `json:"module,omitempty"` // that declares it
	Statement string `json:"statement,omitempty"`
	Theorems  int    `json:"theorems"`       // how many named theorems rest on it
	Note      string `json:"note,omitempty"` // "is named like native evaluation, but states False"
}

// Root is one place where something that a proof may not rest on comes into the project.
type Root struct {
	Axiom    string   `json:"axiom"`
	Kind     string   `json:"kind"`     // AxiomSorry, AxiomNative or AxiomOther
	Name     string   `json:"name"`     // the declaration that uses it itself
	File     string   `json:"file"`     //
	Line     int      `json:"line"`     // 1-based; 0 if not known
	Theorems int      `json:"theorems"` // named theorems that rest on it through this place, itself included
	Path     []string `json:"path"`     // from one of the theorems that are furthest away, by names, to this place
}

// Package is a dependency of a Lean project.
type Package struct {
	Name     string `json:"name"`
	Revision string `json:"revision,omitempty"` // as locked; "" for one in a folder
}

// Replay says what a second run of the kernel over the compiled modules told. The zero
// value means that there was none.
type Replay struct {
	Tool     string     `json:"tool,omitempty"`     // "leanchecker", "lean4checker" or "holdfast replay"; "" if it was not run
	Reason   string     `json:"reason,omitempty"`   // why it was not run, or could not tell
	Modules  int        `json:"modules,omitempty"`  // replayed, now or earlier with the same content
	Reused   int        `json:"reused,omitempty"`   // of them, earlier
	Rejected []Rejected `json:"rejected,omitempty"` // by the kernel
	Unknown  []Rejected `json:"unknown,omitempty"`  // could not be replayed: killed, crashed, out of memory
	Seconds  float64    `json:"seconds,omitempty"`
}

// Rejected is a module, or a declaration of one, that a replay did not accept.
type Rejected struct {
	Module      string `json:"module"`
	Declaration string `json:"declaration,omitempty"` // "" if the tool does not say
	Text        string `json:"text"`                  // what the tool said
}

// Advisory is one fix of Lean's kernel, or of what guards it.
type Advisory struct {
	Fixed  string `json:"fixed"`  // first version that has it
	Source string `json:"source"` // "leanprover/lean4#14484"
	Text   string `json:"text"`
}

// FromScratch names a commit that was proved from nothing.
type FromScratch struct {
	Run    int64  `json:"run"`
	Commit Commit `json:"commit"`
	Time   string `json:"time"` // RFC 3339, UTC
}

// What became of a theorem since the base, gravest first. Of one theorem several may hold.
const (
	KernelRejected = "kernel-rejected" // a replay did not accept it
	Lost           = "lost"            // it is not there any more
	Changed        = "changed"         // it states something else
	Redefined      = "redefined"       // same words, but a definition below them changed
	NewSorry       = "new-sorry"
	NewAxiom       = "new-axiom"
	NewNative      = "new-native"
	Unchecked      = "unchecked" // could not be told: its module was not built or listed, now or at the base
	Unlocked       = "unlocked"  // the list of promises had it at the base, and has not now
	Unreached      = "unreached" // of a module: roots reached it at the base, and none does now
	Renamed        = "renamed"   // same statement and meaning under another name
	Proved         = "proved"    // it rested on sorry, and does not any more
	New            = "new"
)

// Ledger says what became of every theorem since the base.
type Ledger struct {
	Base    Commit   `json:"base"`              // what was compared with
	Run     int64    `json:"run,omitempty"`     // whose inventory it is; 0 if it was taken for this comparison
	Same    int      `json:"same"`              // theorems to which nothing happened
	Debt    int      `json:"debt,omitempty"`    // theorems of those that rest on what they may not, and did at the base
	Entries []Entry  `json:"entries,omitempty"` // the others, gravest first
	Modules []Entry  `json:"modules,omitempty"` // modules that roots reached at the base and do not now, or that are gone
	Notes   []string `json:"notes,omitempty"`   // what else moved: "toolchain 4.26.0 → 4.28.0"
}

// Count is the number of theorems to which that happened, first or besides.
func (l *Ledger) Count(change string) int {
	n := 0
	for i := range l.Entries {
		if l.Entries[i].Change == change || slices.Contains(l.Entries[i].Also, change) {
			n++
		}
	}
	return n
}

// Entry is what became of one theorem or module.
type Entry struct {
	Name    string   `json:"name"`
	Change  string   `json:"change"`         // the gravest
	Also    []string `json:"also,omitempty"` // what else happened to it, gravest first
	Verdict Verdict  `json:"verdict"`        // Failure, Error, or Neutral for what is only told
	Was     string   `json:"was,omitempty"`  // its name at the base, if another
	File    string   `json:"file,omitempty"` // now; at the base for what is gone
	Line    int      `json:"line,omitempty"`
	Old     string   `json:"old,omitempty"`    // statement at the base, printed; only if it differs
	New     string   `json:"new,omitempty"`    // statement now
	Reason  string   `json:"reason,omitempty"` // in words, as the rest of a sentence that starts with the name
}

// Lock is what the commit's list of promised theorems came to.
type Lock struct {
	File     string   `json:"file"`
	Promised []string `json:"promised"`        // names, sorted
	Drift    []Entry  `json:"drift,omitempty"` // promises that do not hold
}
