package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/proofs"
	"github.com/holdfast-ci/holdfast/runner"
)

// What the command makes of an inventory; the script lock.txtar has it made by Lean.
func TestLockCommand(t *testing.T) {
	theorem := func(name, hash, statement string) runner.Theorem {
		return runner.Theorem{
			Name: name, Kind: "theorem", Module: "Pool", File: "Pool.lean", Hash: strings.Repeat(hash, 8), Meaning: strings.Repeat(hash, 8),
			Statement: statement, Axioms: []string{"propext"}, Verdict: runner.Success,
		}
	}
	open := theorem("Pool.open", "0", "1 = 2")
	open.Verdict, open.Reason = runner.Failure, "rests on sorry"
	result := func(ts ...runner.Theorem) runner.Result {
		return runner.Result{Reason: "so", Proofs: &runner.Proofs{Scheme: "term/1", Complete: true, Theorems: ts}}
	}
	held, one := theorem("Pool.held", "a", "p"), theorem("Pool.one", "b", "q")
	changed := theorem("Pool.held", "c", "p\n  → \x1b[2Jq")
	path := filepath.Join(t.TempDir(), "proofs.lock")
	const first = "holdfast-proofs 1 term/1\naaaaaaaa aaaaaaaa propext Pool.held\n\tp\n"
	for _, tt := range []struct {
		name           string
		check          bool
		update         proofs.LockUpdate
		res            runner.Result
		code           int
		stdout, stderr string // parts
		file           string // afterwards
	}{
		{name: "does not hold", update: proofs.LockUpdate{Add: []string{"Pool.open", "Pool.nowhere"}}, res: result(held, open), code: ExitFailure, stderr: "error: Pool.open does not hold: it rests on sorry\nPool.nowhere does not exist\nhint: "},
		{name: "incomplete", update: proofs.LockUpdate{All: true}, res: runner.Result{Reason: "Pool does not build", Proofs: &runner.Proofs{}}, code: ExitError, stderr: "proofs.lock is left alone: Pool does not build"},
		{name: "promise", update: proofs.LockUpdate{Add: []string{"Pool.held"}}, res: result(held, one, open), stdout: "promises: Pool.held\nproofs.lock: 1 change; review and commit it\n", file: first},
		{name: "nothing to do", res: result(held, one), stdout: "proofs.lock is up to date\n", file: first},
		{name: "check", check: true, res: result(held), stdout: "proofs.lock: 1 promise holds\n", file: first},
		{name: "check after a change", check: true, res: result(changed), code: ExitFailure, stdout: "proofs.lock:2: Pool.held states something else than is promised\n  was: p\n  now: p → \ufffd[2Jq\nproofs.lock: 1 of 1 does not hold\n", file: first},
		{name: "check what was not hashed", check: true, res: func() runner.Result { r := result(held); r.Proofs.Scheme = "print/1"; return r }(), code: ExitError, stderr: "cannot be compared", file: first},
		{name: "all", update: proofs.LockUpdate{All: true}, res: result(changed, one, open), stdout: "Pool.held: the statement changed\n  was: p\n  now: p → \ufffd[2Jq\npromises: Pool.one\nproofs.lock: 2 changes;"},
		{name: "remove", update: proofs.LockUpdate{Remove: []string{"Pool.held", "Pool.one"}}, res: result(changed, one), stdout: "promises no longer: Pool.held\npromises no longer: Pool.one\n", file: "holdfast-proofs 1 term/1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := lockRun{path: path, name: "proofs.lock", check: tt.check, update: tt.update}
			old, err := l.read()
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			code := exitCode(&stderr, l.conclude(&env{stdout: &stdout, stderr: &stderr}, old, tt.res))
			if code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit code %d, want %d\n%s%s", code, tt.code, &stdout, &stderr)
			}
			if b, _ := os.ReadFile(path); tt.file != "" && string(b) != tt.file || tt.file == "" && tt.code != 0 && b != nil {
				t.Errorf("file:\n%s", b)
			}
		})
	}
}
