package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-ci/holdfast/metal/crash"
)

var (
	crashed  = time.Date(2026, 11, 26, 21, 11, 12, 496_900_000, time.UTC)
	launched = time.Date(2026, 11, 26, 21, 11, 5, 16_600_000, time.UTC)
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestParse(t *testing.T) {
	for name, want := range map[string]*crash.Report{
		"bench.ips": {
			File: "bench.ips", Process: "bench", Path: "/Users/USER/*/bench", PID: 5121, Parent: 5120, Charge: 400,
			Time: crashed, Launch: launched,
			Exception:   "EXC_CRASH (SIGABRT)",
			Termination: "Namespace SIGNAL, Code 6, Abort trap: 6",
			Messages:    []string{"-[_MTLCommandBuffer addCompletedHandler:]:1011: failed assertion `Completed handler provided after commit call'", "abort() called"},
			Frames:      []string{"libsystem_kernel.dylib: __pthread_kill + 8", "bench + 1234", "?: lost + 1"},
		},
		"bench.crash": {
			File: "bench.crash", Process: "pool bench", Path: "/Users/USER/*/pool bench", PID: 5121, Parent: 5120, Charge: 400,
			Time: crashed.Truncate(time.Millisecond), Launch: launched.Truncate(time.Millisecond),
			Exception:   "EXC_BAD_ACCESS (SIGSEGV), KERN_INVALID_ADDRESS at 0x0000000000000030",
			Termination: "Namespace SIGNAL, Code 0xb",
			Messages:    []string{"-[AGXG13XFamilyComputeContext dispatchThreads:]: failed assertion", "a second line"},
			Frames:      []string{"libpool.dylib: pool::encode(int) + 12", "pool bench: 0x104f2c000 + 19524"},
		},
	} {
		got, err := crash.Parse(name, sample(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got.Time, got.Launch = got.Time.UTC(), got.Launch.UTC()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		// Cut anywhere it is not a report: never a wrong one, never a crash of ours.
		text := sample(t, name)
		end := bytes.LastIndexByte(bytes.TrimSpace(text), '}')
		if strings.HasSuffix(name, ".crash") {
			end = bytes.Index(text, []byte("Binary Images:"))
		}
		for n := 0; n < end; n += 7 {
			if r, err := crash.Parse(name, text[:n]); err == nil {
				t.Fatalf("%s: %d of %d bytes are %+v", name, n, len(text), r)
			}
		}
	}
	want := "pool bench [5121] crashed: EXC_BAD_ACCESS (SIGSEGV), KERN_INVALID_ADDRESS at 0x0000000000000030: " +
		"-[AGXG13XFamilyComputeContext dispatchThreads:]: failed assertion (in libpool.dylib: pool::encode(int) + 12)"
	if r, err := crash.Parse("bench.crash", sample(t, "bench.crash")); err != nil || r.String() != want {
		t.Errorf("%v, %v", r, err)
	}
}

func TestParseOthers(t *testing.T) {
	for in, want := range map[string]string{
		`{"bug_type":"298","timestamp":"x"}` + "\n{}": "not a crash report",
		`{"bug_type":288}` + "\n{}":                   "not a crash report",
		`{}`:                                          "no bug_type",
		`null`:                                        "no bug_type",
		``:                                            "its first object",
		`{"bug_type":"309"}`:                          "its second object: EOF",
		`{"bug_type":309}{"pid":-5}`:                  "no process id",
		`{"bug_type":"309"}{"pid":5}`:                 "no time",
		`{"bug_type":"309"}{"pid":5,"captureTime":"yesterday"}`: "no time",
		`{"bug_type":"309"}{"pid":"5"}`:                         "its second object",
		`{"bug_type":"309"}[]`:                                  "its second object",
	} {
		if r, err := crash.Parse("a.ips", []byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want %q", in, r, err, want)
		}
	}
	for name, in := range map[string]string{"a.diag": "", "a.crash": "hello\n", "b.crash": "", "bench": "x"} {
		if _, err := crash.Parse(name, []byte(in)); !errors.Is(err, crash.ErrOther) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOwns(t *testing.T) {
	run := crash.Run{
		From: launched, Self: 400, PIDs: []int{5120, 5130}, Dir: "/Users/ada/work/pool", Programs: []string{"sh", "bench"},
	}
	base := crash.Report{Process: "bench", Path: "/opt/homebrew/*/bench", PID: 6000, Parent: 1, Time: crashed, Launch: launched}
	for name, c := range map[string]struct {
		change func(*crash.Report)
		want   bool
	}{
		"somebody else's of the same name": {func(r *crash.Report) {}, false},
		"a child":                          {func(r *crash.Report) { r.PID = 5130 }, true},
		"a child of a child":               {func(r *crash.Report) { r.Parent = 5120 }, true},
		"a child of the agent":             {func(r *crash.Report) { r.Parent = 400 }, true},
		"the agent itself":                 {func(r *crash.Report) { r.PID = 400 }, false},
		"the agent is responsible":         {func(r *crash.Report) { r.Charge = 400 }, true},
		"somebody else is":                 {func(r *crash.Report) { r.Charge = 401 }, false},
		"in the checkout":                  {func(r *crash.Report) { r.Path = "/Users/ada/work/pool/build/deep/test" }, true},
		"beside the checkout":              {func(r *crash.Report) { r.Path = "/Users/ada/work/pool2/bench" }, false},
		"out of the checkout":              {func(r *crash.Report) { r.Path = "/Users/ada/work/pool/../bench" }, false},
		"the path is cut":                  {func(r *crash.Report) { r.Path = "/Users/USER/work/*/bench" }, true},
		"the path is cut at once":          {func(r *crash.Report) { r.Path = "/Users/USER/*/bench" }, true},
		"cut, another folder":              {func(r *crash.Report) { r.Path = "/Users/USER/Downloads/*/bench" }, false},
		"cut, another program":             {func(r *crash.Report) { r.Path = "/Users/USER/*/nvim" }, false},
		"no path":                          {func(r *crash.Report) { r.Path = "" }, false},
		"launched before":                  {func(r *crash.Report) { r.PID, r.Launch = 5130, launched.Add(-time.Minute) }, false},
		"crashed before":                   {func(r *crash.Report) { r.PID, r.Time, r.Launch = 5130, launched.Add(-time.Minute), time.Time{} }, false},
		"crashed in the future":            {func(r *crash.Report) { r.PID, r.Time = 5130, crashed.Add(time.Hour) }, false},
		"launch is not told":               {func(r *crash.Report) { r.PID, r.Launch = 5130, time.Time{} }, true},
		"no parent":                        {func(r *crash.Report) { r.Parent = 0 }, false},
	} {
		r := base
		c.change(&r)
		if got := run.Owns(&r, crashed.Add(time.Second)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (crash.Run{}).Owns(&base, crashed) {
		t.Error("a run that nothing is known of owns a crash")
	}
}

func TestRedact(t *testing.T) {
	for _, name := range []string{"bench.ips", "bench.crash"} {
		text := sample(t, name)
		text = append(text, []byte("\n")...)
		if name == "bench.crash" {
			text = append(text, "GITHUB_TOKEN=ghp_abcdefghijklmnopqrstuvwxyz0123456789 on studio.local\n"...)
		}
		got := string(crash.Redact(text, "studio.local"))
		for _, secret := range []string{"ada", "99D0DBA3", "DD9B40A7", "0F2B93D4", "ghp_", "studio"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s still has %q", name, secret)
			}
		}
		r, err := crash.Parse(name, []byte(got))
		if err != nil || len(r.Frames) == 0 || r.PID != 5121 {
			t.Errorf("%s redacted is %+v, %v", name, r, err)
		}
	}
}

// reports is a folder with one old report in it.
func reports(t *testing.T) string {
	dir := t.TempDir()
	write(t, dir, "old.ips", sample(t, "bench.ips"))
	return dir
}

func write(t *testing.T, dir, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// at is the sample with times around now.
func at(t *testing.T, pid string) []byte {
	text := string(sample(t, "bench.ips"))
	layout := "2006-01-02 15:04:05.0000 -0700"
	text = strings.ReplaceAll(text, "2026-11-26 22:11:12.4969 +0100", time.Now().Format(layout))
	text = strings.ReplaceAll(text, "2026-11-26 22:11:05.0166 +0100", time.Now().Format(layout))
	text = strings.ReplaceAll(text, `"parentPid" : 5120`, `"parentPid" : 1`)
	text = strings.ReplaceAll(text, `"responsiblePid" : 400`, `"responsiblePid" : 1`)
	return []byte(strings.ReplaceAll(text, `"pid" : 5121`, `"pid" : `+pid))
}

// TestCollectWaits: a report that is being written, and one that comes late, are waited
// for; what is already there, and other people's, are left alone.
func TestCollectWaits(t *testing.T) {
	dir := reports(t)
	synctest.Test(t, func(t *testing.T) {
		w := crash.Watch([]string{dir, filepath.Join(dir, "missing")})
		if !w.Exists() {
			t.Error("the folder is not there")
		}
		run := crash.Run{From: time.Now(), PIDs: []int{71, 72}, Programs: []string{"bench"}}
		write(t, dir, "other.ips", at(t, "99"))
		write(t, dir, "Other-hang.crash", []byte("Date/Time: now\n"))
		write(t, dir, ".bench.ips", at(t, "71"))
		write(t, dir, "bench.txt", at(t, "71"))
		if err := os.Symlink("other.ips", filepath.Join(dir, "bench-link.ips")); err != nil {
			t.Error(err)
		}
		if err := syscall.Mkfifo(filepath.Join(dir, "bench-pipe.ips"), 0o600); err != nil {
			t.Error(err)
		}
		whole := at(t, "71")
		write(t, dir, "bench-1.ips", whole[:len(whole)/2])
		go func() {
			time.Sleep(3 * time.Second)
			write(t, dir, "bench-1.ips", whole)
			time.Sleep(3 * time.Second)
			write(t, dir, "bench-2.ips", at(t, "72"))
		}()
		begin := time.Now()
		found, unread := w.Collect(t.Context(), run, []int{72, 71, 0}, time.Second, time.Minute)
		if len(found) != 2 || found[0].PID != 71 || found[1].PID != 72 || len(unread) != 0 || !bytes.Equal(found[0].Text, whole) {
			t.Errorf("found %+v, unread %v", found, unread)
		}
		if d := time.Since(begin); d < 6*time.Second || d > 7*time.Second {
			t.Errorf("waited %s", d)
		}
	})
}

func TestCollectGivesUp(t *testing.T) {
	dir := reports(t)
	synctest.Test(t, func(t *testing.T) {
		w := crash.Watch([]string{dir})
		run := crash.Run{From: time.Now(), PIDs: []int{71}, Programs: []string{"bench"}}
		wait := func(expect ...int) time.Duration {
			begin := time.Now()
			if found, unread := w.Collect(t.Context(), run, expect, time.Second, time.Minute); len(found)+len(unread) != 0 {
				t.Errorf("found %v, unread %v", found, unread)
			}
			return time.Since(begin)
		}
		if d := wait(); d != time.Second {
			t.Errorf("%s with nothing to expect", d)
		}
		if d := wait(71); d != time.Minute {
			t.Errorf("%s for one that does not come", d)
		}
		write(t, dir, "bench-half.ips", at(t, "71")[:100])
		write(t, dir, "other-half.ips", at(t, "71")[:100])
		found, unread := w.Collect(t.Context(), run, nil, time.Second, time.Minute)
		if len(found) != 0 || len(unread) != 1 || unread[0].File != "bench-half.ips" {
			t.Errorf("found %v, unread %v", found, unread)
		}
		// An old file that is written anew is new.
		write(t, dir, "old.ips", at(t, "71"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if found, _ := w.Collect(ctx, run, []int{72}, time.Second, time.Minute); len(found) != 1 || found[0].File != "old.ips" {
			t.Errorf("found %v", found)
		}
	})
	none := crash.Watch(crash.Folders("/nonexistent"))
	if none.Exists() && slices.Contains([]string{"linux"}, os.Getenv("GOOS")) {
		t.Error("there are reports here")
	}
}

// FuzzParse: whatever is in a file, a report names a process and a time, its texts are
// short printable lines, and redacting twice is redacting once and keeps JSON readable.
func FuzzParse(f *testing.F) {
	f.Add(sample(f, "bench.ips"), true)
	f.Add(sample(f, "bench.crash"), false)
	f.Add([]byte(`{"bug_type":"309"}{"pid":5,"captureTime":"2026-11-26 22:11:12 +0100","asi":{"a":["\u001b[2J\n"]},"faultingThread":-3,"threads":[{"frames":[{"imageIndex":-1}]}]}`), true)
	f.Add([]byte("Process: [5]\nDate/Time: 2026-11-26 22:11:12 +0100\nBinary Images:\nException Type: /Users/a/Users/b\n"), false)
	f.Fuzz(func(t *testing.T, text []byte, ips bool) {
		name := "a.crash"
		if ips {
			name = "a.ips"
		}
		once := crash.Redact(text, "studio")
		if twice := crash.Redact(once, "studio"); !bytes.Equal(once, twice) {
			t.Fatalf("redacted %q, again %q", once, twice)
		}
		if json.Valid(text) && !json.Valid(once) {
			t.Fatalf("%q is no JSON any more: %q", text, once)
		}
		r, err := crash.Parse(name, text)
		if err != nil {
			return
		}
		if r.PID <= 0 || r.Time.IsZero() {
			t.Fatalf("%+v", r)
		}
		for _, s := range slices.Concat([]string{r.File, r.Process, r.Path, r.Exception, r.Termination}, r.Messages, r.Frames) {
			if len(s) > 300 || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f || c == 0x1b }) || strings.TrimSpace(s) != s {
				t.Fatalf("%q in %+v", s, r)
			}
		}
		if len(r.Messages) > 8 || len(r.Frames) > 12 {
			t.Fatalf("%+v", r)
		}
	})
}
