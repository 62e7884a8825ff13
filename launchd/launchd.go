// Package launchd describes the agent as a service: a LaunchAgent for launchd on macOS
// and a user unit for systemd on Linux. It makes the files as data ([Plist], [Unit]),
// and installs, removes and looks at them through the system's own tool ([Service]).
//
// The launchd side was written from launchd.plist(5) and launchctl(1) and run against a
// stand-in; nobody has run it on a Mac yet.
//
// What the service does is left to others: this package imports nothing of Holdfast.
package launchd

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"
)

// Job is a program that a service manager keeps running. All paths are absolute.
type Job struct {
	Label     string   // reverse-DNS name, "ci.holdfast.agent": letters, digits, "-", "_" and "."
	Program   string   // the holdfast binary
	Arguments []string // after the program
	Dir       string   // working directory
	LogDir    string   // standard output and error go to files in it
	Env       map[string]string
	Throttle  int // least seconds between two starts; 0 means 10
}

// secretName is what a variable that holds a secret tends to be called.
var secretName = regexp.MustCompile(`(?i)(token|secret|passw|credential|private_?key|api_?key)`)

// secretValue is what tokens, keys and URLs with a password look like.
var secretValue = regexp.MustCompile(`(?:gh[opsur]_|github_pat_|glpat-|xox[abprs]-|sk-|AKIA|eyJ)[A-Za-z0-9_.\-]{8,}|://[^/\s:@]*:[^/\s@]+@|-----BEGIN `)

var label = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// check reports everything that would make a file that does not do what it says.
func (j Job) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !label.MatchString(j.Label) {
		bad("label %q: want letters, digits, dots, - and _", j.Label)
	}
	for what, path := range map[string]string{"program": j.Program, "working directory": j.Dir, "log folder": j.LogDir} {
		if !filepath.IsAbs(path) {
			bad("%s %q is not an absolute path", what, path)
		}
	}
	if j.Throttle < 0 {
		bad("throttle of %d seconds", j.Throttle)
	}
	texts := map[string][]string{"path": {j.Program, j.Dir, j.LogDir}, "argument": j.Arguments}
	for name, value := range j.Env {
		if secretName.MatchString(name) || secretValue.MatchString(value) {
			bad("variable %s looks like a secret: service files can be read by everybody; refer to a file or the keychain in agent.toml", name)
		}
		if name == "" || strings.ContainsAny(name, "= \t") {
			bad("%q is not the name of a variable", name)
		}
		texts["name of a variable"] = append(texts["name of a variable"], name)
		texts["value of "+name] = []string{value}
	}
	for i, arg := range j.Arguments {
		if secretValue.MatchString(arg) {
			bad("argument %d looks like a secret: refer to a file or the keychain in agent.toml", i+1)
		}
	}
	for what, list := range texts {
		for _, s := range list {
			// U+FFFE and U+FFFF cannot stand in XML, and its writer would replace them.
			if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f || r == 0xfffe || r == 0xffff }) || !utf8.ValidString(s) {
				bad("a line end, another control character or invalid UTF-8 in the %s", strings.ToValidUTF8(what, "?"))
			}
		}
	}
	return errors.Join(errs...)
}

func (j Job) throttle() int {
	if j.Throttle == 0 {
		return 10
	}
	return j.Throttle
}

// variables are the settings of Env in order.
func (j Job) variables() [][2]string {
	var list [][2]string
	for k, v := range j.Env {
		list = append(list, [2]string{k, v})
	}
	sort.Slice(list, func(a, b int) bool { return list[a][0] < list[b][0] })
	return list
}

func (j Job) stdout() string { return filepath.Join(j.LogDir, "holdfast.out.log") }
func (j Job) stderr() string { return filepath.Join(j.LogDir, "holdfast.err.log") }
