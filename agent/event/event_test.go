package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func sha(seed string) string { return strings.Repeat(seed, 20) }

// The payloads in testdata have the fields of real ones, shortened to what is around those
// that are read.
func TestParse(t *testing.T) {
	a, b := sha("a1"), sha("b2")
	for name, c := range map[string]struct {
		env  Env
		want Event
		err  string
	}{
		"push":                     {env: Env{SHA: a, Ref: "refs/heads/main"}, want: Event{Commit: a, Base: b, Branch: "main"}},
		"push-created":             {env: Env{SHA: a, Ref: "refs/heads/topic/x"}, want: Event{Commit: a, Branch: "topic/x"}},
		"push-deleted":             {env: Env{}, want: Event{Branch: "topic/x", Neutral: "the branch was deleted"}},
		"push-tag":                 {env: Env{SHA: a, Ref: "refs/tags/v1"}, want: Event{Commit: a}},
		"pull_request":             {env: Env{SHA: sha("c3"), Ref: "refs/pull/7/merge"}, want: Event{Commit: a, Base: b, Branch: "topic/x", PullRequest: 7, Named: true, Labels: []string{"gpu"}}},
		"pull_request-fork":        {want: Event{Commit: a, Base: b, Branch: "main", PullRequest: 7, Named: true, Fork: true}},
		"pull_request-gone":        {want: Event{Commit: a, Base: b, Branch: "main", PullRequest: 7, Named: true, Fork: true, Draft: true}},
		"pull_request-closed":      {want: Event{Commit: a, Base: b, Branch: "topic/x", PullRequest: 7, Named: true, Neutral: "the pull request is closed"}},
		"pull_request_target":      {want: Event{Commit: a, Base: b, Branch: "topic/x", PullRequest: 7, Named: true}},
		"pull_request_target-fork": {err: "the code of a fork"},
		"pull_request_target-gone": {err: "the code of a fork"},
		"schedule":                 {env: Env{SHA: a, Ref: "refs/heads/main"}, want: Event{Commit: a, Branch: "main"}},
		"workflow_dispatch":        {env: Env{SHA: a, Ref: "refs/heads/release/1"}, want: Event{Commit: a, Branch: "release/1"}},
		"merge_group":              {env: Env{SHA: a, Ref: "refs/heads/gh-readonly-queue/main/pr-7-x"}, want: Event{Commit: a, Base: b, Named: true}},
	} {
		body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		c.env.Name, _, _ = strings.Cut(name, "-")
		c.want.Name = c.env.Name
		got, err := Parse(c.env, body)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || !errors.Is(err, ErrFork) || got.Commit != "" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		case err != nil || !reflect.DeepEqual(got, c.want):
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

// What is not whole is an error, never nothing to do.
func TestFailsClosed(t *testing.T) {
	for name, body := range map[string]string{
		"push":                `{}`,
		"pull_request":        `{"pull_request": {"number": 7, "head": {"sha": "x"}, "base": {"sha": "` + sha("b2") + `"}}}`,
		"pull_request_target": `{"pull_request": null}`,
		"merge_group":         `{"action": "checks_requested"}`,
		"schedule":            `{"schedule": "0 3 * * *"}`, // and no GITHUB_SHA
		"workflow_dispatch":   `not JSON`,
		"issue_comment":       `{}`,
		"workflow_run":        `{}`,
		"":                    `{}`,
	} {
		if e, err := Parse(Env{Name: name}, []byte(body)); err == nil || e.Commit != "" || e.Neutral != "" {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if _, err := Parse(Env{Name: "push", SHA: sha("c3")}, []byte(fmt.Sprintf(`{"ref": "refs/heads/main", "after": %q}`, sha("a1")))); err == nil {
		t.Error("a payload about another commit")
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		f.Add(name, sha("a1"), "refs/heads/main", body)
	}
	f.Fuzz(func(t *testing.T, name, at, ref string, body []byte) {
		e, err := Parse(Env{Name: name, SHA: at, Ref: ref}, body)
		if err != nil {
			return
		}
		if e.Neutral == "" && !isSHA(e.Commit) || e.Base != "" && !isSHA(e.Base) || e.Named && e.Base == "" {
			t.Errorf("%+v", e)
		}
		if strings.HasPrefix(e.Branch, "-") || strings.ContainsAny(e.Branch, " \n\x00:^~") {
			t.Errorf("branch %q", e.Branch)
		}
		if e.Fork && e.Name == "pull_request_target" {
			t.Errorf("a fork's code: %+v", e)
		}
		// Who a stranger is, is in the payload of the event alone.
		var p payload
		if json.Unmarshal(body, &p) == nil && p.PullRequest != nil && e.PullRequest != 0 && p.PullRequest.Head.Repo == nil && !e.Fork {
			t.Errorf("a deleted fork is no stranger: %+v", e)
		}
	})
}
