package launchd

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// Plist is the property list of a LaunchAgent, as launchd.plist(5) describes it.
//
// ProcessType is Interactive: without it launchd throttles CPU and I/O of the job, and
// benchmarks would measure launchd. KeepAlive restarts the agent after every exit: one that
// has stopped watching, unnoticed, is worse than one that restarts. It is a LaunchAgent
// and has no SessionCreate, since Metal wants the session of the logged-in user.
func Plist(j Job) ([]byte, error) {
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("property list: %w", err)
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	b.WriteString(`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n")
	b.WriteString("<plist version=\"1.0\">\n<dict>\n")
	key := func(name string) { fmt.Fprintf(&b, "\t<key>%s</key>\n", name) }
	str := func(indent, s string) {
		b.WriteString(indent + "<string>")
		_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer does not fail
		b.WriteString("</string>\n")
	}
	key("Label")
	str("\t", j.Label)
	key("ProgramArguments")
	b.WriteString("\t<array>\n")
	for _, a := range append([]string{j.Program}, j.Arguments...) {
		str("\t\t", a)
	}
	b.WriteString("\t</array>\n")
	key("WorkingDirectory")
	str("\t", j.Dir)
	if len(j.Env) > 0 {
		key("EnvironmentVariables")
		b.WriteString("\t<dict>\n")
		for _, v := range j.variables() {
			b.WriteString("\t\t<key>")
			_ = xml.EscapeText(&b, []byte(v[0]))
			b.WriteString("</key>\n")
			str("\t\t", v[1])
		}
		b.WriteString("\t</dict>\n")
	}
	key("ProcessType")
	str("\t", "Interactive")
	key("RunAtLoad")
	b.WriteString("\t<true/>\n")
	key("KeepAlive")
	b.WriteString("\t<true/>\n")
	key("ThrottleInterval")
	fmt.Fprintf(&b, "\t<integer>%d</integer>\n", j.throttle())
	key("ExitTimeOut")
	// Seconds between SIGTERM and SIGKILL: children get their grace period first.
	b.WriteString("\t<integer>30</integer>\n")
	key("StandardOutPath")
	str("\t", j.stdout())
	key("StandardErrorPath")
	str("\t", j.stderr())
	b.WriteString("</dict>\n</plist>\n")
	return b.Bytes(), nil
}
