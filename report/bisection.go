package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// Bisection is the search for the first bad commit of a range, as far as it has come.
type Bisection struct {
	Number  int64
	Stage   string
	Origin  int64         // run that found Bad to be bad; 0: by hand
	Moved   bool          // it asks what moved a metric, not what failed
	Metric  string        // runner.Sample.Key of the metric that it asks about; ""
	Range   []string      // hashes of the commits after Good up to Bad
	Asked   string        // "checks", "bench: X <= baseline + 25%"
	Good    runner.Commit // ends of the range
	Bad     runner.Commit
	Commits int    // after Good, up to Bad
	Kind    string // of its result, package bisect's word; "" while it goes on
	// Confirmed: the last of the suspects was bad twice, and the one before the first good
	// twice.
	Confirmed bool
	// Suspects are the commits one of which is the first bad one, oldest first.
	Suspects []runner.Commit
	Probes   []BisectionProbe // in the order in which they were made
	// What was to be spent and what was spent, and about how many more examinations it would
	// take; Most is 0 if that is not known.
	Most, Left  int
	Limit, Took time.Duration
	Further     string // command that goes on from here, for a Kind of "budget"; or ""
}

// BisectionProbe is one examination of one commit.
type BisectionProbe struct {
	Commit  runner.Commit
	Run     int64
	Outcome string // "good", "bad", "skip" (could not be told), "unsure" (not decided), "lost" (did not end), "" while it goes on
	Reason  string
}

// maxSuspects and maxSkipped are how many commits are named.
const (
	maxSuspects = 8
	maxSkipped  = 5
)

// contradicts reports whether the i-th examination is the first that shows its commit to be
// both good and bad.
func (b *Bisection) contradicts(i int) bool {
	p, good, bad := b.Probes[i], false, false
	for _, x := range b.Probes[:i] {
		good = good || x.Commit.SHA == p.Commit.SHA && x.Outcome == "good"
		bad = bad || x.Commit.SHA == p.Commit.SHA && x.Outcome == "bad"
	}
	return p.Outcome == "good" && bad && !good || p.Outcome == "bad" && good && !bad
}

// never reports whether the i-th examination is the last of a commit, and none decided
// anything.
func (b *Bisection) never(i int) bool {
	for k, p := range b.Probes {
		if p.Commit.SHA == b.Probes[i].Commit.SHA && (k > i || p.Outcome != "unsure") {
			return false
		}
	}
	return true
}

// told renders what a bisection came to, in sentences. name writes a commit, text foreign
// text, command what a person may type.
func (b *Bisection) told(name func(runner.Commit) string, text, command func(string) string) []string {
	first := runner.Commit{}
	if len(b.Suspects) > 0 {
		first = b.Suspects[0]
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	among := "one of " + plural(len(b.Suspects), "commit")
	if len(b.Suspects) == 1 {
		among = "so far " + name(first) + ", not confirmed yet"
	}
	switch b.Kind {
	case "":
		say("searching for the first bad commit: %s made, %s", plural(len(b.Probes), "examination"), among)
	case "found":
		how := "bad twice, and its parent good twice"
		if !b.Confirmed {
			how = "not confirmed: a second examination of it or its parent could not be told"
		}
		say("first bad commit: %s (%s)", name(first), how)
	case "several":
		say("the first bad commit is one of %s: what lies between could not be told", plural(len(b.Suspects), "commit"))
	case "budget":
		say("given up, the budget is spent: the first bad commit is %s", strings.TrimSuffix(among, " yet"))
		if b.Most > 0 {
			say("%d of %s made, in %s of %s; about %s left", len(b.Probes), plural(b.Most, "examination"), elapsed(b.Took.Seconds()), elapsed(b.Limit.Seconds()), plural(b.Left, "more is", "more are"))
		}
		if b.Further != "" {
			say("to go on by hand: %s", command(b.Further))
		}
	case "base bad":
		say("no commit after %s is to blame: it is bad, too, when it is examined now. Either an older commit is, or something outside of the repository: toolchain, system, machine", name(b.Good))
	case "head good":
		say("not reproduced: %s is good when it is examined again", name(b.Bad))
	case "untold":
		say("nothing to search between: %s could not be told", name(first))
	case "unstable":
		say("nobody is blamed: the answers contradict each other")
	default:
		say("%s", text(b.Kind))
	}
	if b.Kind == "several" || b.Kind == "budget" {
		for _, c := range b.Suspects[:min(len(b.Suspects), maxSuspects)] {
			say("suspect: %s", name(c))
		}
		if n := len(b.Suspects) - maxSuspects; n > 0 {
			say("and %s more", number(n))
		}
	}
	skipped := 0
	for i, p := range b.Probes {
		if b.contradicts(i) {
			say("contradicts itself: %s was good once and bad once", name(p.Commit))
		}
		if p.Outcome != "skip" && !(p.Outcome == "unsure" && b.never(i)) {
			continue
		}
		if skipped++; skipped <= maxSkipped {
			say("skipped: %s could not be told: %s", name(p.Commit), text(p.Reason))
		}
	}
	if skipped > maxSkipped {
		say("and %s more that could not be told", number(skipped-maxSkipped))
	}
	return out
}

// title is what was asked, and where.
func (b *Bisection) title(text, hash func(string) string) string {
	return fmt.Sprintf("bisection %d, %s, %s after %s", b.Number, text(b.Asked), plural(b.Commits, "commit"), hash(b.Good.Short()))
}

// bisections are told right after what has to be looked at.
func bisections(in *Input) section {
	if len(in.Bisections) == 0 {
		return section{}
	}
	commit := func(c runner.Commit) string {
		s := code(c.Short())
		if c.Subject != "" {
			s += " “" + prose(clip(visible(c.Subject), 120)) + "”"
		}
		if c.Author != "" {
			s += " by " + prose(clip(visible(c.Author), 80))
		}
		return s
	}
	var b strings.Builder
	b.WriteString("### First bad commit\n\n")
	for i := range in.Bisections {
		x := &in.Bisections[i]
		b.WriteString("- " + upper(x.title(prose, code)) + "\n")
		for _, s := range x.told(commit, func(s string) string { return prose(clip(visible(s), 200)) }, code) {
			b.WriteString("  - " + upper(s) + "\n")
		}
	}
	b.WriteString("\n")
	return section{keep: mustKeep, head: b.String()}
}

// Culprit renders the comment on a tracking issue that says what a bisection found.
func Culprit(b Bisection) string { return bisections(&Input{Bisections: []Bisection{b}}).head }

// BisectionText renders a bisection for a terminal.
func BisectionText(x Bisection) string {
	commit := func(c runner.Commit) string {
		s := line(c.Short())
		if c.Subject != "" {
			s += " “" + clip(line(c.Subject), 72) + "”"
		}
		if c.Author != "" {
			s += " by " + line(c.Author)
		}
		return s
	}
	var b strings.Builder
	b.WriteString(x.title(line, line) + "\n")
	for _, s := range x.told(commit, line, line) {
		b.WriteString("  " + s + "\n")
	}
	return b.String()
}

type jsonBisection struct {
	Number    int64                `json:"number"`
	Asked     string               `json:"asked"`
	Good      string               `json:"good"`
	Bad       string               `json:"bad"`
	Commits   int                  `json:"commits"`
	Result    *string              `json:"result"`
	Confirmed bool                 `json:"confirmed"`
	Suspects  []jsonCommit         `json:"suspects"`
	Probes    []jsonBisectionProbe `json:"probes"`
	Most      *int                 `json:"most"`
	Left      *int                 `json:"left"`
}

type jsonCommit struct {
	Commit  string `json:"commit"`
	Subject string `json:"subject"`
	Author  string `json:"author"`
}

type jsonBisectionProbe struct {
	Commit  string `json:"commit"`
	Run     int64  `json:"run"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

// BisectionJSON is a bisection as it stands in the document of a run.
func BisectionJSON(b Bisection) any {
	out := jsonBisection{
		Number: b.Number, Asked: b.Asked, Good: b.Good.SHA, Bad: b.Bad.SHA, Commits: b.Commits, Result: text(b.Kind), Confirmed: b.Confirmed,
		Suspects: []jsonCommit{}, Probes: []jsonBisectionProbe{},
	}
	if b.Most > 0 {
		out.Most, out.Left = &b.Most, &b.Left
	}
	for _, c := range b.Suspects {
		out.Suspects = append(out.Suspects, jsonCommit{c.SHA, c.Subject, c.Author})
	}
	for _, p := range b.Probes {
		out.Probes = append(out.Probes, jsonBisectionProbe{p.Commit.SHA, p.Run, p.Outcome, p.Reason})
	}
	return out
}
