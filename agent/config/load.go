package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	_ "time/tzdata" // time zones on machines that carry none
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// place is what paths and names in a file depend on.
type place struct {
	dir  string // of the file, absolute
	home string
	api  string // GITHUB_API_URL, as Actions sets it
	host string
	goos string
}

// maxFile is far beyond any sensible configuration.
const maxFile = 1 << 20

// Load reads and checks a configuration file. environ is the environment of the agent
// in os.Environ form; only HOME and GITHUB_API_URL are read from it. The error is an [*Errors] if the file
// could be read but something in it is wrong.
func Load(name string, environ []string) (*Config, error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, runner.WithHint(fmt.Errorf("configuration %s does not exist", name), "name another with --config FILE")
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("read configuration: %s is larger than %d bytes", name, maxFile)
	}
	return Text(name, text, environ)
}

// Text is [Load] of a file whose text is at hand: name is where it would be.
func Text(name string, text []byte, environ []string) (*Config, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	return parse(name, text, place{dir: filepath.Dir(abs), home: proc.Getenv(environ, "HOME"), api: proc.Getenv(environ, "GITHUB_API_URL"), host: host, goos: runtime.GOOS})
}

// Parse checks the text of a configuration file without touching the machine: name is
// used in messages and as the start of relative paths, the home folder is /home/nobody
// and the host is called "localhost". The error is always an [*Errors].
func Parse(name string, text []byte) (*Config, error) {
	return parse(name, text, place{dir: filepath.Dir(name), home: "/home/nobody", host: "localhost", goos: "linux"})
}

func parse(name string, text []byte, at place) (*Config, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	d := &decoder{file: name, text: string(text), set: map[path]bool{}}
	var tree map[string]any
	if _, err := toml.Decode(d.text, &tree); err != nil {
		d.syntax(err)
		return nil, d.errors()
	}
	d.pos = scan(d.text)
	d.tokenLines()
	c := defaults()
	c.File, c.Dir = name, at.dir
	d.table("", tree, reflect.ValueOf(c).Elem(), "repositories")
	d.repositories(c, tree["repositories"])
	d.finish(c, at)
	if err := d.errors(); err != nil {
		return nil, err
	}
	return c, nil
}

// repositories reads [[repositories]], each on top of the settings for all.
func (d *decoder) repositories(c *Config, v any) {
	const p = path("\x00krepositories")
	if v == nil {
		d.report(span{}, "add one:  [[repositories]]  then  path = \".\"", "no repository to watch")
		return
	}
	items, ok := elements(v)
	if !ok {
		d.value(p, "write [[repositories]] with two brackets", "repositories: expected a list of tables, found %s", kind(v, false))
		return
	}
	if len(items) == 0 {
		d.value(p, "add one:  [[repositories]]  then  path = \".\"", "no repository to watch")
	}
	for i, item := range items {
		r := Repository{
			Branches: []string{"main"}, PullRequests: PullRequestsApproved, Commands: true, Drafts: true, Comment: CommentProblems, Report: ReportNone,
			Proofs: c.Proofs, Checks: c.Checks, Bench: c.Bench, Thresholds: c.Thresholds,
		}
		d.field(p.index(i), item, reflect.ValueOf(&r).Elem(), "")
		c.Repositories = append(c.Repositories, r)
	}
}

// syntax reports what the TOML library could not read. It gives up at the first.
func (d *decoder) syntax(err error) {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		d.report(span{}, "", "%v", err)
		return
	}
	start := pe.Position.Start
	if start >= len(d.text) { // an error at the end of the text is shown on the last line that has one
		start = len(strings.TrimRight(d.text, "\r\n\t "))
		start = max(0, start-1)
	}
	if !utf8.ValidString(d.text) {
		for i, r := range d.text {
			if _, n := utf8.DecodeRuneInString(d.text[i:]); r == utf8.RuneError && n == 1 {
				start = i
				break
			}
		}
	}
	hint := ""
	if strings.Contains(pe.Message, "expected value") {
		hint = "strings stand in quotes: key = \"value\""
	}
	d.report(span{start, start + max(1, pe.Position.Len)}, hint, "%s", strings.TrimSuffix(printable(pe.Message), "."))
}

// errors gives all problems in the order of the lines, or nil.
func (d *decoder) errors() error {
	if len(d.problems) == 0 {
		return nil
	}
	// What is hidden in a line is so whatever else is wrong with it.
	for _, p := range d.problems {
		if source, ok := d.hidden[p.Line]; ok {
			p.Source = source
		}
	}
	slices.SortStableFunc(d.problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Errors{List: d.problems}
}
