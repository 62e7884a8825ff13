package agent

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// Grades of a finding.
const (
	gradeOK   = "ok"
	gradeNote = "note" // worth knowing, nothing to do
	gradeWarn = "warn" // works, but not for long or not wholly
	gradeFail = "FAIL" // what the configuration asks for will not work
	gradeDark = "?"    // it could not be told
	gradeSkip = "-"    // does not apply
)

// finding is one line of `holdfast doctor`.
type finding struct {
	grade, what, text, hint string
}

// doctor looks at what the agent needs and prints what it finds, as it finds it.
type doctor struct {
	w     io.Writer
	fails int
	warns int
}

func (d *doctor) section(title string) { fmt.Fprintf(d.w, "\n%s\n", title) }

func (d *doctor) say(grade, what, format string, args ...any) {
	d.print(finding{grade, what, fmt.Sprintf(format, args...), ""})
}

// fail prints what is wrong with the advice that the error carries.
func (d *doctor) fail(grade, what string, err error) {
	d.print(finding{grade, what, err.Error(), hintOf(err)})
}

func (d *doctor) print(f finding) {
	switch f.grade {
	case gradeFail:
		d.fails++
	case gradeWarn, gradeDark:
		d.warns++
	}
	fmt.Fprintf(d.w, "  %-4s  %-22s %s\n", f.grade, f.what, strings.ReplaceAll(f.text, "\n", " "))
	if f.hint != "" {
		for line := range strings.SplitSeq(f.hint, "\n") {
			fmt.Fprintf(d.w, "  %-4s  %-22s → %s\n", "", "", line)
		}
	}
}

func (d *doctor) hint(grade, what, text, format string, args ...any) {
	d.print(finding{grade, what, text, fmt.Sprintf(format, args...)})
}

func cmdDoctor(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "doctor", "[flags]")
	file := fs.String("config", "", "configuration `FILE` (default agent.toml)")
	offline := fs.Bool("offline", false, "do not ask GitHub or any other remote")
	probe := fs.Bool("probe", false, "find out what a fine-grained token may do by asking for a status on a commit that cannot exist")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	cfg, err := loadConfig(e, *file, false)
	if err != nil {
		return err
	}
	d := &doctor{w: e.stdout}
	fmt.Fprintf(d.w, "%s, %s: %s\n", agentName(), cfg.File, plural(len(cfg.Repositories), "repository", "repositories"))
	d.machine(ctx, e, cfg)
	d.tools(ctx, e, cfg)
	d.github(ctx, e, cfg, *offline, *probe)
	switch {
	case d.fails > 0:
		fmt.Fprintf(d.w, "\n%s not work\n", plural(d.fails, "thing does", "things do"))
		return &verdictError{runner.Failure}
	case d.warns > 0:
		fmt.Fprintf(d.w, "\nworks, with %s\n", plural(d.warns, "warning"))
	default:
		fmt.Fprintln(d.w, "\nall in order")
	}
	return nil
}
