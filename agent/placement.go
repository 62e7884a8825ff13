package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// Which machine of a fleet does what. Figures compare within a class of machine only, so a
// repository may ask for one; what asks for the same has a queue of its own, and the machines
// that are meant work it beside those of what asks for none.

// queueOf names the queue that serves a stage. Benchmarks have one of their own, which a
// machine works one at a time.
func queueOf(stage string) string {
	if stage == runner.StageBench {
		return "bench"
	}
	return "build"
}

var notInQueue = regexp.MustCompile(`[^a-z0-9]+`)

// queueFor names the queue of a stage that asks for a machine; "" is any. All machines come
// to the same name, however the wish is spelt.
func queueFor(stage, want string) string {
	var parts []string
	for p := range strings.SplitSeq(strings.ToLower(want), ";") {
		if p = strings.Join(strings.Fields(p), " "); p != "" {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return queueOf(stage)
	}
	key := strings.Join(parts, "; ")
	sum := sha256.Sum256([]byte(key))
	words := strings.Trim(notInQueue.ReplaceAllString(key, "-"), "-")
	words = strings.Trim(words[:min(len(words), 40)], "-")
	if words != "" { // for people; the number tells them apart
		words += "-"
	}
	return queueOf(stage) + "-" + words + hex.EncodeToString(sum[:4])
}

// wish is a stage of a repository that asks for a machine.
type wish struct{ stage, want string }

// wishes are those of a repository.
func wishes(repo *config.Repository) (out []wish) {
	for _, j := range enabled(repo, runner.Stages) {
		if j.Machine != "" {
			out = append(out, wish{j.Stage, j.Machine})
		}
	}
	return out
}

// elsewhere are the wishes that a machine does not fulfil.
func elsewhere(repo *config.Repository, class, name string) (out []wish) {
	for _, w := range wishes(repo) {
		if !machine.Is(class, name, w.want) {
			out = append(out, w)
		}
	}
	return out
}

// queues are those that this machine works, and by how many workers.
func (a *app) queues() map[string]int {
	out := map[string]int{queueOf(runner.StageProofs): 1, queueOf(runner.StageBench): 1}
	for i := range a.cfg.Repositories {
		for _, w := range wishes(&a.cfg.Repositories[i]) {
			if machine.Is(a.machine.Class, a.cfg.Agent.Name, w.want) {
				out[queueFor(w.stage, w.want)] = 1
			}
		}
	}
	return out
}

// misplaced warns of a stage that a person runs on another machine than it asks for.
func (a *app) misplaced(repo *config.Repository, stage string) []string {
	want := repo.Machine(stage)
	if machine.Is(a.machine.Class, a.cfg.Agent.Name, want) {
		return nil
	}
	return []string{fmt.Sprintf("%s.machine asks for %q, and this is %s (%s): its figures have a baseline of their own", stage, want, a.cfg.Agent.Name, a.machine.Class)}
}

// waits is what is said about a stage that begins or ceases to wait for a machine.
func (a *app) waits(run runner.Run, w store.Wait) []publish.Message {
	repo, err := a.repository(run.Repo)
	if err != nil || repo.GitHub == "" || a.poster == nil || silent(&run) {
		return nil
	}
	text := ""
	if !w.Since.IsZero() {
		text = "waits for a machine: " + w.Machine
	}
	return publish.Waiting(target(repo), &run, w.Stage, text, w.Running)
}

// placement tells whether the machines that stages ask for are there.
func (d *doctor) placement(ctx context.Context, s *store.Store, cfg *config.Config, agents []store.Agent) {
	for i := range cfg.Repositories {
		repo := &cfg.Repositories[i]
		for _, w := range wishes(repo) {
			var classes []string
			for _, a := range agents {
				if machine.Is(a.Class, a.Name, w.want) && !slices.Contains(classes, a.Class) {
					classes = append(classes, a.Class)
				}
			}
			what := fmt.Sprintf("%s of %s asks for %q", w.stage, repo.Name, w.want)
			switch len(classes) {
			case 0:
				d.hint(gradeWarn, "machines", what+": no machine that works is one", "use the name of a machine, or parts of its class as they are above; its stages wait for %s and are an error then", cfg.Engine.Wait)
			case 1:
				d.say(gradeOK, "machines", "%s: %s", what, cmpOr(classes[0], "class not known"))
			default:
				d.hint(gradeWarn, "machines", fmt.Sprintf("%s: %d classes of machine are that", what, len(classes)), "name more parts of the class: figures of two classes do not compare")
			}
		}
	}
	waits, err := s.Waiting(ctx)
	if err != nil {
		d.fail(gradeFail, "machines", err)
	}
	for _, w := range waits {
		d.say(gradeWarn, "machines", "%s of run %d waits for %q since %s", w.Stage, w.Run, w.Machine, w.Since.Format("2006-01-02 15:04:05 UTC"))
	}
}
