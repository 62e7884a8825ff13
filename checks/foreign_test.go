package checks

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// foreign runs a script that prints the given text and ends with the given code.
func foreign(t *testing.T, p Program, text string, code string, stream string) runner.Result {
	t.Helper()
	dir := lay(t, map[string]string{
		"src/a.mm": "int a;\nint b;\nint c;\n", "lib/src/b.mm": "int l;\n", "out.txt": text,
		"check.sh": "#!/bin/sh\nsed \"s#@HERE@#$PWD#g\" " + strings.Repeat("../", strings.Count(p.Dir, "/")) + map[bool]string{true: "out.txt", false: "../out.txt"}[p.Dir == ""] + " " + stream + "\nexit " + code + "\n",
	})
	p.Name = "prog"
	p.Command = []string{filepath.Join(dir, "check.sh")}
	return run(t, dir, Config{Programs: []Program{p}})
}

// The samples are written from clang's documentation and from what clang 14 prints on
// Linux; none was recorded on macOS.
func TestClang(t *testing.T) {
	const warned = "src/a.mm:2:5: warning: writing variable 'v' requires holding mutex 'm' exclusively [-Wthread-safety-analysis]\n" +
		"int b;\n    ^\nsrc/a.mm:1:5: note: mutex acquired here\nint a;\n    ^\n1 warning generated.\n"
	for _, tt := range []struct {
		name, text, code string
		expect           []string
		verdict          runner.Verdict
		want             string
	}{
		{"silent", "", "0", []string{"-Wthread-safety-analysis"}, runner.Success, "compile pass compiled, with 0 warnings\n-Wthread-safety-analysis pass no diagnostic of this group"},
		{"silent, nothing expected", "make: done\n", "0", nil, runner.Error, "prog error it printed no diagnostic, and expect names no group that passes by that"},
		{"warning with note", warned, "0", []string{"-Wthread-safety-analysis", "-Wthread-safety-precise"}, runner.Success, "-Wthread-safety-analysis warn writing variable 'v' requires holding mutex 'm' exclusively; note: mutex acquired here (line 1) @ src/a.mm:2:5 src/a.mm:1:5\ncompile pass compiled, with 1 warning\n-Wthread-safety-precise pass no diagnostic of this group"},
		{"parent group", warned, "0", []string{"-Wthread-safety"}, runner.Success, "-Wthread-safety-analysis warn writing variable 'v' requires holding mutex 'm' exclusively; note: mutex acquired here (line 1) @ src/a.mm:2:5 src/a.mm:1:5\ncompile pass compiled, with 1 warning\n-Wthread-safety warn 1 diagnostic of its group -Wthread-safety-analysis"},
		{"as error", "src/a.mm:2:5: error: reading variable 'v' requires holding mutex 'm' [-Werror,-Wthread-safety-analysis]\n1 error generated.\n", "1", []string{"-Wthread-safety-analysis", "-Wshadow"}, runner.Failure, "-Wthread-safety-analysis fail reading variable 'v' requires holding mutex 'm' @ src/a.mm:2:5\n-Wshadow error other warnings were errors, so some files may not have been analysed"},
		{"does not compile", "src/a.mm:3:1: error: expected ';' after return statement\n1 error generated.\n", "1", []string{"-Wthread-safety-analysis"}, runner.Error, "compile error expected ';' after return statement @ src/a.mm:3:1\n-Wthread-safety-analysis error the compilation did not go through, so nothing is known"},
		{"too many errors", "src/a.mm:3:1: error: no\nfatal error: too many errors emitted, stopping now [-ferror-limit=]\n1 error generated.\n", "1", nil, runner.Error, "compile error 2 results (2 error): no @ src/a.mm:3:1"},
		{"error and exit 0", "src/a.mm:3:1: error: no\n1 error generated.\n", "0", nil, runner.Error, "compile error no @ src/a.mm:3:1\nprog error it ended with exit code 0 although 1 check failed"},
		{"exit 1 without error", warned, "1", []string{"-Wshadow"}, runner.Error, "-Wthread-safety-analysis warn writing variable 'v' requires holding mutex 'm' exclusively; note: mutex acquired here (line 1) @ src/a.mm:2:5 src/a.mm:1:5\n-Wshadow error the compilation did not go through, so nothing is known\nprog error it ended with exit code 1 although no check failed"},
		{"unknown option", "warning: unknown warning option '-Wthread-safty'; did you mean '-Wthread-safety'? [-Wunknown-warning-option]\n1 warning generated.\n", "0", []string{"-Wthread-safety"}, runner.Error, "-Wunknown-warning-option error unknown warning option '-Wthread-safty'; did you mean '-Wthread-safety'?\ncompile pass compiled, with 1 warning\n-Wthread-safety error the compiler does not know all of its options, so this group may not have been looked for"},
		{"a form that is not read", "src/a.mm(2,5): warning: x [-Wshadow]\n1 warning generated.\n", "0", []string{"-Wshadow"}, runner.Error, "-Wshadow error the compilation did not go through, so nothing is known\nprog error it counts 1 warning and 0 errors, but 0 and 0 were read"},
		{"several units, colours", "\033[1msrc/a.mm:1:1: \033[0m\033[0;1;35mwarning: \033[0m\033[1mx\033[0m [-Wshadow]\n1 warning generated.\n" + "src/a.mm:2:1: warning: y [-Wshadow]\n1 warning generated.\n", "0", nil, runner.Success, "-Wshadow warn 2 results (2 warn): x @ src/a.mm:1:1 src/a.mm:2:1"},
		{"absolute and outside", "@HERE@/src/a.mm:2:1: warning: x [-Wshadow]\n/usr/include/x.h:9:1: warning: y [-Wx]\n../x.h:9:1: warning: z [-Wz]\n", "0", nil, runner.Success, "-Wshadow warn x @ src/a.mm:2:1\n-Wx warn y (/usr/include/x.h)\n-Wz warn z (../x.h)"},
		{"analyser and tidy", "src/a.mm:1:1: warning: Dereference of null pointer [core.NullDereference]\nsrc/a.mm:2:1: error: use after move [bugprone-use-after-move,-warnings-as-errors]\n9 warnings generated.\nSuppressed 8 warnings (8 in non-user code).\n", "1", nil, runner.Failure, "core.NullDereference warn Dereference of null pointer @ src/a.mm:1:1\nbugprone-use-after-move fail use after move @ src/a.mm:2:1"},
		{"without group", "src/a.mm:1:1: warning: odd [abi:cxx11]\nsrc/a.mm:1:1: remark: inlined [-Rpass=inline]\nsrc/a.mm:1:2: note: of the remark\n", "0", nil, runner.Success, "-W warn odd [abi:cxx11] @ src/a.mm:1:1"},
		{"driver", "clang: error: no such file or directory: 'x.mm'\nclang: error: no input files\n", "1", nil, runner.Error, "compile error 2 results (2 error): no such file or directory: 'x.mm'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, stream := range []string{"", ">&2"} {
				res := foreign(t, Program{Format: "clang", Expect: tt.expect}, tt.text, tt.code, stream)
				got := told(res.Checks.Rules)
				if stream != "" { // an unexpected exit code shows the last line of standard error
					got = strings.TrimSuffix(got, ": 1 warning generated.")
				}
				if got != tt.want || res.Verdict != tt.verdict {
					t.Errorf("%s:\n%s\nwant %s:\n%s", res.Verdict, got, tt.verdict, tt.want)
				}
			}
		})
	}
}

// TestClangFolder: a compiler prints paths relative to its own folder.
func TestClangFolder(t *testing.T) {
	res := foreign(t, Program{Format: "clang", Dir: "lib"}, "src/b.mm:1:5: warning: x [-Wshadow]\nsrc/a.mm:1:5: warning: y [-Wshadow]\n", "0", "")
	if got := told(res.Checks.Rules); got != "-Wshadow warn 2 results (2 warn): x @ lib/src/b.mm:1:5 src/a.mm:1:5" {
		t.Error(got)
	}
}

func TestRealClang(t *testing.T) {
	if _, err := exec.LookPath("clang++"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("clang++ is not installed")
		}
		t.Skip("clang++ is not installed: only recorded outputs are read, none of a real one")
	}
	const head = `struct __attribute__((capability("mutex"))) M { void lock() __attribute__((acquire_capability())); void unlock() __attribute__((release_capability())); };
M m; int v __attribute__((guarded_by(m)));
`
	command := []string{"clang++", "-fsyntax-only", "-Wthread-safety", "src/a.cpp"}
	for _, tt := range []struct {
		name, src string
		extra     []string
		want      string
	}{
		{"good", "void f() { m.lock(); v++; m.unlock(); }\n", nil, "compile pass compiled, with 0 warnings\n-Wthread-safety-analysis pass no diagnostic of this group"},
		{"bad", "void f() { v++; }\n", nil, "-Wthread-safety-analysis warn writing variable 'v' requires holding mutex 'm' exclusively @ src/a.cpp:3:12\ncompile pass compiled, with 1 warning"},
		{"error", "void f() { v++; }\n", []string{"-Werror=thread-safety-analysis"}, "-Wthread-safety-analysis fail writing variable 'v' requires holding mutex 'm' exclusively @ src/a.cpp:3:12"},
		{"broken", "void f() { v++ }\n", nil, "compile error expected ';' after expression @ src/a.cpp:3:15\n-Wthread-safety-analysis error the compilation did not go through, so nothing is known"},
		{"unknown option", "", []string{"-Wthread-safty"}, "-Wunknown-warning-option error "},
	} {
		dir := lay(t, map[string]string{"src/a.cpp": head + tt.src})
		res := run(t, dir, Config{Programs: []Program{{Name: "p", Command: append(command[:4:4], tt.extra...), Format: "clang", Expect: []string{"-Wthread-safety-analysis"}}}})
		if got := told(res.Checks.Rules); got != tt.want && (tt.name != "unknown option" || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s: %s\n%s\nwant\n%s", tt.name, res.Verdict, got, tt.want)
		}
	}
}

// The samples are written from the SARIF standard, not recorded from a tool.
func TestSARIF(t *testing.T) {
	log := func(run string) string {
		return `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"T","rules":[` +
			`{"id":"A","shortDescription":{"text":"a rule"}},{"id":"B","defaultConfiguration":{"level":"error"},"messageStrings":{"m":{"text":"{0} and {1}"}}},{"id":"OFF","defaultConfiguration":{"enabled":false}}]}}` + run + `}]}`
	}
	at := func(uri, more string) string {
		return `"locations":[{"physicalLocation":{"artifactLocation":{"uri":"` + uri + `"` + more + `},"region":{"startLine":2,"startColumn":3}}}]`
	}
	for _, tt := range []struct {
		name, text, code string
		verdict          runner.Verdict
		want             string
	}{
		{"nothing found", log(`,"results":[]`), "0", runner.Success, "A pass no result: a rule\nB pass no result"},
		{"no results array", log(``), "0", runner.Error, "prog error run 1 of T has no results: it did not look; it printed no check result"},
		{"warning by default", log(`,"results":[{"ruleId":"A","message":{"text":"bad"},` + at("src/a.mm", "") + `}]`), "0", runner.Success, "A warn bad @ src/a.mm:2:3\nB pass no result"},
		{"level of the rule", log(`,"results":[{"ruleIndex":1,"message":{"id":"m","arguments":["x","y"]}}]`), "1", runner.Failure, "B fail x and y\nA pass no result: a rule"},
		{"level of the result", log(`,"results":[{"ruleId":"B/sub","level":"note","message":{"text":"so\nso"}}]`), "0", runner.Success, "B/sub warn so so\nA pass no result: a rule"},
		{"kinds", log(`,"results":[{"ruleId":"A","kind":"pass","message":{"text":"good"}},{"ruleId":"C","kind":"open","message":{"text":"?"}},{"ruleId":"D","kind":"notApplicable","message":{"text":"-"}},{"ruleId":"E","kind":"review","message":{"text":"look"}},{"ruleId":"F","kind":"new","message":{"text":"-"}}]`), "0", runner.Error, "A pass good\nC error ?\nD skip -\nE warn look\nF error unknown kind \"new\" or level \"\"\nB pass no result"},
		{"suppressed", log(`,"results":[{"ruleId":"B","message":{"text":"bad"},"suppressions":[{"kind":"inSource","justification":"known"}]},{"ruleId":"A","level":"error","message":{"text":"bad"},"suppressions":[{"kind":"external"},{"kind":"external","status":"underReview"}]}]`), "1", runner.Failure, "B skip suppressed (known): bad\nA fail bad"},
		{"no longer there", log(`,"results":[{"ruleId":"B","message":{"text":"bad"},"baselineState":"absent"}]`), "0", runner.Success, "A pass no result: a rule\nB pass no result"},
		{"file URI", log(`,"results":[{"ruleId":"A","message":{"text":"x"},` + at("file://@HERE@/src/a.mm", "") + `}]`), "0", runner.Success, "A warn x @ src/a.mm:2:3\nB pass no result"},
		{"base", log(`,"originalUriBaseIds":{"ROOT":{"uri":"file://@HERE@/"},"SRC":{"uri":"src/","uriBaseId":"ROOT"}},"results":[{"ruleId":"A","message":{"text":"x"},` + at("%61.mm", `,"uriBaseId":"SRC"`) + `}]`), "0", runner.Success, "A warn x @ src/a.mm:2:3\nB pass no result"},
		{"base unknown, index", log(`,"artifacts":[{"location":{"uri":"src/a.mm","uriBaseId":"%SRCROOT%"}}],"results":[{"ruleId":"A","message":{"text":"x"},"locations":[{"physicalLocation":{"artifactLocation":{"index":0},"region":{"startLine":2}}}]}]`), "0", runner.Success, "A warn x @ src/a.mm:2:1\nB pass no result"},
		{"ring of bases", log(`,"originalUriBaseIds":{"R":{"uri":"r/","uriBaseId":"R"}},"results":[{"ruleId":"A","message":{"text":"x"},` + at("a.mm", `,"uriBaseId":"R"`) + `}]`), "0", runner.Success, "A warn x @ r/r/r/r/r/r/r/r/a.mm:2:3\nB pass no result"},
		{"outside", log(`,"results":[{"ruleId":"A","message":{"text":"x"},` + at("file:///etc/passwd", "") + `},{"ruleId":"B","message":{"text":"y"},` + at("../x", "") + `},{"ruleId":"C","message":{"text":"z"},` + at("https://host/x", "") + `}]`), "1", runner.Failure, "A warn x (/etc/passwd)\nB fail y (../x)\nC warn z (https://host/x)"},
		{"did not succeed", log(`,"invocations":[{"executionSuccessful":false,"toolExecutionNotifications":[{"level":"error","message":{"text":"no memory"}}]}],"results":[]`), "0", runner.Error, "A pass no result: a rule\nB pass no result\nprog error T says that it did not succeed: no memory"},
		{"switched off for this run", log(`,"invocations":[{"executionSuccessful":true,"ruleConfigurationOverrides":[{"descriptor":{"id":"A"},"configuration":{"enabled":false}}]}],"results":[]`), "0", runner.Success, "B pass no result"},
		{"exit 1 without results", log(`,"results":[]`), "1", runner.Error, "A pass no result: a rule\nB pass no result\nprog error it ended with exit code 1 although no check failed"},
		{"no rule named", log(`,"results":[{"message":{"text":"x"}}]`), "0", runner.Error, "A pass no result: a rule\nB pass no result\nprog error result 1 of run 1 names no rule"},
		{"two runs", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"T","rules":[{"id":"A"}]}},"results":[]},{"tool":{"driver":{"name":"U"},"extensions":[{"name":"x","rules":[{"id":"X"},{"id":"Y"}]}]},"results":[{"rule":{"index":1,"toolComponent":{"index":0}},"level":"error","message":{"text":"bad"}}]}]}`, "0", runner.Failure, "A pass no result\nY fail bad\nX pass no result"},
		{"no rules, no results", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"T"}},"results":[]}]}`, "0", runner.Error, "prog error it printed no check result"},
		{"old", `{"version":"1.0.0","runs":[]}`, "0", runner.Error, "prog error SARIF version \"1.0.0\": only 2.1.0 is read; it printed no check result"},
		{"no version", `{}`, "0", runner.Error, "prog error not a SARIF log: it has no version; it printed no check result"},
		{"no runs", `{"version":"2.1.0"}`, "0", runner.Error, "prog error a SARIF log without runs; it printed no check result"},
		{"cut short", `{"version":"2.1.0","runs":[`, "0", runner.Error, "prog error not a SARIF log: unexpected EOF; it printed no check result"},
		{"and more", log(`,"results":[]`) + "x", "0", runner.Error, "prog error something stands behind the SARIF log; it printed no check result"},
		{"byte order mark", "\xef\xbb\xbf" + log(`,"results":[]`), "0", runner.Success, "A pass no result: a rule\nB pass no result"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := foreign(t, Program{Format: "sarif"}, tt.text, tt.code, "")
			if got := told(res.Checks.Rules); got != tt.want || res.Verdict != tt.verdict {
				t.Errorf("%s:\n%s\nwant %s:\n%s", res.Verdict, got, tt.verdict, tt.want)
			}
		})
	}
}

func TestUnknownFormat(t *testing.T) {
	res := foreign(t, Program{Format: "xml"}, "", "0", "")
	if got := told(res.Checks.Rules); got != "prog error unknown format \"xml\"; it printed no check result" {
		t.Error(got)
	}
}

func FuzzSARIF(f *testing.F) {
	for _, s := range []string{
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"T","rules":[{"id":"A"}]}},"results":[]}]}`,
		`{"version":"2.1.0","runs":[{"results":[{"ruleId":"A","level":"error","message":{"text":"x"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a","uriBaseId":"B","index":-1},"region":{"startLine":-1}}}],"suppressions":[{}]}],"originalUriBaseIds":{"B":{"uri":"%zz","uriBaseId":"B"}},"artifacts":[{}]}]}`,
		`{"version":"2.1.0","runs":[{"results":[{"ruleIndex":9,"rule":{"index":-1,"toolComponent":{"index":3}}}]}]}`, `{"version":"2.1.0","runs":[{"results":null}]}`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		cs, err := parseSARIF(s)
		failed, results := 0, 0
		for _, c := range cs {
			if c.id == "" || len(c.id) > 210 || outcomeOf(c.outcome) != c.outcome || c.line < 0 || c.column < 0 || strings.ContainsAny(c.message, "\n\r") {
				t.Errorf("%q: %+v", s, c)
			}
			if c.outcome == runner.Fail {
				failed++
			}
		}
		// What the log holds is counted another way: an error is never lost.
		var log struct {
			Runs []struct {
				Results []struct {
					RuleID, Kind, Level, BaselineState string
					Suppressions                       []any
				}
			}
		}
		if err != nil || json.Unmarshal(s, &log) != nil {
			return
		}
		for _, r := range log.Runs {
			for _, res := range r.Results {
				if res.RuleID != "" && res.Kind == "" && res.Level == "error" && len(res.Suppressions) == 0 && res.BaselineState != "absent" {
					results++
				}
			}
		}
		if failed < results {
			t.Errorf("%q: %d of %d errors", s, failed, results)
		}
	})
}

func FuzzClang(f *testing.F) {
	for _, s := range []string{
		"a.c:1:2: warning: x [-Wy]\na.c:1:2: note: z\n1 warning generated.\n", "a.c:1:2: error: x [-Werror,-Wy]\n2 errors generated.", "clang: error: x",
		"a.c:9: fatal error: x\n1 warning and 1 error generated.\n", "note: x\n", "a.c:1:2:{1:1-1:2}: warning: x [-Wy,Cat]", "Suppressed 1 warning (1 x).",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := parseClang(s)
		if n := strings.Count(s, "error:") + strings.Count(s, "warning:"); len(text.checks) > n {
			t.Errorf("%q: %d results", s, len(text.checks))
		}
		for _, c := range text.checks {
			if c.id == "" || len(c.id) > 210 || outcomeOf(c.outcome) != c.outcome || c.line < 0 || len(c.also) > maxNotes {
				t.Errorf("%q: %+v", s, c)
			}
		}
		// A group passes only if nothing printed names it, and nothing passes where an error
		// was printed.
		for _, c := range text.results([]string{"-Wy"}, err == nil) {
			if c.outcome != runner.Pass {
				continue
			}
			if err != nil || text.errors > 0 && c.id == compileID && strings.Contains(s, "error: ") && !strings.Contains(s, "-W") {
				t.Errorf("%q: %s passes", s, c.id)
			}
			for _, d := range text.checks {
				if d.id == c.id {
					t.Errorf("%q: %s passes beside %+v", s, c.id, d)
				}
			}
		}
	})
}
