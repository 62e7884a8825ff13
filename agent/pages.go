package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/dashboard"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/report"
)

// defaultDashboard is where the dashboard is without an address.
const defaultDashboard = "127.0.0.1:8724"

func cmdDashboard(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "dashboard", "[flags]")
	var s selection
	s.register(fs, "only this repository `NAME`")
	out := fs.String("out", "", "write the pages into `FOLDER` instead of listening")
	listen := fs.String("listen", "", "listen on `ADDRESS`, of this machine alone (default "+defaultDashboard+")")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *out != "" && *listen != "" {
		return &usageError{"--out and --listen contradict each other", "files, or a page that is always up to date"}
	}
	a, repo, err := s.readAny(ctx, e)
	if err != nil {
		return err
	}
	defer a.close()
	repos := []*config.Repository{repo}
	if repo == nil {
		repos = nil
		for i := range a.cfg.Repositories {
			repos = append(repos, &a.cfg.Repositories[i])
		}
	}
	site := a.site(repos)
	if *out != "" {
		if err := dashboard.Write(ctx, *out, site); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%s in %s\n", plural(len(site.Pages)+1, "page"), *out)
		return nil
	}
	if *listen == "" {
		*listen = defaultDashboard
	}
	return a.serveDashboard(ctx, *listen, site, e.stdout, slog.New(slog.NewTextHandler(e.stderr, nil)))
}

func (a *app) serveDashboard(ctx context.Context, address string, site dashboard.Site, w io.Writer, log *slog.Logger) error {
	l, err := dashboard.Listen(ctx, address)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "http://%s/ (to this machine alone; Ctrl-C ends it)\n", l.Addr())
	return dashboard.Serve(ctx, l, dashboard.Handler(site, log))
}

// site is what the dashboard shows: a page for each repository, and the list of them.
func (a *app) site(repos []*config.Repository) dashboard.Site {
	site := dashboard.Site{Index: func(ctx context.Context, list []report.DashboardEntry) ([]byte, error) {
		machines, err := a.machines(ctx)
		return report.DashboardIndex(list, time.Now(), agentName(), machines...), err
	}}
	for _, r := range repos {
		name := path.Join("r", fileName(r.Name)+".html")
		site.Pages = append(site.Pages, dashboard.Page{Name: name, Render: func(ctx context.Context) ([]byte, report.DashboardEntry, error) {
			d, err := a.page(ctx, r)
			if err != nil {
				return nil, report.DashboardEntry{}, err
			}
			text, line := report.DashboardHTML(d, "../"+dashboard.Index)
			line.Link = name
			return text, line, nil
		}})
	}
	return site
}

// machines are those of a fleet; none where all processes are on one machine.
func (a *app) machines(ctx context.Context) (out []report.DashboardMachine, err error) {
	if a.cfg.Engine.Postgres.IsZero() {
		return nil, nil
	}
	agents, err := a.store.Agents(ctx)
	for _, g := range agents {
		text, _, bad := fleetState(g)
		out = append(out, report.DashboardMachine{Name: g.Name, Class: g.Class, Seen: g.Seen, State: text, Bad: bad})
	}
	return out, err
}

// fleetState says in words what is known of a machine, and what to do about it.
func fleetState(g store.Agent) (text, hint string, bad bool) {
	switch {
	case !g.Lost.IsZero():
		return "taken for lost: others have its work", "start the agent there again; it is forgotten after a week", true
	case g.Silent > store.LostAfter+time.Minute:
		return "not heard of, and nobody has taken over", "no other agent works on this database: start one", true
	case len(g.Queues) == 0:
		return "runs something by hand", "", false
	}
	return "works", "", false
}

// pageRuns is how many runs a page of the dashboard lists.
const pageRuns = 30

// page reads what the dashboard shows of a repository: of its first watched branch.
func (a *app) page(ctx context.Context, repo *config.Repository) (report.Dashboard, error) {
	d := report.Dashboard{Repo: repo.Name, Branch: repo.DefaultBranch(), Agent: agentName(), Made: time.Now()}
	list, err := a.store.Runs(ctx, store.Filter{Repo: repo.Name, Branch: d.Branch, Limit: pageRuns})
	if err != nil {
		return d, err
	}
	for _, r := range list {
		d.Runs = append(d.Runs, report.DashboardRun{
			Number: r.Number, Commit: r.Commit, Verdict: r.Verdict, State: r.State, Trigger: r.Trigger, Reason: r.Reason, Finished: r.Finished,
		})
	}
	searches, err := a.store.Bisections(ctx, repo.Name, d.Branch, newestBisections)
	if err != nil {
		return d, err
	}
	for _, b := range searches {
		d.Searches = append(d.Searches, bisectionView(b))
	}
	all, err := a.store.Baselines(ctx, repo.Name)
	if err != nil {
		return d, err
	}
	var seen []store.Place
	for _, b := range all {
		if !slices.Contains(seen, b.Place) {
			seen = append(seen, b.Place)
		}
	}
	d.Past = len(seen)
	seen = seen[:0]
	used, err := a.inUse(ctx, repo.Name, all)
	if err != nil {
		return d, err
	}
	for _, b := range used {
		if slices.Contains(seen, b.Place) {
			continue
		}
		seen = append(seen, b.Place)
		h, err := a.store.Histories(ctx, b.Place, d.Branch, 0)
		if err != nil {
			return d, err
		}
		p := report.DashboardPlace{What: "benchmarks", Where: machineOf(b.Place), Histories: h.All()}
		if b.Kind == store.KindBuild {
			p.What = "build times"
		}
		if len(p.Histories) > 0 {
			d.Places = append(d.Places, p)
		}
	}
	d.Past -= len(seen)
	return d, nil
}
