package agent

import (
	"fmt"
	"os"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/checks"
	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/metal/crash"
	"github.com/holdfast-ci/holdfast/proofs"
	"github.com/holdfast-ci/holdfast/runner"
)

// stage makes a stage from the settings of a repository. It is nil if the repository does
// not have that stage. know gives what benchmarks are judged by; nil for nothing.
func (x *examiner) stage(repo *config.Repository, name string, know func() known) (runner.Stage, time.Duration, error) {
	switch name {
	case runner.StageProofs:
		if !repo.Proofs.Enabled {
			return nil, 0, nil
		}
		return proofs.New(proofsConfig(repo.Proofs)), repo.Proofs.Limit, nil
	case runner.StageChecks:
		if !repo.Checks.Enabled {
			return nil, 0, nil
		}
		return checks.New(checksConfig(repo.Checks)), repo.Checks.Limit, nil
	case runner.StageBench:
		if !repo.Bench.Enabled {
			return nil, 0, nil
		}
		c := benchConfig(repo.Bench)
		c.Steps = func(t []runner.Turns) []runner.Step { return baseline.Steps(t, thresholds(repo, false)) }
		c.Next = func(b *runner.Bench) []runner.Step {
			var k known
			if know != nil {
				k = know()
			}
			return baseline.Next(b, k.history, k.noise, thresholds(repo, false))
		}
		return metal.New(c), repo.Bench.Limit, nil
	}
	return nil, 0, fmt.Errorf("no stage %q", name)
}

func proofsConfig(p config.Proofs) proofs.Config {
	out := proofs.Config{
		Dirs: p.Dirs, ElanHome: p.ElanHome, Toolchains: p.Toolchains, AllowedAxioms: p.AllowedAxioms, Sorry: p.Sorry, Jobs: p.Jobs,
		Ratchet: p.Ratchet, Changes: p.Changes, Replay: p.Replay,
	}
	// A list under another than the usual name was asked for, and has to be there.
	if p.Lock != config.DefaultLock {
		out.Lock = p.Lock
	}
	if p.Structured {
		// Without its own file the stage reads text, which is less but never wrong.
		out.Wrapper, _ = os.Executable()
	}
	return out
}

func checksConfig(c config.Checks) checks.Config {
	out := checks.Config{RuleFiles: c.Rules, Rules: c.Rule, Packs: c.Packs, Acks: c.Ack, Ratchet: c.Ratchet, Now: time.Now}
	for _, p := range c.Programs {
		out.Programs = append(out.Programs, checks.Program{Name: p.Name, Command: p.Command, Dir: p.Dir, Limit: p.Limit, Format: p.Format, Expect: p.Expect})
	}
	return out
}

func benchConfig(b config.Bench) metal.Config {
	out := metal.Config{
		Backend: b.Backend, Threads: b.Threads, Depths: b.Depths, Rounds: b.Rounds, Window: b.Window, Warmup: b.Warmup,
		Processes: b.Processes, Latency: b.Latency, Seed: uint64(b.Seed), Conditions: b.Conditions,
		Looks: b.Looks, Always: b.Unaffected == "measure",
		Kernel: b.Kernel, Function: b.Function, Elements: b.Elements, Iterations: b.Iterations,
	}
	home, _ := os.UserHomeDir() // a daemon may have none
	out.CrashReports = crash.Folders(home)
	for _, p := range b.Programs {
		rounds := p.Rounds
		if rounds == 0 {
			rounds = b.Rounds
		}
		out.Programs = append(out.Programs, metal.Program{
			Name: p.Name, Build: p.Build, Command: p.Command, Dir: p.Dir, Limit: p.Limit, Rounds: rounds, Format: p.Format, Output: p.Output, Pattern: p.Pattern,
			Inputs: p.Inputs,
		})
	}
	return out
}
