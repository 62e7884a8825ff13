package proofs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// printAxioms is the portable way to an inventory, for a toolchain on which our program
// does not run: names and lines from the index (.ilean) files of the build, axioms from
// `#print axioms`. It sees no private declarations and no definitions, and it inherits
// what #print axioms misses (leanprover/lean4#15226).
func (e *examination) printAxioms(ctx context.Context, modules []*module) (*inventory, error) {
	inv := &inventory{modules: map[string]int{}, failed: map[string]string{}, axioms: map[string]axiomRecord{}}
	var src strings.Builder
	for _, m := range modules {
		fmt.Fprintf(&src, "import %s\n", m.name)
	}
	var decls []declaration
	for _, m := range modules {
		ds, err := e.indexed(m)
		if err != nil {
			return nil, fmt.Errorf("index of module %s: %w", m.name, err)
		}
		inv.modules[m.key] = len(ds)
		decls = append(decls, ds...)
	}
	if len(decls) == 0 {
		return nil, fmt.Errorf("%w: no theorem in the index files", errIncomplete)
	}
	own := map[string]bool{}
	for _, d := range decls {
		own[d.Name] = d.Kind == "axiom"
		fmt.Fprintf(&src, "#print axioms %s\n#check @%s\n", d.Name, d.Name)
	}
	temp, err := os.MkdirTemp(e.ws.Scratch, "inventory-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	file := filepath.Join(temp, "PrintAxioms.lean")
	if err := os.WriteFile(file, []byte(src.String()), 0o644); err != nil {
		return nil, err
	}
	w := &bounded{max: maxInventory}
	exit, err := e.ws.Exec(ctx, e.log+"-print-axioms", proc.Cmd{
		Args: append([]string{e.tool.program("lean"), file}, e.jsonFlag()...), Dir: temp, Stdout: w, Limit: inventoryLimit,
		Env: e.environ(e.tool, "LEAN_PATH="+strings.Join(e.searchPath(), string(os.PathListSeparator))),
	})
	if err != nil {
		return nil, err
	}
	if !exit.OK() {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, fmt.Errorf("#print axioms: %s: %s", exit, firstLine(w.buf.String()+exit.Stderr.String()))
	}
	answers, stated := messages(w.buf.Bytes())
	lists, broken := parsePrintAxioms(answers)
	if len(broken) > 0 || len(lists) != len(decls) {
		return nil, fmt.Errorf("%w: %d of %d answers of #print axioms read", errIncomplete, len(lists), len(decls))
	}
	for i := range decls {
		d := &decls[i]
		if lists[i].name != d.Name {
			return nil, fmt.Errorf("%w: asked #print axioms for %s, answered for %s", errIncomplete, d.Name, cut(lists[i].name, 80))
		}
		for _, a := range lists[i].axioms {
			// A stand-in lists every theorem of its library as an axiom.
			_, mine := own[a]
			if e.tool.standIn && !mine && !native(a) && a != sorryAxiom && !slices.Contains(defaultAxioms, a) && !slices.Contains(e.cfg.AllowedAxioms, a) {
				d.Opaque++
				continue
			}
			d.Axioms = append(d.Axioms, a)
		}
		slices.Sort(d.Axioms)
		if d.PP = stated[d.Name]; d.PP != "" {
			d.statement = pair{sum: sha256.Sum256([]byte(strings.Join(strings.Fields(d.PP), " ")))}.text()
		}
	}
	inv.decls = decls
	e.ws.Report(runner.StageProofs, "listed %s with #print axioms", plural(len(decls), "theorem"))
	return inv, nil
}

// jsonFlag asks Lean for one JSON object a message, where it can (leanprover/lean4 4.9).
func (e *examination) jsonFlag() []string {
	if e.tool.atLeast(4, 9) {
		return []string{"--json"}
	}
	return nil
}

// messages sorts what Lean answered into the text of its messages and, where they came as
// JSON and so have an end, the statements that #check printed, by name.
func messages(out []byte) (text string, stated map[string]string) {
	var b strings.Builder
	stated = map[string]string{}
	for line := range bytes.Lines(out) {
		var m struct{ Severity, Data string }
		if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &m) != nil || m.Data == "" {
			b.Write(line)
			continue
		}
		if name, statement, ok := strings.Cut(m.Data, " : "); ok && strings.HasPrefix(name, "@") && !strings.ContainsAny(name, "\n'") {
			stated[name[1:]] = strings.TrimSpace(statement)
			continue
		}
		b.WriteString(m.Data + "\n")
	}
	return b.String(), stated
}

// statedForm finds the word that a declaration starts with, before its name.
var statedForm = regexp.MustCompile(`\b(theorem|lemma|axiom)\s+$`)

// indexed lists theorems and axioms of a module from its .ilean file, in the order of the
// source. The index has all definitions; the source says which are theorems.
func (e *examination) indexed(m *module) ([]declaration, error) {
	places, lines, err := e.index(m)
	if err != nil {
		return nil, err
	}
	var out []declaration
	for _, p := range places {
		if strings.HasPrefix(p.name, "_private.") {
			continue
		}
		kind := "theorem"
		switch p.word(lines) {
		case "":
			continue
		case "axiom":
			kind = "axiom"
		}
		out = append(out, declaration{Name: p.name, User: p.name, Module: m.name, Kind: kind, Line: p.line + 1, Column: p.column + 1})
	}
	return out, nil
}

// index reads the .ilean file of a module, and its source by lines.
func (e *examination) index(m *module) (places []indexPlace, lines []string, err error) {
	var b []byte
	for _, dir := range e.libDirs() {
		b, err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(modulePath(m), ".lean")+".ilean")))
		if err == nil {
			break
		}
	}
	if err != nil {
		return nil, nil, err
	}
	src, err := readSmall(m.path)
	if err != nil {
		return nil, nil, err
	}
	places, err = parseIndex(b)
	return places, strings.Split(string(src), "\n"), err
}

// word is the one that a theorem or axiom starts with in its source, "" for anything else.
func (p *indexPlace) word(lines []string) string {
	if p.line >= len(lines) {
		return ""
	}
	before := lines[p.line][:byteColumn(lines[p.line], p.column)-1]
	if strings.TrimSpace(before) == "" && p.line > 0 { // the name starts a line
		before = lines[p.line-1] + " "
	}
	if w := statedForm.FindStringSubmatch(before); w != nil {
		return w[1]
	}
	return ""
}

// indexPlace is where a constant is defined.
type indexPlace struct {
	name         string
	line, column int // 0-based, as in the file
}

// parseIndex reads the definitions of an .ilean file. Keys of its references are texts
// "c:Name" in older versions, and JSON {"c":{"m":Module,"n":Name}} in newer. Those also
// tell the ranges of some declarations, which are to be preferred: a reference may give
// the place of a variable (seen with 4.28).
func parseIndex(b []byte) ([]indexPlace, error) {
	var f struct {
		Module     string
		References map[string]struct {
			Definition []json.RawMessage
		}
		Decls map[string][]int // range of the whole, then of the name
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	var out []indexPlace
	for name, at := range f.Decls {
		if len(at) == 8 && at[4] >= 0 && at[5] >= 0 {
			out = append(out, indexPlace{name, at[4], at[5]})
		}
	}
	for k, r := range f.References {
		name, ok := strings.CutPrefix(k, "c:")
		if !ok {
			var id struct {
				C *struct{ M, N string }
			}
			if json.Unmarshal([]byte(k), &id) != nil || id.C == nil || id.C.N == "" {
				continue
			}
			name = id.C.N
		}
		if len(f.Decls[name]) == 8 {
			continue
		}
		var pos [2]int
		if len(r.Definition) < 2 || json.Unmarshal(r.Definition[0], &pos[0]) != nil || json.Unmarshal(r.Definition[1], &pos[1]) != nil || pos[0] < 0 || pos[1] < 0 {
			continue
		}
		out = append(out, indexPlace{name, pos[0], pos[1]})
	}
	slices.SortFunc(out, func(a, b indexPlace) int {
		if a.line != b.line {
			return a.line - b.line
		}
		if a.column != b.column {
			return a.column - b.column
		}
		return strings.Compare(a.name, b.name)
	})
	return out, nil
}
