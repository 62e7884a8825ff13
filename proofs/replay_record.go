package proofs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// replayDigests is, for each module by key, a digest of all that decides whether its
// replay passes: its compiled files, those of the project's modules below it, its
// dependencies, the toolchain and the tool.
func (e *examination) replayDigests(modules []*module, tool string) (map[string]string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "holdfast replay 1\n%s\n%s\n", e.tool.id(), tool)
	if err := e.hashDependencies(h); err != nil {
		return nil, err
	}
	base := h.Sum(nil)
	out := map[string]string{}
	for _, m := range e.bottomUp(e.project.modules) {
		h := sha256.New()
		h.Write(base)
		fmt.Fprintf(h, "%s\n", m.name)
		found, err := e.hashCompiled(h, m)
		if err != nil {
			return nil, err
		}
		if !found {
			if slices.Contains(modules, m) {
				return nil, fmt.Errorf("compiled form of module %s is missing", m.name)
			}
			continue
		}
		var below []string
		for _, i := range m.imports {
			if e.project.byKey[i] != nil {
				below = append(below, i+" "+out[i])
			}
		}
		slices.Sort(below)
		fmt.Fprintf(h, "%s\n", strings.Join(below, "\n"))
		out[m.key] = hex.EncodeToString(h.Sum(nil)[:16])
	}
	return out, nil
}

// replayRecord is a text file: a line that names the format, then the digests of modules
// that passed, one a line, those that were met last at the end. It is only a cache: what
// it does not hold is replayed.
type replayRecord struct {
	file  string
	lines []string
	set   map[string]bool
}

const (
	recordHead = "holdfast replay 1"
	recordSize = 20000 // lines; a project with more modules keeps those
)

func (e *examination) replayRecord() *replayRecord {
	r := &replayRecord{file: filepath.Join(e.cache, "replay.txt"), set: map[string]bool{}}
	b, err := os.ReadFile(r.file)
	head, rest, ok := bytes.Cut(b, []byte("\n"))
	if err != nil || !ok || string(head) != recordHead || !bytes.HasSuffix(b, []byte("\n")) {
		return r
	}
	for line := range strings.Lines(string(rest)) {
		line = strings.TrimSuffix(line, "\n")
		if _, err := hex.DecodeString(line); err != nil || len(line) != 32 {
			return &replayRecord{file: r.file, set: map[string]bool{}}
		}
		if !r.set[line] {
			r.set[line] = true
			r.lines = append(r.lines, line)
		}
	}
	return r
}

func (r *replayRecord) has(digest string) bool { return digest != "" && r.set[digest] }

// add puts digests at the end, and writes the file if there is a new one among them.
func (r *replayRecord) add(digests []string) {
	if !slices.ContainsFunc(digests, func(d string) bool { return !r.set[d] }) {
		return
	}
	now := map[string]bool{}
	for _, d := range digests {
		now[d] = true
	}
	lines := slices.DeleteFunc(slices.Clone(r.lines), func(d string) bool { return now[d] })
	lines = append(lines, digests...)
	if n := max(recordSize, len(digests)); len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	_ = writeFile(r.file, []byte(recordHead+"\n"+strings.Join(lines, "\n")+"\n")) // only a cache
}
