package proofs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// transcript is one command of a recorded file.
type transcript struct {
	command, stdout, stderr, code string
}

func transcripts(t testing.TB, name string) []transcript {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "transcripts", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out []transcript
	var into *string
	for line := range strings.Lines(string(b)) {
		switch {
		case strings.HasPrefix(line, "$ "):
			out = append(out, transcript{command: strings.TrimSpace(line[2:])})
			into = nil
		case line == "--- stdout\n":
			into = &out[len(out)-1].stdout
		case line == "--- stderr\n":
			into = &out[len(out)-1].stderr
		case strings.HasPrefix(line, "--- exit code "):
			out[len(out)-1].code = strings.TrimSpace(line[len("--- exit code "):])
			into = nil
		case into != nil:
			*into += line
		}
	}
	return out
}

func parseLog(out string) *buildLog {
	p := &logParser{}
	w := &lineWriter{emit: p.line}
	w.Write([]byte(out))
	w.close()
	return &p.log
}

func TestTranscripts(t *testing.T) {
	type want struct {
		jobs     int
		failures []string
		failed   []string // units
		replayed []string
		errors   []string // "file:line:col text" of the first line, all units and loose
	}
	for _, tt := range []struct {
		file string
		n    int // command in the file
		want want
	}{
		{"01-clean-build", 0, want{jobs: 4}},
		{"01-clean-build", 1, want{jobs: 4}},
		{"03-type-error", 0, want{jobs: 4, failures: []string{"Demo.Basic"}, failed: []string{"Demo.Basic"}, errors: []string{
			"Demo/Basic.lean:3:0 Not a definitional equality: the left-hand side", "Demo/Basic.lean:3:32 Type mismatch", "Demo/Basic.lean:4:17 Type mismatch",
			" Lean exited with code 1", " build failed",
		}}},
		{"04-sorry", 0, want{jobs: 4}},
		{"04-sorry", 1, want{jobs: 4, replayed: []string{"Demo.Main"}}},
		{"07-missing-import-inside-library", 0, want{
			jobs: 5, failures: []string{"Demo.Missing", "Demo.Main", "Demo"}, failed: []string{"Demo", "Demo.Main", "Demo.Missing"},
			errors: []string{" Demo.lean: bad import 'Demo.Main'", " Demo/Main.lean: bad import 'Demo.Missing'", " no such file or directory (error code: 2)", " build failed"},
		}},
		{"08-missing-import-unknown-package", 0, want{jobs: 4, failures: []string{"Demo.Main"}, failed: []string{"Demo.Main"}, errors: []string{
			"Demo/Main.lean:1:0 unknown module prefix 'Mathlib'", " Lean exited with code 1", " build failed",
		}}},
		{"09-lakefile-syntax-error", 0, want{errors: []string{" lakefile.toml:1:12: unexpected end of line; expected closing quote"}}},
		{"12-parse-error", 0, want{jobs: 4, failures: []string{"Demo.Main"}, failed: []string{"Demo.Main"}, errors: []string{
			"Demo/Main.lean:5:0 unexpected end of input", " Lean exited with code 1", " build failed",
		}}},
		{"old-4.8", 0, want{jobs: 3, failed: []string{"Demo.Basic"}, errors: []string{
			" > LEAN_PATH=./.lake/build/lib DYLD_LIBRARY_PATH=./.lake/build/lib lean ././././Demo/Basic.lean -R ././. -o ./.lake/build/lib/Demo/Basic.olean",
			" stdout:", "Demo/Basic.lean:3:8 type mismatch", " external command `lean` exited with code 1", " build failed",
		}}},
		{"old-4.15", 0, want{jobs: 5, failures: []string{"Demo.My file"}, failed: []string{"Demo.My file"}, replayed: []string{"Demo.Basic"}, errors: []string{
			" Lean exited with code 137", " build failed",
		}}},
	} {
		tr := transcripts(t, tt.file)[tt.n]
		log := parseLog(tr.stdout + tr.stderr)
		got := want{jobs: log.jobs, failures: log.failures}
		var names []string
		for n := range log.units {
			names = append(names, n)
		}
		slices.Sort(names)
		say := func(ds []diagnostic) {
			for _, d := range ds {
				if d.level == "error" {
					got.errors = append(got.errors, strings.TrimPrefix(place(d), ":0:0")+" "+firstLine(d.text))
				}
			}
		}
		for _, n := range names {
			u := log.units[n]
			if u.failed {
				got.failed = append(got.failed, n)
			}
			if u.replayed {
				got.replayed = append(got.replayed, n)
			}
			say(u.diagnostics)
		}
		say(log.loose)
		if got.jobs != tt.want.jobs || !slices.Equal(got.failures, tt.want.failures) ||
			!slices.Equal(got.failed, tt.want.failed) || !slices.Equal(got.replayed, tt.want.replayed) || !slices.Equal(got.errors, tt.want.errors) {
			t.Errorf("%s #%d:\n got %+v\nwant %+v", tt.file, tt.n, got, tt.want)
		}
	}
}

func place(d diagnostic) string {
	if d.file == "" {
		return ""
	}
	return d.file + ":" + itoa(d.line) + ":" + itoa(d.column)
}

func TestMessageLines(t *testing.T) {
	log := parseLog(transcripts(t, "03-type-error")[0].stdout)
	u := log.units["Demo.Basic"]
	want := "Type mismatch\n  rfl\nhas type\n  ?m.7 = ?m.7\nbut is expected to have type\n  double 2 = 5"
	if got := u.errors()[1].text; got != want {
		t.Errorf("got %q", got)
	}
	if u.seconds != 1.7 {
		t.Errorf("seconds %v", u.seconds)
	}
	old := parseLog(transcripts(t, "old-4.15")[0].stdout)
	if u := old.units["Demo.My file"]; u.exitCode() != 137 || len(u.errors()) != 0 || !strings.Contains(u.reason(), "killed") {
		t.Errorf("killed module: %+v", u)
	}
	if u := old.units["Demo.Main"]; u.seconds != 12 || u.diagnostics[0].line != 7 || u.diagnostics[0].file != "Demo/Main.lean" {
		t.Errorf("Demo.Main: %+v", u)
	}
}

func FuzzLog(f *testing.F) {
	entries, err := os.ReadDir(filepath.Join("testdata", "transcripts"))
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".txt"); ok {
			for _, tr := range transcripts(f, name) {
				f.Add(tr.stdout + tr.stderr)
			}
		}
	}
	f.Fuzz(func(t *testing.T, out string) {
		log := parseLog(out)
		for name, u := range log.units {
			if name != u.caption {
				t.Errorf("unit %q under %q", u.caption, name)
			}
			if len(u.diagnostics) > maxDiagnostics || u.seconds < 0 {
				t.Errorf("unit %q is out of bounds", name)
			}
			for _, d := range u.diagnostics {
				// Every word of a message stands in the output: nothing is made up.
				bare := func(s string) string { return strings.ReplaceAll(ansiForm.ReplaceAllString(s, ""), "\r", "") }
				if len(d.text) > maxText+4 || !strings.Contains(bare(out), bare(strings.TrimSuffix(firstWord(d.text), "…"))) {
					t.Errorf("message %q is not in the output", d.text)
				}
			}
			// A unit fails only with the output saying so.
			if u.failed && !strings.Contains(out, "error: ") && !strings.Contains(out, "ing ") && !strings.Contains(out, "✖") {
				t.Errorf("unit %q failed out of nothing", name)
			}
		}
		// Line ends of the other kind change nothing.
		crlf := parseLog(strings.ReplaceAll(strings.ReplaceAll(out, "\r", ""), "\n", "\r\n"))
		if plain := parseLog(strings.ReplaceAll(out, "\r", "")); len(plain.units) != len(crlf.units) || plain.jobs != crlf.jobs {
			t.Errorf("CRLF: %d units, %d without", len(crlf.units), len(plain.units))
		}
	})
}

func firstWord(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func TestByteColumn(t *testing.T) {
	for _, tt := range []struct {
		line   string
		column int
		want   int
	}{{"abc", 0, 1}, {"abc", 2, 3}, {"λx", 1, 3}, {"𝔽 x", 2, 6}, {"ab", 9, 3}, {"\xffx", 1, 2}} {
		if got := byteColumn(tt.line, tt.column); got != tt.want {
			t.Errorf("byteColumn(%q, %d) = %d, want %d", tt.line, tt.column, got, tt.want)
		}
	}
}
