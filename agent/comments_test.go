package agent

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/slash"
	"github.com/holdfast-ci/holdfast/agent/store"
)

// A command is done once, for the head it was given for, by those who may.
func TestCommands(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster"})
	sha := a.head()[:7]
	a.poll()
	a.want("1 " + sha + " pull request queued")
	a.say("mara", "/holdfast run")
	id := a.say("mara", "/holdfast rerun")
	a.poll()
	a.want("1 "+sha+" pull request superseded", "2 "+sha+" comment queued")
	for _, text := range []string{"> /holdfast rerun", "```\n/holdfast rerun\n```", "please /holdfast rerun"} {
		a.say("mara", text)
	}
	a.say("helper[bot]", "/holdfast rerun")
	a.say("mara", publish.Marker("comment/acme/pool/1")+"\n\n/holdfast rerun") // the agent may have her token
	a.say("eve", "/holdfast rerun")
	a.say("mara", "/holdfast fly")
	a.fake.EditComment("acme/pool", id, "/holdfast cancel")
	a.poll()
	edited := a.fake.Comment("acme/pool", a.number, "mara", "nothing")
	a.fake.EditComment("acme/pool", edited, "/holdfast rerun")
	a.poll()
	a.want("1 "+sha+" pull request superseded", "2 "+sha+" comment queued")
	a.say("ada", "/holdfast cancel")
	a.want("1 "+sha+" pull request superseded", "2 "+sha+" comment cancelled")
	a.say("ada", "/holdfast cancel")
	a.say("ada", "/holdfast explain")
	a.deliver()
	dump := strings.ReplaceAll(a.fake.Dump(), "&#8203;", "")
	for _, want := range []string{
		"comment by mara, holdfast-bot eyes\n      | /holdfast run\n", "comment by eve, holdfast-bot confused", "comment by ada, holdfast-bot eyes\n      | /holdfast cancel",
		"✅ `/holdfast run` by `mara`: run 1 of " + a.head()[:6], "❌ `/holdfast rerun` by `eve`: this takes the permission to write", "only run, rerun, bench, accept, explain, cancel and ok",
		"❌ `/holdfast cancel` by `ada`: nothing runs", "❌ `/holdfast explain` by `ada`: no run of",
	} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %q in\n%s", want, dump)
		}
	}
	if n := strings.Count(dump, "    comment by holdfast-bot"); n != 1 {
		t.Errorf("%d comments:\n%s", n, dump)
	}
	// The head moves while somebody writes: nobody knows which one is meant.
	a.fake.Comment("acme/pool", a.number, "mara", "/holdfast rerun")
	a.pushPull("src/c.cc", "int c;\n")
	a.poll()
	a.deliver()
	if got := a.runs(); len(got) != 3 || !strings.Contains(a.fake.Dump(), "at about that time") {
		t.Errorf("runs %q\n%s", got, a.fake.Dump())
	}
}

// A commit that is fine has no comment, until somebody asks; one stage that is examined
// again does not make the whole better than it is.
func TestExplainAndBench(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster"})
	a.conf.Bench.Enabled = true
	a.poll()
	stop := a.serve()
	a.await(`status holdfast success `)
	if strings.Contains(a.fake.Dump(), "    comment by") {
		t.Errorf("a comment on what is fine:\n%s", a.fake.Dump())
	}
	a.say("mara", "/holdfast explain")
	a.await("comment by holdfast-bot\n.*## ✅ success.*### Checks")
	a.say("mara", "/holdfast bench nothing")
	a.await("no benchmark program is called nothing")
	a.say("mara", "/holdfast bench program")
	a.await("is measured together with the others")
	a.await(`Holdfast at .* \(run 2\)`)
	stop()
	rec, err := a.app.store.Run(t.Context(), 2)
	if err != nil || len(rec.Run.Stages) != 1 || rec.Run.Stages[0].Stage != "bench" {
		t.Errorf("%+v, %v", rec.Run.Stages, err)
	}
	if dump := a.fake.Dump(); strings.Contains(dump, " pending ") || !strings.Contains(dump, `status holdfast success "checks, bench hold"`) {
		t.Error(dump)
	}
}

// A stage that is measured again says nothing about the others: the whole stays as bad as
// it is.
func TestBenchDoesNotWhitewash(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster"})
	a.conf.Bench.Enabled = true
	rules := "[[rule]]\nid = \"A.1\"\ntitle = \"nothing sleeps\"\nkind = \"absent\"\nfiles = [\"src/*.cc\"]\npattern = 'usleep'\n"
	a.git("checkout", "--quiet", "main")
	a.write(filepath.Join(a.repo, "holdfast.rules.toml"), rules)
	main := a.commit()
	a.fake.SetBranch("acme/pool", "main", main)
	a.git("checkout", "--quiet", "change")
	a.git("reset", "--quiet", "--hard", main)
	sha := a.pushPull("src/a.cc", "void f() { usleep(5); }\n")[:10]
	a.poll()
	stop := a.serve()
	defer stop()
	a.await("commit " + sha + `\n[^c]*status holdfast failure `)
	a.await(`comment by holdfast-bot\n.*## ❌ failure · checks.*\(run 1\).*A\.1`)
	a.say("mara", "/holdfast bench")
	a.await(`comment by holdfast-bot, edited\n.*## ❌ failure · checks.*\(run 2\).*A\.1`)
	if dump := a.fake.Dump(); strings.Contains(dump, "status holdfast success") || !strings.Contains(dump, "status holdfast/bench success") {
		t.Error(dump)
	}
}

// Whatever the connection or the process broke at: the next look goes on, and the command
// is done once.
func TestCommandOnce(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster"})
	sha := a.head()[:7]
	a.poll()
	p := intake.Repository{Name: "pool", GitHub: "acme/pool", PullRequests: a.conf.PullRequests}
	id := a.fake.Comment("acme/pool", a.number, "mara", "/holdfast rerun")
	failed := 0
	for n := 0; ; n++ {
		a.fake.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Path: "/repos/", Skip: n, Times: -1})
		_, err := a.app.commands(t.Context(), a.conf, p, nil)
		a.fake.Heal()
		if err == nil {
			break
		}
		failed++
		if n == 2 {
			// Killed between making the run and recording that the command is done.
			c, err := a.app.store.BeginCommand(t.Context(), store.Command{Repo: "pool", Comment: id, Pull: a.number, Author: "mara", Verb: "rerun", Text: "/holdfast rerun", SHA: a.head()})
			if err != nil {
				t.Fatal(err)
			}
			h, _, err := intake.PullRequest(t.Context(), a.app.hub, p, a.number)
			if err != nil {
				t.Fatal(err)
			}
			d := doing{a: a.app, repo: a.conf, h: h, c: &c, cmd: slash.Command{Verb: slash.Rerun}}
			if err := d.do(t.Context()); err != nil {
				t.Fatal(err)
			}
			a.want("1 "+sha+" pull request superseded", "2 "+sha+" comment queued")
		}
	}
	if failed < 3 {
		t.Errorf("it failed only %d times", failed)
	}
	// And once more, as if what was read had not been recorded.
	for range 2 {
		if _, err := a.app.commands(t.Context(), a.conf, p, nil); err != nil {
			t.Fatal(err)
		}
	}
	a.want("1 "+sha+" pull request superseded", "2 "+sha+" comment queued")
	a.deliver()
	if n := strings.Count(a.fake.Dump(), "holdfast-bot eyes"); n != 1 {
		t.Errorf("%d reactions:\n%s", n, a.fake.Dump())
	}
}

// A pull request that is closed needs no run any more, and one who may not give commands is
// not told so for ever.
func TestClosedAndStrangers(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster"})
	sha := a.head()[:7]
	a.poll()
	for range 6 {
		a.say("eve", "/holdfast run")
	}
	a.deliver()
	if n := strings.Count(a.fake.Dump(), "holdfast-bot confused"); n != maxRefused {
		t.Errorf("%d refusals:\n%s", n, a.fake.Dump())
	}
	a.fake.CloseIssue("acme/pool", a.number)
	a.poll()
	a.want("1 " + sha + " pull request cancelled")
	a.say("mara", "/holdfast rerun")
	a.want("1 " + sha + " pull request cancelled")
}

// What the head of a pull request measured becomes the new level of one metric, once, with
// who said so and why.
func TestAccept(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster"})
	a.conf.Bench.Enabled = true
	a.git("checkout", "--quiet", "main")
	a.measure()
	a.git("checkout", "--quiet", "change")
	a.say("mara", "/holdfast accept sec/op the new kernel")
	sha := a.pushPull("bench.sh", "echo 'BenchmarkX 1 150 ns/op'\n")
	a.poll()
	stop := a.serve()
	a.await("commit " + sha[:10] + `\n[^c]*status holdfast success`)
	a.say("mara", "/holdfast accept latency the new kernel")
	a.say("mara", "/holdfast accept sec/op the new kernel does more")
	a.poll()
	a.await("accepted from run")
	stop()
	dump := a.fake.Dump()
	for _, want := range []string{"has measured", "no baseline of latency", "comment by mara, holdfast-bot eyes\n      | /holdfast accept sec/op the new kernel does more"} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %q in\n%s", want, dump)
		}
	}
	list, err := a.app.store.Baselines(t.Context(), "pool")
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	log, err := a.app.store.BaselineLog(t.Context(), list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range log {
		if e.Who == "mara" && strings.HasPrefix(e.Why, "the new kernel does more (comment ") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("log %+v", log)
	}
}
