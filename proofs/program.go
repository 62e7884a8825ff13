package proofs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// leanProgram is one of ours that Lean runs.
type leanProgram struct {
	module string // name of its module
	source []byte
	caller []byte // Run.lean, whose main calls it
	what   string // in words: "the inventory program"
	does   string // "the listing of theorems"
	log    string
}

// programError says that a program of ours does not run on a toolchain.
type programError struct{ what, msg string }

func (e *programError) Error() string { return e.what + " does not run: " + e.msg }

// prepare compiles a program, once for a toolchain, and returns the folder with it and
// with Run.lean. The error is a *programError if the toolchain refuses it.
func (e *examination) prepare(ctx context.Context, p leanProgram) (string, error) {
	dir := filepath.Join(e.programs(), "program-"+digest(string(p.source), string(p.caller), e.tool.id()))
	compiled := filepath.Join(dir, p.module+".olean")
	if _, err := os.Stat(compiled); err == nil {
		return dir, nil
	}
	if err := errors.Join(
		writeFile(filepath.Join(dir, p.module+".lean"), p.source),
		writeFile(filepath.Join(dir, "Run.lean"), p.caller)); err != nil {
		return "", err
	}
	e.ws.Report(runner.StageProofs, "preparing %s (once for this toolchain)", p.does)
	part := filepath.Join(dir, "part-"+rand.Text())
	exit, err := e.ws.Exec(ctx, e.log+"-"+p.log, proc.Cmd{
		Args: []string{e.tool.program("lean"), "-R", dir, "-o", part, filepath.Join(dir, p.module+".lean")},
		Dir:  dir, Env: e.environ(e.tool, "LEAN_PATH="+dir), Limit: inventoryLimit,
	})
	if err != nil {
		return "", err
	}
	if !exit.OK() {
		if cause := context.Cause(ctx); cause != nil {
			return "", cause
		}
		if exit.Code == 1 {
			return "", &programError{p.what, firstLine(exit.Stdout.String() + "\n" + exit.Stderr.String())}
		}
		return "", fmt.Errorf("compile %s: %s", p.what, exit)
	}
	return dir, os.Rename(part, compiled)
}
