package metal

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/metal/fakemetal"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// TestStageOnMetal runs the whole stage on the fake of Metal: checkout, measuring
// processes, harness, backend, results.
func TestStageOnMetal(t *testing.T) {
	library := fakemetal.Library(t)
	good := strings.Replace(goodKernel, "#include <simd/simd.h>", "", 1) // the fake has none
	run := func(t *testing.T, c Config, settings string) runner.Result {
		t.Helper()
		ws, _ := workspace(t)
		if err := os.WriteFile(filepath.Join(ws.Dir, "spin.metal"), []byte(good), 0o644); err != nil {
			t.Fatal(err)
		}
		bad := strings.Replace(good, "data[i] += 1", "data[i] += nosuch", 1)
		if err := os.WriteFile(filepath.Join(ws.Dir, "bad.metal"), []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		c.Backend, c.Processes, c.Hang = BackendMetal, 1, 300*time.Millisecond
		c.Elements = 256
		s := New(c)
		s.state = func(context.Context, bool) machine.State { return calm }
		s.fault = strings.Join([]string{faultFake, library, "submit_ns=200000 execute_ns=100000 complete_ns=50000 engines=4", settings}, " ")
		return runner.Execute(t.Context(), s, ws, time.Minute)
	}
	kernel := func(file string) Config {
		c := quick()
		c.Kernel, c.Function = file, "spin"
		return c
	}
	t.Run("built-in kernel", func(t *testing.T) {
		res := run(t, quick(), "no_default_device=1 devices=2")
		if res.Verdict != runner.Success || !strings.Contains(res.Reason, "on Fake Metal device (Metal, the first of 2 devices") {
			t.Fatalf("%s: %s", res.Verdict, res.Reason)
		}
		b := res.Bench
		if b.Backend != "metal" || b.Settings["device"] == "" || len(b.Samples) < 8 {
			t.Errorf("%s, %d samples, settings %v", b.Backend, len(b.Samples), b.Settings)
		}
	})
	t.Run("kernel of the commit", func(t *testing.T) {
		res := run(t, kernel("spin.metal"), "")
		if res.Verdict != runner.Success || !strings.Contains(res.Bench.Settings["kernel"], "spin of spin.metal") {
			t.Errorf("%s: %s, settings %v", res.Verdict, res.Reason, res.Bench.Settings)
		}
	})
	for name, c := range map[string]struct {
		config   Config
		settings string
		want     string
	}{
		"does not compile": {kernel("bad.metal"), "", "bad.metal:4:"},
		"is not there":     {kernel("gone.metal"), "", "no such file"},
		"no device":        {quick(), "devices=0", "no Metal device"},
		"device fails":     {quick(), "fail_nth=60", "MTLCommandBufferErrorDomain 2"},
		"device hangs":     {quick(), "hang_nth=60", "did not end within 300ms"},
		"device skips":     {quick(), "skip_nth=60", "wrong result"},
		"driver crashes":   {quick(), "crash_nth=60", "failed assertion in the driver"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if res := run(t, c.config, c.settings); res.Verdict != runner.Error || !strings.Contains(res.Reason, c.want) || strings.Contains(res.Reason, "\n") {
				t.Errorf("%s: %s\nwant %s", res.Verdict, res.Reason, c.want)
			}
		})
	}
}
