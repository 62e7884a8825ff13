package report

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Every case in every format. After -update the diff is reviewed like code.
func TestGolden(t *testing.T) {
	all := cases(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		in := all[name]
		doc, err := JSON(in)
		if err != nil {
			t.Fatal(err)
		}
		outputs := map[string]string{".md": Markdown(in), ".txt": Text(in), ".json": string(doc) + "\n", ".pr.md": PullRequest(in, View{Check: "holdfast"}, CommentLimit)}
		switch name {
		case "checks-failure", "ratchet", "ledger", "hostile", "no-lean", "nothing-ran":
			maps.Copy(outputs, exchanged(t, in))
		case "measured":
			outputs[".tables.txt"], outputs[".explain.txt"] = BenchTables(in), Explain(in)
		}
		for ext, got := range outputs {
			file := filepath.Join("testdata", name+ext)
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				a, b := strings.Split(got, "\n"), strings.Split(string(want), "\n")
				i := 0
				for i < min(len(a), len(b))-1 && a[i] == b[i] {
					i++
				}
				t.Errorf("%s:%d: got %q, want %q (rewrite with -update and look at the diff)", file, i+1, a[i], b[i])
			}
		}
	}
}
