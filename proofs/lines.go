package proofs

import (
	"strings"
	"unicode/utf8"
)

// The forms of lines that matter, read by hand: as regular expressions they take a
// minute for what a build can print in a second.

// heading is the first line of a unit: [ICON] [k/n] [(Optional)] VERB NAME [(TIME)].
type heading struct {
	icon, total, verb, name, time string
}

func parseHeading(s string) (h heading, ok bool) {
	if !strings.HasPrefix(s, "[") {
		h.icon, s, ok = strings.Cut(s, " ")
		if !ok || h.icon == "" || utf8.RuneCountInString(h.icon) > 8 || strings.ContainsAny(h.icon, "\t\n\f\r") {
			return heading{}, false
		}
	}
	s, ok = strings.CutPrefix(s, "[")
	counts, s, ok2 := strings.Cut(s, "] ")
	done, total, ok3 := strings.Cut(counts, "/")
	if !ok || !ok2 || !ok3 || !isCount(done) || !isCount(total) {
		return heading{}, false
	}
	h.total = total
	s = strings.TrimPrefix(s, "(Optional) ")
	h.verb, h.name, ok = strings.Cut(s, " ")
	if _, known := verbs[h.verb]; !ok || !known || h.name == "" {
		return heading{}, false
	}
	if inner, ok := strings.CutSuffix(h.name, ")"); ok {
		if i := strings.LastIndex(inner, " ("); i > 0 && duration(inner[i+2:]) {
			h.name, h.time = inner[:i], inner[i+2:]
		}
	}
	return h, true
}

// isCount reports whether s is a number or the mark of one that is not known.
func isCount(s string) bool { return s == "?" || digits(s) }

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func duration(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && r != 'µ' && r != '.' {
			return false
		}
	}
	return s != "" && s[0] >= '0' && s[0] <= '9'
}

// parsePlace reads "FILE.lean:LINE:COLUMN: TEXT"; the file may have spaces and colons in
// its name. line and column are digits.
func parsePlace(s string) (file, line, column, text string, ok bool) {
	for from := 0; ; {
		i := strings.Index(s[from:], ".lean:")
		if i < 0 {
			return "", "", "", "", false
		}
		end := from + i + len(".lean")
		file, from = s[:end], end+1
		if strings.IndexByte(file, 0) >= 0 {
			return "", "", "", "", false
		}
		n := leading(s[from:])
		if n == 0 || from+n >= len(s) || s[from+n] != ':' || len(file) == len(".lean") {
			continue
		}
		at := from + n + 1
		k := leading(s[at:])
		if text, ok := strings.CutPrefix(s[at+k:], ": "); ok && k > 0 {
			return file, s[from : from+n], s[at : at+k], text, true
		}
	}
}

// leading is the number of digits at the start of s.
func leading(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// parseLevel cuts the level off a message.
func parseLevel(s string) (level, text string, ok bool) {
	level, text, ok = strings.Cut(s, ": ")
	switch level {
	case "trace", "info", "warning", "error":
		return level, text, ok
	}
	return "", s, false
}

// parseOld reads what Lean itself prints, as Lake did until 4.8: "FILE.lean:1:2: error:
// TEXT", in some versions behind a level of Lake's.
func parseOld(s string) (level, file, line, column, text string, ok bool) {
	_, rest, _ := parseLevel(s)
	file, line, column, text, ok = parsePlace(rest)
	if !ok {
		return "", "", "", "", "", false
	}
	level, text, ok = strings.Cut(text, ":")
	switch level {
	case "information":
		level = "info"
	case "error", "warning", "info":
	default:
		return "", "", "", "", "", false
	}
	return level, file, line, column, strings.TrimPrefix(text, " "), ok
}
