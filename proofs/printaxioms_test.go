package proofs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestPrintAxiomsTranscripts(t *testing.T) {
	for _, tt := range []struct {
		file string
		n    int
		want map[string]int // name: number of axioms
		has  []string
	}{
		{"05-axiom", 0, map[string]int{"uses_axiom": 1, "double_pos": 49}, []string{"trustMe", "Lean.Omega.Constraint.combine_sat'", "Lean.Omega.LinearCombo.sub_eval"}},
		{"06-native-decide", 0, map[string]int{"nd": 10}, []string{"Lean.ofReduceBool", "Nat.ne_of_beq_eq_false"}},
		{"10-other-commands", 2, map[string]int{"double_pos": 49}, []string{"congrArg"}},
	} {
		lists, broken := parsePrintAxioms(transcripts(t, tt.file)[tt.n].stdout)
		if len(broken) > 0 || len(lists) != len(tt.want) {
			t.Errorf("%s: %d lists, broken %v", tt.file, len(lists), broken)
		}
		var all []string
		for _, l := range lists {
			if len(l.axioms) != tt.want[l.name] {
				t.Errorf("%s: %s has %d axioms, want %d", tt.file, l.name, len(l.axioms), tt.want[l.name])
			}
			all = append(all, l.axioms...)
		}
		for _, a := range tt.has {
			if !slices.Contains(all, a) {
				t.Errorf("%s: %s is missing in %v", tt.file, a, all)
			}
		}
	}
}

func TestPrintAxioms(t *testing.T) {
	lists, broken := parsePrintAxioms("'A.b' does not depend on any axioms\n'x'' depends on axioms: [propext,\n «odd, ] name».y]\n'lost' depends on axioms: [propext,\n'z' does not depend on any axioms\nnoise\n'open' depends on axioms: [Quot.sound")
	want := []axiomList{{"A.b", nil}, {"x'", []string{"propext", "«odd, ] name».y"}}, {"z", nil}}
	if !slices.EqualFunc(lists, want, func(a, b axiomList) bool { return a.name == b.name && slices.Equal(a.axioms, b.axioms) }) {
		t.Errorf("got %+v", lists)
	}
	if !slices.Equal(broken, []string{"lost", "open"}) {
		t.Errorf("broken: %v", broken)
	}
}

// show prints a list as Lean does: one line if it is short, else an axiom a line.
func show(l axiomList) string {
	if len(l.axioms) == 0 {
		return "'" + l.name + "' does not depend on any axioms\n"
	}
	line := fmt.Sprintf("'%s' depends on axioms: [%s]\n", l.name, strings.Join(l.axioms, ", "))
	if len(line) <= 120 {
		return line
	}
	return fmt.Sprintf("'%s' depends on axioms: [%s]\n", l.name, strings.Join(l.axioms, ",\n "))
}

func TestPrintAxiomsRoundTrip(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-zα-ω_][A-Za-z0-9_'.]{0,12}[a-z]|«[a-z ,\]\[]{1,8}»\.[a-z]{1,4}`)
	list := rapid.Custom(func(t *rapid.T) axiomList {
		return axiomList{name.Draw(t, "name"), rapid.SliceOfN(name, 0, 20).Draw(t, "axioms")}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(list, 0, 8).Draw(t, "lists")
		var out strings.Builder
		for _, l := range want {
			out.WriteString(show(l))
		}
		got, broken := parsePrintAxioms(out.String())
		if len(broken) > 0 || len(got) != len(want) {
			t.Fatalf("%d lists of %d, broken %v, from\n%s", len(got), len(want), broken, out.String())
		}
		for i := range got {
			if got[i].name != want[i].name || !slices.Equal(got[i].axioms, want[i].axioms) {
				t.Fatalf("got %+v, want %+v", got[i], want[i])
			}
		}
	})
}

func FuzzPrintAxioms(f *testing.F) {
	for _, name := range []string{"05-axiom", "06-native-decide", "10-other-commands"} {
		for _, tr := range transcripts(f, name) {
			f.Add(tr.stdout)
		}
	}
	f.Fuzz(func(t *testing.T, out string) {
		lists, broken := parsePrintAxioms(out)
		// Each answer in the output is read or reported, never lost.
		answers := 0
		for line := range strings.SplitSeq(out, "\n") {
			line = strings.TrimRight(line, "\r")
			if dependsForm.MatchString(line) || freeForm.MatchString(line) {
				answers++
			}
		}
		if len(lists)+len(broken) != answers {
			t.Errorf("%d read and %d broken of %d answers", len(lists), len(broken), answers)
		}
		for _, l := range lists {
			for _, a := range l.axioms {
				if a == "" || strings.ContainsRune(a, '\n') {
					t.Errorf("axiom %q of %s", a, l.name)
				}
			}
		}
	})
}
