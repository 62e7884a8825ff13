// Demo walks the history of the example: the good commits first, then each bad one. It
// runs the holdfast command on every commit, compares the verdict of the run and of the
// stage that should notice with a table, and prints both side by side.
//
//	go run ./tools/demo -holdfast bin/holdfast -config agent.toml -repo streampool demo.tsv
//
// Exit code 0: every commit got the verdict that the table promises; 1: one did not.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// expectation is one line of the table: tab-separated revision, verdict, stage ("-" for
// the run as a whole) and what the commit shows.
type expectation struct {
	rev, verdict, stage, shows string
}

// outcome is the part of the holdfast/run/v1 document that is looked at.
type outcome struct {
	Verdict string `json:"verdict"`
	Stages  []struct {
		Name    string `json:"name"`
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
	} `json:"stages"`
}

func main() {
	holdfast := flag.String("holdfast", "bin/holdfast", "the command under demonstration")
	config := flag.String("config", "agent.toml", "its configuration")
	repo := flag.String("repo", "streampool", "the repository to walk")
	only := flag.String("only", "", "walk only the commits of this expected `VERDICT`")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: demo [flags] TABLE")
		os.Exit(2)
	}
	wrong, err := walk(os.Stdout, *holdfast, *config, *repo, flag.Arg(0), *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	if wrong > 0 {
		fmt.Printf("%d commits did not get the verdict they should have\n", wrong)
		os.Exit(1)
	}
	fmt.Println("every commit got the verdict it should have")
}

func walk(w io.Writer, holdfast, config, repo, table, only string) (wrong int, err error) {
	f, err := os.Open(table)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	list, err := read(f)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", table, err)
	}
	var summary strings.Builder
	tab := tabwriter.NewWriter(&summary, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "commit\texpected\tgot\tby\tshows")
	walked := 0
	for _, x := range list {
		if only != "" && x.verdict != only {
			continue
		}
		walked++
		fmt.Fprintf(w, "\n== %s: %s\n", x.rev, x.shows)
		got, err := examine(w, holdfast, config, repo, x.rev)
		if err != nil {
			return wrong, fmt.Errorf("%s: %w", x.rev, err)
		}
		problem := compare(x, got)
		for try := 1; try < tries && problem != "" && untold(got); try++ {
			fmt.Fprintf(w, "\n== %s: the machine was too busy for its benchmarks, once more\n", x.rev)
			if got, err = examine(w, holdfast, config, repo, x.rev); err != nil {
				return wrong, fmt.Errorf("%s: %w", x.rev, err)
			}
			problem = compare(x, got)
		}
		mark := ""
		if problem != "" {
			wrong++
			mark = "  <- " + problem
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s%s\n", x.rev, x.verdict, got.Verdict, x.stage, x.shows, mark)
	}
	if walked == 0 {
		return 0, fmt.Errorf("%s: no commit is expected to be %s", table, only)
	}
	tab.Flush()
	fmt.Fprintf(w, "\n%s\n", summary.String())
	return wrong, nil
}

func read(r io.Reader) ([]expectation, error) {
	var list []expectation
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("line %d: %d columns, want 4", n, len(f))
		}
		list = append(list, expectation{f[0], f[1], f[2], f[3]})
	}
	if len(list) == 0 {
		return nil, errors.New("no commits listed")
	}
	return list, sc.Err()
}

// examine runs the command; whatever its verdict, its document must be there.
func examine(w io.Writer, holdfast, config, repo, rev string) (outcome, error) {
	dir, err := os.MkdirTemp("", "holdfast-demo")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "run.json")
	cmd := exec.Command(holdfast, "run", "--config", config, "--repo", repo, "--commit", rev, "--json", file)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return outcome{}, err
	}
	text, rerr := os.ReadFile(file)
	if rerr != nil {
		return outcome{}, fmt.Errorf("the command left no report (%v)", err)
	}
	var o outcome
	if err := json.Unmarshal(text, &o); err != nil {
		return outcome{}, err
	}
	want := map[string]int{"success": 0, "neutral": 0, "failure": 1, "error": 3}
	if code := cmd.ProcessState.ExitCode(); code != want[o.Verdict] {
		return o, fmt.Errorf("exit code %d for the verdict %s", code, o.Verdict)
	}
	return o, nil
}

// tries is how often a commit is examined at most.
const tries = 3

// untold reports whether the benchmarks could not be told: no commit of the table is about
// that, but a machine that does something else at the time is.
func untold(o outcome) bool {
	for _, s := range o.Stages {
		if s.Name == "bench" && s.Verdict == "error" {
			return true
		}
	}
	return false
}

// compare says what is wrong with an outcome, "" if nothing is: the run and the stage
// named must have the verdict, and no other stage may have noticed anything.
func compare(x expectation, o outcome) string {
	if o.Verdict != x.verdict {
		return "got " + o.Verdict
	}
	seen := false
	for _, s := range o.Stages {
		switch {
		case s.Name == x.stage:
			seen = true
			if s.Verdict != x.verdict {
				return fmt.Sprintf("%s says %s: %s", s.Name, s.Verdict, s.Reason)
			}
		case s.Verdict != "success":
			return fmt.Sprintf("%s says %s: %s", s.Name, s.Verdict, s.Reason)
		}
	}
	if x.stage != "-" && !seen {
		return "no stage " + x.stage
	}
	return ""
}
