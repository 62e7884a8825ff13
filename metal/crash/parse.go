package crash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// ErrOther says that a file is a whole report, but not about a crash: a hang, a panic of
// the kernel, a process that took too much memory.
var ErrOther = errors.New("not a crash report")

// Parse reads one report; the end of its name tells the format. The error is ErrOther,
// or says what is missing: a file that is still being written has no end.
func Parse(name string, text []byte) (*Report, error) {
	var r *Report
	var err error
	switch path.Ext(name) {
	case ".ips":
		r, err = parseIPS(text)
	case ".crash":
		r, err = parseText(text)
	default:
		return nil, ErrOther
	}
	if err != nil {
		return nil, err
	}
	if r.Process == "" {
		r.Process = line(path.Base(r.Path))
	}
	switch {
	case r.PID <= 0:
		return nil, errors.New("no process id")
	case r.Time.IsZero():
		return nil, errors.New("no time")
	}
	r.File = line(name)
	return r, nil
}

// crashTypes are the values of bug_type that mean a crash.
var crashTypes = map[string]bool{"309": true, "109": true}

// ipsBody is the second JSON object of an .ips file
// (developer.apple.com/documentation/xcode/interpreting-the-json-format-of-a-crash-report).
type ipsBody struct {
	Process     string `json:"procName"`
	Path        string `json:"procPath"`
	PID         int    `json:"pid"`
	Parent      int    `json:"parentPid"`
	Responsible int    `json:"responsiblePid"`
	Captured    string `json:"captureTime"`
	Launched    string `json:"procLaunch"`
	Exception   struct {
		Type    string `json:"type"`
		Signal  string `json:"signal"`
		Subtype string `json:"subtype"`
	} `json:"exception"`
	Termination struct {
		Namespace string          `json:"namespace"`
		Code      json.RawMessage `json:"code"` // a number, or a text
		Indicator string          `json:"indicator"`
		Reasons   []string        `json:"reasons"`
		Details   []string        `json:"details"`
	} `json:"termination"`
	Messages map[string]json.RawMessage `json:"asi"` // of each library, a list of texts
	Faulting *int                       `json:"faultingThread"`
	Threads  []struct {
		Triggered bool       `json:"triggered"`
		Frames    []ipsFrame `json:"frames"`
	} `json:"threads"`
	Images []struct {
		Name string `json:"name"`
	} `json:"usedImages"`
}

type ipsFrame struct {
	Image  int    `json:"imageIndex"`
	Offset uint64 `json:"imageOffset"`
	Symbol string `json:"symbol"`
	At     uint64 `json:"symbolLocation"`
}

// parseIPS reads two JSON objects, one after the other: about the report, and the report.
func parseIPS(text []byte) (*Report, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	var meta struct {
		BugType json.RawMessage `json:"bug_type"` // a text, in some versions a number
		Name    string          `json:"name"`
	}
	if err := d.Decode(&meta); err != nil {
		return nil, fmt.Errorf("its first object: %w", err)
	}
	if kind := strings.Trim(string(meta.BugType), `"`); kind == "" {
		return nil, errors.New("no bug_type")
	} else if !crashTypes[kind] {
		return nil, ErrOther
	}
	var b ipsBody
	if err := d.Decode(&b); err != nil {
		return nil, fmt.Errorf("its second object: %w", err)
	}
	r := &Report{Process: line(b.Process), Path: line(b.Path), PID: b.PID, Parent: b.Parent, Charge: b.Responsible}
	if r.Process == "" {
		r.Process = line(meta.Name)
	}
	r.Time, _ = stamp(b.Captured)
	r.Launch, _ = stamp(b.Launched)

	e := b.Exception
	r.Exception = e.Type
	if e.Signal != "" {
		r.Exception += " (" + e.Signal + ")"
	}
	r.Exception = join(", ", r.Exception, e.Subtype)
	t := b.Termination
	if t.Namespace != "" {
		r.Termination = join(", ", append([]string{"Namespace " + t.Namespace, "Code " + strings.Trim(string(t.Code), `"`), t.Indicator}, append(t.Reasons, t.Details...)...)...)
	}
	r.Messages = b.messages()
	r.Frames = b.frames()
	return r, nil
}

// messages are those of the libraries in the order of the file's text as far as a map
// allows: one library mostly.
func (b *ipsBody) messages() []string {
	var list []string
	for _, library := range sortedKeys(b.Messages) {
		var texts []string
		if json.Unmarshal(b.Messages[library], &texts) != nil {
			continue // CRSIGNATURES and the like hold other things
		}
		for _, t := range texts {
			if t = line(t); t != "" && len(list) < maxMessages {
				list = append(list, t)
			}
		}
	}
	return list
}

func (b *ipsBody) frames() []string {
	faulting := -1
	if b.Faulting != nil {
		faulting = *b.Faulting
	}
	for i, t := range b.Threads {
		if t.Triggered {
			faulting = i
			break
		}
	}
	if faulting < 0 || faulting >= len(b.Threads) {
		return nil
	}
	var list []string
	for _, f := range b.Threads[faulting].Frames[:min(maxFrames, len(b.Threads[faulting].Frames))] {
		image := "?"
		if f.Image >= 0 && f.Image < len(b.Images) && b.Images[f.Image].Name != "" {
			image = b.Images[f.Image].Name
		}
		if f.Symbol != "" {
			list = append(list, line(fmt.Sprintf("%s: %s + %d", image, f.Symbol, f.At)))
		} else {
			list = append(list, line(fmt.Sprintf("%s + %d", image, f.Offset)))
		}
	}
	return list
}

var (
	// named is "bench [512]".
	named = regexp.MustCompile(`^(.*?)\s*\[([0-9]{1,10})\]$`)
	// frame is "0   libpool.dylib   0x000000018b0 pool::encode + 12".
	frame = regexp.MustCompile(`^([0-9]+)\s+(\S.*?)\s+0x[0-9a-fA-F]+\s+(.*)$`)
)

// parseText reads a .crash file: "Key: value" lines, then sections
// (developer.apple.com/documentation/xcode/examining-the-fields-in-a-crash-report).
func parseText(text []byte) (*Report, error) {
	r := &Report{}
	section := "" // "messages" or "frames" while in one
	ended := false
	process := func(v string) (string, int) {
		if m := named.FindStringSubmatch(v); m != nil {
			pid, err := strconv.Atoi(m[2])
			if err == nil && pid < 1<<31 {
				return m[1], pid
			}
		}
		return v, 0
	}
	for raw := range bytes.Lines(text) {
		l := strings.TrimRight(string(raw[:min(len(raw), 16*maxText)]), "\r\n")
		trimmed := strings.TrimSpace(l)
		if trimmed == "Binary Images:" || strings.HasPrefix(trimmed, "EOF") {
			ended = true
		}
		switch {
		case trimmed == "":
			section = ""
			continue
		case section == "messages":
			if t := line(trimmed); t != "" && len(r.Messages) < maxMessages {
				r.Messages = append(r.Messages, t)
			}
			continue
		case section == "frames":
			if m := frame.FindStringSubmatch(trimmed); m != nil && len(r.Frames) < maxFrames {
				r.Frames = append(r.Frames, line(m[2]+": "+m[3]))
			}
			continue
		case strings.HasPrefix(l, "Thread ") && strings.HasSuffix(trimmed, "Crashed:") && r.Frames == nil:
			section = "frames"
			continue
		case trimmed == "Application Specific Information:":
			section = "messages"
			continue
		}
		key, value, ok := strings.Cut(l, ":")
		value = strings.TrimSpace(value)
		if !ok || value == "" {
			continue
		}
		switch key {
		case "Process":
			if r.PID == 0 {
				r.Process, r.PID = process(value)
				r.Process = line(r.Process)
			}
		case "Path":
			r.Path = line(value)
		case "Parent Process":
			_, r.Parent = process(value)
		case "Responsible":
			_, r.Charge = process(value)
		case "Date/Time":
			if t, ok := stamp(value); ok && r.Time.IsZero() {
				r.Time = t
			}
		case "Launch Time":
			r.Launch, _ = stamp(value)
		case "Exception Type":
			r.Exception = line(value)
		case "Exception Codes", "Exception Subtype":
			if strings.HasPrefix(value, "KERN_") {
				r.Exception = join(", ", r.Exception, value)
			}
		case "Termination Reason":
			r.Termination = line(value)
		}
	}
	switch {
	case r.PID == 0 && r.Time.IsZero():
		return nil, ErrOther // hangs and spins are .crash files, too, in old systems
	case !ended:
		return nil, errors.New("it ends before its list of images")
	case r.Exception == "" && r.Termination == "":
		return nil, ErrOther
	}
	return r, nil
}
