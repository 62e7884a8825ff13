// Package runner holds the core types of Holdfast and does one job on one workspace.
//
// A [Stage] examines one checkout (a [Workspace]) and answers with a [Result]. The
// three stages (packages proofs, checks and metal) import this package and nothing
// else of Holdfast; packages baseline and report work on the same types. Package
// runner/proc runs child processes, package runner/git talks to git, package
// runner/machine reads what machine this is. Only the standard library is imported
// here, so that the pure packages stay light.
//
// Storing, queueing, comparing with history, rendering and posting are left to others.
package runner

import (
	"context"
	"time"
)

// Stage names, as they appear in configuration, reports and commit statuses.
const (
	StageProofs = "proofs"
	StageChecks = "checks"
	StageBench  = "bench"
)

// Stages lists the stage names in the order in which they run.
var Stages = []string{StageProofs, StageChecks, StageBench}

// A Stage examines one checkout. A bad commit is a Result with verdict Failure and a
// nil error; a non-nil error means that the stage could not tell, and [Execute] turns
// it into a Result with verdict Error. Run returns soon after ctx is done, and leaves
// no child process behind.
type Stage interface {
	// Name is one of [Stages].
	Name() string
	Run(ctx context.Context, ws *Workspace) (Result, error)
}

// Commit names one commit. Every text in it comes from the watched repository and is
// hostile. The zero value means "none".
type Commit struct {
	SHA     string    `json:"sha"`               // 40 or 64 lower-case hex digits
	Subject string    `json:"subject,omitempty"` // first line of the message
	Author  string    `json:"author,omitempty"`
	Time    time.Time `json:"time,omitzero"` // committer time, UTC
}

// Short is the first 10 digits of the SHA, or "" for none.
func (c Commit) Short() string { return c.SHA[:min(10, len(c.SHA))] }

// Run states. A run that is not finished has the verdict "" until it is.
const (
	StateQueued     = "queued"
	StateRunning    = "running"
	StateDone       = "done"
	StateCancelled  = "cancelled"  // stopped by a person, or the agent was stopped for good
	StateSuperseded = "superseded" // a newer head of the same branch or pull request came
)

// Run is one examination of one commit: all that a report is rendered from. Stored as
// JSON: fields may be added, never renamed or given another meaning.
type Run struct {
	Number      int64     `json:"number"` // 1-based, unique in one store
	Repo        string    `json:"repo"`   // name in agent.toml
	Commit      Commit    `json:"commit"`
	Base        Commit    `json:"base,omitzero"` // merge base or the commit compared with; zero if none
	Branch      string    `json:"branch,omitempty"`
	PullRequest int       `json:"pull_request,omitempty"`
	Trigger     string    `json:"trigger"` // "command", "push", "pull request", "re-run", "schedule NAME"
	State       string    `json:"state"`
	Verdict     Verdict   `json:"verdict,omitempty"`
	Reason      string    `json:"reason,omitempty"` // why a run that is not success is not
	Started     time.Time `json:"started,omitzero"`
	Finished    time.Time `json:"finished,omitzero"`
	Agent       string    `json:"agent"`  // "holdfast 0.1.0"
	Worker      string    `json:"worker"` // name of the agent instance that ran it
	Machine     Machine   `json:"machine"`
	Stages      []Result  `json:"stages"`
	Warnings    []string  `json:"warnings,omitempty"` // what weakens the run as a whole
}

// Stage returns the result of the named stage, or nil.
func (r *Run) Stage(name string) *Result {
	for i := range r.Stages {
		if r.Stages[i].Stage == name {
			return &r.Stages[i]
		}
	}
	return nil
}

// Machine says where a run happened. An empty string or a zero means "not known"; a
// fact is never guessed.
type Machine struct {
	Host     string   `json:"host,omitempty"`
	OS       string   `json:"os"`                // "macOS 15.6.1" or "Debian GNU/Linux 12"
	Build    string   `json:"build,omitempty"`   // OS build or kernel release
	Arch     string   `json:"arch"`              // GOARCH
	Model    string   `json:"model,omitempty"`   // "Mac16,5"
	Chip     string   `json:"chip,omitempty"`    // CPU brand string
	Cores    int      `json:"cores"`             // logical CPU cores
	PCores   int      `json:"p_cores,omitempty"` // performance cores
	ECores   int      `json:"e_cores,omitempty"` // efficiency cores
	Memory   int64    `json:"memory,omitempty"`  // bytes
	GPU      string   `json:"gpu,omitempty"`     // device name
	GPUCores int      `json:"gpu_cores,omitempty"`
	GPUAPI   string   `json:"gpu_api"`            // "Metal 3", "no GPU API"
	Class    string   `json:"class"`              // key under which baselines compare, see machine.Class
	Warnings []string `json:"warnings,omitempty"` // facts that could not be read, and why
	// Fingerprint is the rest of that key: what an update changes on one machine, see
	// machine.Fingerprint.
	Fingerprint string `json:"fingerprint,omitempty"`
	Power       string `json:"power,omitempty"` // "mains", "battery" or "ups" when it was measured
	Mode        string `json:"mode,omitempty"`  // of energy: "normal", "low power", "high power"; on Linux the governor
}
