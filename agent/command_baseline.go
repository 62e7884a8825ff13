package agent

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
)

// baselineCommands are the verbs of holdfast baseline.
var baselineCommands = map[string]func(context.Context, *env, []string) error{
	"list": baselineList, "show": baselineShow, "accept": baselineAccept, "pin": baselinePin, "reset": baselineReset, "import": baselineImport,
}

func cmdBaseline(ctx context.Context, e *env, args []string) error {
	const hint = "holdfast baseline list|show|accept|pin|reset|import; -h after one of them tells its flags"
	if len(args) == 0 {
		return &usageError{"baseline: what about them?", hint}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(e.stdout, `usage: holdfast baseline COMMAND [flags]

  list [METRIC…]            what metrics are compared with, and how much they vary
  show METRIC|ID            one baseline: its values and who changed it
  accept METRIC|ID          the present level is right: compare with it from now on
  pin METRIC|ID             compare with these runs alone, until --off
  reset METRIC|ID           nothing measured so far counts any more
  import FILE.csv           add values that were measured elsewhere

Changes need --reason and are logged with author and time.
`)
		return nil
	}
	f := baselineCommands[args[0]]
	if f == nil {
		return &usageError{fmt.Sprintf("baseline: unknown command %q", args[0]), hint}
	}
	return f(ctx, e, args[1:])
}

// find picks the baselines that the arguments of a command name: a number, or a metric as a
// threshold has it. Without arguments it is all.
func find(list []store.Baseline, args []string) ([]store.Baseline, error) {
	if len(args) == 0 {
		return list, nil
	}
	if id, err := strconv.ParseInt(strings.TrimPrefix(args[0], "#"), 10, 64); err == nil && len(args) == 1 {
		for _, b := range list {
			if b.ID == id {
				return []store.Baseline{b}, nil
			}
		}
		return nil, &usageError{fmt.Sprintf("no baseline %d", id), "holdfast baseline list --all lists them"}
	}
	text := strings.Join(args, " ")
	t, err := baseline.ParseMetric(text)
	if err != nil {
		return nil, &usageError{err.Error(), hintOf(err)}
	}
	var out []store.Baseline
	for _, b := range list {
		if t.Match(b.Sample) {
			out = append(out, b)
		}
	}
	if len(out) == 0 {
		return nil, &usageError{fmt.Sprintf("no baseline of %s", text), "holdfast baseline list lists them; a metric is named as in a threshold, or by its number"}
	}
	return out, nil
}

// one picks the baseline that is meant, or all that match if --all is given. all is nil where
// the verb does not have it.
func one(list []store.Baseline, args []string, all *bool) ([]store.Baseline, error) {
	if len(args) == 0 {
		return nil, &usageError{"no metric named", "holdfast baseline list lists them; name one as in a threshold, or by its number"}
	}
	found, err := find(list, args)
	if err != nil || len(found) == 1 || all != nil && *all {
		return found, err
	}
	const most = 8
	var lines []string
	for _, b := range found[:min(len(found), most)] {
		lines = append(lines, fmt.Sprintf("%d: %s, %s", b.ID, label(b), machineOf(b.Place)))
	}
	if n := len(found) - most; n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", n))
	}
	hint := "name one by its number"
	if all != nil {
		hint += ", or change all of them with --all"
	}
	return nil, &usageError{fmt.Sprintf("%s matches %d baselines", strings.Join(args, " "), len(found)), hint + "\n" + strings.Join(lines, "\n")}
}

// label is a metric as a threshold has it, with its unit.
func label(b store.Baseline) string {
	m := baseline.Metric{Name: b.Sample.Name, Config: b.Sample.Config}
	return report.Line(m.Label() + " in " + b.Sample.Unit)
}

func machineOf(p store.Place) string {
	// The class ends with the system in short, which the fingerprint tells in full.
	if i := strings.LastIndex(p.Class, "; "); i >= 0 && strings.HasPrefix(p.Fingerprint, p.Class[i+2:]) {
		return report.Line(p.Class[:i+2] + p.Fingerprint)
	}
	return report.Line(strings.Join(slices.DeleteFunc([]string{p.Class, p.Fingerprint}, func(s string) bool { return s == "" }), "; "))
}
