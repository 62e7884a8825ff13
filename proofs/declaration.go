package proofs

import "errors"

// inventory is what some compiled modules declare.
type inventory struct {
	lean    string
	modules map[string]int    // by key: number of declarations
	failed  map[string]string // by key: why a module could not be loaded
	decls   []declaration
	axioms  map[string]axiomRecord
}

// declaration is one constant of a project module.
type declaration struct {
	Name     string // as the kernel has it; private ones have a prefix
	User     string // as it was written
	Module   string
	Kind     string // see [constant]
	Line     int    // 1-based; 0 if generated
	Column   int
	Internal bool     // generated, not written by a person
	Axioms   []string // sorted
	Opaque   int      // constants of the toolchain's library without bodies
	Unknown  []string // constants of anything else without bodies
	PP       string   // printed statement, "" if it was not asked for
	Head     string   // constant at the head of a proof

	statement, meaning string   // hashes; "" if this listing has none
	refs               []int32  // declarations of the project that it names, by number
	direct             []string // axioms that it names itself
}

// stated reports whether the declaration is a theorem or axiom that somebody wrote.
func (d *declaration) stated() bool {
	return (d.Kind == "theorem" || d.Kind == "axiom") && !d.Internal && d.Line > 0
}

// axiomRecord is what is known of an axiom that something rests on.
type axiomRecord struct {
	Module string
	Origin string // project, dependency or core
	Line   int    // 0 if nobody wrote it
	PP     string
	result bool // it states that some closed computation is true
}

// coreAxioms are the axioms of Lean's own library; some versions lack some. inventory.lean
// has the same list.
var coreAxioms = []string{
	"propext", "Classical.choice", "Quot.sound", "sorryAx", "Lean.ofReduceBool", "Lean.ofReduceNat", "Lean.trustCompiler",
}

// errIncomplete is a listing that cannot be trusted to be the whole.
var errIncomplete = errors.New("inventory is not complete")
