package runner

import (
	"slices"
	"strings"
	"time"
)

// Result is what one stage told about one commit. Stored as JSON: fields may be added,
// never renamed or given another meaning.
type Result struct {
	Stage    string    `json:"stage"`
	Verdict  Verdict   `json:"verdict"`
	Reason   string    `json:"reason,omitempty"` // one sentence; always set unless Success
	Hint     string    `json:"hint,omitempty"`   // what a person can do about it
	Started  time.Time `json:"started,omitzero"`
	Seconds  float64   `json:"seconds"`        // wall time of the stage
	Busy     float64   `json:"busy,omitempty"` // seconds of it spent waiting for children or measuring
	Findings []Finding `json:"findings,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`  // what weakens the result without stopping it
	TimedOut bool      `json:"timed_out,omitempty"` // verdict Error because the stage's time was up
	Logs     []Log     `json:"logs,omitempty"`
	Machine  Machine   `json:"machine,omitzero"` // that ran the stage; zero if it is not known

	// At most one of these is set: the detail of the stage.
	Proofs *Proofs `json:"proofs,omitempty"`
	Checks *Checks `json:"checks,omitempty"`
	Bench  *Bench  `json:"bench,omitempty"`
}

// Finding is one thing at one place that a reader should look at. Text comes from
// compilers and sources: it is hostile.
type Finding struct {
	Verdict Verdict `json:"verdict"`          // Failure, Error, or Neutral for a warning or a note
	Rule    string  `json:"rule,omitempty"`   // check id, "lean", "sorry", "axiom", …
	File    string  `json:"file,omitempty"`   // slash-separated, relative to the checkout
	Line    int     `json:"line,omitempty"`   // 1-based; 0 if not known
	Column  int     `json:"column,omitempty"` // 1-based, in bytes; 0 if not known
	// EndLine and EndColumn are where it ends, counted like Line and Column; 0 if not known.
	EndLine   int    `json:"end_line,omitempty"`
	EndColumn int    `json:"end_column,omitempty"`
	Text      string `json:"text"`
}

// Log is one kept file of a stage.
// Dropped counts the bytes beyond its cap.
type Log struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"`
	Dropped int64  `json:"dropped,omitempty"`
}

// Checks is the detail of the checks stage. The five counts are over Rules.
type Checks struct {
	Pass  int    `json:"pass"`
	Warn  int    `json:"warn"`
	Fail  int    `json:"fail"`
	Error int    `json:"error"`
	Skip  int    `json:"skip"`
	Rules []Rule `json:"rules"` // in the order of the rule set
	// Scheme names how the violations of Rules were fingerprinted; those of two schemes do
	// not compare. "" if there are none.
	Scheme string `json:"scheme,omitempty"`
	// Settings is a hash of the part of agent.toml that the stage was given; set by the
	// wiring.
	Settings string `json:"settings,omitempty"`
	// Base is the commit that violations were compared with; zero if with nothing.
	Base Commit `json:"base,omitzero"`
	// RulesOf is the commit whose rule files judged; zero if the checkout's own did.
	RulesOf Commit `json:"rules_of,omitzero"`
}

// Total is the number of rules judged.
func (c Checks) Total() int { return c.Pass + c.Warn + c.Fail + c.Error + c.Skip }

// Outcomes of one structural rule.
const (
	Pass      = "pass"
	Warn      = "warn"
	Fail      = "fail"
	RuleError = "error" // could not tell: no file matched, unbalanced source, bad rule
	Skip      = "skip"
)

// Rule is one structural rule judged over the checkout.
type Rule struct {
	ID       string     `json:"id"`
	Title    string     `json:"title"`
	Outcome  string     `json:"outcome"`            // Pass, Warn, Fail, RuleError or Skip
	Reason   string     `json:"reason"`             // what was seen, also for a pass: "0 matches in 11 files"
	Files    int        `json:"files,omitempty"`    // files examined
	Evidence []Evidence `json:"evidence,omitempty"` // matches that decided it
	Ack      *Ack       `json:"ack,omitempty"`      // why a warning or failure is tolerated
	Source   string     `json:"source,omitempty"`   // where the rule is written, "holdfast.rules.toml:12" or the program's name
	Doc      string     `json:"doc,omitempty"`      // what the rule is for, in the words of its author
	// Violations are the fingerprints of all that a rule that does not pass complains of,
	// also of what Evidence has no room for; sorted. They do not hold line numbers, so they
	// outlive changes elsewhere. "" stands for what could not be told apart.
	Violations []string `json:"violations,omitempty"`
	New        int      `json:"new,omitempty"`  // violations that the base does not have; 0 if nothing was compared
	Debt       bool     `json:"debt,omitempty"` // a warning only because all violations were there at the base
	Told       bool     `json:"told,omitempty"` // judged for information: it counts once the change that brings it is merged
}

// Evidence is one place in a source file with its line.
type Evidence struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // 1-based
	Column int    `json:"column"` // 1-based, in bytes
	Text   string `json:"text"`   // the source line, trimmed
	// Note says what is wrong at this place; "" where the reason of the rule does.
	Note string `json:"note,omitempty"`
	// EndLine and EndColumn are behind the last byte of the match, counted like Line and
	// Column; 0 if not known.
	EndLine   int `json:"end_line,omitempty"`
	EndColumn int `json:"end_column,omitempty"`
	Indent    int `json:"indent,omitempty"` // blanks that were trimmed from the start of Text
	// Fingerprint is that of the violation, "" for a place that is none.
	Fingerprint string `json:"fingerprint,omitempty"`
	New         bool   `json:"new,omitempty"` // the base does not have it
}

// Ack acknowledges a rule that does not pass. It expires.
type Ack struct {
	Reason string `json:"reason"`
	Owner  string `json:"owner"`
	Until  string `json:"until"` // last day on which it holds, "2026-12-31", UTC
}

// Bench is the detail of the bench stage: raw samples. Judging them against thresholds
// and history is package baseline's.
type Bench struct {
	Backend  string            `json:"backend"`  // "cpu", "metal", or "" when only programs ran
	Device   string            `json:"device"`   // what the backend ran on, in words
	Settings map[string]string `json:"settings"` // configuration of the harness: rounds, window, threads, depths, …
	// Observed is what was noticed on the way, in words: the noise floor, the best depth, how
	// warm-ups ended, the state of the machine. Documents of earlier versions have it in Settings.
	Observed map[string]string `json:"observed,omitempty"`
	Samples  []Sample          `json:"samples"`
	Origins  []Origin          `json:"origins,omitempty"` // of the built-in harness's samples, in their order
	// Turns is what base and head gave in turns, where both were measured. Base is what they
	// were measured against. By Source, Untold says why something was measured on the head
	// only, and New that it was because the base has nothing of the kind.
	Turns      []Turns           `json:"turns,omitempty"`
	Base       string            `json:"base,omitempty"` // SHA
	Untold     map[string]string `json:"untold,omitempty"`
	New        map[string]string `json:"new,omitempty"`
	Unaffected []Unaffected      `json:"unaffected,omitempty"`
	// Planned is how often it could be decided whether the head's samples need more values; 0
	// and 1 are once. Looks are, by Key, what documents of earlier versions have in place of
	// Sample.Looks.
	Planned int              `json:"planned,omitempty"`
	Looks   map[string][]int `json:"looks,omitempty"`
	// Confirms says that a sample which misses a threshold is measured once more before that
	// counts; Again are the values of that re-run, by Key.
	Confirms bool                 `json:"confirms,omitempty"`
	Again    map[string][]float64 `json:"again,omitempty"`
}

// Origin tells how the values of one sample of the built-in harness came about. The lists
// have one entry for each of the sample's values; they are nil for a derived sample.
type Origin struct {
	Sample    string    `json:"sample"`              // its Key
	Formula   string    `json:"formula,omitempty"`   // how a derived sample is computed, in words
	Rounds    []int     `json:"rounds,omitempty"`    // in which it was measured, from 1
	Positions []int     `json:"positions,omitempty"` // its place in the random order of the round, from 1
	Processes []int     `json:"processes,omitempty"` // which process of the scenario measured it, from 1
	Ops       []uint64  `json:"ops,omitempty"`       // operations counted
	Seconds   []float64 `json:"seconds,omitempty"`   // over which, the mean over the threads
	// Drift is the median over the windows of the rate of the second half against the
	// first, minus 1. Nil if operations were too long to tell.
	Drift *float64 `json:"drift,omitempty"`
	// Overhead is the share of a thread's time that the harness's own loop takes, 0 … 1.
	Overhead float64      `json:"overhead,omitempty"`
	Device   *DeviceTimes `json:"device,omitempty"` // nil if the device does not tell
	Notes    []string     `json:"notes,omitempty"`  // what weakens the sample, in words
	// Unsettled are the indexes of values that a process measured whose warm-up did not settle,
	// ascending: they make nothing red.
	Unsettled []int `json:"unsettled,omitempty"`
}

// DeviceTimes are what the device said about its execution of a load, in a pass of its
// own: medians over several windows.
type DeviceTimes struct {
	Ops       int     `json:"ops"`       // operations asked for
	Execution float64 `json:"execution"` // median of one operation, in seconds
	Low       float64 `json:"low"`       // its quartiles
	High      float64 `json:"high"`
	Busy      float64 `json:"busy"`     // share of the time in which at least one operation executed, 0 … 1
	Parallel  float64 `json:"parallel"` // mean number of operations executing at once while one did
}

// Directions in which a unit gets better.
const (
	HigherIsBetter = "higher"
	LowerIsBetter  = "lower"
)

// Sample holds repeated measurements of one benchmark in one unit. The measurements of
// one round are taken close together in time, so Values[i] of two samples of one
// harness run may be paired.
type Sample struct {
	Name    string            `json:"name"`              // "multi-queue", "async-pipeline", "async-gain", a program's benchmark
	Unit    string            `json:"unit"`              // base unit: "ops/s", "sec/op", "ratio", "x"
	Config  map[string]string `json:"config,omitempty"`  // "queue": "shared", "threads": "8"
	Better  string            `json:"better"`            // HigherIsBetter or LowerIsBetter; "" if not known
	Values  []float64         `json:"values"`            // one a round, in order of measuring
	Source  string            `json:"source,omitempty"`  // "harness cpu", or the program's name
	Derived bool              `json:"derived,omitempty"` // computed from other samples of the same run
	// Looks are the numbers of values at each look that took place, if there was more than one.
	Looks []int `json:"looks,omitempty"`
}

// Key identifies what was measured: name, configuration and unit, as
// "multi-queue/queue=shared/threads=8 ops/s". Equal keys are comparable on one class of
// machine.
func (s Sample) Key() string {
	keys := make([]string, 0, len(s.Config))
	for k := range s.Config {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	b.WriteString(s.Name)
	for _, k := range keys {
		b.WriteString("/" + k + "=" + s.Config[k])
	}
	b.WriteString(" " + s.Unit)
	return b.String()
}
