package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// detected is a line of holdfast detect. Index is that of the file.
type detected struct {
	Series string   `json:"series"`
	Index  int64    `json:"index"`
	Effect *float64 `json:"effect"` // null where there is no ratio
	P      float64  `json:"p"`
}

func cmdDetect(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "detect", "FILE.csv")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return &usageError{"a file is needed", "CSV with the columns series, index and value"}
	}
	text, err := readAll(e, fs.Arg(0))
	if err != nil {
		return fmt.Errorf("read the series: %w", err)
	}
	all, problems := baseline.ReadTimeSeries(text, fs.Arg(0))
	for _, p := range problems {
		fmt.Fprintf(e.stderr, "warning: %s\n", p)
	}
	if len(all) == 0 {
		return runner.WithHint(fmt.Errorf("read the series: no point in %s", fs.Arg(0)), "CSV with the columns series, index and value is expected")
	}
	w := bufio.NewWriter(e.stdout)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for i, points := range detectAll(ctx, all) {
		for _, p := range points {
			line := detected{Series: all[i].Name, Index: all[i].Index[p.Index], P: p.P}
			if !math.IsNaN(p.Effect) && !math.IsInf(p.Effect, 0) {
				line.Effect = &p.Effect
			}
			if err := enc.Encode(line); err != nil {
				return err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return w.Flush()
}

// detectAll looks at several series at once.
func detectAll(ctx context.Context, all []baseline.TimeSeries) [][]baseline.ChangePoint {
	out := make([][]baseline.ChangePoint, len(all))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		wg.Go(func() {
			for i := range next {
				out[i] = baseline.ChangePoints(all[i].Values)
			}
		})
	}
	for i := range all {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}
