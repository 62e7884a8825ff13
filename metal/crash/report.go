// Package crash finds the reports that macOS writes when a process crashes, and tells
// which of them are about the children of a run.
//
// [Watch] remembers what is in the folders of reports before a run; [Watcher.Collect]
// reads what is new after it and keeps what [Run.Owns] attributes to the run. [Parse]
// reads both formats: .ips (JSON, macOS 12 and later) and .crash (text). The files hold
// what programs and their users called things: everything read from them is hostile, and
// [Redact] takes out what identifies the user and the machine before one is kept.
//
// On a system that writes no such reports the folders are missing, and nothing is found.
// This was tested with files written from Apple's documentation and from the shape of
// published reports; nobody has run it on a Mac.
package crash

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Report is what one crash report says. Texts are one line each, printable, and at most
// 300 bytes long.
type Report struct {
	File    string // base name
	Process string // name of the process
	Path    string // of its executable; macOS writes "/Users/USER/*/name" for most
	PID     int
	Parent  int       // process id of the parent, also where that is gone; 0 if not told
	Charge  int       // process id of the "responsible" process, the agent under launchd; 0 if not told
	Time    time.Time // of the crash
	Launch  time.Time // of the process; zero if not told

	Exception   string   // "EXC_BAD_ACCESS (SIGSEGV), KERN_INVALID_ADDRESS at 0x0"
	Termination string   // "Namespace SIGNAL, Code 11, Segmentation fault: 11"
	Messages    []string // what the process and its libraries said: failed assertions
	Frames      []string // of the thread that crashed, innermost first, at most 12: "libpool.dylib: pool::encode + 12"
}

// String is the crash in one sentence: "bench [512] crashed: EXC_CRASH (SIGABRT): a
// command encoder is already encoding (in Metal: MTLReportFailure + 648)".
func (r *Report) String() string {
	s := fmt.Sprintf("%s [%d] crashed: ", r.Process, r.PID)
	if r.Exception != "" {
		s += r.Exception
	} else {
		s += r.Termination
	}
	if len(r.Messages) > 0 {
		s += ": " + r.Messages[0]
	}
	if len(r.Frames) > 0 {
		s += " (in " + r.Frames[0] + ")"
	}
	return s
}

const (
	maxText     = 300
	maxFrames   = 12
	maxMessages = 8
)

// line makes one harmless line of a text.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s[:min(len(s), 16*maxText)])
	s = strings.Join(strings.Fields(s), " ")
	for len(s) > maxText {
		_, n := utf8.DecodeLastRuneInString(s[:maxText+1])
		s = s[:maxText+1-n]
	}
	return s
}

// join puts the texts that are not empty together.
func join(sep string, texts ...string) string {
	var kept []string
	for _, t := range texts {
		if t = line(t); t != "" {
			kept = append(kept, t)
		}
	}
	return line(strings.Join(kept, sep))
}

// stamp reads the times of reports: "2026-11-26 22:11:12.4969 -0700".
func stamp(s string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05 -0700"} {
		if t, err := time.Parse(layout, strings.TrimSpace(s)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
