package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// A working tree, or a folder of it, is compared with the commit where it left a branch,
// and stays as it is.
func TestLocalBase(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	l := newLedgerTest(t)
	l.stage.seen = nil
	sub := filepath.Join(l.agentTest.repo, "lean")
	l.write(filepath.Join(sub, "theorems.txt"), "deep\n")
	l.state("a b")
	l.git("checkout", "--quiet", "-b", "side")
	fork := l.git("rev-parse", "HEAD")
	l.state("a x")
	l.git("checkout", "--quiet", "main")
	l.state("a b c")
	l.git("checkout", "--quiet", "side")
	l.write(filepath.Join(l.agentTest.repo, "theorems.txt"), "not committed\n")
	before := l.git("status", "--porcelain")
	for _, tt := range []struct{ dir, want string }{{l.agentTest.repo, "a b"}, {sub, "deep"}} {
		base, commit, warning, left, err := l.app.x.localBase(t.Context(), l.stage, tt.dir, "main", t.TempDir(), time.Hour, nil)
		if err != nil || commit.SHA != fork || warning != "" || base.Verdict != runner.Success || left < 30*time.Minute {
			t.Fatalf("%s: %+v of %s, %q, %s, %v", tt.dir, base, commit.SHA, warning, left, err)
		}
		var names []string
		for _, th := range base.Proofs.Theorems {
			names = append(names, th.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.dir, got, tt.want)
		}
	}
	if after := l.git("status", "--porcelain"); after != before {
		t.Errorf("the tree was %q and is %q", before, after)
	}
	if err := os.Mkdir(filepath.Join(l.agentTest.repo, "new"), 0o755); err != nil {
		t.Fatal(err)
	}
	base, _, _, _, err := l.app.x.localBase(t.Context(), l.stage, filepath.Join(l.agentTest.repo, "new"), "main", t.TempDir(), time.Hour, nil)
	if err != nil || base.Verdict != runner.Error || !strings.Contains(base.Reason, "has no folder new") {
		t.Errorf("a folder that the base has not: %+v, %v", base, err)
	}
	if _, _, _, _, err := l.app.x.localBase(t.Context(), l.stage, l.agentTest.repo, "nonesuch", t.TempDir(), time.Hour, nil); err == nil || !strings.Contains(err.Error(), "unknown revision") {
		t.Errorf("an unknown revision: %v", err)
	}
	var usage *usageError
	if _, _, _, _, err := l.app.x.localBase(t.Context(), l.stage, t.TempDir(), "main", t.TempDir(), time.Hour, nil); !errors.As(err, &usage) {
		t.Errorf("no repository: %v", err)
	}
}
