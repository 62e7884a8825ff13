package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/metal/cuda"
	"github.com/holdfast-ci/holdfast/runner"
)

// load is one way of submitting, measured by both.
type load struct {
	Name    string    `json:"name"`
	Shared  bool      `json:"shared"`
	Threads int       `json:"threads"`
	Depth   int       `json:"depth"`
	Harness []float64 `json:"harness"`
	Loop    []float64 `json:"loop"`
}

// comparison is what -json holds.
type comparison struct {
	settings
	Device string  `json:"device"`
	Loads  []*load `json:"loads"`
}

// tables measures every load with the harness and with the loop, block by block in turn,
// and prints them side by side.
func tables(ctx context.Context, w io.Writer, s settings) (*comparison, error) {
	c := &comparison{settings: s}
	for block := range s.Blocks {
		parts := []func() error{
			func() error { return c.harness(ctx, uint64(block)) },
			func() error { return c.loop(ctx, uint64(block)) },
		}
		if block%2 == 1 {
			slices.Reverse(parts)
			if c.Loads == nil {
				slices.Reverse(parts)
			}
		}
		for _, part := range parts {
			if err := part(); err != nil {
				return nil, err
			}
		}
		fmt.Fprintf(os.Stderr, "block %d of %d done\n", block+1, s.Blocks)
	}
	c.print(w)
	return c, nil
}

// harness takes the values of one block.
func (c *comparison) harness(ctx context.Context, block uint64) error {
	s := c.settings
	s.Seed = block + 1
	b, err := s.measure(ctx)
	if err != nil {
		return err
	}
	c.Device = b.Device
	if c.Loads == nil {
		for _, sample := range b.Samples {
			c.Loads = append(c.Loads, newLoad(sample))
		}
	}
	for i, sample := range b.Samples {
		c.Loads[i].Harness = append(c.Loads[i].Harness, sample.Values...)
	}
	return nil
}

func newLoad(s runner.Sample) *load {
	l := &load{Name: s.Name, Shared: s.Config["queue"] == "shared", Depth: 1}
	l.Threads, _ = strconv.Atoi(s.Config["threads"])
	if d := s.Config["depth"]; d != "" {
		l.Depth, _ = strconv.Atoi(d)
	}
	return l
}

// loop takes the values of one block with the program in C.
func (c *comparison) loop(ctx context.Context, block uint64) error {
	if c.Loop == "" {
		return nil
	}
	ptx, err := os.CreateTemp("", "validate-*.ptx")
	if err != nil {
		return err
	}
	defer os.Remove(ptx.Name())
	if _, err := ptx.WriteString(cuda.PTX()); err != nil {
		return err
	}
	if err := ptx.Close(); err != nil {
		return err
	}
	var in bytes.Buffer
	var order []int
	rng := rand.New(rand.NewPCG(block, 1))
	for range c.Rounds {
		for _, i := range rng.Perm(len(c.Loads)) {
			l := c.Loads[i]
			shared := 0
			if l.Shared {
				shared = 1
			}
			fmt.Fprintln(&in, shared, l.Threads, l.Depth)
			order = append(order, i)
		}
	}
	program, err := filepath.Abs(c.Loop)
	if err != nil {
		return err
	}
	spin := "0"
	if c.Options.Spin {
		spin = "1"
	}
	cmd := exec.CommandContext(ctx, program, c.Options.Library, ptx.Name(), strconv.Itoa(c.Elements), strconv.Itoa(c.Iterations),
		strconv.FormatInt(c.Window.Milliseconds(), 10), spin)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("the loop: %w", err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != len(order) {
		return fmt.Errorf("the loop gave %d of %d values", len(lines), len(order))
	}
	for k, i := range order {
		v, err := strconv.ParseFloat(lines[k], 64)
		if err != nil {
			return fmt.Errorf("the loop: %w", err)
		}
		c.Loads[i].Loop = append(c.Loads[i].Loop, v)
	}
	return nil
}

func (c *comparison) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n%d elements × %d iterations, %d values of %s each, waits %s.\n\n", c.Device, c.Elements, c.Iterations,
		c.Rounds*c.Blocks, c.Window, map[bool]string{false: "sleep", true: "spin"}[c.Options.Spin])
	fmt.Fprintln(w, "| queues | threads | depth | harness ops/s | spread | loop in C ops/s | spread | ratio |\n|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, l := range c.Loads {
		h, p := baseline.Summarize(l.Harness), baseline.Summarize(l.Loop)
		queues := "one per thread"
		if l.Shared {
			queues = "shared"
		}
		fmt.Fprintf(w, "| %s | %d | %d | %.0f (%.0f … %.0f) | %.1f %% | %.0f (%.0f … %.0f) | %.1f %% | %.3f |\n", queues, l.Threads, l.Depth,
			h.Median, h.Lo, h.Hi, spread(l.Harness), p.Median, p.Lo, p.Hi, spread(l.Loop), h.Median/p.Median)
	}
	if worst, n := c.worst(); n > 0 {
		fmt.Fprintf(w, "\nSmallest ratio %.3f; %d of %d loads at 0.95 or above.\n", worst, n, len(c.Loads))
	}
	fmt.Fprintln(w, "\nShared against one queue per thread (median of the harness; of the loop):")
	for _, a := range c.Loads {
		for _, b := range c.Loads {
			if a.Shared && !b.Shared && a.Name == b.Name && a.Threads == b.Threads {
				fmt.Fprintf(w, "%2d threads: %.3f; %.3f\n", a.Threads,
					baseline.Summarize(b.Harness).Median/baseline.Summarize(a.Harness).Median,
					baseline.Summarize(b.Loop).Median/baseline.Summarize(a.Loop).Median)
			}
		}
	}
}

// worst is the smallest ratio, and how many are at least 0.95.
func (c *comparison) worst() (ratio float64, enough int) {
	ratio = math.Inf(1)
	for _, l := range c.Loads {
		r := baseline.Summarize(l.Harness).Median / baseline.Summarize(l.Loop).Median
		if ratio = min(ratio, r); r >= 0.95 {
			enough++
		}
	}
	return ratio, enough
}

// spread is the interquartile range in percent of the median.
func spread(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) < 4 {
		return 0
	}
	return 100 * (v[len(v)*3/4] - v[len(v)/4]) / v[len(v)/2]
}
