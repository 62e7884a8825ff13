// Package config reads agent.toml.
//
// [Load] and [Parse] are strict: an unknown key, a value of the wrong type, a bad cron
// expression, duration, glob or threshold is a [Problem] with its line, column, the
// offending text and a hint, and all problems of a file are reported at once as one
// [*Errors]. Every setting has a default; the smallest useful file is
//
//	[[repositories]]
//	path = "."
//
// Secrets are references (see [Secret]), never values. The settings of a stage are
// given once for all repositories ([proofs], [checks], [bench], [thresholds]) and can be
// overridden key by key for one of them ([repositories.bench] and so on); the Proofs,
// Checks, Bench and Thresholds of a [Repository] are the settings in effect.
//
// Nothing here talks to git, GitHub or a database. Giving each package its part is left
// to the wiring in package agent.
package config

import (
	"time"

	"github.com/holdfast-ci/holdfast/agent/schedule"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/checks"
	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/runner"
)

// Config is one agent.toml with every default filled in and every path absolute.
type Config struct {
	File string `toml:"-"` // as given to Load
	Dir  string `toml:"-"` // folder of File; relative paths start here

	Agent        Agent        `toml:"agent"`
	Engine       Engine       `toml:"engine"`
	GitHub       GitHub       `toml:"github"`
	Proofs       Proofs       `toml:"proofs"`     // defaults of all repositories
	Checks       Checks       `toml:"checks"`     // likewise
	Bench        Bench        `toml:"bench"`      // likewise
	Thresholds   Thresholds   `toml:"thresholds"` // likewise
	Repositories []Repository `toml:"repositories"`
	Schedules    []Schedule   `toml:"schedules"`
	Bisect       Bisect       `toml:"bisect"`
	Truth        Truth        `toml:"truth"`
}

// Agent is the table [agent].
type Agent struct {
	Name  string `toml:"name" is:"name"`  // worker name in reports; default: the host name
	State string `toml:"state" is:"path"` // folder of mirrors, checkouts, logs and the database
}

// Engine is the table [engine]: where queue and results are stored. At most one of the
// two is set in the file.
type Engine struct {
	SQLite   string `toml:"sqlite" is:"path"` // default: holdfast.db in the state folder; "" if Postgres is set
	Postgres Secret `toml:"postgres"`         // reference, or a postgres:// URL without a password
	// Wait is how long a stage that asks for a machine waits while none such is there; default
	// 2h. Then it is an error.
	Wait time.Duration `toml:"wait" is:"duration>=1m"`
}

// GitHub is the table [github].
type GitHub struct {
	API   string        `toml:"api" is:"http"`           // base URL; default GITHUB_API_URL, else https://api.github.com
	Token Secret        `toml:"token"`                   // zero if not set
	App   string        `toml:"app" is:"name"`           // App ID or client ID of a GitHub App, instead of Token
	Key   Secret        `toml:"key"`                     // private key of App
	Login string        `toml:"login" is:"name"`         // whose Token it is; default: GitHub is asked
	Post  bool          `toml:"post"`                    // default false: dry run
	Poll  time.Duration `toml:"poll" is:"duration>=10s"` // at most between two looks at one repository; default 1m
	// Webhook is the address on which webhooks are received, "127.0.0.1:8723"; "" for none.
	Webhook       string `toml:"webhook" is:"name"`
	WebhookSecret Secret `toml:"webhook_secret"`
}

// Pull-request policies.
const (
	PullRequestsNone           = "none"
	PullRequestsSameRepository = "same-repository" // not those of forks, which are other people's code
	PullRequestsApproved       = "approved"        // those of forks when somebody who may write said so, commit by commit
	PullRequestsAll            = "all"
)

// When a pull request gets a comment. Its statuses it gets always.
const (
	CommentProblems = "problems" // when there is something to look at; what is fine again is one line
	CommentAlways   = "always"
	CommentNever    = "never"
)

// Where maintenance reports (scheduled runs) are posted.
const (
	ReportNone   = "none"
	ReportIssue  = "issue"
	ReportCommit = "commit"
)

// Repository is one table of [[repositories]]. Exactly one of URL and Path is set.
type Repository struct {
	Name          string   `toml:"name" is:"name"`                                       // unique; default: last part of URL or Path
	URL           string   `toml:"url"`                                                  // https, http, ssh, file or user@host:path; no credentials
	Path          string   `toml:"path" is:"path"`                                       // a local repository
	GitHub        string   `toml:"github"`                                               // "owner/name"; default: from a github.com URL
	Branches      []string `toml:"branches" is:"glob"`                                   // default ["main"]; see MatchBranch
	PullRequests  string   `toml:"pull_requests" is:"none|same-repository|approved|all"` // default approved
	Commands      bool     `toml:"commands"`                                             // default true: comments of people who may write are read for commands
	Drafts        bool     `toml:"drafts"`                                               // default true: drafts are examined, too
	Labels        []string `toml:"labels" is:"name"`                                     // a pull request needs one of these; none: no label is needed
	SkipLabels    []string `toml:"skip_labels" is:"name"`                                // one with any of these is not examined
	Paths         []string `toml:"paths" is:"glob"`                                      // a pull request has to change one of these files; none: any
	Comment       string   `toml:"comment" is:"problems|always|never"`
	Report        string   `toml:"report" is:"none|issue|commit"` // default none
	TrackingIssue int      `toml:"tracking_issue" is:">=0"`       // issue number; 0: found by its marker or created

	Proofs     Proofs     `toml:"proofs"`
	Checks     Checks     `toml:"checks"`
	Bench      Bench      `toml:"bench"`
	Thresholds Thresholds `toml:"thresholds"`
}

// Machine is what machine a stage is to run on: its name in agent.toml, or parts of its class
// ([machine.Is]); "" for any. It says nothing about what a person runs by hand.
func (r *Repository) Machine(stage string) string {
	switch stage {
	case runner.StageProofs:
		return r.Proofs.Machine
	case runner.StageBench:
		return r.Bench.Machine
	}
	return ""
}

// Proofs is the table [proofs].
type Proofs struct {
	Enabled       bool          `toml:"enabled"`                  // default true
	Dirs          []string      `toml:"dirs" is:"inside"`         // Lean projects, relative to the checkout; default ["."]
	Toolchains    []string      `toml:"toolchains" is:"path"`     // folders with bin/lean and bin/lake to try after elan's
	ElanHome      string        `toml:"elan_home" is:"path"`      // default: ELAN_HOME or ~/.elan, as elan does
	AllowedAxioms []string      `toml:"allowed_axioms" is:"name"` // default propext, Classical.choice, Quot.sound
	Sorry         string        `toml:"sorry" is:"failure|warn"`  // default failure
	Jobs          int           `toml:"jobs" is:">=0"`            // parallel build jobs; 0: as many as the tool likes
	Limit         time.Duration `toml:"limit" is:"duration>=1s"`  // default 30m
	Ratchet       bool          `toml:"ratchet"`                  // default true: debt that the base has is told, only new debt fails
	Changes       string        `toml:"changes" is:"failure|warn"`
	Lock          string        `toml:"lock" is:"inside"` // list of promised theorems in the checkout; default [DefaultLock]
	Replay        string        `toml:"replay" is:"auto|off|require"`
	Machine       string        `toml:"machine" is:"name"` // that builds are to be timed on, see Repository.Machine
	Structured    bool          `toml:"structured"`        // default true: Lean's messages are read as data, through a wrapper around lean
}

// DefaultLock is the usual name of the list of promised theorems. A commit need not have
// one under that name.
const DefaultLock = "proofs.lock"

// Whose rule files judge a pull request.
const (
	RulesFromBase = "base"
	RulesFromHead = "head"
)

// Checks is the table [checks].
type Checks struct {
	Enabled  bool           `toml:"enabled"`                 // default true
	Rules    []string       `toml:"rules" is:"inside,glob"`  // rule files in the checkout; default ["holdfast.rules.toml"]
	Rule     []checks.Rule  `toml:"rule"`                    // rules written here
	Packs    []string       `toml:"packs" is:"name"`         // rule packs that come with the program
	Ack      []checks.Ack   `toml:"ack"`                     // acknowledgements written here
	Programs []CheckProgram `toml:"programs"`                // foreign checkers
	Limit    time.Duration  `toml:"limit" is:"duration>=1s"` // default 10m
	Ratchet  bool           `toml:"ratchet"`                 // default true: violations that the base has are told, only new ones fail
	// RulesFrom says whose rule files judge a pull request, its base's (the default) or its
	// own.
	RulesFrom string `toml:"rules_from" is:"base|head"`
}

// CheckProgram is one table of [[checks.programs]]: a program of the repository that
// checks it.
type CheckProgram struct {
	Name    string        `toml:"name" is:"required,name"`
	Command []string      `toml:"command" is:"required"`
	Dir     string        `toml:"dir" is:"inside"`                    // relative to the checkout; default "."
	Limit   time.Duration `toml:"limit" is:"duration>=1s"`            // default 5m
	Format  string        `toml:"format" is:"lines|json|sarif|clang"` // default lines: [PASS] id: message
	Expect  []string      `toml:"expect" is:"name"`                   // format clang: warning groups that pass if the compiler is silent about them
}

// Bench is the table [bench].
type Bench struct {
	Enabled    bool           `toml:"enabled"`                                         // default true
	Backend    string         `toml:"backend" is:"metal|cpu|none"`                     // default metal on macOS, else cpu; none: only programs
	Threads    []int          `toml:"threads" is:">=1,<=256,unique"`                   // default [1, 2, 4, 8, 16]
	Depths     []int          `toml:"depths" is:">=1,<=1024,unique,one"`               // 1 is what the others are compared with; default [1, 2, 4, 8, 16, 32]
	Rounds     int            `toml:"rounds" is:">=3,<=1000"`                          // default 10; with fewer than 7 no comparison is possible
	Window     time.Duration  `toml:"window" is:"duration>=1ms,duration<=1m"`          // of one measurement; default 500ms
	Warmup     time.Duration  `toml:"warmup" is:"duration>=0s,duration<=10m"`          // longest, of one process; default 3s
	Processes  int            `toml:"processes" is:">=1,<=1000"`                       // fresh ones that each scenario gets over the rounds, at most one a round; default 5
	Latency    time.Duration  `toml:"latency" is:"duration>=0s,duration<=50ms"`        // modelled submit latency of the cpu backend; default 200us
	Kernel     string         `toml:"kernel" is:"inside" json:",omitempty"`            // a .metal file of the checkout to measure instead of the built-in kernel
	Function   string         `toml:"function" is:"name" json:",omitempty"`            // of Kernel
	Elements   int            `toml:"elements" is:">=0,<=16777216" json:",omitempty"`  // floats of a buffer, threads of an operation; 0: the backend's default
	Iterations int            `toml:"iterations" is:">=0,<=1048576" json:",omitempty"` // of the built-in kernel, an operation; likewise
	Limit      time.Duration  `toml:"limit" is:"duration>=1s"`                         // default 10m
	Conditions string         `toml:"conditions" is:"auto|require|tell"`               // what a hot, slowed or busy machine is to a measurement; default auto
	Seed       int            `toml:"seed" is:">=0"`                                   // of the order of measurements; 0: from the commit
	Turns      bool           `toml:"turns" json:"-"`                                  // measure programs and the kernel in turns with the base, where a run has one; default true
	Looks      int            `toml:"looks" is:">=1,<=6" json:"-"`                     // at which it is decided whether that takes more blocks, each doubling them; default 3
	Unaffected string         `toml:"unaffected" is:"skip|measure" json:"-"`           // what has the same inputs in base and head: programs, the built-in harness; default skip
	Machine    string         `toml:"machine" is:"name" json:"-"`                      // that is to measure, see Repository.Machine
	Programs   []BenchProgram `toml:"programs"`
}

// BenchProgram is one table of [[bench.programs]]: a benchmark of the repository.
type BenchProgram struct {
	Name    string        `toml:"name" is:"required,name"`
	Build   []string      `toml:"build"`                                                 // run once before the rounds; may be empty
	Command []string      `toml:"command" is:"required"`                                 // run once a round
	Dir     string        `toml:"dir" is:"inside"`                                       // relative to the checkout; default "."
	Limit   time.Duration `toml:"limit" is:"duration>=1s"`                               // of one call; default 2m
	Rounds  int           `toml:"rounds" is:">=0"`                                       // 0: as bench.rounds
	Format  string        `toml:"format" is:"go|google|hyperfine|bmf|catch2|jmh|regexp"` // default go
	Output  string        `toml:"output" is:"inside"`                                    // file with the samples, relative to dir; default standard output
	Inputs  []string      `toml:"inputs" is:"inside" json:"-"`                           // files and folders, relative to the checkout, that it depends on beside its executable
	Pattern string        `toml:"pattern" is:"regexp"`                                   // for regexp: named groups value and unit, perhaps name; others become the sample's configuration
}

// Thresholds is the table [thresholds].
type Thresholds struct {
	Require      []baseline.Threshold `toml:"require"`                // "METRIC [key=value …] OP VALUE"
	BaselineRuns int                  `toml:"baseline_runs" is:">=1"` // recent successful runs that make the baseline; default 20
}

// Bisect is the table [bisect]: the search for the first bad commit when a branch turns
// red, and its budget.
type Bisect struct {
	Enabled bool          `toml:"enabled"`                // default true; holdfast bisect works without it
	Shifts  bool          `toml:"shifts"`                 // default true: also what moved for the worse without a threshold's being missed
	Probes  int           `toml:"probes" is:">=1,<=1000"` // default 24: examinations of one search
	Time    time.Duration `toml:"time" is:"duration>=1m"` // default 4h: what they may take together
}

// Truth is the table [truth]: when a good commit is measured a second time, to learn how
// often verdicts are false.
type Truth struct {
	Idle     time.Duration `toml:"idle" is:"duration>=0s"`  // default 30m without work; 0: never
	Every    time.Duration `toml:"every" is:"duration>=1m"` // default 24h between two of a repository, when idle
	Cron     string        `toml:"cron"`                    // five fields; "": no schedule
	Timezone string        `toml:"timezone"`                // IANA name; default UTC

	Spec *schedule.Spec `toml:"-"` // Cron in Timezone; nil without
}

// Schedule is one table of [[schedules]].
type Schedule struct {
	Name         string   `toml:"name" is:"required,name"`         // unique
	Cron         string   `toml:"cron" is:"required"`              // five fields
	Timezone     string   `toml:"timezone"`                        // IANA name; default UTC
	Repositories []string `toml:"repositories"`                    // names; default all
	Stages       []string `toml:"stages" is:"proofs|checks|bench"` // default all
	Branch       string   `toml:"branch"`                          // default: the first branch of the repository without wildcards, else main
	Fresh        bool     `toml:"fresh"`                           // default false; true: prove from nothing and compare with what the cache gives

	Spec schedule.Spec `toml:"-"` // Cron in Timezone
}

// defaults is a configuration without repositories.
func defaults() *Config {
	return &Config{
		Engine: Engine{Wait: 2 * time.Hour},
		GitHub: GitHub{API: "https://api.github.com", Poll: time.Minute},
		Proofs: Proofs{
			Enabled: true, Dirs: []string{"."}, Sorry: "failure", Limit: 30 * time.Minute,
			AllowedAxioms: []string{"propext", "Classical.choice", "Quot.sound"},
			Ratchet:       true, Changes: "failure", Lock: DefaultLock, Replay: "auto", Structured: true,
		},
		Checks: Checks{Enabled: true, Rules: []string{checks.DefaultRuleFile}, Limit: 10 * time.Minute, Ratchet: true, RulesFrom: RulesFromBase},
		Bench: Bench{
			Conditions: "auto",
			Enabled:    true, Backend: metal.DefaultBackend, Threads: []int{1, 2, 4, 8, 16}, Depths: []int{1, 2, 4, 8, 16, 32}, Rounds: 10,
			Window: 500 * time.Millisecond, Warmup: 3 * time.Second, Processes: 5, Latency: 200 * time.Microsecond,
			Turns: true, Looks: 3, Unaffected: "skip",
			Limit: 10 * time.Minute,
		},
		Thresholds: Thresholds{BaselineRuns: 20},
		Truth:      Truth{Idle: 30 * time.Minute, Every: 24 * time.Hour},
		Bisect:     Bisect{Enabled: true, Shifts: true, Probes: 24, Time: 4 * time.Hour},
	}
}

// Repository returns the repository of that name, or nil.
func (c *Config) Repository(name string) *Repository {
	for i := range c.Repositories {
		if c.Repositories[i].Name == name {
			return &c.Repositories[i]
		}
	}
	return nil
}
