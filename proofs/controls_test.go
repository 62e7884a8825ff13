package proofs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestNegativeControls examines a commit with real Lean in which every theorem meets a fate
// of its own, and wants each fate named, and no other theorem accused.
func TestNegativeControls(t *testing.T) {
	cfg := Config{Toolchains: []string{leanHome(t)}, Ratchet: true, Replay: ReplayOff}
	cache := t.TempDir()
	base := run(t, cfg, workspace(t, lay(t, "ledger/base"), cache))
	if base.Verdict != runner.Failure || !base.Proofs.Complete || base.Proofs.Ledger != nil {
		t.Fatalf("the base, which has two sorries: %s: %s; complete: %v", base.Verdict, base.Reason, base.Proofs.Complete)
	}
	against := func(dir string) runner.Result {
		ws := workspace(t, dir, cache)
		ws.Earlier, ws.EarlierCommit = &base, runner.Commit{SHA: strings.Repeat("ba5e", 10)}
		return run(t, cfg, ws)
	}

	t.Run("fates", func(t *testing.T) {
		head := against(lay(t, "ledger/base", "ledger/head"))
		if head.Verdict != runner.Failure || head.Proofs.Ledger == nil {
			t.Fatalf("%s: %s", head.Verdict, head.Reason)
		}
		ledger := head.Proofs.Ledger
		entries := map[string]runner.Entry{}
		for _, e := range ledger.Entries {
			entries[e.Name] = e
		}
		for name, change := range map[string]string{
			"deleted": runner.Lost, "more_hypotheses": runner.Changed, "weaker": runner.Changed, "redefined": runner.Redefined,
			"hidden_sorry": runner.NewSorry, "on_hidden_sorry": runner.NewSorry, "secret": runner.NewSorry,
			"on_axiom": runner.NewAxiom, "on_axiom_of_axiom": runner.NewAxiom, "computed": runner.NewNative, "on_forged": runner.NewAxiom,
			"middle": runner.NewAxiom, "on_picked": runner.NewAxiom,
		} {
			e := entries["Ledger."+name]
			if e.Change != change || e.Verdict != runner.Failure || e.File == "" || e.Line == 0 {
				t.Errorf("%s: %+v, want %s", name, e, change)
			}
			if !slices.ContainsFunc(head.Findings, func(f runner.Finding) bool {
				return f.Verdict == runner.Failure && strings.Contains(f.Text, name) && (f.File == e.File || f.File == "")
			}) && !strings.Contains(theorems(head)["Ledger."+name].Reason, viaWord) {
				t.Errorf("%s has no finding", name)
			}
		}
		for name, change := range map[string]string{"new_name": runner.Renamed, "finished": runner.Proved, "first_match": runner.New} {
			if e := entries["Ledger."+name]; e.Change != change || e.Verdict != runner.Neutral {
				t.Errorf("%s: %+v, want %s", name, e, change)
			}
		}
		if e := entries["Ledger.new_name"]; e.Was != "Ledger.old_name" {
			t.Errorf("%+v", e)
		}
		if e := entries["Ledger.weaker"]; !strings.Contains(e.Old, "∧") || strings.Contains(e.New, "∧") {
			t.Errorf("old and new statement: %q, %q", e.Old, e.New)
		}
		// What is as good as before stays out, whatever was done to its text.
		for _, name := range []string{"kept", "other_binder", "other_universe", "other_proof", "by_match", "unfinished", "dropped"} {
			if e, ok := entries["Ledger."+name]; ok {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if ledger.Same != 7 || ledger.Debt != 1 {
			t.Errorf("%d the same, %d old debts", ledger.Same, ledger.Debt)
		}
		if th := theorems(head)["Ledger.unfinished"]; th.Verdict != runner.Neutral {
			t.Errorf("old debt: %+v", th)
		}
		if len(ledger.Modules) != 1 || ledger.Modules[0].Name != "Ledger.Dropped" || ledger.Modules[0].Verdict != runner.Failure {
			t.Errorf("the module that nobody imports any more: %+v", ledger.Modules)
		}
		// An executable as the only default target hides nothing.
		for _, m := range head.Proofs.Modules {
			if m.Verdict != runner.Success {
				t.Errorf("%+v", m)
			}
		}
		if r := head.Proofs.Roots[0]; r.Theorems != 2 || len(r.Path) != 2 || r.Path[1] != r.Name {
			t.Errorf("the root of most evil: %+v", r)
		}
		kinds := map[string]string{}
		for _, a := range head.Proofs.Axioms {
			kinds[a.Name] = a.Kind + a.Note
		}
		if kinds["Lean.ofReduceBool"] != runner.AxiomNative || !strings.HasPrefix(kinds["Ledger.forged._native.native_decide.ax_1_1"], runner.AxiomOther+"is named like") {
			t.Errorf("axioms: %v", kinds)
		}
	})

	t.Run("orphans", func(t *testing.T) {
		dir := lay(t, "ledger/base")
		// Lake leaves the compiled form of a module whose source is deleted.
		os.Remove(filepath.Join(dir, "Ledger", "Dropped.lean"))
		os.WriteFile(filepath.Join(dir, "Ledger.lean"), []byte("import Ledger.Claims\n"), 0o644)
		os.WriteFile(filepath.Join(dir, "Ledger", "Orphan.lean"), []byte("theorem orphan : 1 = 2 := rfl\n"), 0o644)
		res := against(dir)
		m := modules(res)["Ledger.Orphan"]
		if res.Verdict != runner.Failure || m.Verdict != runner.Failure || !m.Unreached || !strings.Contains(res.Reason, "Ledger.Orphan") {
			t.Errorf("an orphan that does not compile: %s: %s; %+v", res.Verdict, res.Reason, m)
		}
		if !slices.Equal(res.Proofs.Stale, []string{"Ledger.Dropped"}) {
			t.Errorf("stale: %v", res.Proofs.Stale)
		}
		if !slices.ContainsFunc(res.Proofs.Ledger.Entries, func(e runner.Entry) bool {
			return e.Name == "Ledger.dropped" && e.Change == runner.Lost && e.Verdict == runner.Failure
		}) {
			t.Errorf("the theorem of the deleted module: %+v", res.Proofs.Ledger.Entries)
		}
	})
}
