package proofs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// inventory is what the inventory program (inventory.lean) printed.
type inventory struct {
	lean    string
	modules map[string]int    // by key: number of declarations
	failed  map[string]string // by key: why a module could not be loaded
	decls   []declaration
	axioms  map[string]axiomOrigin
}

// declaration is one constant of a project module.
type declaration struct {
	Name     string   `json:"name"`
	User     string   `json:"user"` // the name as written; differs for private ones
	Module   string   `json:"module"`
	Kind     string   `json:"kind"` // theorem, axiom, def, opaque, inductive, …; "withheld" without its body
	Line     int      `json:"line"` // 1-based; 0 if generated
	Column   int      `json:"column"`
	Internal bool     `json:"internal"` // generated, not written by a person
	Unsafe   bool     `json:"unsafe"`
	Axioms   []string `json:"axioms"`
	Opaque   int      `json:"opaque"`  // constants of the tool chain's library without bodies
	Unknown  []string `json:"unknown"` // constants of anything else without bodies
	Refs     []string `json:"refs"`    // constants of the project that it names
	PP       string   `json:"pp"`
}

type axiomOrigin struct {
	Module string `json:"module"`
	Origin string `json:"origin"` // project, dependency or core
	PP     string `json:"pp"`
}

// errIncomplete is a listing that cannot be trusted to be the whole.
var errIncomplete = errors.New("inventory is not complete")

// maxRecord bounds one record.
const maxRecord = 64 << 20

// parseInventory reads the records behind prefix. Lines without it are none of ours. It
// fails closed: anything missing, doubled, unreadable or contradictory is an error.
// wanted are the keys of the modules that were asked for.
func parseInventory(out []byte, prefix string, wanted []string) (*inventory, error) {
	inv := &inventory{modules: map[string]int{}, failed: map[string]string{}, axioms: map[string]axiomOrigin{}}
	counts := map[string]int{}
	var header, ended bool
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(make([]byte, 64<<10), maxRecord)
	for n := 1; sc.Scan(); n++ {
		line, ok := bytes.CutPrefix(sc.Bytes(), []byte(prefix))
		if !ok || len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		bad := func(err error) error { return fmt.Errorf("%w: record %d: %w", errIncomplete, n, err) }
		var r struct {
			Record  string `json:"record"`
			Lean    string `json:"lean"`
			Text    string `json:"text"`
			Decls   int    `json:"decls"`
			Modules int    `json:"modules"`
			Origin  string `json:"origin"`
			declaration
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, bad(err)
		}
		if ended {
			return nil, bad(errors.New("something follows the end"))
		}
		if !header && r.Record != "header" {
			return nil, bad(errors.New("no header"))
		}
		k := key(r.Module)
		switch r.Record {
		case "header":
			if header {
				return nil, bad(errors.New("second header"))
			}
			header, inv.lean = true, r.Lean
		case "module":
			k = key(r.Name)
			if _, twice := inv.modules[k]; twice || r.Decls < 0 {
				return nil, bad(fmt.Errorf("module %s twice", cut(k, 80)))
			}
			inv.modules[k] = r.Decls
		case "error":
			inv.failed[k] = r.Text
		case "decl":
			if r.Name == "" || r.Kind == "" || r.Line < 0 || r.Opaque < 0 {
				return nil, bad(errors.New("declaration without name or kind"))
			}
			slices.Sort(r.Axioms)
			counts[k]++
			inv.decls = append(inv.decls, r.declaration)
		case "axiom":
			inv.axioms[r.Name] = axiomOrigin{Module: r.Module, Origin: r.Origin, PP: r.PP}
		case "end":
			ended = true
			if r.Modules != len(inv.modules) || r.Decls != len(inv.decls) {
				return nil, bad(fmt.Errorf("%d modules and %d declarations announced, %d and %d seen", r.Modules, r.Decls, len(inv.modules), len(inv.decls)))
			}
		default:
			return nil, bad(fmt.Errorf("unknown record %q", cut(r.Record, 40)))
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", errIncomplete, err)
	}
	if !ended {
		return nil, fmt.Errorf("%w: it has no end", errIncomplete)
	}
	for k, n := range inv.modules {
		if counts[k] != n {
			return nil, fmt.Errorf("%w: module %s announced %d declarations, %d seen", errIncomplete, k, n, counts[k])
		}
	}
	for _, k := range wanted {
		if _, ok := inv.modules[k]; !ok && inv.failed[k] == "" {
			return nil, fmt.Errorf("%w: nothing about module %s", errIncomplete, k)
		}
	}
	if len(inv.decls) == 0 && len(inv.failed) == 0 {
		return nil, fmt.Errorf("%w: no declaration in %s", errIncomplete, plural(len(wanted), "module"))
	}
	return inv, inv.consistent()
}

// consistent checks the closure with a second rule: what a declaration names, it rests
// on; so it rests on whatever that rests on.
func (inv *inventory) consistent() error {
	byName := map[string]*declaration{}
	for i := range inv.decls {
		d := &inv.decls[i]
		if _, twice := byName[d.Name]; twice {
			byName[d.Name] = nil // two executables may both have a main
		} else {
			byName[d.Name] = d
		}
	}
	for i := range inv.decls {
		d := &inv.decls[i]
		for _, r := range d.Refs {
			ref := byName[r]
			if ref == nil {
				continue
			}
			for _, a := range ref.Axioms {
				if _, ok := slices.BinarySearch(d.Axioms, a); !ok {
					return fmt.Errorf("%w: %s names %s, which rests on %s, but its own list lacks it", errIncomplete, cut(d.Name, 80), cut(r, 80), cut(a, 80))
				}
			}
		}
	}
	return nil
}

// cause follows one axiom from a declaration to the declaration that names it itself, or
// that takes it from outside of the project. It returns d if that is d.
func (inv *inventory) cause(d *declaration, axiom string, byName map[string]*declaration) *declaration {
	seen := map[string]bool{}
	for !seen[d.Name] {
		seen[d.Name] = true
		next := (*declaration)(nil)
		for _, r := range d.Refs {
			if ref := byName[r]; ref != nil && r != axiom && !seen[r] && slices.Contains(ref.Axioms, axiom) {
				next = ref
				break
			}
		}
		if next == nil {
			break
		}
		d = next
	}
	return d
}

// native reports whether an axiom stands for the result of compiled code. Until 4.28 one
// of three names, then an axiom of its own for each computation, with a component
// "_native" (leanprover/lean4#12217).
func native(axiom string) bool {
	switch axiom {
	case "Lean.ofReduceBool", "Lean.ofReduceNat", "Lean.reduceBool", "Lean.reduceNat", "Lean.trustCompiler":
		return true
	}
	return slices.Contains(strings.Split(axiom, "."), "_native")
}
