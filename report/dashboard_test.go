package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// storied is a history of n runs with 2 % noise whose level changes at the given runs by the
// given factors; every foreign text in it is text.
func storied(text, unit, better string, n int, changes map[int]float64) baseline.History {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(len(unit))))
	h := baseline.History{Metric: runner.Sample{Name: text, Unit: unit, Better: better, Config: map[string]string{"size": text}}}
	level := 1e-4
	for i := range n {
		if by, ok := changes[i]; ok {
			level *= by
		}
		h.Readings = append(h.Readings, baseline.Reading{
			Run: int64(i + 1), Commit: fmt.Sprintf("%010x%030d", i+0xabc000, 0), At: began.Add(time.Duration(i) * 24 * time.Hour), Median: level * math.Exp(0.02*rng.NormFloat64()),
		})
	}
	return h
}

func dashboardExample(text string) Dashboard {
	up := storied(text, "sec/op", runner.LowerIsBetter, 90, map[int]float64{40: 0.8, 70: 1.25})
	spiked := storied(text+"2", "ops/s", runner.HigherIsBetter, 120, nil)
	spiked.Readings[60].Median *= 40
	var inRange []string
	for _, r := range up.Readings[66:74] {
		inRange = append(inRange, r.Commit)
	}
	culprit := runner.Commit{SHA: up.Readings[70].Commit, Subject: text, Author: text}
	return Dashboard{
		Repo: text, Branch: text, Agent: "holdfast " + text, Made: began, Past: 2,
		Runs: []DashboardRun{
			{Number: 91, Commit: culprit, State: runner.StateRunning, Trigger: "push"},
			{Number: 90, Commit: culprit, Verdict: runner.Failure, State: runner.StateDone, Trigger: text, Reason: text, Finished: began},
			{Number: 89, Commit: culprit, Verdict: runner.Success, State: runner.StateDone, Trigger: "schedule nightly", Finished: began},
			{Number: 88, Verdict: "nonsense", State: runner.StateDone},
		},
		Places: []DashboardPlace{{
			What: "benchmarks", Where: text,
			Histories: []baseline.History{
				spiked, up, storied(text+"3", text, "", 2000, map[int]float64{500: 1.1, 1200: 1.3, 1900: 0.9}), storied(text+"4", "ratio", "", 1, nil),
			},
		}},
		Searches: append(bisectionExamples(text), Bisection{
			Number: 7, Kind: "found", Confirmed: true, Moved: true, Metric: up.Metric.Key(), Range: inRange, Suspects: []runner.Commit{culprit},
		}),
	}
}

// tags reads a page as XML, which ours is but for the doctype, and returns all elements with
// their attributes, and all text.
func tags(t testing.TB, doc []byte) (elements []xml.StartElement, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(regexp.MustCompile(`<(meta|br)([^>]*)>`).ReplaceAllString(string(doc), "<$1$2/>")))
	d.Strict = true
	var b strings.Builder
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements, b.String()
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		switch x := tok.(type) {
		case xml.StartElement:
			elements = append(elements, x.Copy())
		case xml.CharData:
			b.Write(x)
		}
	}
}

// safePage holds a page to the elements and attributes that are ours.
func safePage(t testing.TB, doc []byte) {
	t.Helper()
	allowed := map[string]string{
		"html": "lang", "head": "", "meta": "charset name content", "title": "", "style": "", "body": "", "header": "", "main": "", "h1": "", "h2": "", "p": "class", "a": "href",
		"div": "class", "table": "", "thead": "", "tbody": "", "tr": "", "th": "scope", "td": "class", "code": "", "details": "open", "summary": "", "figure": "", "figcaption": "",
		"strong": "", "span": "", "ul": "", "ol": "start", "li": "class", "br": "", "svg": "viewBox role aria-label", "path": "class d", "g": "class", "text": "x y",
	}
	elements, _ := tags(t, doc)
	for _, e := range elements {
		names, ok := allowed[e.Name.Local]
		if !ok {
			t.Fatalf("an element %s", e.Name.Local)
		}
		for _, a := range e.Attr {
			if !slices.Contains(strings.Fields(names), a.Name.Local) {
				t.Fatalf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
			}
			if a.Name.Local == "d" && !regexp.MustCompile(`^[MHVhv0-9. -]*$`).MatchString(a.Value) {
				t.Fatalf("a path %q", a.Value)
			}
			if a.Name.Local == "href" && !strings.HasPrefix(a.Value, "../index") && !strings.HasPrefix(a.Value, "r/") {
				t.Fatalf("a link to %q", a.Value)
			}
		}
	}
}

func TestDashboard(t *testing.T) {
	doc, entry := DashboardHTML(dashboardExample("soak"), "../index.html")
	safePage(t, doc)
	if entry.Repo != "soak" || entry.Worse != 1 || entry.Last == nil || entry.Last.Number != 90 {
		t.Errorf("its line in the list: %+v", entry)
	}
	elements, text := tags(t, doc)
	charts := 0
	for _, e := range elements {
		if e.Name.Local == "svg" {
			charts++
		}
	}
	if charts != 4 {
		t.Errorf("%d charts, want 4", charts)
	}
	for _, want := range []string{
		"+24.4% (79.89 µs → 99.41 µs), worse, from run 71 on (2027-01-11): the cause lies after 0000abc045, up to 0000abc046; p < 0.001",
		"Bisection 7: first bad commit: 0000abc046 “soak” by soak (bad twice, and its parent good twice)", "2 metrics without a change of level",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	// What moved for the worse comes first.
	if first, then := strings.Index(text, "worse, from"), strings.Index(text, "soak3"); first < 0 || then < first {
		t.Errorf("order: %d, %d", first, then)
	}
	for _, empty := range []Dashboard{{}, {Repo: "x", Branch: "main", Places: []DashboardPlace{{}}}} {
		page, _ := DashboardHTML(empty, "")
		safePage(t, page)
	}
	entry.Link = "r/soak.html"
	index := DashboardIndex([]DashboardEntry{entry, {Repo: "new", Branch: "main", Link: "r/new.html"}}, began, "holdfast",
		DashboardMachine{Name: evil, Class: evil, Seen: began, State: evil, Bad: true}, DashboardMachine{Name: "mini-2", Class: "M2", Seen: began, State: "works"})
	safePage(t, index)
	if text := string(index); !strings.Contains(text, "<h2>Machines</h2>") || !strings.Contains(text, "<td>mini-2</td><td>M2</td><td>"+utc(began)+"</td>") {
		t.Errorf("no machines in\n%s", text)
	}
	if out := os.Getenv("HOLDFAST_PAGES"); out != "" { // to look at
		for name, text := range map[string][]byte{"page.html": doc, "index.html": index} {
			if err := os.WriteFile(filepath.Join(out, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A history of one run is one dot in the middle of its level, and its run is named once.
func TestChartOfOneRun(t *testing.T) {
	var all baseline.Histories
	all.Add(9, "c", time.Time{}, []runner.Sample{{Name: "x", Unit: "sec", Values: []float64{1}}})
	page, _ := DashboardHTML(Dashboard{Repo: "pool", Branch: "main", Places: []DashboardPlace{{What: "benchmarks", Histories: all.All()}}}, "")
	var left, right, dot float64
	svg, _, _ := drawChart(&all.All()[0], nil, "x")
	if m := regexp.MustCompile(`class="level" d="M([0-9.]+) [0-9.]+H([0-9.]+)"/><path class="reading" d="M([0-9.]+) `).FindStringSubmatch(svg); m == nil {
		t.Fatal(svg)
	} else if _, err := fmt.Sscan(strings.Join(m[1:], " "), &left, &right, &dot); err != nil || math.Abs(left+right-2*dot) > 1 || right-left < chartWidth/2 {
		t.Errorf("a level from %g to %g, a dot at %g, %v", left, right, dot, err)
	}
	if n := strings.Count(string(page), "<span>run 9</span>"); n != 1 {
		t.Errorf("the run stands there %d times", n)
	}
}

// Whatever is measured, a chart is finite and inside of its box.
func FuzzChart(f *testing.F) {
	f.Add(int64(1), uint16(50), 1.0, 2.0)
	f.Add(int64(2), uint16(700), -1.0, 0.0)
	f.Add(int64(3), uint16(12), math.MaxFloat64, -math.MaxFloat64)
	f.Add(int64(4), uint16(1), 0.0, 5e-324)
	f.Fuzz(func(t *testing.T, seed int64, n uint16, a, b float64) {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		var all baseline.Histories
		for i := range int(n%1000) + 1 {
			v := a
			if i > int(n%1000)/2 {
				v = b
			}
			all.Add(int64(i+1), "c", time.Time{}, []runner.Sample{{Name: "x", Values: []float64{v * (1 + rng.Float64()/50)}}})
		}
		for _, h := range all.All() {
			svg, lo, hi := drawChart(&h, h.Shifts(), "x")
			if math.IsNaN(lo) || math.IsNaN(hi) {
				t.Fatalf("axis from %v to %v", lo, hi)
			}
			for _, m := range regexp.MustCompile(`[MHV]([^ HVhvM"]+)(?: ([^ HVhvM"]+))?`).FindAllStringSubmatch(svg, -1) {
				for _, s := range m[1:] {
					var v float64
					if s == "" {
						continue
					}
					if _, err := fmt.Sscan(s, &v); err != nil || v < -5 || v > chartWidth+5 {
						t.Fatalf("%q in %s", s, svg)
					}
				}
			}
		}
	})
}

// The page of a hostile repository has no element, attribute or link that is not ours.
func FuzzDashboard(f *testing.F) {
	for _, s := range []string{evil, `"><script>alert(1)</script>`, "'/**/onload=x", "</style><svg onload=x>", "\x00\u202e", "javascript:alert(1)", "]]>", "&lt;&#60;", "</title>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		doc, _ := DashboardHTML(dashboardExample(s), "../index.html")
		safePage(t, doc)
		for _, r := range string(doc) {
			if r == '\u202e' || r == 0 {
				t.Fatalf("%q is on the page", r)
			}
		}
	})
}

func BenchmarkDashboard(b *testing.B) {
	d := Dashboard{Repo: "x", Places: []DashboardPlace{{}}}
	for i := range 40 {
		d.Places[0].Histories = append(d.Places[0].Histories, storied(fmt.Sprint(i), "sec/op", "", 2000, map[int]float64{700 + i: 1.1}))
	}
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		page, _ := DashboardHTML(d, "")
		size = len(page)
	}
	b.ReportMetric(float64(size), "bytes")
}
