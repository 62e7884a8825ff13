package proofs

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// buildLog is what the build tool said. However much that was, it stays small.
type buildLog struct {
	jobs     int // as the tool counts them; 0 if it gave no number
	units    map[string]*unit
	failures []string     // keys of the units listed as failed
	loose    []diagnostic // not below any unit: configuration errors
	kept     int          // bytes of messages kept
}

// unit is one job of the build that printed something: mostly a module.
type unit struct {
	caption     string
	failed      bool
	replayed    bool // up to date; its old messages were printed again
	seconds     float64
	maxRSS      int64 // bytes; 0 if not known
	diagnostics []diagnostic
	dropped     int // diagnostics that were not kept
}

// diagnostic is one message.
type diagnostic struct {
	level  string // "error", "warning", "info" or "trace"
	file   string // slash-separated, as printed but cleaned; "" if it has no place
	line   int    // 1-based
	column int    // 0-based, in code points, as Lean prints it
	text   string

	endLine, endColumn int    // likewise; 0 if not known
	kind               string // as Lean names it, "hasSorry"; "" if not known
}

const (
	maxDiagnostics = 200      // kept of one unit
	maxText        = 8 << 10  // bytes kept of one message
	maxKept        = 32 << 20 // bytes kept of all messages
	maxUnits       = 50_000   // mathlib has some 7,000
)

// logParser reads the output of `lake build` line by line, in every form from Lean 4.0
// on:
//
//	[k/n] Building X                     until 4.8, no icon; Lean's messages below it
//	ICON [k/n] VERB X (TIME)             from 4.9; TIME later
//	LEVEL: path:line:col: text           more lines of text may follow
//
// A line that fits nothing continues the message before it, or is ignored.
type logParser struct {
	log      buildLog
	unit     *unit
	message  *diagnostic
	listing  bool          // inside "Some required targets logged failures:"
	progress func(u *unit) // called at the first line of each unit
}

var (
	jobsForm = regexp.MustCompile(`^(?:Build completed successfully|All targets up-to-date)(?:\.| \((\d+) jobs?\)\.?)$`)
	ansiForm = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")
	exitForm = regexp.MustCompile(`\bexited with code (\d+)`)
)

// verbs that head a unit, and whether they say that it was not built now.
var verbs = map[string]bool{
	"Built": false, "Building": false, "Compiling": false, "Linking": false, "Ran": false, "Running": false,
	"Fetched": false, "Fetching": false, "Unpacked": false, "Unpacking": false,
	"Replayed": true, "Replaying": true, "Reused": true,
}

func (p *logParser) line(s string) {
	s = strings.TrimRight(s, "\r")
	if strings.IndexByte(s, 0x1b) >= 0 {
		s = ansiForm.ReplaceAllString(s, "")
	}
	if p.head(s) {
		return
	}
	if strings.HasPrefix(s, "Build completed") || strings.HasPrefix(s, "All targets") {
		if m := jobsForm.FindStringSubmatch(s); m != nil {
			p.log.jobs, _ = strconv.Atoi(m[1])
			p.unit, p.message, p.listing = nil, nil, false
			return
		}
	}
	switch {
	case s == "Nothing to build.":
		return
	case s == "Some required builds logged failures:" || s == "Some required targets logged failures:":
		p.listing, p.unit, p.message = true, nil, nil
		return
	case p.listing && strings.HasPrefix(s, "- "):
		if len(p.log.failures) < maxUnits {
			p.log.failures = append(p.log.failures, p.caption(s[2:]))
		}
		return
	}
	if level, file, line, column, text, ok := parseOld(s); ok {
		p.add(level, file, line, column, text)
		return
	}
	if level, all, ok := parseLevel(s); ok {
		if file, line, column, text, ok := parsePlace(all); ok {
			p.add(level, file, line, column, text)
		} else {
			p.add(level, "", "", "", all)
		}
		return
	}
	if p.message != nil && len(p.message.text)+len(s) < maxText && p.log.kept < maxKept {
		p.message.text += "\n" + s
		p.log.kept += 1 + len(s)
	}
}

// head reads the line that starts a unit.
func (p *logParser) head(s string) bool {
	h, ok := parseHeading(s)
	if !ok {
		return false
	}
	replayed, name := verbs[h.verb], p.caption(h.name)
	p.listing, p.message = false, nil
	u := p.log.units[name]
	if u == nil {
		u = &unit{caption: name, replayed: replayed}
		if p.log.units == nil {
			p.log.units = map[string]*unit{}
		}
		if len(p.log.units) < maxUnits {
			p.log.units[name] = u
		}
	} else if replayed {
		u.diagnostics, u.dropped = nil, 0 // the same again, for another command line
	} else {
		u.replayed = false
	}
	p.unit = u
	// With an icon, the -ing form says that it did not get there. Without, it is the only form.
	if h.icon == "✖" || h.icon != "" && strings.HasSuffix(h.verb, "ing") {
		u.failed = true
	}
	if d, err := time.ParseDuration(h.time); err == nil && d >= 0 {
		u.seconds += d.Seconds()
	}
	total, _ := strconv.Atoi(h.total)
	p.log.jobs = max(p.log.jobs, total)
	if p.progress != nil {
		p.progress(u)
	}
	return true
}

func (p *logParser) caption(s string) string { return key(cut(strings.TrimSpace(s), 512)) }

func (p *logParser) add(level, file, line, column, text string) {
	d := diagnostic{level: level, text: cut(text, maxText)}
	if file != "" {
		d.file = cleanPath(file)
		d.line, _ = strconv.Atoi(line)
		d.column, _ = strconv.Atoi(column)
	}
	p.listing = false
	list := &p.log.loose
	if p.unit != nil {
		list = &p.unit.diagnostics
		// The command line and Lean's exit are said by level; the unit fails with them.
		if level == "error" && text != "build failed" {
			p.unit.failed = true
		}
	}
	if p.log.kept += len(d.text) + len(d.file); len(*list) >= maxDiagnostics || p.log.kept > maxKept {
		if p.unit != nil {
			p.unit.dropped++
		}
		p.message = nil
		return
	}
	*list = append(*list, d)
	p.message = &(*list)[len(*list)-1]
}

// errors are the diagnostics of level error that name a place.
func (u *unit) errors() []diagnostic {
	var out []diagnostic
	for _, d := range u.diagnostics {
		if d.level == "error" && d.file != "" && d.line > 0 {
			out = append(out, d)
		}
	}
	return out
}

// exitCode is the code with which Lean ended, or 0 if the unit does not say.
func (u *unit) exitCode() int {
	for _, d := range u.diagnostics {
		if d.level == "error" && d.file == "" {
			if m := exitForm.FindStringSubmatch(d.text); m != nil {
				n, _ := strconv.Atoi(m[1])
				return n
			}
		}
	}
	return 0
}

// lineWriter hands complete lines of a stream to a function.
type lineWriter struct {
	part []byte
	emit func(string)
	max  int // where an endless line is cut; 0 means maxLine
}

// maxLine is enough for what is kept of a message.
const maxLine = 64 << 10

func (w *lineWriter) Write(b []byte) (int, error) {
	n, limit := len(b), w.max
	if limit == 0 {
		limit = maxLine
	}
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		w.part = append(w.part, line[:min(len(line), limit-len(w.part))]...)
		if ended {
			w.flush()
		}
		b = rest
	}
	return n, nil
}

func (w *lineWriter) flush() {
	w.emit(string(w.part))
	w.part = w.part[:0]
}

// close emits what has no line end.
func (w *lineWriter) close() {
	if len(w.part) > 0 {
		w.flush()
	}
}
