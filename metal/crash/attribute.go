package crash

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Run is what is known of the processes of one run.
type Run struct {
	From time.Time // begin of the run
	Self int       // process id of the agent: the parent of its children
	PIDs []int     // of the children that it started
	Dir  string    // checkout: nothing but a run executes a program in it
	// Programs are base names of the programs that the run was told to execute. Where the
	// path of a report is cut they tell whether it can be one of Dir.
	Programs []string
}

// slack is how far the clocks of a report and ours may differ: reports have a tenth of a
// millisecond, files may have seconds.
const slack = 2 * time.Second

// Owns reports whether r is about a process of the run: it crashed within the run's time
// and was not launched before it, and it is a child, or a child of a child, or the agent
// is responsible for it, or its executable lies in the checkout. A crash of somebody
// else's program of the same name is none of these.
//
// A process whose parent is not known to the run, with an executable elsewhere, is not
// recognised, unless the agent runs under launchd and so is responsible for it.
func (run Run) Owns(r *Report, now time.Time) bool {
	if r.Time.Before(run.From.Add(-slack)) || r.Time.After(now.Add(slack)) {
		return false
	}
	if !r.Launch.IsZero() && r.Launch.Before(run.From.Add(-slack)) {
		return false
	}
	known := func(pid int) bool { return pid > 1 && (pid == run.Self || slices.Contains(run.PIDs, pid)) }
	return r.PID != run.Self && (known(r.PID) || known(r.Parent)) || r.Charge > 1 && r.Charge == run.Self || run.inside(r)
}

// inside reports whether the executable of a report lies in the checkout. macOS replaces
// the name of the user, and most of the folders, by "USER" and "*"; then what is left
// must fit, and the program must be one that the run was told to execute.
func (run Run) inside(r *Report) bool {
	p := path.Clean(r.Path)
	if run.Dir == "" || !path.IsAbs(p) {
		return false
	}
	if !strings.Contains(p, "*") && !strings.HasPrefix(p, "/Users/USER/") {
		return within(p, run.Dir) || within(strings.TrimPrefix(p, "/private"), strings.TrimPrefix(run.Dir, "/private"))
	}
	if !slices.Contains(run.Programs, path.Base(p)) {
		return false
	}
	head, _, _ := strings.Cut(p, "*")
	if rest, ok := strings.CutPrefix(head, "/Users/USER/"); ok {
		_, below, ok := strings.Cut(strings.TrimPrefix(run.Dir, "/Users/"), "/")
		return ok && strings.HasPrefix(run.Dir, "/Users/") && (strings.HasPrefix(below+"/", rest) || strings.HasPrefix(rest, below+"/"))
	}
	return strings.HasPrefix(run.Dir+"/", head) || strings.HasPrefix(head, run.Dir+"/")
}

func within(p, dir string) bool {
	rel, err := filepath.Rel(dir, p)
	return err == nil && rel != "." && filepath.IsLocal(rel)
}
