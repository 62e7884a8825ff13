package proofs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

//go:embed replay.lean
var replaySource []byte

//go:embed replay_run.lean
var replayRunner []byte

// byReplay names our own program, which is not a second opinion.
const byReplay = "holdfast replay (the same kernel once more, not another one)"

// maxReplay bounds what one run of our program may print.
const maxReplay = 64 << 20

// ownReplay is our own program, prepared for the toolchain.
func (e *examination) ownReplay(ctx context.Context) (*replayTool, error) {
	id := digest(string(replaySource), string(replayRunner), e.tool.id())
	dir, err := e.prepare(ctx, leanProgram{"HoldfastReplay", replaySource, replayRunner, "the replay program", "the kernel replay", "replay-prepare"})
	if err != nil {
		return nil, err
	}
	return &replayTool{
		name: byReplay, id: "own " + id, exact: true,
		run: func(ctx context.Context, n int, modules []*module) (replayRound, error) {
			return e.runOwn(ctx, dir, n, modules)
		},
	}, nil
}

// runOwn replays modules, each listed after those that it imports.
func (e *examination) runOwn(ctx context.Context, dir string, n int, modules []*module) (replayRound, error) {
	temp, err := os.MkdirTemp(e.ws.Scratch, "replay-*")
	if err != nil {
		return replayRound{}, err
	}
	defer os.RemoveAll(temp)
	list := filepath.Join(temp, "modules")
	var names strings.Builder
	for _, m := range modules {
		names.WriteString(m.name + "\n")
	}
	if err := os.WriteFile(list, []byte(names.String()), 0o644); err != nil {
		return replayRound{}, err
	}
	mark := rand.Text()
	args := []string{e.tool.program("lean"), "--run", filepath.Join(dir, "Run.lean"), "--key=" + mark, "--modules=" + list}
	for _, p := range e.searchPath() {
		args = append(args, "--path="+p)
	}
	w := &bounded{max: maxReplay}
	exit, err := e.ws.Exec(ctx, e.logName("replay", n), proc.Cmd{
		Args: args, Dir: dir, Env: e.environ(e.tool, "LEAN_PATH="+dir), Stdout: w, LogCap: 4 << 20, Limit: replayLimit,
	})
	if err != nil {
		return replayRound{}, err
	}
	if exit.Code == 1 && !bytes.Contains(w.buf.Bytes(), []byte(mark)) {
		return replayRound{}, &programError{"the replay program", firstLine(exit.Stderr.String() + "\n" + exit.Stdout.String() + "\n" + exit.String())}
	}
	r := parseReplay(w.buf.Bytes(), mark+" ", modules)
	if r.broken != "" {
		r.broken = join(ended(exit), r.broken)
	}
	r.timedOut = exit.TimedOut
	return r, nil
}

// ended says how a checker ended that should have gone on.
func ended(exit proc.Exit) string {
	if exit.Code == 0 && exit.Signal == 0 && !exit.TimedOut {
		return ""
	}
	s := "the checker was " + exit.String()
	if !exit.TimedOut && exit.Signal == 0 {
		s = "the checker ended with " + exit.String()
	}
	if last := strings.TrimSpace(exit.Stderr.LastLine()); last != "" {
		s += ": " + oneLine(last)
	}
	return s
}

// parseReplay reads the records behind prefix. Lines without it are none of ours. It fails
// closed: of a listing with a contradiction nothing passed; of one that breaks off only
// the modules that were finished.
func parseReplay(out []byte, prefix string, modules []*module) replayRound {
	r := replayRound{passed: map[string]bool{}}
	names := map[string]string{}
	for _, m := range modules {
		names[m.key] = m.name
	}
	var header, ended bool
	finished, faulty := map[string]bool{}, map[string]bool{}
	contradiction := func(format string, args ...any) replayRound {
		return replayRound{passed: map[string]bool{}, broken: "the replay contradicts itself: " + fmt.Sprintf(format, args...)}
	}
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(make([]byte, 64<<10), maxReplay)
	for sc.Scan() {
		line, ok := bytes.CutPrefix(sc.Bytes(), []byte(prefix))
		if !ok || len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var x struct {
			Record, Module, Name, Decl, Text, On string
			Modules                              int
		}
		if err := json.Unmarshal(line, &x); err != nil {
			if !bytes.HasSuffix(out, []byte("\n")) && bytes.HasSuffix(out, sc.Bytes()) {
				break // it was killed while it wrote
			}
			return contradiction("a record that cannot be read")
		}
		if header == (x.Record == "header") || ended {
			return contradiction("%q out of order", cut(x.Record, 40))
		}
		k := key(x.Module)
		if x.Record == "module" {
			k = key(x.Name)
		}
		switch x.Record {
		case "header":
			header = true
			continue
		case "end":
			ended = true
			if x.Modules != len(finished) {
				return contradiction("%d modules announced, %d seen", x.Modules, len(finished))
			}
			continue
		}
		name, ok := names[k]
		if !ok || finished[k] {
			return contradiction("a record of module %q", cut(k, 80))
		}
		fault := runner.Rejected{Module: name, Declaration: cut(x.Decl, 500), Text: kernelText(x.Text)}
		switch x.Record {
		case "start":
			r.culprit = k
			continue
		case "module":
			finished[k] = true
			r.culprit = ""
			r.passed[k] = !faulty[k]
			continue
		case "reject":
			r.rejected = append(r.rejected, fault)
		case "unsure":
			r.unknown = append(r.unknown, fault)
		case "error":
			fault.Declaration = ""
			r.unknown = append(r.unknown, fault)
			r.culprit = ""
		case "rests":
			r.rests = append(r.rests, rest{module: name, name: cut(x.Decl, 500), on: cut(x.On, 500)})
		default:
			return contradiction("unknown record %q", cut(x.Record, 40))
		}
		faulty[k] = true
		r.passed[k] = false
	}
	switch {
	case sc.Err() != nil:
		r.broken = "it printed a line that is too long"
	case !ended:
		r.broken = "the replay broke off"
	}
	if r.broken != "" && r.culprit != "" && faulty[r.culprit] {
		// What it said of an unfinished module stands; that there is no more of it is not known.
		r.unknown = append(r.unknown, runner.Rejected{Module: names[r.culprit], Text: r.broken})
	}
	return r
}

// kernelText is what a kernel says, on one line and without its sender.
func kernelText(s string) string {
	return oneLine(strings.TrimPrefix(strings.TrimSpace(s), "(kernel) "))
}
