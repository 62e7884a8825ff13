package launchd

import (
	"fmt"
	"strings"
)

// Unit is a systemd user unit with the same meaning as [Plist], as systemd.service(5),
// systemd.exec(5) and systemd.syntax(7) describe it.
func Unit(j Job) ([]byte, error) {
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("unit: %w", err)
	}
	// Paths that a property list can hold and a unit cannot: systemd refuses programs with
	// quotes or backslashes, and takes $ apart in arguments but not in the program, where
	// doubling it would change the path. The folders lose blanks at their end, and a
	// backslash there would continue the line.
	if strings.ContainsAny(j.Program, `$"'\`) {
		return nil, fmt.Errorf("unit: systemd runs no program with a dollar sign, quote or backslash in its path: %q", j.Program)
	}
	for _, path := range []string{j.Dir, j.LogDir} {
		if strings.TrimSpace(path) != path || strings.HasSuffix(path, `\`) {
			return nil, fmt.Errorf("unit: systemd takes no path that ends in a blank or a backslash: %q", path)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[Unit]\nDescription=Holdfast regression agent (%s)\n", j.Label)
	b.WriteString("After=network-online.target\nStartLimitIntervalSec=0\n\n[Service]\nType=exec\n")
	command := make([]string, 0, len(j.Arguments)+1)
	for _, a := range append([]string{j.Program}, j.Arguments...) {
		command = append(command, quote(a, true))
	}
	fmt.Fprintf(&b, "ExecStart=%s\n", strings.Join(command, " "))
	// These two take one path up to the end of the line: quotes would be part of it.
	fmt.Fprintf(&b, "WorkingDirectory=%s\n", specifiers(j.Dir))
	for _, v := range j.variables() {
		fmt.Fprintf(&b, "Environment=%s\n", quote(v[0]+"="+v[1], false))
	}
	fmt.Fprintf(&b, "Restart=always\nRestartSec=%d\n", j.throttle())
	b.WriteString("KillMode=mixed\nTimeoutStopSec=30\n")
	fmt.Fprintf(&b, "StandardOutput=append:%s\n", specifiers(j.stdout()))
	fmt.Fprintf(&b, "StandardError=append:%s\n", specifiers(j.stderr()))
	b.WriteString("\n[Install]\nWantedBy=default.target\n")
	return []byte(b.String()), nil
}

// specifiers doubles the percent sign, which starts a specifier in every setting.
func specifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// quote makes one word of s. In command lines a dollar sign starts a variable, too.
func quote(s string, command bool) string {
	s = specifiers(s)
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
	if command {
		s = strings.ReplaceAll(s, "$", "$$")
	}
	return `"` + s + `"`
}
