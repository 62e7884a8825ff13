package proofs

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// leanReplay is the part of TestLean that is about proofs which never went through the
// kernel; cache holds the build of the base. Other toolchains than the stand-in may have
// leanchecker, which says less.
func leanReplay(t *testing.T, cfg Config, cache string) {
	cfg.Replay = ReplayAuto
	own := func(res runner.Result) bool { return res.Proofs.Replay.Tool == byReplay }

	t.Run("clean", func(t *testing.T) {
		res := run(t, cfg, workspace(t, lay(t, "base"), cache))
		r := res.Proofs.Replay
		if res.Verdict != runner.Success || r.Tool == "" || r.Modules != 5 || r.Reused != 0 || len(r.Rejected)+len(r.Unknown) > 0 {
			t.Fatalf("got %s: %s; %+v", res.Verdict, res.Reason, r)
		}
		t.Logf("replay of 5 modules: %.2f s", r.Seconds)
	})
	t.Run("again", func(t *testing.T) {
		cfg := cfg
		cfg.Replay = ReplayRequire
		res := run(t, cfg, workspace(t, lay(t, "base"), cache))
		if r := res.Proofs.Replay; res.Verdict != runner.Success || r.Tool == "" || r.Modules != 5 || r.Reused != 5 {
			t.Fatalf("got %s: %s; %+v", res.Verdict, res.Reason, r)
		}
		for _, l := range res.Logs {
			if strings.Contains(l.Name, "replay") {
				t.Errorf("%s ran again", l.Name)
			}
		}
		t.Logf("nothing to do: %.3f s", res.Proofs.Replay.Seconds)
	})
	t.Run("smuggled", func(t *testing.T) {
		res := run(t, cfg, workspace(t, lay(t, "base", "smuggled"), cache))
		r := res.Proofs.Replay
		if res.Verdict != runner.Failure || !strings.HasPrefix(res.Reason, "the kernel rejects ") || !strings.Contains(res.Reason, "declaration type mismatch") {
			t.Fatalf("got %s: %s; %+v", res.Verdict, res.Reason, r)
		}
		if len(r.Rejected) == 0 || r.Reused != 5 || slices.ContainsFunc(r.Rejected, func(x runner.Rejected) bool { return x.Module != "Pool.Smuggled" || strings.Contains(x.Text, "\n") }) {
			t.Errorf("%+v", r)
		}
		ths := theorems(res)
		if th := ths["Pool.smuggled"]; th.Verdict != runner.Failure || len(th.Axioms) > 0 || !strings.Contains(th.Reason, "the kernel rejects") && !strings.Contains(th.Reason, "kernel rejects") {
			t.Errorf("smuggled: %+v", th)
		}
		if th := ths["Pool.capacity_pos"]; th.Verdict != runner.Success {
			t.Errorf("capacity_pos: %+v", th)
		}
		if th := ths["Pool.leans"]; th.Verdict == runner.Success {
			t.Errorf("leans: %+v", th)
		}
		if !slices.ContainsFunc(res.Findings, func(f runner.Finding) bool {
			return f.Rule == "kernel" && f.Verdict == runner.Failure && f.File == "Pool/Smuggled.lean" && f.Line > 0
		}) {
			t.Errorf("findings: %+v", res.Findings)
		}
		if !own(res) {
			return
		}
		var rejected []string
		for _, x := range r.Rejected {
			rejected = append(rejected, x.Declaration)
		}
		if want := []string{"Pool.hidden", "Pool.smuggled", "Pool.unchecked"}; !slices.Equal(rejected, want) {
			t.Errorf("rejected %q, want %q", rejected, want)
		}
		for name, want := range map[string]string{
			"Pool.smuggled":     "is no theorem, the kernel rejects it: declaration type mismatch, 'Pool.smuggled' has type True but it is expected to have type False",
			"Pool.two_is_three": "rests on Pool.hidden, which the kernel rejects",
			"Pool.leans":        "rests on Pool.smuggled, which the kernel rejects",
		} {
			if th := ths[name]; th.Verdict != runner.Failure || th.Reason != want {
				t.Errorf("%s: %+v", name, th)
			}
		}
		for _, name := range []string{"Pool.honest", "Pool.stands"} {
			if th := ths[name]; th.Verdict != runner.Success {
				t.Errorf("%s: %+v", name, th)
			}
		}
	})
	t.Run("smuggled, not replayed", func(t *testing.T) {
		cfg := cfg
		cfg.Replay = ReplayOff
		res := run(t, cfg, workspace(t, lay(t, "base", "smuggled"), cache))
		// Every list of axioms is clean. Nothing may say that the kernel saw it.
		if r := res.Proofs.Replay; res.Verdict != runner.Success || r.Tool != "" || r.Modules != 0 || r.Reason == "" {
			t.Fatalf("got %s: %s; %+v", res.Verdict, res.Reason, r)
		}
		if strings.Contains(res.Reason, "kernel") {
			t.Errorf("the reason claims a check: %s", res.Reason)
		}
	})
}
