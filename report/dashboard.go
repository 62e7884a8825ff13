package report

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// Dashboard is one page about a repository: its newest runs and the history of everything
// that is measured of it.
type Dashboard struct {
	Repo, Branch string
	Agent        string
	Made         time.Time
	Runs         []DashboardRun // newest first
	Places       []DashboardPlace
	Searches     []Bisection // of the branch, newest first
	Past         int         // further places that nothing is measured in any more
}

// DashboardRun is one run in a line.
type DashboardRun struct {
	Number   int64
	Commit   runner.Commit
	Verdict  runner.Verdict // "" while it goes on
	State    string
	Trigger  string
	Reason   string
	Finished time.Time // zero if it has not
}

// DashboardPlace is what is measured in one place: figures of two places do not compare.
type DashboardPlace struct {
	What      string // "benchmarks", "build times"
	Where     string // machine and system
	Histories []baseline.History
}

//go:embed dashboard.css
var dashboardCSS string

// DashboardPolicy is the Content-Security-Policy under which a page of the dashboard shows all
// that it has: its own style and nothing else.
func DashboardPolicy() string {
	sum := sha256.Sum256([]byte(dashboardCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// markup is hostile text in HTML, also within an attribute in quotes, of at most n characters.
func markup(s string, n int) string { return html.EscapeString(clip(visible(s), n)) }

// How much a page shows.
const (
	maxHistories = 200 // of a place
	maxListed    = 8   // changes of level of one metric, the newest
)

// pageOf puts a body into a document. up is a link back, "" for none.
func pageOf(title, up, body string) []byte {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>" + markup(title, 120) + "</title>\n<style>" + dashboardCSS + "</style>\n</head>\n<body>\n<header>")
	if up != "" {
		b.WriteString("<a href=\"" + markup(up, 200) + "\">All repositories</a>")
	}
	b.WriteString("<h1>" + markup(title, 120) + "</h1></header>\n<main>\n" + body + "</main>\n</body>\n</html>\n")
	return []byte(b.String())
}

// DashboardHTML renders the page, and what the list of all repositories says of it but for
// the link. up is the address of that list, "" for none.
func DashboardHTML(d Dashboard, up string) ([]byte, DashboardEntry) {
	e := DashboardEntry{Repo: d.Repo, Branch: d.Branch}
	if i := slices.IndexFunc(d.Runs, func(r DashboardRun) bool { return r.State == runner.StateDone }); i >= 0 {
		last := d.Runs[i]
		e.Last = &last
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<p class=\"about\">Branch <code>%s</code>, as of %s, %s</p>\n", markup(d.Branch, 120), utc(d.Made), markup(d.Agent, 80))
	if len(d.Places) == 0 {
		b.WriteString("<p>Nothing was measured on this branch yet.</p>\n")
	}
	for i := range d.Places {
		e.Worse += placeHTML(&b, &d.Places[i], d.Searches)
	}
	if d.Past > 0 {
		fmt.Fprintf(&b, "<p class=\"about\">%s of the past (another machine, system or configuration) not shown here: <code>holdfast baseline list --all</code></p>\n", choose(d.Past, "1 place", plural(d.Past, "place")+" "))
	}
	searchesHTML(&b, d.Searches)
	b.WriteString("<h2>Runs</h2>\n")
	if len(d.Runs) == 0 {
		b.WriteString("<p>No runs yet.</p>\n")
	} else {
		b.WriteString("<div class=\"wide\"><table><thead><tr><th scope=\"col\">Run</th><th scope=\"col\">Verdict</th><th scope=\"col\">Commit</th><th scope=\"col\">Finished</th><th scope=\"col\">Trigger</th><th scope=\"col\">Reason</th></tr></thead>\n<tbody>\n")
		for _, r := range d.Runs {
			runHTML(&b, &r)
		}
		b.WriteString("</tbody></table></div>\n")
	}
	return pageOf(orUnknown(d.Repo, visible), up, b.String()), e
}

func runHTML(b *strings.Builder, r *DashboardRun) {
	verdict, class := word(r.Verdict), string(valid(r.Verdict))
	if r.State != runner.StateDone {
		verdict, class = clip(visible(r.State), 20), "neutral"
	}
	finished := ""
	if !r.Finished.IsZero() {
		finished = r.Finished.UTC().Format("2006-01-02 15:04")
	}
	fmt.Fprintf(b, "<tr><td>%d</td><td class=\"%s\">%s</td><td><code>%s</code> %s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n",
		r.Number, markup(class, 20), markup(verdict, 40), markup(r.Commit.Short(), 20), markup(r.Commit.Subject, 72), finished, markup(r.Trigger, 40), markup(r.Reason, 160))
}

// drawn is a history with what is known of it.
type drawn struct {
	*baseline.History
	shifts []baseline.Shift
}

// news orders histories: what moved for the worse lately first, then what moved lately, then
// what ever moved.
func (d *drawn) news() int {
	if len(d.shifts) == 0 {
		return 0
	}
	last := &d.shifts[len(d.shifts)-1]
	switch {
	case last.Fresh() && last.Worse(d.Metric.Better) == 1:
		return 3
	case last.Fresh():
		return 2
	}
	return 1
}

// placeHTML renders a place and returns how many of its metrics moved for the worse lately.
func placeHTML(b *strings.Builder, p *DashboardPlace, searches []Bisection) (worse int) {
	fmt.Fprintf(b, "<h2>%s</h2>\n<p class=\"about\">on %s</p>\n", markup(upper(p.What), 80), markup(orUnknown(p.Where, visible), 300))
	list := make([]drawn, 0, len(p.Histories))
	for i := range p.Histories {
		x := drawn{&p.Histories[i], p.Histories[i].Shifts()}
		list = append(list, x)
		if x.news() == 3 {
			worse++
		}
	}
	slices.SortStableFunc(list, func(x, y drawn) int { return -cmp.Compare(x.news(), y.news()) })
	left := len(list) - maxHistories
	list = list[:min(len(list), maxHistories)]
	still := slices.IndexFunc(list, func(d drawn) bool { return d.news() == 0 })
	if still < 0 {
		still = len(list)
	}
	grid := func(list []drawn, searches []Bisection) {
		b.WriteString("<div class=\"grid\">\n")
		for i := range list {
			historyHTML(b, &list[i], searches)
		}
		b.WriteString("</div>\n")
	}
	if still > 0 {
		grid(list[:still], searches)
	}
	if n := len(list) - still; n > 0 {
		open := ""
		if still == 0 && n <= 12 {
			open = " open"
		}
		fmt.Fprintf(b, "<details%s><summary>%s without a change of level</summary>\n", open, plural(n, "metric"))
		grid(list[still:], nil)
		b.WriteString("</details>\n")
	}
	if left > 0 {
		fmt.Fprintf(b, "<p class=\"about\">and %s more</p>\n", number(left))
	}
	return worse
}

func historyHTML(b *strings.Builder, d *drawn, searches []Bisection) {
	unit := d.Metric.Unit
	m := baseline.Metric{Name: d.Metric.Name, Config: d.Metric.Config}
	n := len(d.Readings)
	newest := d.Readings[n-1]
	changes := choose(len(d.shifts), "1 change", plural(len(d.shifts), "change")) + " of level"
	if len(d.shifts) == 0 {
		changes = "no change of level"
	}
	name := m.Label()
	if unit != "" {
		name += " in " + unit
	}
	label := fmt.Sprintf("%s: %s, %s, newest %s", name, plural(n, "run"), changes, baseline.Format(newest.Median, unit))
	svg, lo, hi := drawChart(d.History, d.shifts, label)
	better := map[string]string{runner.HigherIsBetter: ", higher is better", runner.LowerIsBetter: ", lower is better"}[d.Metric.Better]
	fmt.Fprintf(b, "<figure><figcaption><strong>%s</strong> <span>%s, run %d%s</span></figcaption>\n", markup(name, maxName), markup(baseline.Format(newest.Median, unit), 60), newest.Run, better)
	fmt.Fprintf(b, "<div class=\"chart\"><div class=\"axis\"><span>%s</span><span>%s</span></div>%s</div>\n", markup(baseline.Format(hi, unit), 24), markup(baseline.Format(lo, unit), 24), svg)
	if oldest := d.Readings[0]; oldest.Run == newest.Run {
		fmt.Fprintf(b, "<div class=\"runs only\"><span>run %d</span></div>\n", newest.Run)
	} else {
		fmt.Fprintf(b, "<div class=\"runs\"><span>run %d</span><span>run %d</span></div>\n", oldest.Run, newest.Run)
	}
	if len(d.shifts) > 0 {
		from := max(0, len(d.shifts)-maxListed)
		fmt.Fprintf(b, "<ol start=\"%d\">\n", from+1)
		for i := from; i < len(d.shifts); i++ {
			shiftHTML(b, d, i, searches)
		}
		b.WriteString("</ol>\n")
	}
	b.WriteString("</figure>\n")
}

// shiftHTML is one change of level in words: how far, since when, and where its cause lies.
func shiftHTML(b *strings.Builder, d *drawn, i int, searches []Bisection) {
	s := Shift{Metric: d.Metric, Shift: d.shifts[i]}
	class := s.worse()
	fmt.Fprintf(b, "<li class=\"%s\">%s", class, markup(s.step(), 200))
	if class != "" {
		b.WriteString(", " + class)
	}
	fmt.Fprintf(b, ", from run %d on", s.First.Run)
	if !s.First.At.IsZero() {
		b.WriteString(" (" + s.First.At.UTC().Format("2006-01-02") + ")")
	}
	b.WriteString(": the cause lies " + s.between(func(h string) string { return "<code>" + markup(h, 20) + "</code>" }) + "; " + html.EscapeString(chance(s.P)))
	for k := range searches {
		x := &searches[k]
		if !x.explains(d.Metric.Key(), s.First.Commit) {
			continue
		}
		told := x.html()
		fmt.Fprintf(b, "<br>Bisection %d: %s", x.Number, told[0])
		break
	}
	b.WriteString("</li>\n")
}

// maxSearches is how many bisections a page lists.
const maxSearches = 5

// searchesHTML are the newest searches for the first bad commit, in words.
func searchesHTML(b *strings.Builder, list []Bisection) {
	if len(list) == 0 {
		return
	}
	b.WriteString("<h2>Bisections</h2>\n<ul>\n")
	plain := func(s string) string { return markup(s, 200) }
	for i := range list[:min(len(list), maxSearches)] {
		x := &list[i]
		told := x.html()
		more := ""
		if len(told) > 1 {
			more = fmt.Sprintf(" (more: <code>holdfast bisect show %d</code>)", x.Number)
		}
		fmt.Fprintf(b, "<li>%s: %s%s</li>\n", upper(x.title(plain, func(h string) string { return "<code>" + markup(h, 20) + "</code>" })), told[0], more)
	}
	b.WriteString("</ul>\n")
}

// html is what a search came to, in sentences.
func (b *Bisection) html() []string {
	commit := func(c runner.Commit) string {
		text := "<code>" + markup(c.Short(), 20) + "</code>"
		if c.Subject != "" {
			text += " “" + markup(c.Subject, 80) + "”"
		}
		if c.Author != "" {
			text += " by " + markup(c.Author, 60)
		}
		return text
	}
	return b.told(commit, func(t string) string { return markup(t, 200) }, func(t string) string { return "<code>" + markup(t, 200) + "</code>" })
}

// explains reports whether a search is about a metric, in a range that a commit is in.
func (b *Bisection) explains(metric, commit string) bool {
	return b.Metric == metric && slices.Contains(b.Range, commit)
}

// DashboardEntry is a repository in the list of all.
type DashboardEntry struct {
	Repo, Branch string
	Link         string
	Last         *DashboardRun // nil without one
	Worse        int           // metrics that moved for the worse lately
}

// DashboardMachine is one machine of a fleet.
type DashboardMachine struct {
	Name, Class string
	Seen        time.Time // last heard of
	State       string    // one line: what is known of it
	Bad         bool
}

// DashboardIndex renders the list of repositories, and of the machines of a fleet.
func DashboardIndex(list []DashboardEntry, made time.Time, agent string, machines ...DashboardMachine) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<p class=\"about\">As of %s, %s</p>\n", utc(made), markup(agent, 80))
	b.WriteString("<div class=\"wide\"><table><thead><tr><th scope=\"col\">Repository</th><th scope=\"col\">Branch</th><th scope=\"col\">Verdict</th><th scope=\"col\">Newest run</th><th scope=\"col\">Moved for the worse</th></tr></thead>\n<tbody>\n")
	for _, e := range list {
		verdict, class, run := "no runs yet", "neutral", ""
		if e.Last != nil {
			verdict, class = word(e.Last.Verdict), string(valid(e.Last.Verdict))
			run = fmt.Sprintf("%d, <code>%s</code> %s", e.Last.Number, markup(e.Last.Commit.Short(), 20), markup(e.Last.Commit.Subject, 72))
		}
		worse := ""
		if e.Worse > 0 {
			worse = plural(e.Worse, "metric")
		}
		fmt.Fprintf(&b, "<tr><td><a href=\"%s\">%s</a></td><td><code>%s</code></td><td class=\"%s\">%s</td><td>%s</td><td>%s</td></tr>\n",
			markup(e.Link, 400), markup(orUnknown(e.Repo, visible), 120), markup(e.Branch, 120), class, verdict, run, worse)
	}
	b.WriteString("</tbody></table></div>\n")
	if len(machines) > 0 {
		b.WriteString("<h2>Machines</h2>\n<div class=\"wide\"><table><thead><tr><th scope=\"col\">Machine</th><th scope=\"col\">Class</th><th scope=\"col\">Last heard of</th><th scope=\"col\">State</th></tr></thead>\n<tbody>\n")
	}
	for _, m := range machines {
		class := string(runner.Success)
		if m.Bad {
			class = string(runner.Error)
		}
		fmt.Fprintf(&b, "<tr><td>%s</td><td>%s</td><td>%s</td><td class=\"%s\">%s</td></tr>\n",
			markup(m.Name, 80), markup(m.Class, 120), utc(m.Seen), class, markup(m.State, 120))
	}
	if len(machines) > 0 {
		b.WriteString("</tbody></table></div>\n")
	}
	return pageOf("Holdfast", "", b.String())
}
