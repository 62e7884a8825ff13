package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner/machine"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

const (
	diskFail = 1 << 30
	diskWarn = 10 << 30
)

// machine looks at the machine, the state folder and the database.
func (d *doctor) machine(ctx context.Context, e *env, cfg *config.Config) {
	d.section("machine")
	m := machine.Read(ctx, e.environ)
	d.say(gradeOK, "machine", "%s", m.Class)
	for _, w := range m.Warnings {
		d.say(gradeNote, "machine", "%s", w)
	}
	for _, r := range cfg.Repositories {
		if !r.Bench.Enabled || r.Bench.Backend != "metal" {
			continue
		}
		if strings.HasPrefix(m.GPUAPI, "Metal") {
			d.say(gradeOK, "bench of "+r.Name, "%s on %s", m.GPUAPI, m.GPU)
		} else {
			d.hint(gradeFail, "bench of "+r.Name, "the metal backend has no device here: "+m.GPUAPI, "run the agent on Apple Silicon, or set bench.backend")
		}
	}
	dir := cfg.Agent.State
	if err := writable(dir); err != nil {
		d.print(finding{gradeFail, "state folder", err.Error(), "set agent.state to a folder that the agent can write to"})
		return
	}
	d.say(gradeOK, "state folder", "%s", dir)
	switch free, err := freeBytes(dir); {
	case err != nil:
		d.say(gradeDark, "free space", "%v", err)
	case free < diskFail:
		d.hint(gradeFail, "free space", gib(free), "mirrors, builds and logs need room: free some, or move agent.state")
	case free < diskWarn:
		d.hint(gradeWarn, "free space", gib(free), "a Lean project with its caches can take several GiB")
	default:
		d.say(gradeOK, "free space", "%s", gib(free))
	}
	d.database(ctx, e, cfg, m.Class)
}

// writable tries to write a file.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString("x")
	return errors.Join(err, f.Close())
}

func freeBytes(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:unconvert // their types differ between systems
}

func gib(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// database looks at the store and, of a class of machine, at whether its fleet has what stages
// ask for.
func (d *doctor) database(ctx context.Context, e *env, cfg *config.Config, class string) {
	so, err := storeOptions(ctx, e, cfg)
	if err != nil {
		d.fail(gradeFail, "database", err)
		return
	}
	s, err := store.Open(ctx, so)
	if err != nil {
		d.fail(gradeFail, "database", err)
		return
	}
	defer func() { _ = s.Close(ctx) }()
	where := cfg.Engine.SQLite
	if so.Postgres != "" {
		where = "Postgres, " + cfg.Engine.Postgres.String()
	}
	runs, err := s.Runs(ctx, store.Filter{Limit: 1})
	if err != nil {
		d.fail(gradeFail, "database", err)
		return
	}
	if len(runs) == 0 {
		d.say(gradeOK, "database", "%s, no runs yet", where)
	} else {
		d.say(gradeOK, "database", "%s, last run %d of %s", where, runs[0].Number, runs[0].Created.Format(time.DateTime))
	}
	pending, failed, waiting, err := s.Unposted(ctx)
	if err != nil {
		d.fail(gradeFail, "outbox", err)
		return
	}
	if pending > 0 {
		d.say(gradeNote, "outbox", "%s to be posted", plural(pending, "message"))
	}
	for _, f := range waiting[:min(3, len(waiting))] {
		d.say(gradeWarn, "outbox", "waits: %s: %s", f.Key, f.Reason)
	}
	for _, f := range failed[:min(3, len(failed))] {
		d.hint(gradeWarn, "outbox", fmt.Sprintf("given up: %s: %s", f.Key, f.Reason), "the next message about the same thing is tried again")
	}
	if pending == 0 && len(failed) == 0 {
		d.say(gradeOK, "outbox", "nothing waits")
	}
	var agents []store.Agent
	if so.Postgres != "" {
		agents = d.fleet(ctx, s)
	} else {
		agents = []store.Agent{{Name: cfg.Agent.Name, Class: class}}
	}
	d.placement(ctx, s, cfg, agents)
	if release, err := store.Lock(cfg.Agent.State); err != nil {
		d.say(gradeOK, "agent", "running: %v", err)
	} else {
		release()
		d.say(gradeNote, "agent", "no agent is running on this state folder")
	}
}

// fleet tells which machines work on the same database, and returns those that do.
func (d *doctor) fleet(ctx context.Context, s *store.Store) (working []store.Agent) {
	agents, err := s.Agents(ctx)
	if err != nil {
		d.fail(gradeFail, "fleet", err)
		return nil
	}
	for _, a := range agents {
		state, hint, bad := fleetState(a)
		text := fmt.Sprintf("%s (%s), last heard of %s ago: %s", a.Name, cmpOr(a.Class, "class not known"), a.Silent.Round(time.Second), state)
		if bad {
			d.hint(gradeWarn, "fleet", text, "%s", hint)
		} else {
			d.say(gradeOK, "fleet", "%s", text)
		}
		if !bad && len(a.Queues) > 0 {
			working = append(working, a)
		}
	}
	return working
}

// tools looks for what the stages run.
func (d *doctor) tools(ctx context.Context, e *env, cfg *config.Config) {
	d.section("tools")
	out, err := toolVersion(ctx, e, "git", "--version")
	var major, minor int
	switch n, _ := fmt.Sscanf(out, "git version %d.%d", &major, &minor); {
	case err != nil:
		d.hint(gradeFail, "git", err.Error(), "install git 2.39 or newer")
	case n < 2 || major < 2 || major == 2 && minor < 39:
		d.hint(gradeFail, "git", out, "install git 2.39 or newer")
	default:
		d.say(gradeOK, "git", "%s", strings.TrimPrefix(out, "git version "))
	}
	d.lean(e, cfg)
	seen := map[string]bool{}
	for _, r := range cfg.Repositories {
		var commands [][]string
		for _, p := range r.Checks.Programs {
			commands = append(commands, p.Command)
		}
		for _, p := range r.Bench.Programs {
			commands = append(commands, p.Build, p.Command)
		}
		for _, c := range commands {
			// One with a slash is looked for in the checkout.
			if len(c) == 0 || strings.Contains(c[0], "/") || seen[c[0]] {
				continue
			}
			seen[c[0]] = true
			if path := lookPath(e, c[0]); path == "" {
				d.hint(gradeFail, c[0], "not found in PATH", "a program of %s needs it; a service has the PATH it was installed with", r.Name)
			} else {
				d.say(gradeOK, c[0], "%s", path)
			}
		}
	}
}

// lean lists the toolchains that the proofs stage can use. Which one a commit needs is
// written in the commit.
func (d *doctor) lean(e *env, cfg *config.Config) {
	var wanted []string
	dirs := map[string]string{} // as they are called here
	for _, r := range cfg.Repositories {
		if !r.Proofs.Enabled {
			continue
		}
		wanted = append(wanted, r.Name)
		home := r.Proofs.ElanHome
		if home == "" {
			home = proc.Getenv(e.environ, "ELAN_HOME")
		}
		if home == "" {
			home = filepath.Join(proc.Getenv(e.environ, "HOME"), ".elan")
		}
		found, _ := filepath.Glob(filepath.Join(home, "toolchains", "*"))
		for _, dir := range found {
			dirs[dir] = filepath.Base(dir)
		}
		for _, dir := range r.Proofs.Toolchains {
			dirs[dir] = dir
		}
	}
	if len(wanted) == 0 {
		d.say(gradeSkip, "Lean", "no repository has a proofs stage")
		return
	}
	var names []string
	for dir, name := range dirs {
		lean, lerr := os.Stat(filepath.Join(dir, "bin", "lean"))
		_, kerr := os.Stat(filepath.Join(dir, "bin", "lake"))
		if lerr == nil && kerr == nil && lean.Mode().Perm()&0o111 != 0 {
			names = append(names, name)
		} else if !errors.Is(lerr, fs.ErrNotExist) || !errors.Is(kerr, fs.ErrNotExist) {
			d.say(gradeWarn, "Lean", "%s has no usable lean and lake", dir)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		d.hint(gradeFail, "Lean", "no toolchain is installed, and "+strings.Join(wanted, ", ")+" needs one",
			"elan toolchain install $(cat lean-toolchain); or name its folder in proofs.toolchains, or set proofs.enabled = false")
		return
	}
	d.say(gradeOK, "Lean", "%s", strings.Join(names, ", "))
}

func toolVersion(ctx context.Context, e *env, args ...string) (string, error) {
	exit, err := proc.Run(ctx, proc.Cmd{Args: args, Env: proc.BaseEnv(e.environ, "/", os.TempDir()), Dir: "/", Limit: 20 * time.Second})
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(exit.Stdout.String(), "\n")
	return line, nil
}

// lookPath finds a program as a stage would: in the PATH of the agent.
func lookPath(e *env, name string) string {
	for _, dir := range filepath.SplitList(proc.Getenv(e.environ, "PATH")) {
		p := filepath.Join(dir, name)
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o111 != 0 {
			return p
		}
	}
	return ""
}

// storeOptions say where the store of a configuration is.
func storeOptions(ctx context.Context, e *env, cfg *config.Config) (store.Options, error) {
	so := store.Options{SQLite: cfg.Engine.SQLite, Dir: cfg.Agent.State, Name: cfg.Agent.Name, Grace: 5 * time.Second, Wait: cfg.Engine.Wait}
	if cfg.Engine.Postgres.IsZero() {
		return so, nil
	}
	url, err := cfg.Engine.Postgres.Resolve(ctx, e.environ)
	if err != nil {
		return so, fmt.Errorf("engine.postgres: %w", err)
	}
	so.SQLite, so.Postgres = "", url
	return so, nil
}
