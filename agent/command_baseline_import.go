package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/metal/format"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// maxImportFile is the largest file that is imported.
const maxImportFile = 64 << 20

func baselineImport(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "baseline import", "[flags] --reason WHY FILE.csv")
	var s selection
	s.register(fs, theOnly)
	var by signature
	by.register(fs)
	unit := fs.String("unit", "", "`UNIT` of the values, if the file has no column for it")
	class := fs.String("class", "", "`CLASS` of the machine they were measured on, as in a report (default: this machine's)")
	print := fs.String("fingerprint", "", "`FINGERPRINT` of its system, as in a report (default: this machine's)")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return &usageError{"no file named", "a CSV file with the columns metric, value, unit and, if known, time and commit"}
	}
	if (*class == "") != (*print == "") {
		return &usageError{"--class and --fingerprint go together", "both stand in the reports of runs on that machine"}
	}
	if err := by.check(); err != nil {
		return err
	}
	name := fs.Arg(0)
	list, err := readHistory(name, *unit)
	if err != nil {
		return err
	}
	cfg, repo, err := s.load(e)
	if err != nil {
		return err
	}
	a, err := open(ctx, e, cfg, options{}) // the first values may come from elsewhere
	if err != nil {
		return err
	}
	defer a.close()
	if *class == "" {
		here := a.here(ctx, repo)
		*class, *print = here.Class, here.Fingerprint
	}
	byKind, count := map[string][]store.Import{}, map[string]int{}
	for _, m := range list {
		kind := store.KindBench
		if onBuilds(baseline.Threshold{Metric: m.Sample.Name}) {
			kind = store.KindBuild
		}
		x := store.Import{Sample: m.Sample}
		for _, p := range m.Points {
			x.Points = append(x.Points, store.Point{Commit: p.Commit, At: p.Time, Source: fmt.Sprintf("%s:%d", filepath.Base(name), p.Line), Values: p.Values})
		}
		byKind[kind] = append(byKind[kind], x)
		count[kind] += len(x.Points)
	}
	for _, kind := range []string{store.KindBench, store.KindBuild} {
		if len(byKind[kind]) == 0 {
			continue
		}
		p := store.Place{Kind: kind, Repo: repo.Name, Settings: benchSettings(repo.Bench), Class: *class, Fingerprint: *print}
		if kind == store.KindBuild {
			p.Settings = buildSettings(repo.Proofs, false)
		}
		detail := fmt.Sprintf("%s from %s", plural(count[kind], "observation"), filepath.Base(name))
		created, err := a.store.ImportBaselines(ctx, p, byKind[kind], by.author, by.reason, detail)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%s: %s of %s, %d of them new, for %s\n", kind, plural(count[kind], "observation"), plural(len(byKind[kind]), "metric"), created, machineOf(p))
	}
	return nil
}

// asMeasured converts an imported value as that of a program is, or it would never meet one.
func asMeasured(v float64, s *runner.Sample) (float64, error) {
	for _, text := range append([]string{s.Name, s.Unit}, slices.Concat(slices.Sorted(maps.Keys(s.Config)), slices.Sorted(maps.Values(s.Config)))...) {
		if err := format.Clean(text); err != nil {
			return 0, err
		}
	}
	v, s.Unit = format.Tidy(v, s.Unit)
	return v, nil
}

// readHistory reads a CSV file of values.
func readHistory(name, unit string) ([]baseline.Imported, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, &usageError{err.Error(), ""}
	}
	defer file.Close()
	if fi, err := file.Stat(); err != nil || fi.Size() > maxImportFile || !fi.Mode().IsRegular() {
		return nil, &usageError{fmt.Sprintf("%s is not a file of at most %d MiB", name, maxImportFile>>20), ""}
	}
	list, err := baseline.ParseHistory(file, unit, asMeasured)
	if err != nil {
		var bad *baseline.LineError
		if !errors.As(err, &bad) {
			return nil, err
		}
		var lines []string
		for line := range strings.Lines(err.Error()) {
			line, numbered := strings.CutPrefix(strings.TrimSpace(line), "line ")
			if !numbered {
				line = " " + line
			}
			lines = append(lines, name+":"+report.Line(line))
		}
		return nil, &usageError{strings.Join(lines, "\n"), "nothing was imported; correct the file and try again"}
	}
	return list, nil
}
