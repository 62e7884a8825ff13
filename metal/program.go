package metal

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/metal/format"
)

// Formats of a program's output.
const (
	FormatGo        = "go"               // the Go benchmark format
	FormatGoogle    = "google-benchmark" // JSON of Google Benchmark; "google" is the same
	FormatHyperfine = "hyperfine"        // JSON of hyperfine --export-json
	FormatBencher   = "bmf"              // Bencher Metric Format
	FormatCatch2    = "catch2"           // XML of Catch2's reporter xml
	FormatJMH       = "jmh"              // JSON of JMH -rf json
	FormatRegexp    = "regexp"           // Pattern on every line
)

// formats are the readers of the formats that need no setting.
var formats = map[string]func([]byte) format.Output{
	FormatGo:        format.Go,
	FormatGoogle:    format.GoogleBenchmark,
	FormatHyperfine: format.Hyperfine,
	FormatBencher:   format.Bencher,
	FormatCatch2:    format.Catch2,
	FormatJMH:       format.JMH,
}

// Program is a benchmark of the watched repository. Its samples come from standard
// output, or from a file that it writes. It runs without a shell.
type Program struct {
	Name    string
	Build   []string      // run once before the rounds; empty for none
	Command []string      // run once a round
	Dir     string        // relative to the checkout; "" is the checkout
	Limit   time.Duration // of one call; default 10 minutes
	Rounds  int           // default 5
	Format  string        // default FormatGo
	Output  string        // file with the samples, relative to Dir; "" is standard output
	Pattern string        // of FormatRegexp: named groups value, name, unit; others become Config
	Unit    string        // of FormatRegexp, if Pattern has no group unit
	Inputs  []string      // files and folders, relative to the checkout, that it depends on beside its executable
	Env     []string      // "NAME=value", added to the workspace's environment
}

const (
	defaultProgramLimit  = 10 * time.Minute
	defaultProgramRounds = 5
	// maxOutput is how much of standard output, or of a file, is read, in bytes.
	maxOutput = 16 << 20
)

func (p Program) filled() Program {
	orDefault(&p.Limit, defaultProgramLimit)
	orDefault(&p.Rounds, defaultProgramRounds)
	orDefault(&p.Format, FormatGo)
	if p.Format == "google" {
		p.Format = FormatGoogle
	}
	return p
}

func (p Program) check() error {
	errorf := func(format string, args ...any) error {
		return fmt.Errorf("benchmark program %q: "+format, append([]any{p.Name}, args...)...)
	}
	switch {
	case p.Name == "":
		return errorf("it has no name")
	case len(p.Command) == 0 || p.Command[0] == "":
		return errorf("it has no command")
	case p.Dir != "" && !filepath.IsLocal(p.Dir):
		return errorf("dir %q is outside the checkout", p.Dir)
	case p.Limit < 0:
		return errorf("limit %s is negative", p.Limit)
	case p.Rounds < 1 || p.Rounds > 1000:
		return errorf("rounds: %d is outside 1 … 1000", p.Rounds)
	case p.Output != "" && !filepath.IsLocal(filepath.Join(p.Dir, p.Output)):
		return errorf("output %q is outside the checkout", p.Output)
	case p.Format != FormatRegexp && formats[p.Format] == nil:
		return errorf("no format %q: there are %s and %s", p.Format, strings.Join(slices.Sorted(maps.Keys(formats)), ", "), FormatRegexp)
	case p.Format != FormatRegexp && p.Pattern != "":
		return errorf("a pattern needs format %q", FormatRegexp)
	}
	for _, in := range p.Inputs {
		if !filepath.IsLocal(in) {
			return errorf("input %q is outside the checkout", in)
		}
	}
	for _, e := range p.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return errorf("environment %q is not NAME=value", e)
		}
	}
	if p.Format == FormatRegexp {
		if _, err := format.NewPattern(p.Pattern, p.Name, p.Unit); err != nil {
			return errorf("%w", err)
		}
	}
	return nil
}

// log is the first part of the names of the program's logs: the name as a file name.
func (p Program) log() string {
	return "bench-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, p.Name[:min(len(p.Name), 100)])
}

// read parses one output.
func (p Program) read(text []byte) format.Output {
	if read := formats[p.Format]; read != nil {
		return read(text)
	}
	pattern, err := format.NewPattern(p.Pattern, p.Name, p.Unit)
	if err != nil {
		return format.Output{Errors: []*format.SyntaxError{{Msg: err.Error()}}}
	}
	return pattern.Read(text)
}
