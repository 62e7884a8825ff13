package store

import (
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/riverqueue/river"
)

// queueReport is Holdfast's own queue. It is apart from the queues of stages, so that ten
// thousand queued builds delay no report; posting has no queue at all, see [Store.Work].
const queueReport = "report"

const (
	// MaxLimit is the longest time limit of a stage.
	MaxLimit = 24 * time.Hour
	// River cancels a worker after the stage's limit and this margin, which covers the
	// checkout and the wait for the machine: another stage may hold it for its whole limit.
	// The stage's own limit ends it long before; a worker without a finite timeout would
	// never be rescued.
	margin = MaxLimit + 2*time.Hour
	// River judges a running job by its age alone, so this exceeds the longest of them.
	// Recover finds the jobs of a dead process at once, and Beat those of a lost machine
	// within minutes; the rescue only tidies up River's own rows after them.
	rescueAfter = MaxLimit + margin + time.Hour
	reportLimit = 10 * time.Minute
	// River counts every start of a job, a wait for the database included; the store's own
	// count of tries decides about stages.
	riverAttempts = 1000
	// A stage whose worker died or misbehaved this often is concluded as an error.
	maxTries = 3
)

// queueName is River's rule.
var queueName = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

func checkQueue(name string) error {
	switch {
	case name == queueReport:
		return fmt.Errorf("queue %q is Holdfast's own", name)
	case len(name) > 64 || !queueName.MatchString(name):
		return fmt.Errorf("queue name %q: want lower-case letters and digits, separated by single - or _", name)
	}
	return nil
}

// insertConfig is the configuration of a client that only inserts. Its cooldown is the
// shortest there is: River drops notifications of one queue that follow each other within
// it, and a dropped one leaves a job waiting for the next fetch without notification.
func insertConfig(log *slog.Logger) *river.Config {
	return &river.Config{Logger: log, FetchCooldown: river.FetchCooldownMin}
}

// stageArgs names one attempt at one job.
type stageArgs struct {
	Run     int64  `json:"run"`
	Stage   string `json:"stage"`
	Attempt int    `json:"attempt"`
	LimitMS int64  `json:"limit_ms"`
}

func (stageArgs) Kind() string { return "holdfast_stage" }

type reportArgs struct {
	Run int64 `json:"run"`
}

func (reportArgs) Kind() string { return "holdfast_report" }

// Priorities of the jobs of one queue: what people wait for goes first.
const (
	priorityUsual = 1
	priorityLast  = 4
)

func stageJob(queue string, a stageArgs, behind bool) river.InsertManyParams {
	priority := priorityUsual
	if behind {
		priority = priorityLast
	}
	return river.InsertManyParams{Args: a, InsertOpts: &river.InsertOpts{Queue: queue, MaxAttempts: riverAttempts, Priority: priority}}
}

// bisectArgs names a bisection that may have something to do.
type bisectArgs struct {
	Bisection int64 `json:"bisection"`
}

func (bisectArgs) Kind() string { return "holdfast_bisect" }

func bisectJob(id int64) river.InsertManyParams {
	return river.InsertManyParams{Args: bisectArgs{id}, InsertOpts: &river.InsertOpts{Queue: queueReport, MaxAttempts: riverAttempts}}
}

func reportJob(run int64) river.InsertManyParams {
	return river.InsertManyParams{Args: reportArgs{run}, InsertOpts: &river.InsertOpts{Queue: queueReport, MaxAttempts: riverAttempts}}
}
