package agent

import (
	"flag"
	"fmt"
	"io"

	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// outputs says where a report goes beside the terminal. A file name of "-" is standard
// output.
type outputs struct {
	json, markdown, sarif, junit string
	annotations                  bool
	quietText                    bool // no text for people
}

// exchange registers the flags of the formats that other programs read.
func (o *outputs) exchange(fs *flag.FlagSet) {
	fs.StringVar(&o.sarif, "sarif", "", "write what was found as SARIF 2.1.0 to `FILE` (- for standard output)")
	fs.StringVar(&o.junit, "junit", "", "write the results as JUnit XML to `FILE` (- for standard output)")
	fs.BoolVar(&o.annotations, "annotations", false, "print workflow commands of GitHub Actions, which annotate the change")
}

// check refuses two documents on one standard output.
func (o *outputs) check() error {
	n := 0
	for _, name := range []string{o.json, o.markdown, o.sarif, o.junit} {
		if name == "-" {
			n++
		}
	}
	if n > 1 {
		return &usageError{"two documents on standard output", "write one of them to a file"}
	}
	return nil
}

// write writes the report where it was asked for; text to standard output unless a
// document goes there.
func (o *outputs) write(e *env, in report.Input) error {
	free := true
	for _, f := range []struct {
		name   string
		render func() ([]byte, error)
	}{
		{o.json, func() ([]byte, error) {
			doc, err := report.JSON(in)
			return append(doc, '\n'), err
		}},
		{o.markdown, func() ([]byte, error) { return []byte(report.Markdown(in)), nil }},
		{o.sarif, func() ([]byte, error) { return report.SARIF(in) }},
		{o.junit, func() ([]byte, error) { return report.JUnit(in) }},
	} {
		if f.name == "" {
			continue
		}
		free = free && f.name != "-"
		doc, err := f.render()
		if err != nil {
			return fmt.Errorf("render the report: %w", err)
		}
		if err := writeOut(e, f.name, doc); err != nil {
			return err
		}
	}
	if free && !o.quietText {
		if _, err := io.WriteString(e.stdout, report.Text(in)); err != nil {
			return err
		}
	}
	if !o.annotations {
		return nil
	}
	w := e.stdout
	if !free {
		w = e.stderr // Actions reads both
	}
	_, err := io.WriteString(w, report.Annotations(in))
	return err
}

// writeOut writes a file as a whole or not at all; "-" is standard output.
func writeOut(e *env, name string, text []byte) error {
	if name == "-" {
		_, err := e.stdout.Write(text)
		return err
	}
	if err := runner.ReplaceFile(name, text); err != nil {
		return fmt.Errorf("write report %s: %w", name, err)
	}
	return nil
}

// plural counts things; many is their plural if it is not what with an s.
func plural(n int, what string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + what
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, what)
}
