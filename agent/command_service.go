package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/launchd"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// serviceCommand makes the verb that runs the agent under a service manager.
func serviceCommand(manager string) func(context.Context, *env, []string) error {
	return func(ctx context.Context, e *env, args []string) error {
		const synopsis = "print|install|uninstall|status [flags]"
		verb := ""
		if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
			verb, args = args[0], args[1:]
		}
		fs := flags(e, manager, synopsis)
		file := fs.String("config", "", "configuration `FILE` that the agent will read (default agent.toml)")
		label := fs.String("label", "ci.holdfast.agent", "`NAME` of the service")
		if err := parse(fs, args, 0); err != nil {
			return err
		}
		s, err := newService(e, manager, *file, *label)
		if err != nil {
			return err
		}
		if verb != "print" && verb != "" {
			if want := map[string]string{"launchd": "darwin", "systemd": "linux"}[manager]; runtime.GOOS != want {
				return runner.WithHint(fmt.Errorf("%s is not the service manager of this system (%s)", manager, runtime.GOOS), "holdfast %s print works everywhere", manager)
			}
		}
		switch verb {
		case "print":
			return s.Print(e.stdout)
		case "install":
			path, err := s.Install(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "installed and loaded: %s\nlogs: %s\n", path, s.Job.LogDir)
			return nil
		case "uninstall":
			path, removed, err := s.Uninstall(ctx)
			if err != nil {
				return err
			}
			if !removed {
				fmt.Fprintf(e.stdout, "was not installed: %s does not exist\n", path)
				return nil
			}
			fmt.Fprintf(e.stdout, "stopped and removed: %s\n", path)
			return nil
		case "status":
			text, err := s.Status(ctx)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(e.stdout, text)
			return err
		}
		return &usageError{fmt.Sprintf("holdfast %s: no verb %q", manager, verb), synopsis}
	}
}

// newService describes `holdfast serve` with the configuration given, which must be sound:
// a service that dies at every start is found too late.
func newService(e *env, manager, file, label string) (launchd.Service, error) {
	cfg, err := loadConfig(e, file, false)
	if err != nil {
		return launchd.Service{}, err
	}
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return launchd.Service{}, fmt.Errorf("find the holdfast binary: %w", err)
	}
	full, err := filepath.Abs(cfg.File)
	if err != nil {
		return launchd.Service{}, err
	}
	home := proc.Getenv(e.environ, "HOME")
	if home == "" {
		return launchd.Service{}, errors.New("HOME is not set")
	}
	s := launchd.Service{
		Job: launchd.Job{
			Label: label, Program: program, Arguments: []string{"serve", "--config", full}, Dir: cfg.Dir, LogDir: logDir(cfg),
			// A service manager starts with nearly no PATH, and git, Go and a compiler are looked up there.
			Env: map[string]string{"PATH": proc.Getenv(e.environ, "PATH"), "HOME": home},
		},
		Run: func(ctx context.Context, args ...string) (string, int, error) {
			exit, err := proc.Run(ctx, proc.Cmd{Args: args, Env: serviceEnv(e.environ), Dir: "/", Limit: time.Minute})
			return exit.Stdout.String() + exit.Stderr.String(), exit.Code, err
		},
	}
	if manager == "launchd" {
		s.Manager = launchd.Launchd{Home: home, UID: os.Getuid()}
		return s, nil
	}
	dir := proc.Getenv(e.environ, "XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(home, ".config")
	}
	s.Manager = launchd.Systemd{Config: dir}
	return s, nil
}

func logDir(cfg *config.Config) string { return filepath.Join(cfg.Agent.State, "logs", "agent") }

// serviceEnv is what systemctl needs to find the user's service manager.
func serviceEnv(environ []string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"} {
		if v := proc.Getenv(environ, name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}
