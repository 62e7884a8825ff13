package checks

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// compileID is the id of the row that says whether a compilation went through.
const compileID = "compile"

var (
	// A diagnostic of clang (or gcc, which writes the same): the place is missing where
	// the driver speaks, and ranges stand behind it with -fdiagnostics-print-source-range-info.
	clangLine = regexp.MustCompile(`^(?:(.+?):(\d+):(?:(\d+):)?(?:\{[0-9:{},-]*\}:)? |(?:[\w.+/-]+: )?)(fatal error|error|warning|note|remark): (.*)$`)
	// The group at the end of a message: [-Wname], [-Werror,-Wname], [-Wname,Category]; the
	// static analyser's [core.NullDereference], clang-tidy's [bugprone-x,-warnings-as-errors].
	clangGroup = regexp.MustCompile(` \[((?:-[WR]|[a-z]\w*[.-])[^\[\]\s]*)\]$`)
	clangCount = regexp.MustCompile(`^(?:(\d+) warnings?)?(?: and )?(?:(\d+) errors?)? generated(?: when compiling for .*)?\.$`)
	tidyHides  = regexp.MustCompile(`^Suppressed \d+ warnings? \(`)
)

// clangText is what a compiler printed, taken apart.
type clangText struct {
	checks   []check // one for each warning and error, in their order; errors have compileID
	warnings int
	errors   int
}

// parseClang reads diagnostics as clang prints them:
//
//	src/pool.mm:31:5: warning: writing variable 'n' requires holding mutex 'm' [-Wthread-safety-analysis]
//	src/pool.mm:12:3: note: mutex acquired here
//	1 warning generated.
//
// The id of a warning is its group; an error that was a warning (-Werror) is a failure of
// its group, any other error one of the compilation. Notes belong to the diagnostic
// before them. Where the compiler counts what it printed, the counts must agree.
func parseClang(out string) (clangText, error) {
	var t clangText
	var told [2]int // warnings and errors that the compiler counted
	counted, hidden := false, false
	var bad []error
	last := -1 // the diagnostic that notes belong to
	for line := range strings.Lines(out) {
		line = strings.TrimRight(uncoloured(line), " \t")
		if c := clangCount.FindStringSubmatch(line); c != nil && c[1]+c[2] != "" {
			counted = true
			for i := range told {
				n, _ := strconv.Atoi(c[1+i])
				told[i] += n
			}
			continue
		}
		if tidyHides.MatchString(line) {
			hidden = true
			continue
		}
		d := clangLine.FindStringSubmatch(line)
		if d == nil {
			continue
		}
		at := spot{file: cut(d[1], 1000)}
		at.line, _ = strconv.Atoi(d[2])
		at.column, _ = strconv.Atoi(d[3])
		level, message := d[4], d[5]
		switch level {
		case "remark":
			last = -1
			continue
		case "note":
			if last >= 0 {
				t.checks[last].note(at, message)
			}
			continue
		}
		group, werror := groupOf(message)
		message = strings.TrimSpace(clangGroup.ReplaceAllString(message, ""))
		c := check{spot: at, id: group, outcome: runner.Warn, message: cut(message, 1000)}
		switch {
		case level == "warning":
			t.warnings++
			if c.id == "" {
				c.id = "-W"
			}
		case werror:
			t.errors++
			c.outcome = runner.Fail
		default:
			if level != "fatal error" || at.file != "" {
				t.errors++ // the last word of -ferror-limit is not counted
			}
			c.id, c.outcome = compileID, runner.RuleError
		}
		// The compiler does not know a group, so it did not look.
		if group == "-Wunknown-warning-option" {
			c.outcome = runner.RuleError
		}
		if len(t.checks) == maxChecks {
			return t, fmt.Errorf("more than %d diagnostics", maxChecks)
		}
		last = len(t.checks)
		t.checks = append(t.checks, c)
	}
	if counted && !hidden && (told[0] > t.warnings || told[1] > t.errors) {
		bad = append(bad, fmt.Errorf("it counts %s and %s, but %d and %d were read", plural(told[0], "warning"), plural(told[1], "error"), t.warnings, t.errors))
	}
	return t, errors.Join(bad...)
}

// groupOf is the group at the end of a message, "" if it has none, and whether the
// message was made an error by -Werror.
func groupOf(message string) (group string, werror bool) {
	m := clangGroup.FindStringSubmatch(message)
	if m == nil {
		return "", false
	}
	for part := range strings.SplitSeq(m[1], ",") {
		switch {
		case part == "-Werror", part == "-warnings-as-errors":
			werror = true
		case group == "":
			group = cut(part, 200)
		}
	}
	return group, werror && group != ""
}

// maxNotes bounds the notes that are kept of one diagnostic.
const maxNotes = 8

// note attaches a note to a diagnostic.
func (c *check) note(at spot, text string) {
	if len(c.also) >= maxNotes {
		return
	}
	if at.file != "" && at.line > 0 {
		c.also = append(c.also, at)
		text = fmt.Sprintf("%s (line %d)", text, at.line)
	}
	c.message = cut(c.message+"; note: "+text, 1000)
}

// results makes the results of a compiler run: one for each diagnostic, one for the
// compilation, and one for each group that was asked for. exited says that the program
// ended with exit code 0. The groups pass only if the compilation did: analyses do not run
// over what cannot be parsed.
func (t clangText) results(expect []string, exited bool) []check {
	out := slices.Clone(t.checks)
	compiled := exited && !slices.ContainsFunc(out, func(c check) bool { return c.id == compileID })
	unknown := slices.ContainsFunc(out, func(c check) bool { return c.id == "-Wunknown-warning-option" })
	// A failure of -Werror ends a compilation too, but its analyses have run.
	failed := slices.ContainsFunc(out, func(c check) bool { return c.outcome == runner.Fail })
	if compiled && len(expect) > 0 {
		out = append(out, check{id: compileID, outcome: runner.Pass, message: fmt.Sprintf("compiled, with %s", plural(t.warnings, "warning"))})
	}
	for _, group := range expect {
		worst, by, n := "", "", 0
		same := false
		for _, c := range t.checks {
			if c.id != group && !strings.HasPrefix(c.id, group+"-") {
				continue
			}
			n++
			same = same || c.id == group
			if worst == "" || severity(c.outcome) > severity(worst) {
				worst, by = c.outcome, c.id
			}
		}
		switch {
		case same: // has its own rows
		case n > 0:
			out = append(out, check{id: group, outcome: worst, message: fmt.Sprintf("%s of its group %s", plural(n, "diagnostic"), by)})
		case unknown:
			out = append(out, check{id: group, outcome: runner.RuleError, message: "the compiler does not know all of its options, so this group may not have been looked for"})
		case compiled:
			out = append(out, check{id: group, outcome: runner.Pass, message: "no diagnostic of this group"})
		case failed && !slices.ContainsFunc(out, func(c check) bool { return c.id == compileID }):
			out = append(out, check{id: group, outcome: runner.RuleError, message: "other warnings were errors, so some files may not have been analysed"})
		default:
			out = append(out, check{id: group, outcome: runner.RuleError, message: "the compilation did not go through, so nothing is known"})
		}
	}
	return out
}
