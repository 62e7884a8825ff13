package proofs

import (
	"bytes"
	"encoding/json"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// parseTrace reads the messages that a build left in a .trace file, where the build tool
// keeps them to print them again. Unlike in its output it is plain there where a message
// ends. ok is false for text that is no trace.
//
// Generations (Lake/Build/Common.lean): a bare number, which has no messages; from Lean
// 4.10 on an object with "log", a list of {"level","message"}; later it has further
// fields, which say nothing about messages.
func parseTrace(b []byte) (list []diagnostic, dropped int, ok bool) {
	b = bytes.TrimSpace(b)
	if len(b) > 0 && len(b) <= 40 && strings.Trim(string(b), "0123456789abcdef") == "" {
		return nil, 0, true
	}
	var f struct {
		DepHash json.RawMessage
		Log     []struct{ Level, Message string }
	}
	if len(b) == 0 || b[0] != '{' || json.Unmarshal(b, &f) != nil || f.DepHash == nil && f.Log == nil {
		return nil, 0, false
	}
	for _, entry := range f.Log {
		switch entry.Level {
		case "trace", "info", "warning", "error":
		default:
			continue
		}
		if len(list) >= maxDiagnostics {
			dropped++
			continue
		}
		list = append(list, placed(entry.Level, entry.Message))
	}
	return list, dropped, true
}

// placed makes a diagnostic of a message that may start with its place.
func placed(level, text string) diagnostic {
	first, rest, more := strings.Cut(text, "\n")
	if file, line, column, text, ok := parsePlace(cut(first, maxText)); ok {
		d := diagnostic{level: level, file: cleanPath(file), text: text}
		d.line, _ = strconv.Atoi(line)
		d.column, _ = strconv.Atoi(column)
		if more {
			d.text += "\n" + rest
		}
		d.text = cut(d.text, maxText)
		return d
	}
	return diagnostic{level: level, text: cut(text, maxText)}
}

// cleanPath is a path as Lean prints it, without "./" and the like.
func cleanPath(p string) string { return path.Clean(strings.ReplaceAll(p, `\`, "/")) }

// trace reads what the build tool keeps about a module that is up to date.
func (e *examination) trace(m *module) (list []diagnostic, dropped int, ok bool) {
	for _, dir := range e.libDirs() {
		b, err := readSmall(filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(modulePath(m), ".lean"))) + ".trace")
		if err == nil {
			return parseTrace(b)
		}
	}
	return nil, 0, false
}

// message is one line of `lean --json` (SerialMessage in Lean/Message.lean).
type message struct {
	Severity string    `json:"severity"`
	File     string    `json:"fileName"`
	Pos      position  `json:"pos"`
	EndPos   *position `json:"endPos,omitempty"`
	Caption  string    `json:"caption,omitempty"`
	Data     string    `json:"data"`
	Kind     string    `json:"kind,omitempty"` // since 4.15: of a linter, or "hasSorry"
	Silent   bool      `json:"isSilent,omitempty"`
}

// position counts lines from 1 and columns from 0, in code points.
type position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// parseMessage reads one line of standard output. ok is false for a line that a program
// printed itself.
func parseMessage(line string) (m message, ok bool) {
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &m) != nil {
		return message{}, false
	}
	switch m.Severity {
	case "information", "warning", "error":
		return m, m.Pos.Line > 0
	}
	return message{}, false
}

// diagnostic is the message as the build tool would print it.
func (m message) diagnostic(file string) diagnostic {
	d := diagnostic{level: m.Severity, file: file, line: m.Pos.Line, column: max(0, m.Pos.Column), kind: cut(m.Kind, 200)}
	if d.level == "information" {
		d.level = "info"
	}
	if p := m.EndPos; p != nil && p.Line >= d.line {
		d.endLine, d.endColumn = p.Line, max(0, p.Column)
	}
	d.text = strings.TrimSpace(m.Data)
	if c := strings.TrimSpace(m.Caption); c != "" {
		d.text = c + ":\n" + d.text
	}
	d.text = cut(d.text, maxText)
	return d
}
