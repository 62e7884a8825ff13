package proofs

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// repeated yields size bytes of one text over and over.
type repeated struct {
	text string
	at   int
	left int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(b) && n < r.left {
		k := copy(b[n:], r.text[r.at:])
		n, r.at = n+k, (r.at+k)%len(r.text)
	}
	n = min(n, r.left)
	r.left -= n
	return n, nil
}

// TestFlood: whatever a build prints, what is kept of it is small.
func TestFlood(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		mib        int
	}{
		{"one line", "x", 100},
		{"empty lines", "\n", 4},
		{"many lines", "what a program prints, line by line\n", 100},
		{"messages", "warning: A/B.lean:1:2: " + strings.Repeat("long ", 20) + "\n", 16},
		{"messages of many units", "✔ [1/2] Built A\nerror: text\n✔ [1/2] Built B\nerror: text\n", 8},
		{"continued messages", "error: a\n" + strings.Repeat("b", 50) + "\n", 16},
		{"the list of failures", "Some required targets logged failures:\n- A.B\n- C\n", 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &logParser{}
			p.line("✖ [1/2] Building A")
			w := &lineWriter{emit: p.line}
			before := heap()
			if n, err := io.CopyBuffer(struct{ io.Writer }{w}, &repeated{text: tt.text, left: tt.mib << 20}, make([]byte, 32<<10)); err != nil || n != int64(tt.mib)<<20 {
				t.Fatal(n, err)
			}
			w.close()
			if grown := heap() - before; grown > 40<<20 {
				t.Errorf("kept %d MiB", grown>>20)
			}
			if !p.log.units["A"].failed {
				t.Error("the unit before the flood is forgotten")
			}
			runtime.KeepAlive(p)
		})
	}
	t.Run("different units", func(t *testing.T) {
		p := &logParser{}
		before := heap()
		for i := range 120_000 {
			p.line("✔ [1/2] Built Unit" + itoa(i) + strings.Repeat("x", 100))
			p.line("error: Unit.lean:1:2: text")
		}
		if grown := heap() - before; grown > 100<<20 || len(p.log.units) > maxUnits {
			t.Errorf("kept %d MiB, %d units", grown>>20, len(p.log.units))
		}
		runtime.KeepAlive(p)
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestFloodOfBuild: a hundred megabytes through the whole stage, wrapper included.
func TestFloodOfBuild(t *testing.T) {
	flood := `head -c 100000000 /dev/zero | tr '\0' x; echo
printf '%s\n' '{"severity":"error","pos":{"line":1,"column":0},"fileName":"A.lean","data":"after the flood","kind":"k"}'; exit 1`
	cfg := Config{Toolchains: []string{protocol(t, leanScript(flood))}, Wrapper: self(t)}
	ws := workspace(t, tree(t, twoModules), t.TempDir())
	res := run(t, cfg, ws)
	if m := modules(res)["A"]; m.Verdict != runner.Failure || m.Reason != "A.lean:1:1: after the flood" {
		t.Errorf("%+v", m)
	}
	cfg.Wrapper = "" // Lake hands on what a program prints, and its own words come after
	res = run(t, cfg, workspace(t, tree(t, twoModules), t.TempDir()))
	if m := modules(res)["A"]; m.Verdict != runner.Error || m.Reason != "Lean exited with code 1" {
		t.Errorf("%+v", m)
	}
	for _, l := range res.Logs {
		if l.Bytes > 64<<20 || l.Name == "proofs-build" && l.Dropped == 0 {
			t.Errorf("log %+v", l)
		}
	}
}

// BenchmarkBuildLog is the output of a build of mathlib's size with a warning each.
func BenchmarkBuildLog(b *testing.B) {
	var s strings.Builder
	for i := range 7000 {
		s.WriteString("⚠ [" + itoa(i) + "/7000] Built Mathlib.Some.Module" + itoa(i) + " (1.2s)\nwarning: Mathlib/Some/Module" + itoa(i) + ".lean:10:4: this tactic is never executed\n\nnote: this linter can be disabled\n")
	}
	text := s.String()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if log := parseLog(text); len(log.units) != 7000 {
			b.Fatal(len(log.units))
		}
	}
}

func BenchmarkTrace(b *testing.B) {
	text := []byte(`{"schemaVersion":"2025-09-10","synthetic":false,"outputs":{"o":["a.olean"]},"log":[` + strings.Repeat(`{"message":"A/B.lean:3:8: declaration uses sorry","level":"warning"},`, 50) + `{"message":"x","level":"trace"}],"inputs":[` + strings.Repeat(`["Mathlib.Some.Module","0123456789abcdef"],`, 200) + `["x","1"]],"depHash":"0a"}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if list, _, ok := parseTrace(text); !ok || len(list) != 51 {
			b.Fatal(len(list))
		}
	}
}

func BenchmarkFlood(b *testing.B) {
	b.SetBytes(100 << 20)
	for b.Loop() {
		p := &logParser{}
		w := &lineWriter{emit: p.line}
		io.CopyBuffer(struct{ io.Writer }{w}, &repeated{text: "what a program prints, line by line\n", left: 100 << 20}, make([]byte, 32<<10))
	}
}
