package proofs

import (
	"strings"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/runner"
)

// maxFindings bounds the messages that a result carries; the log has them all.
const maxFindings = 200

// findings turns the build's messages into findings, errors first. more counts what was
// left out. That a declaration uses sorry is kept apart: the inventory knows its name.
func (e *examination) findings(b *built) (list, sorries []runner.Finding, more int) {
	positions := map[string][]string{}
	take := func(ds []diagnostic, level string, v runner.Verdict, good bool) {
		for _, d := range ds {
			d.text = strings.TrimSpace(d.text)
			if d.level != level || d.text == "build failed" {
				continue
			}
			if d.level == "error" && d.file == "" && exitForm.MatchString(d.text) {
				continue
			}
			if len(list) >= maxFindings {
				more++
				continue
			}
			f := runner.Finding{Verdict: v, Rule: "lean", Text: cut(d.text, 2000)}
			if f.File = e.relative(d.file); d.file != "" && f.File != "" {
				f.Line, f.Column = d.line, e.column(positions, d.file, d.line, d.column)
				if d.endLine > 0 {
					f.EndLine, f.EndColumn = d.endLine, e.column(positions, d.file, d.endLine, d.endColumn)
				}
			} else {
				f.File = ""
			}
			if d.kind == "hasSorry" || strings.HasPrefix(d.text, "declaration uses") && strings.Contains(d.text, "sorry") {
				// Of a module that does not build it says nothing: Lean goes on with sorry.
				if v == runner.Neutral && good {
					f.Rule = "sorry"
					sorries = append(sorries, f)
				}
				continue
			}
			list = append(list, f)
		}
	}
	for _, level := range []string{"error", "warning"} {
		v := runner.Neutral
		if level == "error" {
			v = runner.Failure
		}
		loose := v
		if level == "error" {
			loose = runner.Error
		}
		take(b.log.loose, level, loose, false)
		for _, m := range b.modules {
			u := b.log.units[key(m.Name)]
			if u == nil {
				continue
			}
			if level == "error" {
				v = m.Verdict
			}
			take(u.diagnostics, level, v, m.Verdict == runner.Success)
			if level == "error" {
				more += u.dropped
			}
		}
	}
	return list, sorries, more
}

// column turns Lean's 0-based column in code points into a 1-based one in bytes.
func (e *examination) column(positions map[string][]string, file string, line, column int) int {
	lines, ok := positions[file]
	if !ok {
		for _, m := range e.project.modules {
			if m.rel == file {
				if b, err := readSmall(m.path); err == nil {
					lines = strings.Split(string(b), "\n")
				}
			}
		}
		positions[file] = lines
	}
	if line < 1 || line > len(lines) {
		return column + 1
	}
	return byteColumn(lines[line-1], column)
}

// byteColumn is the 1-based byte column of the 0-based code point column.
func byteColumn(line string, column int) int {
	n := 0
	for range column {
		if n >= len(line) {
			break
		}
		_, size := utf8.DecodeRuneInString(line[n:])
		n += size
	}
	return n + 1
}
